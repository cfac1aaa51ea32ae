//! How far time has come, over all shards of an input.
//!
//! Pure logic: the caller passes the clock. The watermark is the smallest of the latest row times of the shards
//! that take part. A shard that has handed over everything and stays quiet steps out, so that it does not hold
//! the others back; its next row brings it in again. One that promises how far it has come never steps out: its promises
//! keep up with the clock, and when they cease nobody knows what it holds. The watermark never goes back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::chunk::ShardId;

/// A watermark before any row.
pub(crate) const BEFORE_ALL: i64 = i64::MIN;

/// What one shard has told.
#[derive(Debug, Clone, Copy)]
struct Shard {
    /// Latest row time, or the moment up to which the shard promises to have handed over everything.
    reached_ms: i64,
    /// The clock when the shard last brought rows or was opened.
    active_at_ms: i64,
    is_caught_up: bool,
    /// It promises how far it has come. Quiet, it goes on promising; silent, its reader is held up, and rows may wait unread.
    has_promised: bool,
}

/// The watermark of one source.
#[derive(Debug)]
pub(crate) struct Watermark {
    shards: BTreeMap<ShardId, Shard>,
    value_ms: i64,
    idle_after_ms: i64,
    /// There were shards, and all have ended.
    has_ended: bool,
}

/// What a checkpoint keeps of a watermark.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WatermarkImage {
    value_ms: i64,
    /// How far each shard that takes part had come.
    reached_ms: Vec<(ShardId, i64)>,
}

impl Watermark {
    /// `idle_after_ms`: how long a shard that has caught up may be quiet before the others go on without it.
    pub(crate) fn new(idle_after_ms: i64) -> Self {
        Self { shards: BTreeMap::new(), value_ms: BEFORE_ALL, idle_after_ms, has_ended: false }
    }

    /// What another watermark needs to go on from here.
    pub(crate) fn image(&self) -> WatermarkImage {
        let reached_ms = self.shards.iter().map(|(shard, known)| (*shard, known.reached_ms)).collect();
        WatermarkImage { value_ms: self.value_ms, reached_ms }
    }

    /// Goes on from there. Every shard is waited for, as if it had just begun.
    pub(crate) fn restore(&mut self, image: &WatermarkImage, now_ms: i64) {
        self.value_ms = image.value_ms;
        let shard = |(shard, reached_ms): &(ShardId, i64)| {
            (*shard, Shard { reached_ms: *reached_ms, active_at_ms: now_ms, is_caught_up: false, has_promised: false })
        };
        self.shards = image.reached_ms.iter().map(shard).collect();
    }

    /// Milliseconds since 1970: rows older than this are not expected. [`BEFORE_ALL`] at first.
    pub(crate) fn value_ms(&self) -> i64 {
        self.value_ms
    }

    /// Whether nothing more comes.
    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// A shard will bring rows: until it does, or is known to be idle, the watermark waits.
    pub(crate) fn begin(&mut self, shard: ShardId, now_ms: i64) {
        self.has_ended = false;
        self.shards.entry(shard).or_insert(Shard {
            reached_ms: BEFORE_ALL,
            active_at_ms: now_ms,
            is_caught_up: false,
            has_promised: false,
        });
    }

    /// Rows came, the latest with this time.
    pub(crate) fn rows(&mut self, shard: ShardId, latest_ms: i64, now_ms: i64) {
        self.begin(shard, now_ms);
        if let Some(known) = self.shards.get_mut(&shard) {
            known.reached_ms = known.reached_ms.max(latest_ms);
            known.active_at_ms = now_ms;
            known.is_caught_up = false;
        }
    }

    /// The shard has handed over all it had.
    pub(crate) fn caught_up(&mut self, shard: ShardId, now_ms: i64) {
        self.begin(shard, now_ms);
        if let Some(known) = self.shards.get_mut(&shard) {
            known.is_caught_up = true;
        }
    }

    /// The shard promises that no row before `ms` will come: true of arrival times once it has caught up.
    pub(crate) fn promise(&mut self, shard: ShardId, ms: i64) {
        if let Some(known) = self.shards.get_mut(&shard) {
            known.reached_ms = known.reached_ms.max(ms);
            known.has_promised = true;
        }
    }

