//! The newest pictures, as the front page shows them.
//!
//! Rows are cached, not HTML: every page is made for its visitor, and a change of storage shows at once.

use std::sync::Arc;

use crate::{
    records::{Record, Records},
    remote::StoreError,
};

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

/// The cache in front of the database.
pub(crate) struct NewestPictures {}

impl NewestPictures {
    /// Opens the configured cache.
    pub(crate) fn open() -> Self {
        Self {}
    }

    /// The newest pictures, newest first.
    ///
    /// # Errors
    /// When neither the database nor the cache has them.
    pub(crate) async fn get(&self, records: &Records, count: u32) -> Result<Newest, StoreError> {
        let found = records.newest(count).await?;
        Ok(Newest { records: Arc::new(found), source: Source::Database })
    }

    /// Says that the rows changed: the next page reads the database. To be called after every change of what is listed.
    pub(crate) async fn changed(&self) {}
}
