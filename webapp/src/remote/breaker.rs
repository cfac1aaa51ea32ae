//! When to stop asking something that does not answer.
//!
//! Pure logic: the caller passes the time. Closed, every call passes. After [`Breaker::FAILURES`] failures in a row it
//! is open: calls fail at once, so that no request waits for what is known to be down. After a pause one call passes as
//! a probe; its outcome decides.

use std::time::{Duration, Instant};

#[derive(Debug, Default)]
pub(crate) struct Breaker {
    failures: u32,
    /// Set while open: when the next probe may pass.
    closed_until: Option<Instant>,
}

impl Breaker {
    /// Failures in a row that open it: one can be chance, and each costs a request its time limit.
    pub(crate) const FAILURES: u32 = 3;

    /// Short, because everything is degraded meanwhile; long against the price of a probe.
    pub(crate) const PAUSE: Duration = Duration::from_secs(1);

    /// Whether a call may pass; if not, how long to wait.
    ///
    /// # Errors
    /// The rest of the pause.
    pub(crate) fn admit(&mut self, now: Instant) -> Result<(), Duration> {
        match self.closed_until {
            Some(until) if now < until => Err(until - now),
            Some(_) => {
                self.closed_until = Some(now + Self::PAUSE); // one probe at a time, also if nobody hears of this one again
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// A call was answered. True if that ends an outage.
    pub(crate) fn succeeded(&mut self) -> bool {
        self.failures = 0;
        self.closed_until.take().is_some()
    }

    /// A call was not answered. True if that begins an outage.
    pub(crate) fn failed(&mut self, now: Instant) -> bool {
        self.failures = self.failures.saturating_add(1);
        if self.failures < Self::FAILURES {
            return false;
        }
        self.closed_until.replace(now + Self::PAUSE).is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(now: Instant) -> Breaker {
        let mut breaker = Breaker::default();
        assert_eq!([breaker.failed(now), breaker.failed(now), breaker.failed(now)], [false, false, true]);
        breaker
    }

    #[test]
    fn it_opens_after_failures_in_a_row_only() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        for _ in 0..10 {
            breaker.failed(now);
            breaker.failed(now);
            breaker.succeeded();
        }
        assert_eq!(breaker.admit(now), Ok(()));
        assert_eq!(open(now).admit(now), Err(Breaker::PAUSE));
    }

    #[test]
    fn after_the_pause_one_probe_passes_and_decides() {
        let now = Instant::now();
        let mut breaker = open(now);
        let later = now + Breaker::PAUSE;
        assert_eq!(breaker.admit(later), Ok(()));
        assert_eq!(breaker.admit(later), Err(Breaker::PAUSE), "a second one does not");
        assert!(!breaker.failed(later), "the same outage");
        assert_eq!(breaker.admit(later), Err(Breaker::PAUSE));

        assert!(breaker.succeeded(), "the end of the outage");
        assert_eq!(breaker.admit(later), Ok(()));
        assert!(!breaker.succeeded());
    }
}
