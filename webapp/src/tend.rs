//! Tidying up while the site runs.
//!
//! Deleted photos whose time for coming back is over lose their row, then their files. Several nodes may do this at the
//! same time: only the one that removed the row removes the files. Files without a row, which a crash leaves behind, go
//! when they are so old that no upload can still be about to write the row.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use crate::{remote::StoreError, site::Site};

/// Between two rounds.
const EVERY: Duration = Duration::from_secs(60);

/// Between two looks for files without a row; each look lists a storage.
const ORPHANS_EVERY: Duration = Duration::from_secs(60 * 60);

/// No upload takes that long between its files and its row.
const ORPHAN_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// Files looked at in one round.
const ORPHANS_AT_A_TIME: usize = 10_000;

/// Photos in one round; further ones wait for the next.
const AT_A_TIME: u32 = 200;

/// Tidies up now and then, until dropped.
pub(crate) async fn tend(site: &Arc<Site>) {
    let (mut deleted, mut orphans) = (interval(EVERY), interval(ORPHANS_EVERY));
    deleted.set_missed_tick_behavior(MissedTickBehavior::Delay);
    orphans.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        // Safe to cancel: nothing is done before a tick.
        let (what, removed) = tokio::select! {
            _ = deleted.tick() => ("deleted photos", remove_deleted(site, Timestamp::now()).await),
            _ = orphans.tick() => ("files without a row", remove_orphans(site, ORPHAN_AGE).await),
        };
        match removed {
            Ok(0) => {}
            Ok(removed) => info!(removed, "removed {what} for good"),
            Err(error) => warn!(error = error.chain(), "{what} are not removed yet, trying again later"),
        }
    }
}

/// Removes pictures that are at least so old and have no row. Their number.
pub(crate) async fn remove_orphans(site: &Site, age: Duration) -> Result<usize, StoreError> {
    let mut removed = 0;
    for (kind, key) in site.storage.orphan_candidates(age, ORPHANS_AT_A_TIME).await? {
        if !site.records.has_key(key).await? {
            site.storage.remove(kind, key).await;
            removed += 1;
        }
    }
    Ok(removed)
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
