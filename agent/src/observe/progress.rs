//! How far one file got: what was read, what was accepted, and since when something waits. Pure: the caller passes
//! the time.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Chunks remembered with their time. Beyond, the youngest counts as old as its neighbour; a flow holds no more than
/// a dozen unless its lines are very short.
const CHUNKS: usize = 64;

/// One file of a flow.
#[derive(Debug)]
pub(crate) struct Progress {
    /// Its name in the flow's directory.
    pub(crate) name: String,
    /// Everything before it arrived from the tailer.
    pub(crate) read: u64,
    /// Everything before it was accepted.
    pub(crate) accepted: u64,
    /// End of each chunk that is not wholly accepted and when it arrived, oldest first.
    waiting: VecDeque<(u64, Instant)>,
}

impl Progress {
    /// A file that is read from `position` on.
    pub(crate) fn new(name: String, position: u64) -> Self {
        Self { name, read: position, accepted: position, waiting: VecDeque::new() }
    }

    /// Notes that lines up to `end` arrived.
    pub(crate) fn received(&mut self, end: u64, now: Instant) {
        self.read = self.read.max(end);
        let is_full = self.waiting.len() == CHUNKS;
        match self.waiting.back_mut() {
            Some(youngest) if is_full => youngest.0 = end,
            _ => self.waiting.push_back((end, now)),
        }
    }

    /// Notes that everything up to `position` was accepted.
    pub(crate) fn accepted(&mut self, position: u64) {
        self.accepted = position;
        self.read = self.read.max(position);
        while self.waiting.pop_front_if(|(end, _)| *end <= position).is_some() {}
    }

    /// Age of the oldest line that was read and not accepted.
    pub(crate) fn lag(&self, now: Instant) -> Duration {
        self.waiting.front().map_or(Duration::ZERO, |(_, arrived)| now.saturating_duration_since(*arrived))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_oldest_line_that_waits_sets_the_age() {
        let (mut file, start) = (Progress::new("a".to_owned(), 100), Instant::now());
        assert_eq!(file.lag(start + SECOND), Duration::ZERO);
        file.received(200, start);
        file.received(300, start + SECOND);
        assert_eq!(file.lag(start + 5 * SECOND), 5 * SECOND);
        file.accepted(150);
        assert_eq!(file.lag(start + 5 * SECOND), 5 * SECOND, "half of the first chunk waits");
        file.accepted(200);
        assert_eq!(file.lag(start + 5 * SECOND), 4 * SECOND);
        file.accepted(300);
        assert_eq!((file.lag(start + 5 * SECOND), file.read, file.accepted), (Duration::ZERO, 300, 300));
    }

    #[test]
    fn many_chunks_cost_bounded_memory_and_never_look_younger_than_they_are() {
        let (mut file, start) = (Progress::new("a".to_owned(), 0), Instant::now());
        for chunk in 1..=1000_u32 {
            file.received(u64::from(chunk), start + chunk * SECOND);
        }
        assert_eq!(file.waiting.len(), CHUNKS);
        file.accepted(999);
        assert!(file.lag(start + 1000 * SECOND) >= SECOND);
    }
}
