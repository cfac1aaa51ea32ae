//! Where pictures are kept, and how a browser gets at them.
//!
//! | module | what it is |
//! |---|---|
//! | `settings` | `[storage]`, `[s3]` |
//! | `key` | names of files, the same in every storage; pure |
//! | `folder` | a folder of this machine, or of a share mounted there |
//! | `s3` | a private bucket |
//! | `bucket` | asks the bucket alone, for `webapp doctor` |
//! | `migrate` | moves pictures from one storage to another, while the site runs |
//!
//! Every row of the table says in which storage its files are, so that a site can change its storage while it runs.

mod bucket;
mod folder;
mod key;
pub(crate) mod migrate;
mod s3;
mod settings;

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result, bail};
use axum::body::Body;
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;
use tokio::fs::File;
use tokio_util::io::ReaderStream;
use tracing::warn;

pub(crate) use self::{
    bucket::{Bucket, BucketProblem, Step},
    key::{PictureKey, Rendition},
    settings::{S3Settings, StorageSettings},
};
use self::{folder::Folder, s3::S3, settings::Serve};
use crate::remote::{Guard, StoreError};

/// Where this site serves pictures itself.
const OWN_BASE: &str = "/web-demo/uploads/";

/// Bytes read from a picture's file at a time.
const CHUNK_BYTES: usize = 64 * 1024;

/// A share that is slower than this is as good as gone. Writing a picture is the longest of it.
const FOLDER_LIMIT: Duration = Duration::from_secs(10);

/// Which storage; written in every row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// A folder of this machine, or a share.
    Folder,
    /// A bucket.
    S3,
}

/// A file that is being read.
pub(crate) struct Stored {
    pub(crate) length: u64,
    pub(crate) body: Body,
}

/// All storages of the site.
pub(crate) struct Storage {
    settings: StorageSettings,
    s3_settings: S3Settings,
    root: PathBuf,
    folder: Arc<Folder>,
    folder_guard: Guard,
    s3: Option<S3>,
}

impl Kind {
    /// As it stands in the table.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Folder => "folder",
            Self::S3 => "s3",
        }
    }

    /// Reads what [`Kind::as_str`] writes.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::Folder, Self::S3].into_iter().find(|kind| kind.as_str() == text)
    }

    /// The one that is not this.
    fn other(self) -> Self {
        match self {
            Self::Folder => Self::S3,
            Self::S3 => Self::Folder,
        }
    }
}

impl Storage {
    /// Opens the storages. The folder must be the expected mount and take files; the bucket is not asked yet.
    ///
    /// # Errors
    /// When the folder cannot be used.
    pub(crate) async fn open(settings: &StorageSettings, s3: &S3Settings, data_dir: &Path) -> Result<Self> {
        let root = settings.folder.clone().unwrap_or_else(|| data_dir.to_owned());
        if settings.folder_is_mount && !Folder::is_mount(&root).unwrap_or(false) {
            bail!("storage.folder {} is not a mounted share; mount it, or set storage.folder_is_mount = false", root.display());
        }
        let remedy =
            || format!("cannot use picture folder {}; check its permissions and free space, or choose another", root.display());
        let folder = Arc::new(Folder::open(&root).with_context(remedy)?);
        folder.probe().with_context(remedy)?;
        Ok(Self {
            s3: match &s3.bucket {
                Some(bucket) => Some(S3::open(s3, bucket).await),
                None => None,
            },
            settings: settings.clone(),
            s3_settings: s3.clone(),
            root,
            folder,
            folder_guard: Guard::new("the picture folder", FOLDER_LIMIT),
        })
    }

    /// Where new pictures go.
    pub(crate) fn kind(&self) -> Kind {
        self.settings.kind
    }

    /// A file on this machine for something being received or made; it disappears when dropped. Blocks.
    pub(crate) fn new_file(&self) -> io::Result<NamedTempFile> {
        self.folder.new_file()
    }

    /// Puts a picture's files in their place. On return they are safe; on an error none of them is referred to.
    ///
    /// # Errors
    /// When the storage does not take them in time.
    pub(crate) async fn keep(&self, files: Vec<(PictureKey, NamedTempFile)>) -> Result<(), StoreError> {
        self.keep_in(self.kind(), files).await
    }

    /// Removes a picture's files. A failure leaves files nobody refers to, for the orphan sweep.
    pub(crate) async fn remove(&self, kind: Kind, key: PictureKey) {
        let removed = match (kind, &self.s3) {
            (Kind::S3, Some(s3)) => s3.remove(key).await,
            (Kind::S3, None) => Ok(()),
            (Kind::Folder, _) => {
                let folder = self.folder.clone();
                self.folder_guard
                    .call(blocking(move || {
                        folder.remove(key);
                        Ok(())
                    }))
                    .await
            }
        };
        if let Err(error) = removed {
            warn!(%key, error = error.chain(), "a removed picture's files stay behind");
        }
    }

