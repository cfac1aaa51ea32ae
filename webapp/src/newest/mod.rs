//! The newest pictures, as the front page shows them, through a cache.
//!
//! | module | what it is |
//! |---|---|
//! | `settings` | `[cache]` |
//! | `rows` | when cached rows are new, and when they are better than nothing; pure |
//! | `together` | one question to the shared cache for all pages that wait for it |
//!
//! Rows are cached, not HTML: every page is made for its visitor, and a change of storage shows at once. Whatever the store,
//! this process keeps the last rows it saw, for when neither database nor cache answers.
//!
//! Invariants: one page of this process at a time reads the database to fill the cache, the others wait for it; rows that
//! were read before a change are never taken for new after it (see `rows`); a cache that is down costs its time limit, and
//! then nothing.

mod rows;
mod settings;
mod together;

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use jiff::Timestamp;
use tracing::warn;

pub(crate) use self::settings::{CacheSettings, CacheStore};
use self::{rows::Rows, together::Together};
use crate::{
    random::RandomId,
    records::{Record, Records},
    remote::{StoreError, memories::Memories, memory::SharedMemory},
};

/// Where rows and generation are, together.
const PLACE: &str = "newest";

/// The name of the generation.
const GENERATION: &str = "generation";

/// Rows, and where they are from.
#[derive(Clone)]
pub(crate) struct Newest {
    pub(crate) records: Arc<Vec<Record>>,
    pub(crate) source: Source,
}

/// Where the rows of a page are from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// The database was read for this page; the tutorial's message says so.
    Database,
    /// From the cache.
    Cache,
    /// From the cache, and possibly old, because the database does not answer.
    Stale,
}

/// The cache in front of the database.
pub(crate) struct NewestPictures {
    settings: CacheSettings,
    count: u32,
    /// The name of the rows: nodes that show other numbers of pictures do not mix theirs up.
    name: String,
    memory: Option<SharedMemory>,
    /// Asks the shared store for its generation; None as generation: it has none.
    generation: Option<Together<Option<Arc<str>>>>,
    /// The last rows this process saw, and, for the local store, the generation.
    local: Mutex<Local>,
    /// Held while the database is read to fill the cache.
    refill: tokio::sync::Mutex<()>,
}

struct Local {
    generation: String,
    rows: Option<Rows>,
}

/// What the cache knows.
struct Cached {
    /// None: nobody has made one, or it is not known.
    generation: Option<String>,
    rows: Option<Rows>,
}

impl Source {
    /// For programs that read the page.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Cache => "cache",
            Self::Stale => "stale",
        }
    }
}

impl NewestPictures {
    /// Opens the configured cache, for pages of `count` pictures.
    ///
    /// # Errors
    /// When its servers are not configured.
    pub(crate) fn open(settings: &CacheSettings, count: u32, memories: &Memories) -> Result<Self> {
        let memory = match settings.store {
            CacheStore::None | CacheStore::Local => None,
            CacheStore::Memcached => Some(memories.memcached()?),
            CacheStore::Redis => Some(memories.redis()?),
        };
        let generation = memory.clone().map(|memory| {
            Together::start(move || {
                let memory = memory.clone();
                async move {
                    // Its guard has told the log; the pages go on without it.
                    let [generation] = memory.get(PLACE, [GENERATION]).await.ok()?;
                    Some(generation.and_then(|text| String::from_utf8(text).ok()).map(Arc::from))
                }
            })
        });
        let local = Mutex::new(Local { generation: new_generation(), rows: None });
        let name = format!("rows-{count}");
        Ok(Self { settings: settings.clone(), count, name, memory, generation, local, refill: tokio::sync::Mutex::default() })
    }

