//! Waiting for a condition instead of for a time.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

/// How often a condition is asked again: short against any deadline, long against the cost of asking.
const INTERVAL: Duration = Duration::from_millis(20);

/// Asks `probe` until it gives a value. `what` completes the sentence "waited in vain for …".
///
/// # Errors
/// When `deadline` has passed without a value.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, deadline: Duration, mut probe: impl FnMut() -> F) -> Result<T> {
    let started = Instant::now();
    loop {
        if let Some(value) = probe().await {
            return Ok(value);
        }
        if started.elapsed() > deadline {
            bail!("waited in vain for {what}: {deadline:?} passed");
        }
        tokio::time::sleep(INTERVAL).await;
    }
}
