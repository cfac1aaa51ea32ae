//! When the engine makes checkpoints, and what it knows for them.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::checkpoint::{Draft, Saved};
use crate::chunk::{Mark, ShardId};
use crate::engine::Engine;

/// The schedule of checkpoints, and where the source stands.
pub(super) struct Checkpoints {
    /// Whether there is a folder for them. Without one, sinks still finish their files at the interval.
    pub(super) is_kept: bool,
    pub(super) interval: Duration,
    pub(super) number: u64,
    pub(super) marks: BTreeMap<ShardId, Mark>,
    pub(super) saved: watch::Receiver<Saved>,
    pub(super) last_at: Instant,
    /// Whether something came since the last one.
    pub(super) is_due: bool,
}

impl Checkpoints {
    /// The source has handed over what stands before this mark, and the engine has taken it.
    pub(super) fn passed(&mut self, shard: ShardId, mark: Option<Mark>) {
        self.is_due = true;
        if let Some(mark) = mark {
            self.marks.insert(shard, mark);
        }
    }

    /// Whether it is time for one. Not while the last one is still on its way to the disk.
    pub(super) fn is_time(&self) -> bool {
        let is_on_its_way = self.is_kept && self.saved.borrow().tried < self.number;
        self.is_due && !is_on_its_way && self.last_at.elapsed() >= self.interval
    }

    /// The state of this instant; None when none is kept.
    pub(super) fn draft(&mut self, engine: &mut Engine) -> anyhow::Result<Option<Box<Draft>>> {
        self.last_at = Instant::now();
        self.is_due = false;
        if !self.is_kept {
            return Ok(None);
        }
        self.number += 1;
        Ok(Some(Box::new(Draft { number: self.number, marks: self.marks.clone(), image: engine.image()? })))
    }
}
