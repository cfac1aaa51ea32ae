//! A memory that all nodes of the site share, for small values that expire: memcached or Redis.
//!
//! A key is a *place* and a name. Keys of one place are kept together: on the same memcached nodes, in the same slot of a
//! Redis Cluster (`{place}` is its hash tag).

use std::{sync::Arc, time::Duration};

use super::{StoreError, memcached::Memcached, redis::Redis};

/// In front of every key of ours, and changed with the format of values.
const PREFIX: &str = "weir1";

/// The shared memory. Cheap to clone.
#[derive(Clone)]
pub(crate) enum SharedMemory {
    /// Several nodes, and how many copies of a value that must not get lost.
    Memcached(Arc<Memcached>, usize),
    /// A server or a cluster; copies are its own affair (replicas).
    Redis(Arc<Redis>),
}

impl SharedMemory {
    /// Values of several names of one place. For values kept with [`SharedMemory::keep_safely`].
    ///
    /// # Errors
    /// When the memory does not answer in time; so do all of these.
    pub(crate) async fn get_safely<const N: usize>(
        &self,
        place: &str,
        names: [&str; N],
    ) -> Result<[Option<Vec<u8>>; N], StoreError> {
        // One more than there are copies: a node that was away when a value was kept knows nothing of it.
        let answers = if let Self::Memcached(_, copies) = self { copies + 1 } else { 1 };
        self.get_from(place, names, answers).await
    }

    /// Values of several names of one place. For values kept with [`SharedMemory::keep`].
    pub(crate) async fn get<const N: usize>(&self, place: &str, names: [&str; N]) -> Result<[Option<Vec<u8>>; N], StoreError> {
        self.get_from(place, names, 1).await
    }

    /// Keeps a value once; the death of a node loses it.
    pub(crate) async fn keep(&self, place: &str, name: &str, value: &[u8], ttl: Duration) -> Result<(), StoreError> {
        match self {
            Self::Memcached(memcached, _) => memcached.set(place, &key(place, name), value, ttl, 1).await,
            Self::Redis(redis) => redis.set(&key(place, name), value, ttl).await,
        }
    }

    /// Keeps a value with its copies.
    pub(crate) async fn keep_safely(&self, place: &str, name: &str, value: &[u8], ttl: Duration) -> Result<(), StoreError> {
        match self {
            Self::Memcached(memcached, copies) => memcached.set(place, &key(place, name), value, ttl, *copies).await,
            Self::Redis(redis) => redis.set(&key(place, name), value, ttl).await,
        }
    }

    /// Keeps a value on every node that can be reached.
    pub(crate) async fn keep_everywhere(&self, place: &str, name: &str, value: &[u8], ttl: Duration) -> Result<(), StoreError> {
        match self {
            Self::Memcached(memcached, _) => memcached.set_everywhere(&key(place, name), value, ttl).await,
            Self::Redis(redis) => redis.set(&key(place, name), value, ttl).await,
        }
    }

    /// Removes a value, wherever it is.
    pub(crate) async fn remove(&self, place: &str, name: &str) -> Result<(), StoreError> {
        match self {
            Self::Memcached(memcached, _) => memcached.remove(&key(place, name)).await,
            Self::Redis(redis) => redis.remove(&key(place, name)).await,
        }
    }

    /// Asks every node whether it is there.
    pub(crate) async fn ping(&self) -> Vec<(String, Result<(), StoreError>)> {
        match self {
            Self::Memcached(memcached, _) => memcached.ping().await,
            Self::Redis(redis) => vec![(redis.what().to_owned(), redis.ping().await)],
        }
    }

    async fn get_from<const N: usize>(
        &self,
        place: &str,
        names: [&str; N],
        answers: usize,
    ) -> Result<[Option<Vec<u8>>; N], StoreError> {
        let keys = names.map(|name| key(place, name));
        let mut values = match self {
            Self::Memcached(memcached, _) => memcached.get(place, &keys, answers).await?,
            Self::Redis(redis) => redis.get(&keys).await?,
        }
        .into_iter();
        Ok(std::array::from_fn(|_| values.next().flatten()))
    }
}

fn key(place: &str, name: &str) -> String {
    format!("{PREFIX}:{{{place}}}:{name}")
}
