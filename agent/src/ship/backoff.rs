//! How long to wait before a request is repeated. Pure: the caller brings the random number.

use std::time::Duration;

use crate::settings::RetryLimits;

/// The wait doubles with each attempt that moved nothing, within the limits, and is spread by 30 % either way so
/// that many agents do not come back together. `random` is between 0 and 1.
pub(super) fn delay(limits: RetryLimits, failures: u32, random: f64) -> Duration {
    let doubled = limits.initial.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)));
    doubled.min(limits.max).mul_f64(0.7 + 0.6 * random)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: RetryLimits = RetryLimits { initial: Duration::from_millis(100), max: Duration::from_secs(10) };

    #[test]
    fn the_wait_doubles_up_to_the_maximum() {
        let waits: Vec<u128> = [1, 2, 3, 8, 99].iter().map(|failures| delay(LIMITS, *failures, 0.5).as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 10_000, 10_000]);
    }

    #[test]
    fn the_wait_is_spread_by_thirty_percent() {
        assert_eq!(delay(LIMITS, 1, 0.0).as_millis(), 70);
        assert_eq!(delay(LIMITS, 1, 1.0).as_millis(), 130);
    }
}
