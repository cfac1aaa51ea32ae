//! Which instance is active, told by an object `owner` beside the state in a bucket.
//!
//! The active instance writes the object anew every few seconds, each time on the condition that it is still its own. Others
//! watch: when the object has not changed for a while by their own clock, they replace it, on the condition that it has not
//! changed since. So clocks need not agree, and of two that try one wins. The active one stops before others may try.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::bucket::{Bucket, Condition};

const OWNER: &str = "owner";

/// How long things take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing {
    /// Time between two renewals, and the longest time that one may take.
    renew: Duration,
    /// An instance that could not renew for so long stops.
    give_up: Duration,
    /// An owner that has not changed for so long is gone. Longer than `give_up` and two renewals.
    expire: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { renew: seconds(5), give_up: seconds(25), expire: seconds(40) }
    }
}

#[cfg(test)]
impl Timing {
    /// For tests, which wait for it.
    pub(super) fn quick() -> Self {
        let ms = Duration::from_millis;
        Self { renew: ms(100), give_up: ms(500), expire: ms(800) }
    }
}

/// This instance is the active one, until the task ends that says so.
pub(super) struct Owner {
    /// This instance, for the objects that it writes.
    pub(super) instance: String,
    /// Cancelled when another instance has taken over, or may have.
    pub(super) lost: CancellationToken,
    renewal: JoinHandle<()>,
}

impl Owner {
    /// Waits until no other instance is active; calls `stand_by` when one is. None when `stop` came first.
    ///
    /// # Errors
    /// When the bucket cannot be read or written.
    pub(super) async fn take(
        bucket: &Bucket,
        timing: Timing,
        stand_by: impl Fn(),
        stop: &CancellationToken,
    ) -> Result<Option<Self>> {
        let instance = format!("{:016x}", RandomState::new().hash_one(std::process::id()));
        let mut seen: Option<(String, Instant)> = None;
        let mut is_told = false;
        loop {
            let condition = match &seen {
                None => Some(Condition::Absent),
                Some((etag, since)) => (since.elapsed() >= timing.expire).then_some(Condition::Unchanged(etag)),
            };
            if let Some(condition) = condition
                && let Some(etag) = write(bucket, &instance, 0, condition).await.context("cannot take the checkpoint")?
            {
                let lost = CancellationToken::new();
                let renewal = renew(bucket.clone(), instance.clone(), etag, timing, lost.clone(), stop.clone());
                return Ok(Some(Self { instance, lost, renewal: tokio::spawn(renewal) }));
            }
            let found = bucket.get(OWNER).await.context("cannot see whether another instance is active")?;
            let Some(found) = found else {
                seen = None;
                continue; // it has just ended
            };
            if seen.as_ref().is_none_or(|(etag, _)| *etag != found.etag) {
                seen = Some((found.etag, Instant::now()));
            }
            if !is_told {
                let owner = String::from_utf8_lossy(&found.bytes).into_owned();
                info!(owner, "another instance is active; standing by to take over when it ends");
                stand_by();
                is_told = true;
            }
            tokio::select! {
                () = stop.cancelled() => return Ok(None),
                () = tokio::time::sleep(timing.renew / 2) => {}
            }
        }
    }

    /// Lets another instance take over at once.
    pub(super) async fn release(self, bucket: &Bucket) {
        self.renewal.abort();
        let _ = self.renewal.await; // it was ended here
        if self.lost.is_cancelled() {
            return;
        }
        if let Err(error) = bucket.remove(OWNER).await {
            warn!(error = format!("{error:#}"), "another instance will take over later: this one could not say that it ends");
        }
    }

    /// As a crash would leave it.
    #[cfg(test)]
    pub(super) fn vanish(&self) {
        self.renewal.abort();
    }
}

async fn write(bucket: &Bucket, instance: &str, number: u64, condition: Condition<'_>) -> Result<Option<String>> {
    let host = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    let body = serde_json::json!({ "instance": instance, "host": host.trim(), "renewals": number }).to_string();
    bucket.put(OWNER, body.into(), condition, &format!("{instance} {number}")).await
}

/// Renews until it is aborted, or another instance is active.
async fn renew(
    bucket: Bucket,
    instance: String,
    mut etag: String,
    timing: Timing,
    lost: CancellationToken,
    stop: CancellationToken,
) {
    let mut renewed_at = Instant::now();
    for number in 1.. {
        tokio::time::sleep(timing.renew).await;
        let asked_at = Instant::now();
        let renewal = write(&bucket, &instance, number, Condition::Unchanged(&etag));
        match tokio::time::timeout(timing.renew, renewal).await {
            Ok(Ok(Some(new))) => (etag, renewed_at) = (new, asked_at),
            Ok(Ok(None)) => {
                error!("another instance has taken over; this one stops");
                break;
            }
            Ok(Err(error)) => warn!(error = format!("{error:#}"), "cannot renew the hold on the checkpoint; trying again"),
            Err(_) => warn!("no answer to the renewal of the hold on the checkpoint; trying again"),
        }
        if renewed_at.elapsed() >= timing.give_up {
            error!("the hold on the checkpoint could not be renewed, and another instance may take over; this one stops");
            break;
        }
    }
    lost.cancel();
    stop.cancel();
}
