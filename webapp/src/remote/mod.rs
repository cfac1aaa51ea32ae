//! What all stores on other machines share: a time limit for every call, and a breaker for those that are down.
//!
//! | module | what it is |
//! |---|---|
//! | `breaker` | when to stop asking; pure |
//! | [`Guard`] | runs a call within its limit, through the breaker |
//! | `settings` | `[memcached]`, `[redis]` |
//! | `memory` | a memory that all nodes share: memcached or Redis |
//! | `memcached`, `rendezvous` | several nodes as one memory; which node keeps what (pure) |
//! | `redis` | a server or a cluster |
//! | `secret` | text that must not be shown |
//!
//! Invariant: a call through a guard takes no longer than the guard's limit, whatever the other side does.

pub(crate) mod breaker;
pub(crate) mod memcached;
pub(crate) mod memories;
pub(crate) mod memory;
pub(crate) mod redis;
pub(crate) mod rendezvous;
pub(crate) mod secret;
pub(crate) mod settings;

use std::{
    error::Error,
    future::Future,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::time::timeout;
use tracing::{info, warn};

use breaker::Breaker;

/// Why a store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// No answer in time.
    #[error("{what} did not answer within {limit:?}; check that it runs, is reachable, and not overloaded")]
    TimedOut { what: String, limit: Duration },
    /// It failed often and was not asked this time.
    #[error("{what} failed several times in a row and is left alone for another {pause:?}")]
    Paused { what: String, pause: Duration },
    /// It cannot be reached, or broke the connection.
    #[error("{what} cannot be reached; check its address, that it runs, and the way to it")]
    Unreachable { what: String, source: Box<dyn Error + Send + Sync> },
    /// It answered, with an error.
    #[error("{what} answered with an error")]
    Refused { what: String, source: Box<dyn Error + Send + Sync> },
}

impl StoreError {
    /// The whole chain in one line, for the log.
    pub(crate) fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        text
    }
}

/// Tells an outage from a wrong request: only outages count for the breaker.
pub(crate) trait Outage: Error + Send + Sync + 'static {
    /// Whether the other side is down, hung or out of reach.
    fn is_outage(&self) -> bool;
}

impl Outage for std::io::Error {
    fn is_outage(&self) -> bool {
        self.kind() != std::io::ErrorKind::NotFound
    }
}

/// Stands in front of one server, or of one service that is up or down as a whole.
pub(crate) struct Guard {
    what: String,
    limit: Duration,
    /// Locked for a look, never across an await.
    breaker: Mutex<Breaker>,
}

impl Guard {
    /// `what` begins a sentence, such as "the database". `limit` is for a whole call.
    pub(crate) fn new(what: impl Into<String>, limit: Duration) -> Self {
        Self { what: what.into(), limit, breaker: Mutex::default() }
    }

    /// What it guards, for messages.
    pub(crate) fn what(&self) -> &str {
        &self.what
    }

    /// Runs a call within the limit; not at all during an outage's pause.
    ///
    /// # Errors
    /// When it is not allowed to run, takes too long, or fails.
    pub(crate) async fn call<T, E: Outage>(&self, work: impl Future<Output = Result<T, E>>) -> Result<T, StoreError> {
        self.call_within(self.limit, work).await
    }

    /// As [`Guard::call`], with another limit: for work that is long by its nature, such as a transfer.
    ///
    /// # Errors
    /// As [`Guard::call`].
    pub(crate) async fn call_within<T, E: Outage>(
        &self,
        limit: Duration,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, StoreError> {
        let what = || self.what.clone();
        self.with(|breaker| breaker.admit(Instant::now())).map_err(|pause| StoreError::Paused { what: what(), pause })?;
        let outcome = match timeout(limit, work).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) if error.is_outage() => Err(StoreError::Unreachable { what: what(), source: error.into() }),
            Ok(Err(error)) => {
                self.succeeded(); // it answered, if not what we hoped for
                return Err(StoreError::Refused { what: what(), source: error.into() });
            }
            Err(_) => Err(StoreError::TimedOut { what: what(), limit }),
        };
        match &outcome {
            Ok(_) => self.succeeded(),
            Err(error) => self.failed(error),
        }
        outcome
    }

    fn succeeded(&self) {
        if self.with(Breaker::succeeded) {
            info!(store = self.what, "answers again");
        }
    }

    fn failed(&self, error: &StoreError) {
        if self.with(|breaker| breaker.failed(Instant::now())) {
            warn!(store = self.what, error = error.chain(), "does not answer; requests go on without it");
        }
    }

    fn with<T>(&self, look: impl FnOnce(&mut Breaker) -> T) -> T {
        look(&mut self.breaker.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use std::{future::pending, io};

    use super::*;

    const LIMIT: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn a_call_that_hangs_ends_at_its_limit() {
        let guard = Guard::new("the store", LIMIT);
        let error = guard.call(pending::<io::Result<()>>()).await.unwrap_err();
        assert!(error.to_string().starts_with("the store did not answer within 20ms"), "{error}");
    }

    #[tokio::test]
    async fn what_is_down_is_not_asked_again_at_once() {
        let guard = Guard::new("the store", LIMIT);
        for _ in 0..Breaker::FAILURES {
            assert!(matches!(guard.call(pending::<io::Result<()>>()).await, Err(StoreError::TimedOut { .. })));
        }
        let refused = guard.call(async { Ok::<_, io::Error>(()) }).await;
        assert!(matches!(refused, Err(StoreError::Paused { .. })), "{refused:?}");
    }

    #[tokio::test]
    async fn an_error_that_is_an_answer_is_no_outage() {
        let guard = Guard::new("the store", LIMIT);
        for _ in 0..10 {
            let answer = guard.call(async { Err::<(), _>(io::Error::from(io::ErrorKind::NotFound)) }).await;
            assert!(matches!(answer, Err(StoreError::Refused { .. })), "{answer:?}");
        }
    }
}