    /// Opens a file for reading, wherever it is; none if no storage has it.
    ///
    /// # Errors
    /// When a storage does not answer in time.
    pub(crate) async fn read(&self, key: PictureKey) -> Result<Option<Stored>, StoreError> {
        let first = self.read_from(self.kind(), key).await;
        if matches!(first, Ok(Some(_))) {
            return first;
        }
        // It can be on its way from one storage to the other.
        match self.read_from(self.kind().other(), key).await {
            Ok(None) => first,
            found => found,
        }
    }

    /// The address of a file for browsers.
    pub(crate) async fn url(&self, kind: Kind, key: PictureKey) -> String {
        let behind = |base: &str, name: String| format!("{}/{name}", base.trim_end_matches('/'));
        match (kind, &self.s3) {
            (Kind::Folder, _) => behind(self.settings.base_url.as_deref().unwrap_or(OWN_BASE), key.to_string()),
            (Kind::S3, Some(s3)) => match (&self.s3_settings.base_url, self.s3_settings.serve) {
                (Some(base), _) => behind(base, s3.name(key)),
                (None, Serve::Proxied) => behind(OWN_BASE, key.to_string()),
                (None, Serve::Presigned) => s3.presign(key).await.unwrap_or_else(|error| {
                    warn!(%key, error = error.chain(), "cannot sign a picture's address, serving it through this site");
                    behind(OWN_BASE, key.to_string())
                }),
            },
            (Kind::S3, None) => behind(OWN_BASE, key.to_string()), // will not be found there; the page shows the others
        }
    }

    /// Whether every address of a picture stays good; those that are signed end.
    pub(crate) fn has_lasting_addresses(&self) -> bool {
        self.s3.is_none() || self.s3_settings.base_url.is_some() || self.s3_settings.serve != Serve::Presigned
    }

    /// Where browsers get pictures from besides this site, for the content security policy.
    pub(crate) async fn origins(&self) -> Vec<String> {
        let mut addresses: Vec<String> = self.settings.base_url.iter().cloned().collect();
        if self.s3.is_some() {
            addresses.push(self.url(Kind::S3, PictureKey::new()).await);
        }
        addresses.iter().filter_map(|address| settings::origin(address)).collect()
    }

    /// Whether the storages in use can be used now, by name.
    pub(crate) async fn ping(&self) -> Vec<(&'static str, Result<(), StoreError>)> {
        let (folder, root, must_be_mount) = (self.folder.clone(), self.root.clone(), self.settings.folder_is_mount);
        let probe = blocking(move || {
            if must_be_mount && !Folder::is_mount(&root)? {
                return Err(io::Error::other(format!("{} is not a mounted share any more; mount it again", root.display())));
            }
            folder.probe()
        });
        let mut answers = vec![("picture folder", self.folder_guard.call(probe).await)];
        if let Some(s3) = &self.s3 {
            answers.push(("S3", s3.ping().await));
        }
        answers
    }

    /// Pictures with a file that is at least so old, in every storage; at most `count` of each. Some may have no row.
    ///
    /// # Errors
    /// When a storage does not answer in time.
    pub(crate) async fn orphan_candidates(&self, age: Duration, count: usize) -> Result<Vec<(Kind, PictureKey)>, StoreError> {
        let moment = SystemTime::now().checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH);
        let folder = self.folder.clone();
        let in_folder = self.folder_guard.call(blocking(move || folder.older_than(moment, count))).await?;
        let mut found: Vec<_> = in_folder.into_iter().map(|key| (Kind::Folder, key)).collect();
        if let Some(s3) = &self.s3 {
            found.extend(s3.older_than(moment, count).await?.into_iter().map(|key| (Kind::S3, key)));
        }
        Ok(found)
    }

    /// Puts files into one storage.
    async fn keep_in(&self, kind: Kind, files: Vec<(PictureKey, NamedTempFile)>) -> Result<(), StoreError> {
        match (kind, &self.s3) {
            (Kind::S3, Some(s3)) => s3.keep(&files).await,
            (Kind::S3, None) => Err(no_bucket()),
            (Kind::Folder, _) => {
                let folder = self.folder.clone();
                self.folder_guard.call(blocking(move || folder.keep(files))).await
            }
        }
    }

    /// Opens a file of one storage.
    async fn read_from(&self, kind: Kind, key: PictureKey) -> Result<Option<Stored>, StoreError> {
        match (kind, &self.s3) {
            (Kind::S3, Some(s3)) => s3.read(key).await,
            (Kind::S3, None) => Ok(None),
            (Kind::Folder, _) => self.folder_guard.call(open_file(self.folder.path(key))).await,
        }
    }
}

async fn open_file(path: PathBuf) -> io::Result<Option<Stored>> {
    let file = match File::open(path).await {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let length = file.metadata().await?.len();
    Ok(Some(Stored { length, body: Body::from_stream(ReaderStream::with_capacity(file, CHUNK_BYTES)) }))
}

/// Settings say that a bucket is needed when one is; only a row can still ask for one that is gone.
fn no_bucket() -> StoreError {
    StoreError::Refused { what: "S3".to_owned(), source: "s3.bucket is not given; give the bucket's name".into() }
}

/// Runs file work where it may block.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|panic| Err(io::Error::other(panic)))
}
