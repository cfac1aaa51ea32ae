//! Keeps the watcher's thread from waking for every line that is appended.
//!
//! The kernel reports each append, and merges those it could not hand over yet. So after an event the thread rests for as
//! long as the tailer would wait for more lines anyway: a busy log wakes it some ten times a second, not thousands.

use std::{
    thread,
    time::{Duration, Instant},
};

/// When the watcher's thread rests. What piled up meanwhile is taken in one go, so that many busy files do not add up.
#[derive(Debug)]
pub(super) struct Pace {
    rest: Duration,
    awake_since: Instant,
}

impl Pace {
    /// Rests for `poll` at a time, the shortest time between two looks at the files.
    pub(super) fn new(poll: Duration) -> Self {
        Self { rest: poll, awake_since: Instant::now() }
    }

    /// To be called on the watcher's thread after each event, once the tailer knows of it.
    pub(super) fn after_event(&mut self) {
        if let Some(rest) = self.rest_at(Instant::now()) {
            thread::park_timeout(rest); // waking early does no harm
            self.awake_since = Instant::now();
        }
    }

    fn rest_at(&self, now: Instant) -> Option<Duration> {
        (now.duration_since(self.awake_since) >= self.rest / 10).then_some(self.rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rests_after_an_event_but_not_between_those_that_piled_up() {
        let pace = Pace::new(Duration::from_millis(100));
        let woken = pace.awake_since;
        assert_eq!(pace.rest_at(woken + Duration::from_millis(1)), None);
        assert_eq!(pace.rest_at(woken + Duration::from_millis(10)), Some(Duration::from_millis(100)));
    }
}
