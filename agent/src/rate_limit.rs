//! One log line for a cause that would otherwise make thousands. Pure: the caller passes the time.

use std::time::{Duration, Instant};

/// Time between two lines of one cause.
const INTERVAL: Duration = Duration::from_secs(30);

/// How often one cause may be logged.
#[derive(Debug, Default)]
pub(crate) struct RateLimit {
    last: Option<Instant>,
    suppressed: u64,
}

impl RateLimit {
    /// Whether to log now; if so, how many lines were left out since the last one.
    pub(crate) fn allow(&mut self, now: Instant) -> Option<u64> {
        if self.last.is_some_and(|last| now < last + INTERVAL) {
            self.suppressed += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_logged_once_in_an_interval_and_says_what_it_left_out() {
        let (mut limit, start) = (RateLimit::default(), Instant::now());
        assert_eq!(limit.allow(start), Some(0));
        assert_eq!(limit.allow(start + INTERVAL / 2), None);
        assert_eq!(limit.allow(start + INTERVAL), Some(1));
    }
}
