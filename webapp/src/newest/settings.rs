//! `[cache]`: where the newest rows are cached, and for how long.

use std::time::Duration;

use serde::Deserialize;

use crate::settings::Problems;

/// The front page's cache.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct CacheSettings {
    /// Where the rows are cached.
    pub(crate) store: CacheStore,
    /// How long rows are taken for new, if no change is heard of: changes on nodes of this cache always are.
    #[serde(with = "humantime_serde")]
    pub(crate) expiry: Duration,
    /// How long old rows are shown while the database does not answer.
    #[serde(with = "humantime_serde")]
    pub(crate) stale: Duration,
}

/// Where the newest rows are cached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum CacheStore {
    /// Nowhere: every page reads the database.
    None,
    /// In the memory of this process.
    Local,
    /// In the memcached nodes of `[memcached]`.
    Memcached,
    /// In the Redis of `[redis]`.
    Redis,
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self { store: CacheStore::None, expiry: Duration::from_secs(60), stale: Duration::from_secs(24 * 60 * 60) }
    }
}

impl CacheSettings {
    /// Reports what is out of range.
    pub(crate) fn check(&self, problems: &mut Problems) {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        problems.range("cache.expiry", self.expiry, Duration::from_millis(100)..=30 * DAY);
        problems.range("cache.stale", self.stale, Duration::ZERO..=30 * DAY);
    }
}