    /// The newest pictures, newest first.
    ///
    /// # Errors
    /// When neither the database nor the cache has them.
    pub(crate) async fn get(&self, records: &Records) -> Result<Newest, StoreError> {
        if self.settings.store == CacheStore::None {
            return self.read(records, None).await;
        }
        match self.find_new().await {
            Some((_, Some(found))) => return Ok(found),
            Some((_, None)) => {}
            // Asking it again, or filling it, would only add its time limit to this page once more.
            None => return self.read(records, Some(String::new())).await,
        }
        let _turn = self.refill.lock().await;
        // Somebody may have filled it while this page waited.
        match self.find_new().await {
            Some((_, Some(found))) => Ok(found),
            Some((generation, None)) => self.read(records, generation).await,
            None => self.read(records, Some(String::new())).await,
        }
    }

    /// Says that the rows changed: the next page reads the database. To be called after every change of what is listed.
    pub(crate) async fn changed(&self) {
        let generation = new_generation();
        self.with_local(|local| local.generation.clone_from(&generation));
        if let Some(memory) = &self.memory {
            let kept =
                memory.keep_everywhere(PLACE, GENERATION, generation.as_bytes(), self.settings.stale.max(self.settings.expiry));
            if let Err(error) = kept.await {
                warn!(error = error.chain(), expiry = ?self.settings.expiry, "other nodes may show old photos until they expire");
            }
        }
    }

    /// Asks the shared store whether it is there; nothing if there is none.
    pub(crate) async fn ping(&self) -> Vec<(String, Result<(), StoreError>)> {
        if let Some(memory) = &self.memory { memory.ping().await } else { Vec::new() }
    }

    /// The generation of now, and the cached rows if they are new. None when the cache does not answer.
    async fn find_new(&self) -> Option<(Option<String>, Option<Newest>)> {
        if let Some(found) = self.find_seen().await? {
            return Some((None, Some(found)));
        }
        let Cached { generation, rows } = self.cached().await?;
        let found = rows.filter(|rows| rows.is_new(generation.as_deref(), now_ms(), self.settings.expiry));
        Some((generation, found.map(|rows| self.remember(rows, Source::Cache))))
    }

    /// The rows that this process saw last, if the cache says that they are of now: then all rows need not be sent and read
    /// again, which is most of the work of a page. The outer None: the cache does not answer.
    async fn find_seen(&self) -> Option<Option<Newest>> {
        let Some(asking) = &self.generation else { return Some(None) };
        let Some(rows) = self.with_local(|local| local.rows.clone()) else { return Some(None) };
        let generation = asking.ask().await?;
        let is_new = rows.is_new(generation.as_deref(), now_ms(), self.settings.expiry);
        Some(is_new.then_some(Newest { records: rows.records, source: Source::Cache }))
    }

    /// Reads the database, and fills the cache; not with the empty generation, which is of nobody. Old rows are shown if it does not answer.
    async fn read(&self, records: &Records, generation: Option<String>) -> Result<Newest, StoreError> {
        let generation = match generation {
            Some(generation) => Some(generation),
            None => self.begin_generation().await,
        };
        let read_ms = now_ms();
        match records.newest(self.count).await {
            Ok(found) => {
                let rows = Rows { generation: generation.unwrap_or_default(), read_ms, records: Arc::new(found) };
                self.store(&rows).await;
                Ok(self.remember(rows, Source::Database))
            }
            Err(error) => {
                let old = self.with_local(|local| local.rows.clone());
                let old = if old.is_some() { old } else { self.cached().await.and_then(|cached| cached.rows) };
                match old.filter(|rows| rows.is_useful(now_ms(), self.settings.stale)) {
                    Some(rows) => Ok(Newest { records: rows.records, source: Source::Stale }),
                    None => Err(error),
                }
            }
        }
    }

    /// What the cache knows. None when it does not answer.
    async fn cached(&self) -> Option<Cached> {
        let Some(memory) = &self.memory else {
            let known = |local: &mut Local| Cached { generation: Some(local.generation.clone()), rows: local.rows.clone() };
            return Some(self.with_local(known));
        };
        // Its guard has told the log; the page goes on without it.
        let [generation, rows] = memory.get(PLACE, [GENERATION, &self.name]).await.ok()?;
        Some(Cached {
            generation: generation.and_then(|text| String::from_utf8(text).ok()),
            rows: rows.and_then(|text| serde_json::from_slice(&text).ok()),
        })
    }

