//! Saves positions: each time to the memory of the operating system, once a second so that they survive a power failure.

use std::time::{Duration, Instant};

use tracing::error;

use super::Shipper;
use crate::{
    checkpoint::{
        recent::Recent,
        store::{CheckpointError, Store},
    },
    destination::Destination,
    rate_limit::RateLimit,
};

/// Longest time an accepted position is only in the memory of the operating system.
const SYNC_PERIOD: Duration = Duration::from_secs(1);

/// Where positions are saved, and when that was last made to survive a power failure.
pub(super) struct Checkpoint {
    store: Store,
    /// Behind the last checkpoint that was synced in this run.
    recent: Option<Recent>,
    synced: Instant,
    /// Something was saved since.
    is_behind: bool,
    complaints: RateLimit,
}

impl Checkpoint {
    pub(super) fn new(store: Store) -> Self {
        Self { store, recent: None, synced: Instant::now(), is_behind: false, complaints: RateLimit::default() }
    }

    /// When what was saved has to be synced; none when it is.
    pub(super) fn sync_at(&self) -> Option<Instant> {
        self.is_behind.then_some(self.synced + SYNC_PERIOD)
    }
}

impl<D: Destination> Shipper<D> {
    /// Saves what was accepted since the last time.
    pub(super) async fn save_changes(&mut self) {
        if !self.positions.is_changed() {
            return;
        }
        let is_due = self.checkpoint.synced.elapsed() >= SYNC_PERIOD;
        self.save(is_due).await;
    }

    /// Saves; a failure is logged and the next change tries again.
    pub(super) async fn save(&mut self, sync: bool) {
        let (saved, is_synced) = match (&mut self.checkpoint.recent, sync) {
            (Some(recent), false) => {
                // Not on a thread of its own, which would cost more than writing a line to memory.
                let saved = recent.save(&self.positions.take_state());
                self.checkpoint.is_behind = true;
                (saved.map_err(|source| self.checkpoint.store.failed(source)), false)
            }
            _ => (self.sync().await, true),
        };
        if is_synced || saved.is_err() {
            self.note_saved(saved.as_ref().err()); // what is only in memory ends no trouble with the disk
        }
        if let Err(error) = saved
            && let Some(suppressed) = self.checkpoint.complaints.allow(Instant::now())
        {
            let error = anyhow::Error::from(error);
            error!(flow = self.settings.id, suppressed, "{error:#}; sending goes on, but a crash would repeat it");
        }
    }

    /// Saves so that it survives a power failure.
    pub(super) async fn sync(&mut self) -> Result<(), CheckpointError> {
        let (store, state) = (self.checkpoint.store.clone(), self.positions.take_state());
        // Whether it succeeds or not: a broken disk is not asked more often than a working one.
        self.checkpoint.synced = Instant::now();
        let saved = tokio::task::spawn_blocking(move || store.save(&state)).await;
        let saved = saved.unwrap_or_else(|failed| std::panic::resume_unwind(failed.into_panic()));
        self.checkpoint.is_behind = saved.is_err();
        saved.map(|recent| self.checkpoint.recent = Some(recent))
    }
}
