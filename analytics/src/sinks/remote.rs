//! Sending to a place over the network until it has taken everything.
//!
//! A place that refuses or does not answer blocks its sink: rows wait, then the engine, then the source. Nothing is
//! dropped for it; the log says once that it is blocked, why, and when it goes on.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// First and longest wait after a fault.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));
/// How long a stop waits for a place that is blocked.
const GRACE: Duration = Duration::from_secs(5);

/// What a try came to.
pub(super) enum Attempt {
    Done,
    /// Not all was taken, for this reason.
    Blocked(String),
}

/// The network, for a thread that waits.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    runtime: Handle,
    stop: CancellationToken,
    /// The sink that takes nothing now, and why.
    blocked: Arc<watch::Sender<Option<String>>>,
    /// First and longest wait after a fault.
    backoff: (Duration, Duration),
    /// How long a stop waits for a place that is blocked.
    grace: Duration,
}

impl Network {
    /// The network as a service uses it.
    pub(crate) fn new(runtime: Handle, stop: CancellationToken, blocked: watch::Sender<Option<String>>) -> Self {
        Self { runtime, stop, blocked: Arc::new(blocked), backoff: BACKOFF, grace: GRACE }
    }

    /// Waits for a future, from a thread that is none of the runtime's.
    pub(super) fn wait<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// Tries until all is taken.
    ///
    /// # Errors
    /// When the work is stopped and the place is still blocked a while later.
    pub(super) async fn deliver(&self, sink: &str, mut attempt: impl AsyncFnMut() -> Attempt) -> Result<()> {
        let mut backoff = self.backoff.0;
        let mut blocked_since: Option<Instant> = None;
        let mut give_up_at: Option<Instant> = None;
        loop {
            let reason = match attempt().await {
                Attempt::Done => break,
                Attempt::Blocked(reason) => reason,
            };
            if blocked_since.is_none() {
                warn!(sink, reason, "the sink is blocked; trying again, and the input waits until it goes on");
                self.blocked.send_replace(Some(format!("{sink}: {reason}")));
                blocked_since = Some(Instant::now());
            }
            if self.stop.is_cancelled() {
                let until = *give_up_at.get_or_insert_with(|| Instant::now() + self.grace);
                if Instant::now() >= until {
                    bail!("sink {sink} was still blocked when the work was stopped ({reason}); its last rows were not taken");
                }
            }
            tokio::time::sleep(backoff).await;
            backoff = (backoff * 2).min(if give_up_at.is_some() { self.backoff.0 } else { self.backoff.1 });
        }
        if let Some(since) = blocked_since {
            self.blocked.send_replace(None);
            info!(sink, after_s = since.elapsed().as_secs(), "the sink goes on");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network() -> Network {
        let network = Network::new(Handle::current(), CancellationToken::new(), watch::Sender::new(None));
        let ms = Duration::from_millis;
        Network { backoff: (ms(1), ms(2)), grace: ms(10), ..network }
    }

    #[tokio::test]
    async fn a_blocked_place_is_tried_until_it_takes_all() {
        let mut tries = 0;
        let attempt = async || {
            tries += 1;
            if tries < 20 { Attempt::Blocked("busy".to_owned()) } else { Attempt::Done }
        };
        network().deliver("s", attempt).await.unwrap();
        assert_eq!(tries, 20);
    }

    #[tokio::test]
    async fn a_stop_gives_up_after_a_while_and_says_so() {
        let network = network();
        network.stop.cancel();
        let error = network.deliver("s", async || Attempt::Blocked("busy".to_owned())).await.unwrap_err().to_string();
        assert!(error.contains("sink s was still blocked") && error.contains("(busy)"), "{error}");
    }
}
