//! The sign of life of one loop: whether it works on something, and since when.
//!
//! A loop that waits, for input, for a place in a channel or for its next look, may wait for ever. One that works on
//! the same thing for minutes hangs, in a dead disk say, and nothing but a restart helps.

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// A loop that is busy with one thing for longer than this hangs. Generous: comparing a large file with its copy on
/// a slow disk takes a while, and a restart would only begin it again.
pub(crate) const STUCK_AFTER: Duration = Duration::from_secs(300);

/// Milliseconds are counted from here, so that they fit an atomic number. Before the first use: whoever beats first may have
/// taken its time a while ago.
static EPOCH: LazyLock<Instant> = LazyLock::new(|| {
    let now = Instant::now();
    now.checked_sub(Duration::from_secs(60)).unwrap_or(now)
});

/// Written by one loop, read by whoever asks.
///
/// 0 before the first beat, then milliseconds since [`EPOCH`] plus one, doubled; the lowest bit is set while it works.
#[derive(Debug, Default)]
pub(crate) struct Beat(AtomicU64);

impl Beat {
    /// Notes that the loop works on something from now on.
    pub(crate) fn busy(&self, now: Instant) {
        self.0.store(stamp(now) << 1 | 1, Relaxed);
    }

    /// Notes that the loop waits.
    pub(crate) fn waiting(&self, now: Instant) {
        self.0.store(stamp(now) << 1, Relaxed);
    }

    /// Whether the loop came round at least once.
    pub(crate) fn has_started(&self) -> bool {
        self.0.load(Relaxed) != 0
    }

    /// How long the loop has been busy with the same thing; nothing while it waits.
    pub(crate) fn busy_for(&self, now: Instant) -> Option<Duration> {
        let value = self.0.load(Relaxed);
        let since = (value & 1 == 1).then_some(value >> 1)?;
        Some(Duration::from_millis(stamp(now).saturating_sub(since)))
    }

    /// How long the loop has hung, if it does.
    pub(crate) fn stuck_for(&self, now: Instant) -> Option<Duration> {
        self.busy_for(now).filter(|busy| *busy > STUCK_AFTER)
    }
}

fn stamp(now: Instant) -> u64 {
    let since = now.saturating_duration_since(*EPOCH).as_millis();
    u64::try_from(since).unwrap_or(u64::MAX >> 2) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_hangs_only_while_it_works() {
        let (beat, start) = (Beat::default(), Instant::now());
        let later = start + STUCK_AFTER + Duration::from_secs(1);
        assert!(!beat.has_started());
        beat.waiting(start);
        assert!(beat.has_started());
        assert_eq!(beat.stuck_for(later), None, "waiting is no hanging");
        beat.busy(start);
        assert_eq!(beat.stuck_for(start + Duration::from_secs(1)), None);
        assert!(beat.stuck_for(later).is_some_and(|hung| hung > STUCK_AFTER));
        beat.busy(later);
        assert_eq!(beat.stuck_for(later), None);
    }
}
