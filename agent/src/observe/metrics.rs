//! `GET /metrics`: a report in Prometheus' words. Pure.
//!
//! Labels are bounded by the settings: flow, destination, and the few causes. Files are no label.

use std::sync::atomic::AtomicU64;

use prometheus_client::{
    encoding::text,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use super::report::{FlowReport, Report};
use crate::destination::Cause;

/// The content type of [`encode`]'s text.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Labels = Vec<(&'static str, String)>;

/// Name without `_total`, help, value.
type Number<T> = (&'static str, &'static str, fn(&FlowReport) -> T);

/// What only grows.
const COUNTERS: &[Number<u64>] = &[
    ("weir_agent_records_parsed", "Lines read", |flow| flow.records_parsed_total),
    ("weir_agent_bytes_parsed", "Bytes of the lines read", |flow| flow.bytes_parsed_total),
    ("weir_agent_records_transformed", "Records that were converted", |flow| flow.records_transformed_total),
    ("weir_agent_records_skipped", "Lines no converter could read", |flow| flow.records_skipped_total),
    ("weir_agent_records_truncated", "Lines cut to the record limit", |flow| flow.records_truncated_total),
    ("weir_agent_records_sent", "Records the destination accepted", |flow| flow.records_sent_total),
    ("weir_agent_bytes_sent", "Bytes of the records accepted, partition keys included", |flow| flow.bytes_sent_total),
    ("weir_agent_records_retried", "Records sent once more", |flow| flow.records_retried_total),
    ("weir_agent_records_refused", "Records the destination refused for ever", |flow| flow.records_refused_total),
    ("weir_agent_dead_letters", "Records written to the dead-letter file", |flow| flow.dead_letters_total),
    ("weir_agent_requests", "Requests that were answered or failed", |flow| flow.requests_total),
    ("weir_agent_checkpoint_failures", "Checkpoints that could not be saved", |flow| flow.checkpoint_failures_total),
];

/// What goes up and down.
const GAUGES: &[Number<f64>] = &[
    ("weir_agent_requests_in_flight", "Requests on their way", |flow| flow.requests_in_flight as f64),
    ("weir_agent_batches_waiting", "Closed batches that wait for a request", |flow| flow.batches_waiting as f64),
    ("weir_agent_lag_bytes", "Bytes in the files that were not accepted", |flow| flow.lag_bytes as f64),
    ("weir_agent_lag_seconds", "Age of the oldest line that was read and not accepted", |flow| flow.lag_seconds),
    ("weir_agent_files", "Files of the flow", |flow| flow.files_known as f64),
    ("weir_agent_read_errors", "Failed attempts to read since the last that succeeded", |flow| flow.read_errors as f64),
    ("weir_agent_checkpoint_failing", "1 while the checkpoint cannot be saved", |flow| {
        f64::from(u8::from(flow.checkpoint_error.is_some()))
    }),
    ("weir_agent_checkpoint_saved_timestamp_seconds", "When the checkpoint was saved last; 0 is never", |flow| {
        flow.checkpoint_saved_unix_ms.unwrap_or(0) as f64 / 1000.0
    }),
    ("weir_agent_last_accepted_timestamp_seconds", "When a record was accepted last; 0 is never", |flow| {
        flow.last_accepted_unix_ms.unwrap_or(0) as f64 / 1000.0
    }),
];

/// The text.
pub(crate) fn encode(report: &Report) -> String {
    let mut registry = Registry::default();
    add_process(&mut registry, report);
    for (name, help, value) in COUNTERS {
        let family = Family::<Labels, Counter>::default();
        for flow in &report.flows {
            family.get_or_create(&labels(flow)).inc_by(value(flow));
        }
        registry.register(*name, *help, family);
    }
    for (name, help, value) in GAUGES {
        let family = Family::<Labels, Gauge<f64, AtomicU64>>::default();
        for flow in &report.flows {
            family.get_or_create(&labels(flow)).set(value(flow));
        }
        registry.register(*name, *help, family);
    }
    add_failures(&mut registry, report);
    add_states(&mut registry, report);
    let mut out = String::new();
    match text::encode(&mut out, &registry) {
        Ok(()) => out,
        Err(error) => format!("# cannot encode: {error}\n"),
    }
}

fn labels(flow: &FlowReport) -> Labels {
    vec![("flow", flow.id.clone()), ("destination", flow.destination.clone())]
}

fn add_failures(registry: &mut Registry, report: &Report) {
    let family = Family::<Labels, Counter>::default();
    for flow in &report.flows {
        for (cause, count) in &flow.failures_total {
            let labels = [labels(flow), vec![("cause", cause.clone())]].concat();
            family.get_or_create(&labels).inc_by(*count);
        }
    }
    registry.register("weir_agent_request_failures", "Answers with a failure in them", family);
}

fn add_states(registry: &mut Registry, report: &Report) {
    let family = Family::<Labels, Gauge>::default();
    let states = ["starting".to_owned(), "ok".to_owned()].into_iter().chain(Cause::ALL.iter().map(ToString::to_string));
    let states: Vec<String> = states.collect();
    for flow in &report.flows {
        for state in &states {
            let labels = [labels(flow), vec![("state", state.clone())]].concat();
            family.get_or_create(&labels).set(i64::from(flow.state == *state));
        }
    }
    registry.register("weir_agent_flow_state", "1 for the state a flow is in", family);
}

/// The process, by the names every Prometheus client gives them.
fn add_process(registry: &mut Registry, report: &Report) {
    let mut gauge = |name: &str, help: &str, value: f64| {
        let gauge = Gauge::<f64, AtomicU64>::default();
        gauge.set(value);
        registry.register(name, help, gauge);
    };
    let started = report.at_unix_ms.saturating_sub(report.uptime_ms) as f64 / 1000.0;
    gauge("process_resident_memory_bytes", "Memory in RAM", report.process.resident_bytes as f64);
    gauge("process_open_fds", "Open files", report.process.open_files as f64);
    gauge("process_threads", "Threads", report.process.threads as f64);
    gauge("process_start_time_seconds", "When the agent started", started);
    let cpu = Counter::<f64, AtomicU64>::default();
    cpu.inc_by(report.process.cpu_seconds);
    registry.register("process_cpu_seconds", "Processor time in user and kernel mode", cpu);
    let info = Family::<Labels, Gauge>::default();
    info.get_or_create(&vec![("version", report.version.clone())]).set(1);
    registry.register("weir_agent_build", "1, with the version as a label", info);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::report;

    #[test]
    fn every_number_of_a_flow_is_there_from_the_start_with_its_labels() {
        let folder = tempfile::tempdir().unwrap();
        let text = encode(&report::tests::report(folder.path()));
        let id = format!("kinesis:s:{}/*.log", folder.path().display());
        let labels = format!("{{flow=\"{id}\",destination=\"KinesisStream:s\"");
        for (name, ..) in COUNTERS {
            assert!(text.contains(&format!("{name}_total{labels}}} ")), "{name}\n{text}");
        }
        for (name, ..) in GAUGES {
            assert!(text.contains(&format!("{name}{labels}}} ")), "{name}\n{text}");
        }
        assert!(text.contains(&format!("weir_agent_lag_bytes{labels}}} 6")), "{text}");
        assert!(text.contains(&format!("weir_agent_request_failures_total{labels},cause=\"throttled\"}} 0")), "{text}");
        assert!(text.contains(&format!("weir_agent_flow_state{labels},state=\"ok\"}} 1")), "{text}");
        assert!(text.contains("process_resident_memory_bytes ") && text.ends_with("# EOF\n"), "{text}");
    }
}
