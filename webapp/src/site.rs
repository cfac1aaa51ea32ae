//! What the pages share: settings, data, sessions, and the work that outlives a request.

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use anyhow::{Context, Result};
use axum::{
    body::{Body, HttpBody},
    extract::Multipart,
};
use tokio::{sync::Semaphore, time::timeout};
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::{
    delay::Delay,
    demo,
    limits::Limits,
    metrics::Metrics,
    newest::{Newest, NewestPictures},
    pages::grid::KeptGrid,
    publish::{self, Origin, Source, Upload},
    records::Records,
    remote::{StoreError, memories::Memories},
    sessions::Sessions,
    settings::Settings,
    storage::Storage,
    user_name::UserName,
};

/// How long we go on reading what a refused client still sends, so that it gets to read our answer.
const DISCARD_TIME: Duration = Duration::from_secs(10);

/// Passwords hashed at the same time, 19 MiB each.
const HASHERS: usize = 2;

pub(crate) struct Site {
    pub(crate) settings: Settings,
    pub(crate) records: Records,
    /// In front of `records`, for the front page.
    pub(crate) newest_pictures: NewestPictures,
    /// The HTML of the pictures that the cache said last.
    pub(crate) grid: KeptGrid,
    pub(crate) storage: Storage,
    /// Where browsers get pictures from besides this site.
    pub(crate) picture_origins: Vec<String>,
    pub(crate) sessions: Sessions,
    pub(crate) limits: Limits,
    pub(crate) metrics: Metrics,
    /// The latency knob.
    pub(crate) delay: Delay,
    /// Set when the stop signal came; `/readyz` says no from then on.
    pub(crate) is_stopping: AtomicBool,
    /// One permit for each upload being received.
    pub(crate) receivers: Semaphore,
    /// One permit for each picture being decoded.
    pub(crate) decoders: Arc<Semaphore>,
    /// One permit for each password being hashed.
    pub(crate) hashers: Semaphore,
    /// Work that goes on when its request is gone; `close` waits for it.
    pub(crate) tasks: TaskTracker,
}

impl Site {
    /// Opens the database and the picture folder, and draws the demo pictures if there are none.
    pub(crate) async fn open(settings: Settings) -> Result<Arc<Self>> {
        let data_dir = &settings.data_dir;
        let remedy =
            || format!("cannot use data folder {}; check its permissions, or choose another with --data-dir", data_dir.display());
        std::fs::create_dir_all(data_dir).with_context(remedy)?;
        let storage = Storage::open(&settings.storage, &settings.s3, data_dir).await?;
        let memories = Memories::open(&settings.memcached, &settings.redis)?;
        let site = Arc::new(Self {
            records: Records::open(&settings.database, data_dir).await?,
            newest_pictures: NewestPictures::open(&settings.cache, settings.page.pictures, &memories)?,
            picture_origins: storage.origins().await,
            grid: KeptGrid::default(),
            storage,
            sessions: Sessions::open(&settings.sessions, data_dir, &memories)?,
            limits: Limits::new(&settings.limits),
            metrics: Metrics::new(),
            delay: Delay::new(settings.latency),
            is_stopping: AtomicBool::new(false),
            receivers: Semaphore::new(settings.upload.receivers),
            decoders: Arc::new(Semaphore::new(settings.upload.decoders)),
            hashers: Semaphore::new(HASHERS),
            tasks: TaskTracker::new(),
            settings,
        });
        if site.settings.demo.pictures && site.records.is_empty().await.context("cannot read the database")? {
            site.add_demo_pictures().await?;
        }
        Ok(site)
    }

    /// The pictures of the front page, through the cache.
    ///
    /// # Errors
    /// When neither the database nor the cache has them.
    pub(crate) async fn newest(&self) -> Result<Newest, StoreError> {
        self.newest_pictures.get(&self.records).await
    }

    /// To be called after every change of what the front page lists.
    pub(crate) async fn pictures_changed(&self) {
        self.newest_pictures.changed().await;
    }

    /// Runs file and pixel work where it may block.
    ///
    /// # Errors
    /// When the work panicked.
    pub(crate) async fn on_blocking_thread<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Result<T> {
        let site = self.clone();
        tokio::task::spawn_blocking(move || work(&site)).await.context("a thread that handles pictures panicked")
    }

    /// Reads and forgets the rest of a request that is refused already: closing on a client that is still sending
    /// would make its browser show a broken connection instead of our answer.
    pub(crate) fn discard(&self, mut body: Body) {
        self.tasks.spawn(timeout(DISCARD_TIME, async move {
            while let Some(Ok(_)) = std::future::poll_fn(|context| std::pin::Pin::new(&mut body).poll_frame(context)).await {}
        }));
    }

    /// As [`Site::discard`], for an upload that was refused half-way.
    pub(crate) fn discard_upload(&self, mut upload: Multipart) {
        self.tasks.spawn(timeout(DISCARD_TIME, async move { while let Ok(Some(_)) = upload.next_field().await {} }));
    }

    /// Waits for the work that outlives requests, then closes the database.
    pub(crate) async fn close(&self) {
        self.tasks.close();
        if timeout(self.settings.server.grace, self.tasks.wait()).await.is_err() {
            warn!(tasks = self.tasks.len(), "stopped before these were done; nothing that was confirmed is lost");
        }
        self.records.close().await;
    }

    async fn add_demo_pictures(self: &Arc<Self>) -> Result<()> {
        // Of nodes that start together, one draws.
        if !self.records.claim("demo pictures").await.context("cannot write the database")? {
            return Ok(());
        }
        let owner = UserName::parse(demo::OWNER).context("the demo's owner")?;
        for (number, scene) in (0..).zip(&demo::SCENES) {
            let drawn = self.on_blocking_thread(move |_| scene.draw(number)).await?;
            let (source, filename) = (Source::Drawn(drawn.into()), scene.title.to_owned());
            let alt_text = format!("A drawn landscape: {}", scene.title.to_lowercase());
            let (owner, content_hash, origin) = (owner.clone(), String::new(), Origin::default());
            publish::publish(self, Upload { source, owner, filename, alt_text, content_hash, origin }).await?;
        }
        info!(pictures = demo::SCENES.len(), "drew the demo pictures, because the database was empty");
        Ok(())
    }
}
