//! Percentiles of the last minute.
//!
//! Pure logic: the caller passes the time. Durations are counted in buckets that grow by a twelfth, so a percentile is
//! right to 9 %, whatever it is, in 16 KiB.

use std::time::Duration;

/// The minute is made of slices that are forgotten one by one.
const SLICES: usize = 6;
const SLICE_TIME: Duration = Duration::from_secs(10);

/// From 10 µs to over 10 minutes.
const BUCKETS: usize = 224;
const SMALLEST_SECONDS: f64 = 10e-6;
const GROWTH: f64 = 1.0 + 1.0 / 12.0;

/// Durations of the last minute.
pub(super) struct Window {
    slices: [[u64; BUCKETS]; SLICES],
    /// Number of the slice that is being filled, since the start.
    current: u64,
}

impl Window {
    pub(super) fn new() -> Self {
        Self { slices: [[0; BUCKETS]; SLICES], current: 0 }
    }

    /// Counts a duration. `now`: the time since the start.
    pub(super) fn add(&mut self, duration: Duration, now: Duration) {
        self.forget(now);
        let slice = (self.current % SLICES as u64) as usize;
        self.slices[slice][bucket(duration)] += 1;
    }

    /// The duration that this part of all requests did not exceed; none without requests.
    pub(super) fn quantile(&mut self, part: f64, now: Duration) -> Option<Duration> {
        self.forget(now);
        let counts: Vec<u64> = (0..BUCKETS).map(|bucket| self.slices.iter().map(|slice| slice[bucket]).sum()).collect();
        let total: u64 = counts.iter().sum();
        let wanted = ((total as f64) * part).ceil().max(1.0) as u64;
        let mut seen = 0;
        let found = counts.iter().position(|count| {
            seen += count;
            seen >= wanted
        })?;
        Some(Duration::from_secs_f64(SMALLEST_SECONDS * GROWTH.powi(i32::try_from(found).unwrap_or(i32::MAX))))
    }

    /// Empties the slices that are over.
    fn forget(&mut self, now: Duration) {
        let slice = now.as_secs() / SLICE_TIME.as_secs();
        for over in (self.current + 1..=slice).rev().take(SLICES) {
            self.slices[(over % SLICES as u64) as usize] = [0; BUCKETS];
        }
        self.current = self.current.max(slice);
    }
}

/// The first bucket whose upper end is not below the duration.
fn bucket(duration: Duration) -> usize {
    let steps = (duration.as_secs_f64() / SMALLEST_SECONDS).max(1.0).ln() / GROWTH.ln();
    (steps.ceil() as usize).min(BUCKETS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::ZERO;

    fn is_about(found: Option<Duration>, expected: Duration) -> bool {
        let ratio = found.unwrap().as_secs_f64() / expected.as_secs_f64();
        (0.999..=GROWTH).contains(&ratio)
    }

    #[test]
    fn percentiles_are_right_to_a_twelfth() {
        let mut window = Window::new();
        for ms in 1..=1000 {
            window.add(Duration::from_millis(ms), START);
        }
        assert!(is_about(window.quantile(0.5, START), Duration::from_millis(500)));
        assert!(is_about(window.quantile(0.95, START), Duration::from_millis(950)));
        assert!(is_about(window.quantile(0.99, START), Duration::from_millis(990)));
    }

    #[test]
    fn a_minute_later_all_is_forgotten() {
        let mut window = Window::new();
        window.add(Duration::from_secs(5), START);
        assert!(window.quantile(0.5, Duration::from_secs(59)).is_some());
        assert_eq!(window.quantile(0.5, Duration::from_secs(60)), None);
        window.add(Duration::from_millis(1), Duration::from_secs(1000));
        assert!(is_about(window.quantile(0.99, Duration::from_secs(1000)), Duration::from_millis(1)));
    }

    #[test]
    fn what_is_out_of_range_is_counted_at_its_end() {
        let mut window = Window::new();
        window.add(Duration::ZERO, START);
        window.add(Duration::from_secs(1_000_000), START);
        assert_eq!(window.quantile(0.5, START), Some(Duration::from_micros(10)));
        assert!(window.quantile(1.0, START).unwrap() > Duration::from_secs(300));
    }
}