    /// Nothing more comes from the shard.
    pub(crate) fn end(&mut self, shard: ShardId) {
        self.shards.remove(&shard);
        self.has_ended = self.shards.is_empty();
    }

    /// Recomputes the watermark. Call it after news, and from time to time for shards that fall silent.
    pub(crate) fn advance(&mut self, now_ms: i64) {
        let is_silent = |shard: &Shard| now_ms - shard.active_at_ms >= self.idle_after_ms;
        let is_idle = |shard: &Shard| shard.is_caught_up && !shard.has_promised && is_silent(shard);
        let slowest = self.shards.values().filter(|shard| !is_idle(shard)).map(|shard| shard.reached_ms).min();
        // When every shard is idle or gone there is no news: what was reached stays, except that promises of idle
        // shards still count, because the clock alone closes windows of arrival time.
        let promised = || self.shards.values().map(|shard| shard.reached_ms).min();
        if let Some(reached) = slowest.or_else(promised) {
            self.value_ms = self.value_ms.max(reached);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: ShardId = ShardId(0);
    const B: ShardId = ShardId(1);

    fn both_begun() -> Watermark {
        let mut watermark = Watermark::new(5_000);
        watermark.begin(A, 0);
        watermark.begin(B, 0);
        watermark
    }

    fn value(watermark: &mut Watermark, now_ms: i64) -> i64 {
        watermark.advance(now_ms);
        watermark.value_ms()
    }

    #[test]
    fn the_slowest_shard_decides() {
        let mut watermark = both_begun();
        watermark.rows(A, 100, 0);
        assert_eq!(value(&mut watermark, 0), BEFORE_ALL);
        watermark.rows(B, 70, 0);
        assert_eq!(value(&mut watermark, 0), 70);
    }

    #[test]
    fn an_older_row_does_not_move_it_back() {
        let mut watermark = both_begun();
        watermark.rows(A, 100, 0);
        watermark.rows(B, 100, 0);
        watermark.rows(A, 20, 0);
        assert_eq!(value(&mut watermark, 0), 100);
    }

    #[test]
    fn a_quiet_shard_steps_out_only_when_it_has_caught_up() {
        let mut watermark = both_begun();
        watermark.rows(A, 100, 9_000);
        assert_eq!(value(&mut watermark, 9_000), BEFORE_ALL);
        watermark.caught_up(B, 9_000);
        assert_eq!(value(&mut watermark, 9_000), 100);
    }

    #[test]
    fn an_ended_shard_no_longer_counts() {
        let mut watermark = both_begun();
        watermark.rows(A, 100, 0);
        watermark.end(B);
        assert_eq!(value(&mut watermark, 0), 100);
    }

    #[test]
    fn an_input_has_ended_when_its_last_shard_has() {
        let mut watermark = both_begun();
        watermark.end(A);
        assert!(!watermark.has_ended());
        watermark.end(B);
        assert!(watermark.has_ended());
    }

    #[test]
    fn a_row_brings_an_idle_shard_back() {
        let mut watermark = both_begun();
        watermark.rows(A, 100, 9_000);
        watermark.caught_up(B, 9_000);
        watermark.advance(9_000);
        watermark.rows(B, 90, 9_001);
        watermark.rows(A, 200, 9_002);
        assert_eq!(value(&mut watermark, 9_002), 100);
    }

    #[test]
    fn a_shard_whose_promises_cease_is_waited_for() {
        let mut watermark = both_begun();
        watermark.caught_up(B, 0);
        watermark.promise(B, 1_000);
        watermark.rows(A, 90_000, 90_000);
        assert_eq!(value(&mut watermark, 90_000), 1_000, "its reader may be held up while rows wait");
        watermark.promise(B, 89_000);
        assert_eq!(value(&mut watermark, 90_000), 89_000);
    }

    #[test]
    fn promises_close_windows_while_all_are_idle() {
        let mut watermark = both_begun();
        for shard in [A, B] {
            watermark.caught_up(shard, 0);
            watermark.promise(shard, 50_000);
        }
        assert_eq!(value(&mut watermark, 60_000), 50_000);
    }
}
