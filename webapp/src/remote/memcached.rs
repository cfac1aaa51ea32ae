//! Several memcached nodes as one memory that survives the death of some of them.
//!
//! A key's copies are on the first nodes of its own order that can be reached. Reading asks in the same order; a hit
//! anywhere counts, and a miss counts when enough nodes have said so. Every node has a guard of its own, so that one that
//! is dead or hung costs its time limit a few times and then nothing.

use std::time::Duration;

use memcache::exp::{AsyncMemcache, Error, Ttl};
use tokio::{sync::Mutex, task::JoinSet};

use super::{Guard, Outage, StoreError, rendezvous, settings::MemcachedSettings};

/// Connections to a node that are kept while nobody uses them: opening one costs more than the question it is opened for.
const IDLE_CONNECTIONS: usize = 64;

/// The nodes.
pub(crate) struct Memcached {
    servers: Vec<String>,
    nodes: Vec<std::sync::Arc<Node>>,
}

struct Node {
    address: String,
    timeout: Duration,
    guard: Guard,
    /// None before the first question and after a failure: then the name is looked up anew.
    client: Mutex<Option<AsyncMemcache>>,
}

impl Memcached {
    /// Nothing is asked yet.
    pub(crate) fn new(settings: &MemcachedSettings) -> Self {
        let node = |address: &String| {
            std::sync::Arc::new(Node {
                address: address.clone(),
                timeout: settings.timeout,
                guard: Guard::new(format!("memcached {address}"), settings.timeout),
                client: Mutex::new(None),
            })
        };
        Self { servers: settings.servers.clone(), nodes: settings.servers.iter().map(node).collect() }
    }

    /// Values of several keys of one place. A miss is believed when `answers` nodes have none of the keys.
    ///
    /// # Errors
    /// When no node answers.
    pub(crate) async fn get(&self, place: &str, keys: &[String], answers: usize) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let mut missed = 0;
        let mut failed = None;
        for node in self.ranked(place) {
            match node.get(keys).await {
                Ok(values) if values.iter().any(Option::is_some) => return Ok(values),
                Ok(_) => missed += 1,
                Err(error) => failed = Some(error),
            }
            if missed >= answers {
                break;
            }
        }
        match failed {
            Some(error) if missed == 0 => Err(error),
            _ => Ok(vec![None; keys.len()]),
        }
    }

    /// Keeps a value on as many nodes as there should be copies.
    ///
    /// # Errors
    /// When not one takes it.
    pub(crate) async fn set(&self, place: &str, key: &str, value: &[u8], ttl: Duration, copies: usize) -> Result<(), StoreError> {
        let mut kept = 0;
        let mut failed = None;
        for node in self.ranked(place) {
            match node.set(key, value, ttl).await {
                Ok(()) => kept += 1,
                Err(error) => failed = Some(error),
            }
            if kept >= copies {
                break;
            }
        }
        match failed {
            Some(error) if kept == 0 => Err(error),
            _ => Ok(()),
        }
    }

    /// Keeps a value on every node that can be reached, at the same time: for what must not be read old anywhere.
    ///
    /// # Errors
    /// When not one takes it.
    pub(crate) async fn set_everywhere(&self, key: &str, value: &[u8], ttl: Duration) -> Result<(), StoreError> {
        self.everywhere(|node| {
            let (key, value) = (key.to_owned(), value.to_vec());
            async move { node.set(&key, &value, ttl).await }
        })
        .await
    }

    /// Removes a value from every node that can be reached: after a failure it may be on any of them.
    ///
    /// # Errors
    /// When not one can be reached.
    pub(crate) async fn remove(&self, key: &str) -> Result<(), StoreError> {
        self.everywhere(|node| {
            let key = key.to_owned();
            async move { node.remove(&key).await }
        })
        .await
    }

    /// Asks every node whether it is there.
    pub(crate) async fn ping(&self) -> Vec<(String, Result<(), StoreError>)> {
        let mut answers = Vec::new();
        for node in &self.nodes {
            answers.push((node.address.clone(), node.get(&["weir-ping".to_owned()]).await.map(drop)));
        }
        answers
    }

    fn ranked(&self, place: &str) -> impl Iterator<Item = &Node> {
        rendezvous::rank(place, &self.servers).into_iter().map(|index| self.nodes[index].as_ref())
    }

    /// Success if one succeeds.
    async fn everywhere<F>(&self, ask: impl Fn(std::sync::Arc<Node>) -> F) -> Result<(), StoreError>
    where
        F: Future<Output = Result<(), StoreError>> + Send + 'static,
    {
        let mut asked: JoinSet<_> = self.nodes.iter().map(|node| ask(node.clone())).collect();
        let mut outcome = Ok(());
        let mut has_success = false;
        while let Some(answer) = asked.join_next().await {
            match answer {
                Ok(Ok(())) => has_success = true,
                Ok(Err(error)) => outcome = Err(error),
                Err(_) => {} // a panic; the others count
            }
        }
        if has_success { Ok(()) } else { outcome }
    }
}

impl Node {
    async fn get(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        self.ask(async |client| {
            let mut found = client.get_many::<Vec<u8>, &String>(keys).await?;
            Ok(keys.iter().map(|key| found.remove(key)).collect())
        })
        .await
    }

    async fn set(&self, key: &str, value: &[u8], ttl: Duration) -> Result<(), StoreError> {
        let ttl = Ttl::secs(u32::try_from(ttl.as_secs()).unwrap_or(u32::MAX).max(1));
        self.ask(async |client| client.set(key, value, ttl).await).await
    }

    async fn remove(&self, key: &str) -> Result<(), StoreError> {
        self.ask(async |client| client.delete(key).await).await
    }

    /// Asks this node, within its limit.
    async fn ask<T>(&self, question: impl AsyncFnOnce(AsyncMemcache) -> Result<T, Error>) -> Result<T, StoreError> {
        let answer = self.guard.call(async { question(self.client().await?).await }).await;
        if answer.is_err() {
            *self.client.lock().await = None;
        }
        answer
    }

    async fn client(&self) -> Result<AsyncMemcache, Error> {
        let mut client = self.client.lock().await;
        if let Some(client) = client.as_ref() {
            return Ok(client.clone());
        }
        // The guard's limit comes first, so that a node that hangs is always called by that name.
        let later = self.timeout * 2;
        let builder = AsyncMemcache::builder().timeout(later).connect_timeout(later).max_idle(IDLE_CONNECTIONS);
        let made = builder.connect_async([self.address.as_str()]).await?;
        Ok(client.insert(made).clone())
    }
}

impl Outage for Error {
    fn is_outage(&self) -> bool {
        matches!(self, Self::Io(_) | Self::Timeout { .. } | Self::Ambiguous { .. } | Self::Protocol(_))
    }
}
