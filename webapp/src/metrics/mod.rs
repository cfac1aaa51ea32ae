//! What the site counts, in the form Prometheus reads.

mod window;

use std::{
    fmt::Error,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use self::window::Window;

/// Seconds; the tutorial's alarms are at 0.5 and 1.
const DURATION_BOUNDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

const QUANTILES: [(&str, f64); 3] = [("0.5", 0.5), ("0.95", 0.95), ("0.99", 0.99)];

/// The kind of what was asked for; few values, so that no visitor can make more series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum Route {
    Page,
    Picture,
    Asset,
    Probe,
    Other,
}

/// What became of an upload or a sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum Outcome {
    Accepted,
    Refused,
    Failed,
    Limited,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: Route,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: Outcome,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QuantileLabels {
    quantile: &'static str,
}

/// All counters of a node.
pub(crate) struct Metrics {
    registry: Registry,
    started: Instant,
    requests: Family<RequestLabels, Counter>,
    durations: Histogram,
    recent: Mutex<Window>,
    quantiles: Family<QuantileLabels, Gauge<f64, std::sync::atomic::AtomicU64>>,
    photos: Family<OutcomeLabels, Counter>,
    sign_ins: Family<OutcomeLabels, Counter>,
    lost_lines: Gauge,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("webapp");
        let requests = Family::default();
        registry.register("requests", "Requests answered, by what was asked for and the status", requests.clone());
        let durations = Histogram::new(DURATION_BOUNDS);
        registry.register("page_duration_seconds", "From a page's request to the head of its answer", durations.clone());
        let quantiles = Family::default();
        let help = "The same over the last minute: this part of all pages took at most so long";
        registry.register("page_duration_recent_seconds", help, quantiles.clone());
        let photos = Family::default();
        registry.register("photos", "Photos that were sent to us, by what became of them", photos.clone());
        let sign_ins = Family::default();
        registry.register("sign_ins", "Attempts to sign in or register, by what became of them", sign_ins.clone());
        let lost_lines = Gauge::default();
        registry.register("access_log_lost_lines", "Lines of the access log lost because its disk took none", lost_lines.clone());
        let recent = Mutex::new(Window::new());
        Self { registry, started: Instant::now(), requests, durations, recent, quantiles, photos, sign_ins, lost_lines }
    }

    /// Counts an answered request.
    pub(crate) fn answered(&self, route: Route, status: u16, duration: Duration) {
        self.requests.get_or_create(&RequestLabels { route, status }).inc();
        if route == Route::Page {
            self.durations.observe(duration.as_secs_f64());
            self.recent.lock().unwrap_or_else(PoisonError::into_inner).add(duration, self.started.elapsed());
        }
    }

    /// Counts a photo that was sent.
    pub(crate) fn photo(&self, outcome: Outcome) {
        self.photos.get_or_create(&OutcomeLabels { outcome }).inc();
    }

    /// Counts an attempt to sign in.
    pub(crate) fn sign_in(&self, outcome: Outcome) {
        self.sign_ins.get_or_create(&OutcomeLabels { outcome }).inc();
    }

    /// Everything as text.
    ///
    /// # Errors
    /// Never, as memory takes every write.
    pub(crate) fn text(&self, lost_lines: u64) -> Result<String, Error> {
        self.lost_lines.set(i64::try_from(lost_lines).unwrap_or(i64::MAX));
        let now = self.started.elapsed();
        for (quantile, part) in QUANTILES {
            let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner).quantile(part, now);
            let seconds = recent.map_or(0.0, |time| time.as_secs_f64());
            self.quantiles.get_or_create(&QuantileLabels { quantile }).set(seconds);
        }
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_has_counts_and_percentiles() {
        let metrics = Metrics::new();
        metrics.answered(Route::Page, 200, Duration::from_millis(300));
        metrics.answered(Route::Picture, 304, Duration::from_millis(1));
        metrics.photo(Outcome::Refused);
        let text = metrics.text(3).unwrap();
        assert!(text.contains("webapp_requests_total{route=\"Page\",status=\"200\"} 1"), "{text}");
        assert!(text.contains("webapp_page_duration_seconds_bucket{le=\"0.5\"} 1"), "{text}");
        assert!(text.contains("webapp_page_duration_recent_seconds{quantile=\"0.99\"} 0.3"), "{text}");
        assert!(text.contains("webapp_photos_total{outcome=\"Refused\"} 1"), "{text}");
        assert!(text.contains("webapp_access_log_lost_lines 3"), "{text}");
    }
}
