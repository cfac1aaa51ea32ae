//! Keeps the watcher's thread from waking for every line that is appended.
//!
//! The kernel reports each append, and merges those it could not hand over yet. So once the thread has handed over what had
//! piled up, and had to wait for the next event, it rests for as long as the tailer would wait for more lines anyway: a
//! busy log wakes it some twenty times a second, not thousands.

use std::{
    thread,
    time::{Duration, Instant},
};

/// An event that comes so long after the one before it was waited for. Handing over one that had piled up takes far less.
const WAITED: Duration = Duration::from_micros(200);

/// When the watcher's thread rests. What piled up meanwhile is taken in one go, so that many busy files do not add up.
#[derive(Debug)]
pub(super) struct Pace {
    rest: Duration,
    awake_since: Instant,
    /// The end of the event before, or of the rest.
    last: Instant,
}

impl Pace {
    /// Rests for `poll` at a time, the shortest time between two looks at the files.
    pub(super) fn new(poll: Duration) -> Self {
        let now = Instant::now();
        Self { rest: poll, awake_since: now, last: now }
    }

    /// To be called on the watcher's thread after each event, once the tailer knows of it.
    pub(super) fn after_event(&mut self) {
        let now = Instant::now();
        let rest = self.rest_at(now);
        self.last = now;
        if let Some(rest) = rest {
            thread::park_timeout(rest); // waking early does no harm
            self.awake_since = Instant::now();
            self.last = self.awake_since;
        }
    }

    fn rest_at(&self, now: Instant) -> Option<Duration> {
        let was_waited_for = now.duration_since(self.last) >= WAITED;
        let is_long_awake = now.duration_since(self.awake_since) >= self.rest / 10;
        (was_waited_for || is_long_awake).then_some(self.rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rests_after_an_event_it_waited_for_but_not_between_those_that_piled_up() {
        let mut pace = Pace::new(Duration::from_millis(100));
        let woken = pace.awake_since;
        let at = |micros| woken + Duration::from_micros(micros);
        assert_eq!(pace.rest_at(at(20)), None);
        pace.last = at(20);
        assert_eq!(pace.rest_at(at(40)), None);
        pace.last = at(40);
        assert_eq!(pace.rest_at(at(1040)), Some(Duration::from_millis(100)), "the next line");
    }

    #[test]
    fn it_rests_when_events_never_cease() {
        let mut pace = Pace::new(Duration::from_millis(100));
        let end = pace.awake_since + Duration::from_millis(10);
        pace.last = end - Duration::from_micros(5);
        assert_eq!(pace.rest_at(end), Some(Duration::from_millis(100)));
    }
}
