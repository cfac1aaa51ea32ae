//! The shared memories of the settings, opened when they are first wanted: sessions and cache use the same connections, so
//! a node that hangs is noticed once for both.

use std::sync::Arc;

use anyhow::Result;

use super::{
    memcached::Memcached,
    memory::SharedMemory,
    redis::Redis,
    settings::{MemcachedSettings, RedisSettings},
};

/// The shared memories that are configured.
#[derive(Default)]
pub(crate) struct Memories {
    memcached: Option<SharedMemory>,
    redis: Option<SharedMemory>,
}

impl Memories {
    /// Nothing is asked yet: a memory that is down does not keep the site from starting.
    ///
    /// # Errors
    /// When a file of certificates cannot be read.
    pub(crate) fn open(memcached: &MemcachedSettings, redis: &RedisSettings) -> Result<Self> {
        Ok(Self {
            memcached: (!memcached.servers.is_empty())
                .then(|| SharedMemory::Memcached(Arc::new(Memcached::new(memcached)), memcached.copies)),
            redis: if redis.urls.is_empty() { None } else { Some(SharedMemory::Redis(Arc::new(Redis::new(redis)?))) },
        })
    }

    /// # Errors
    /// When no server is configured.
    pub(crate) fn memcached(&self) -> Result<SharedMemory> {
        self.memcached.clone().ok_or_else(|| anyhow::anyhow!("memcached.servers is empty; give HOST:PORT of every node"))
    }

    /// # Errors
    /// When no server is configured.
    pub(crate) fn redis(&self) -> Result<SharedMemory> {
        self.redis.clone().ok_or_else(|| anyhow::anyhow!("redis.urls is empty; give redis://HOST:PORT"))
    }
}
