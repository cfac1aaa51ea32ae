//! The latency knob: pages that wait on purpose, so that the tutorial's scaling level has something to react to.
//!
//! Waiting costs a timer, not a thread. Only pages wait: probes, pictures and assets do not.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::settings::LatencySettings;

/// The knob of this node; turned while the site runs.
pub(crate) struct Delay(Mutex<LatencySettings>);

impl Delay {
    pub(crate) fn new(settings: LatencySettings) -> Self {
        Self(Mutex::new(settings))
    }

    /// Where it stands.
    pub(crate) fn get(&self) -> LatencySettings {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Turns it.
    pub(crate) fn set(&self, settings: LatencySettings) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = settings;
    }

    /// Waits, if this page is one that does.
    pub(crate) async fn wait(&self) {
        if let Some(time) = time_for(self.get(), rand::random(), rand::random()) {
            tokio::time::sleep(time).await;
        }
    }
}

/// How long a page waits. `chance` decides whether it does, `spread` how much of the jitter it gets; both from 0 to 1.
fn time_for(settings: LatencySettings, chance: f64, spread: f64) -> Option<Duration> {
    let ms = f64::from(settings.delay_ms) + f64::from(settings.jitter_ms) * spread;
    (ms > 0.0 && chance < settings.share).then(|| Duration::from_secs_f64(ms / 1000.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_the_pages_waits_for_the_delay_and_a_part_of_the_jitter() {
        let settings = LatencySettings { delay_ms: 100, jitter_ms: 50, share: 0.25 };
        assert_eq!(time_for(settings, 0.24, 0.0), Some(Duration::from_millis(100)));
        assert_eq!(time_for(settings, 0.0, 0.5), Some(Duration::from_millis(125)));
        assert_eq!(time_for(settings, 0.25, 0.0), None);
    }

    #[test]
    fn a_knob_at_zero_delays_nobody() {
        assert_eq!(time_for(LatencySettings::default(), 0.0, 1.0), None);
    }

    #[test]
    fn it_can_be_turned() {
        let knob = Delay::new(LatencySettings::default());
        knob.set(LatencySettings { delay_ms: 7, ..LatencySettings::default() });
        assert_eq!(knob.get().delay_ms, 7);
    }
}
