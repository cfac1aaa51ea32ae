//! Tidying up while the site runs: deleted photos whose time for coming back is over lose their row, then their files.
//!
//! Several nodes may do this at the same time: only the one that removed the row removes the files.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use crate::{remote::StoreError, site::Site};

/// Between two rounds.
const EVERY: Duration = Duration::from_secs(60);

/// Photos in one round; further ones wait for the next.
const AT_A_TIME: u32 = 200;

/// Tidies up now and then, until dropped.
pub(crate) async fn tend(site: &Arc<Site>) {
    let mut rounds = interval(EVERY);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        rounds.tick().await;
        match remove_deleted(site, Timestamp::now()).await {
            Ok(0) => {}
            Ok(photos) => info!(photos, "removed deleted photos for good"),
            Err(error) => warn!(error = error.chain(), "deleted photos are not removed yet, trying again later"),
        }
    }
}

/// Removes what was deleted so long ago that it cannot come back. The number of photos.
pub(crate) async fn remove_deleted(site: &Site, now: Timestamp) -> Result<usize, StoreError> {
    let undo = SignedDuration::try_from(site.settings.upload.undo).unwrap_or(SignedDuration::MAX);
    let Ok(moment) = now.checked_sub(undo) else { return Ok(0) };
    let mut removed = 0;
    for record in site.records.deleted_before(moment, AT_A_TIME).await? {
        if site.records.forget(record.id).await? {
            site.storage.remove(record.storage, record.key).await;
            removed += 1;
        }
    }
    Ok(removed)
}