    /// Makes a generation in a store that has none, as after its start.
    async fn begin_generation(&self) -> Option<String> {
        let memory = self.memory.as_ref()?;
        let generation = new_generation();
        let ttl = self.settings.stale.max(self.settings.expiry);
        memory.keep(PLACE, GENERATION, generation.as_bytes(), ttl).await.ok()?;
        Some(generation)
    }

    async fn store(&self, rows: &Rows) {
        if let (Some(memory), Ok(text)) = (&self.memory, serde_json::to_vec(rows))
            && !rows.generation.is_empty()
        {
            let ttl = self.settings.stale.max(self.settings.expiry);
            let _ = memory.keep(PLACE, &self.name, &text, ttl).await; // the next page reads the database then
        }
    }

    fn remember(&self, rows: Rows, source: Source) -> Newest {
        let records = rows.records.clone();
        self.with_local(|local| local.rows = Some(rows));
        Newest { records, source }
    }

    fn with_local<T>(&self, look: impl FnOnce(&mut Local) -> T) -> T {
        look(&mut self.local.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn new_generation() -> String {
    RandomId::new().to_string()
}

fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        records::{NewPicture, tests::empty},
        storage::{Kind, PictureKey},
    };

    fn cache(store: CacheStore) -> NewestPictures {
        let settings = CacheSettings { store, ..CacheSettings::default() };
        NewestPictures::open(&settings, 10, &Memories::default()).unwrap()
    }

    async fn add(records: &Records) {
        records.add(&NewPicture::new(Kind::Folder, PictureKey::new())).await.unwrap();
    }

    async fn look(cache: &NewestPictures, records: &Records) -> (Source, usize) {
        let newest = cache.get(records).await.unwrap();
        (newest.source, newest.records.len())
    }

    #[tokio::test]
    async fn the_database_is_read_once_and_after_each_change() {
        let (_folder, records) = empty().await;
        let cache = cache(CacheStore::Local);
        assert_eq!(look(&cache, &records).await, (Source::Database, 0));
        assert_eq!(look(&cache, &records).await, (Source::Cache, 0));
        add(&records).await;
        cache.changed().await;
        assert_eq!(look(&cache, &records).await, (Source::Database, 1));
        assert_eq!(look(&cache, &records).await, (Source::Cache, 1));
    }

    #[tokio::test]
    async fn without_a_cache_every_page_reads_the_database() {
        let (_folder, records) = empty().await;
        let cache = cache(CacheStore::None);
        assert_eq!(look(&cache, &records).await, (Source::Database, 0));
        assert_eq!(look(&cache, &records).await, (Source::Database, 0));
    }

    #[tokio::test]
    async fn rows_read_before_a_change_are_not_shown_after_it() {
        let (_folder, records) = empty().await;
        let cache = cache(CacheStore::Local);
        let (generation, _) = cache.find_new().await.unwrap();
        add(&records).await;
        cache.changed().await;
        // A page that began before the upload fills the cache after it.
        let late = Rows { generation: generation.unwrap(), read_ms: now_ms(), records: Arc::default() };
        cache.remember(late, Source::Database);
        assert_eq!(look(&cache, &records).await, (Source::Database, 1));
    }

    #[tokio::test]
    async fn old_rows_are_shown_while_the_database_does_not_answer() {
        for store in [CacheStore::Local, CacheStore::None] {
            let (_folder, records) = empty().await;
            add(&records).await;
            let cache = cache(store);
            look(&cache, &records).await;
            cache.changed().await;
            records.close().await;
            assert_eq!(look(&cache, &records).await, (Source::Stale, 1));
        }
    }

    #[tokio::test]
    async fn pages_that_come_together_read_the_database_once() {
        let (_folder, records) = empty().await;
        let cache = cache(CacheStore::Local);
        let (first, second, third) = tokio::join!(look(&cache, &records), look(&cache, &records), look(&cache, &records));
        assert_eq!([first.0, second.0, third.0], [Source::Database, Source::Cache, Source::Cache]);
    }
}
