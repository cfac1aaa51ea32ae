//! `GET /metrics`: the health in Prometheus' words. Pure.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::health::{Health, Phase};
use crate::checkpoint::Saved;
use crate::engine::Totals;

/// The content type of [`encode`]'s text.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Name without `_total`, help, value.
type Number<F, T> = (&'static str, &'static str, fn(&F) -> T);

/// What only grows; with a checkpoint it goes on after a restart.
const COUNTERS: &[Number<Totals, u64>] = &[
    ("weir_analytics_records", "Records of the stream, or lines of files", |totals| totals.stats.lines.records),
    ("weir_analytics_lines", "Lines read", |totals| totals.stats.lines.lines),
    ("weir_analytics_bytes", "Bytes read", |totals| totals.stats.lines.bytes),
    ("weir_analytics_rows", "Rows of the input that were taken", |totals| totals.stats.rows),
    ("weir_analytics_bad_lines", "Lines that could not be read", |totals| totals.stats.lines.bad),
    ("weir_analytics_late_rows", "Rows whose window had closed", |totals| totals.stats.late_rows),
    ("weir_analytics_failed_rows", "Rows that could not be computed", |totals| totals.stats.failed_rows),
    ("weir_analytics_results", "Rows that pumps inserted", |totals| totals.stats.results),
    ("weir_analytics_windows_closed", "Windows closed", |totals| totals.stats.closed_windows),
    ("weir_analytics_windows_closed_early", "Windows closed early for memory", |totals| totals.stats.closed_early),
];

const SAVES: &[Number<Saved, f64>] = &[
    ("weir_analytics_checkpoint_bytes", "Size of the last checkpoint", |saved| saved.bytes as f64),
    ("weir_analytics_checkpoint_number", "Checkpoints of this application", |saved| saved.number as f64),
    ("weir_analytics_checkpoint_failures", "Checkpoints that could not be saved since the start", |saved| saved.failures as f64),
    ("weir_analytics_checkpoint_saved_timestamp_seconds", "When the last checkpoint was saved; 0 is never", |saved| {
        saved.at_ms as f64 / 1000.0
    }),
];

/// The text. `now_ms` is the clock, for ages.
pub(super) fn encode(health: &Health, now_ms: i64) -> String {
    let mut registry = Registry::default();
    let totals = *health.totals.borrow();
    for (name, help, value) in COUNTERS {
        let counter = Counter::<u64>::default();
        counter.inc_by(value(&totals));
        registry.register(*name, *help, counter);
    }
    let phase = *health.phase.borrow();
    gauge(
        &mut registry,
        "weir_analytics_active",
        "1 while this instance does the work",
        f64::from(u8::from(phase == Phase::Running)),
    );
    let is_blocked = f64::from(u8::from(health.blocked.borrow().is_some()));
    gauge(&mut registry, "weir_analytics_sink_blocked", "1 while a sink takes nothing", is_blocked);
    gauge(&mut registry, "weir_analytics_open_windows", "Windows that are not complete", totals.open_windows as f64);
    gauge(&mut registry, "weir_analytics_groups", "Groups and rows held in open windows", totals.held as f64);
    if let Some(watermark_ms) = totals.watermark_ms {
        let lag_s = now_ms.saturating_sub(watermark_ms) as f64 / 1000.0;
        gauge(&mut registry, "weir_analytics_watermark_lag_seconds", "How far time in the rows is behind the clock", lag_s);
    }
    if health.has_checkpoints {
        let saved = *health.saved.borrow();
        for (name, help, value) in SAVES {
            gauge(&mut registry, name, help, value(&saved));
        }
        if saved.at_ms > 0 {
            let age_s = now_ms.saturating_sub(saved.at_ms) as f64 / 1000.0;
            gauge(&mut registry, "weir_analytics_checkpoint_age_seconds", "Since the last checkpoint was saved", age_s);
        }
    }
    let behind = Family::<Vec<(&'static str, String)>, Gauge>::default();
    for (shard, ms) in health.behind.all() {
        behind.get_or_create(&vec![("shard", shard)]).set(ms);
    }
    registry.register("weir_analytics_millis_behind_latest", "How far reading is behind the end of the shard", behind);
    let mut out = String::new();
    match text::encode(&mut out, &registry) {
        Ok(()) => out,
        Err(error) => format!("# cannot encode: {error}\n"),
    }
}

fn gauge(registry: &mut Registry, name: &str, help: &str, value: f64) {
    let gauge = Gauge::<f64, AtomicU64>::default();
    gauge.set(value);
    registry.register(name, help, gauge);
}

#[cfg(test)]
mod tests {
    use super::super::health::Told;
    use super::*;

    #[test]
    fn every_number_has_its_name() {
        let totals = Totals { open_windows: 2, held: 5, watermark_ms: Some(1_000), ..Totals::default() };
        let saved = Saved { number: 3, at_ms: 4_000, bytes: 99, ..Saved::default() };
        let (told, health) = Told::new(true);
        told.phase.send_replace(Phase::Running);
        told.totals.send_replace(totals);
        told.saved.send_replace(saved);
        health.behind.tell("shardId-0", 250);
        let text = encode(&health, 6_500);
        for line in [
            "weir_analytics_rows_total 0",
            "weir_analytics_active 1.0",
            "weir_analytics_open_windows 2.0",
            "weir_analytics_groups 5.0",
            "weir_analytics_watermark_lag_seconds 5.5",
            "weir_analytics_checkpoint_bytes 99.0",
            "weir_analytics_checkpoint_age_seconds 2.5",
            "weir_analytics_millis_behind_latest{shard=\"shardId-0\"} 250",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        assert_eq!(health.hindrance(), None);
    }
}
