//! The status lines, in the Java agent's words: people's log filters look for them.

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use tokio::{
    task::spawn_blocking,
    time::{MissedTickBehavior, interval_at},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::observe::{FlowReport, Flows, of_flow};

/// Bytes behind from which the lag is told. Source: the Java agent.
const LAG_INFO_BYTES: u64 = 20 * 1024 * 1024;

/// Bytes behind from which the lag is a warning. Source: the Java agent.
const LAG_WARN_BYTES: u64 = 40 * 1024 * 1024;

/// Says from time to time what all flows did.
#[derive(Debug, Clone)]
pub(crate) struct Status {
    flows: Flows,
    started: Instant,
    /// Whether every flow's counters are logged too.
    internal_metrics: bool,
}

impl Status {
    pub(crate) fn new(flows: Flows, started: Instant, internal_metrics: bool) -> Self {
        Self { flows, started, internal_metrics }
    }

    /// Logs the status every `period` until `stop` is cancelled.
    pub(crate) async fn report(self, period: Duration, stop: CancellationToken) {
        let mut ticks = interval_at((Instant::now() + period).into(), period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => self.log().await,
                () = stop.cancelled() => return,
            }
        }
    }

    /// Logs one line for each flow and one for all.
    pub(crate) async fn log(&self) {
        let mut reports = Vec::new();
        for flow in self.flows.all() {
            let is_internal = self.internal_metrics || flow.internal_metrics;
            // Asks the file system how long the files are.
            let Ok(report) = spawn_blocking(move || of_flow(&flow, Instant::now())).await else { continue };
            info!("{}", flow_line(&report));
            log_lag(&report);
            if is_internal {
                info!("FileTailer[{}]: Status: {}", report.id, internal_counters(&report));
            }
            reports.push(report);
        }
        let uptime = self.started.elapsed();
        info!("{}", agent_line(&reports, uptime));
        if self.internal_metrics {
            info!("Agent: Status: {}", agent_counters(&reports, uptime));
        }
    }
}

fn agent_line(flows: &[FlowReport], uptime: Duration) -> String {
    let sum = |value: fn(&FlowReport) -> u64| flows.iter().map(value).sum::<u64>();
    let (parsed, bytes) = (sum(|flow| flow.records_parsed_total), sum(|flow| flow.bytes_parsed_total));
    let (sent, uptime) = (sum(|flow| flow.records_sent_total), uptime.as_millis());
    format!(
        "Agent: Progress: {parsed} records parsed ({bytes} bytes), and {sent} records sent successfully to destinations. Uptime: {uptime}ms"
    )
}

fn flow_line(flow: &FlowReport) -> String {
    let (parsed, bytes, sent) = (flow.records_parsed_total, flow.bytes_parsed_total, flow.records_sent_total);
    let (transformed, skipped) = (flow.records_transformed_total, flow.records_skipped_total);
    format!(
        "FileTailer[{}]: Tailer Progress: Tailer has parsed {parsed} records ({bytes} bytes), transformed {transformed} \
         records, skipped {skipped} records, and has successfully sent {sent} records to destination.",
        flow.id
    )
}

fn log_lag(flow: &FlowReport) {
    match flow.unread_bytes {
        LAG_WARN_BYTES.. => warn!("{}", lag_line(flow)),
        LAG_INFO_BYTES.. => info!("{}", lag_line(flow)),
        1.. => debug!("{}", lag_line(flow)),
        0 => {}
    }
}

fn lag_line(flow: &FlowReport) -> String {
    let behind = flow.unread_bytes;
    let newer = match flow.files_waiting {
        0 => String::new(),
        count => format!(" There are {count} file(s) newer than current file(s) being tailed."),
    };
    format!("FileTailer[{}]: Tailer is {:.6} MB ({behind} bytes) behind.{newer}", flow.id, behind as f64 / 1024.0 / 1024.0)
}

/// Those of the Java agent's internal counters that mean something here, under its names.
fn internal_counters(flow: &FlowReport) -> Value {
    let kind = if flow.destination.starts_with("DeliveryStream") { "Firehose" } else { "Kinesis" };
    let failures: u64 = flow.failures_total.iter().map(|(_, count)| count).sum();
    let parser = [
        ("TotalBytesConsumed", flow.bytes_parsed_total),
        ("TotalRecordsParsed", flow.records_parsed_total),
        ("TotalRecordsProcessed", flow.records_transformed_total),
        ("TotalRecordsSkipped", flow.records_skipped_total),
    ];
    let sender = [
        ("TotalBatchPutCalls", flow.requests_total),
        ("TotalBatchPutServiceErrors", failures),
        ("TotalRecordsSent", flow.records_sent_total),
        ("TotalRecordsFailed", flow.records_refused_total),
    ];
    let tailer = [
        ("FilesBehind", flow.files_waiting),
        ("BytesBehind", flow.unread_bytes),
        ("RecordsTruncated", flow.records_truncated_total),
        ("ConsecutiveProcessingErrors", flow.read_errors),
    ];
    let mut all = Map::new();
    let mut add = |prefix: String, counters: [(&str, u64); 4]| {
        all.extend(counters.into_iter().map(|(name, value)| (format!("{prefix}.{name}"), Value::from(value))));
    };
    add(format!("{kind}Parser"), parser);
    add(format!("{kind}Sender"), sender);
    add("FileTailer".to_owned(), tailer);
    all.insert("PublishingQueue.QueueSize".to_owned(), flow.batches_waiting.into());
    all.insert("AsyncPublisher.InflightBuffers".to_owned(), flow.requests_in_flight.into());
    Value::Object(all)
}

fn agent_counters(flows: &[FlowReport], uptime: Duration) -> Value {
    let sum = |value: fn(&FlowReport) -> u64| flows.iter().map(value).sum::<u64>();
    json!({
        "Agent.TotalRecordsParsed": sum(|flow| flow.records_parsed_total),
        "Agent.TotalBytesParsed": sum(|flow| flow.bytes_parsed_total),
        "Agent.TotalRecordsSent": sum(|flow| flow.records_sent_total),
        "Agent.UptimeMillis": u64::try_from(uptime.as_millis()).unwrap_or(u64::MAX),
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{
        observe::Observed,
        testing::{self},
    };

    fn report() -> FlowReport {
        let flow = Observed::new(&testing::flow(Path::new("/l"), "a", ""), std::sync::Arc::default());
        FlowReport {
            records_parsed_total: 7,
            bytes_parsed_total: 70,
            records_transformed_total: 6,
            records_skipped_total: 1,
            records_sent_total: 5,
            ..of_flow(&flow, Instant::now())
        }
    }

    #[test]
    fn the_lines_are_the_java_agent_s() {
        assert_eq!(
            agent_line(&[report(), report()], Duration::from_millis(30_001)),
            "Agent: Progress: 14 records parsed (140 bytes), and 10 records sent successfully to destinations. Uptime: 30001ms"
        );
        assert_eq!(
            flow_line(&report()),
            "FileTailer[kinesis:s:/l/a]: Tailer Progress: Tailer has parsed 7 records (70 bytes), transformed 6 records, \
             skipped 1 records, and has successfully sent 5 records to destination."
        );
        let behind = FlowReport { unread_bytes: 47_185_920, ..report() };
        assert_eq!(lag_line(&behind), "FileTailer[kinesis:s:/l/a]: Tailer is 45.000000 MB (47185920 bytes) behind.");
        assert_eq!(
            lag_line(&FlowReport { files_waiting: 2, ..behind }),
            "FileTailer[kinesis:s:/l/a]: Tailer is 45.000000 MB (47185920 bytes) behind. There are 2 file(s) newer than \
             current file(s) being tailed."
        );
    }

    #[test]
    fn internal_counters_have_the_java_agent_s_names() {
        let counters = internal_counters(&report());
        assert_eq!(counters["KinesisParser.TotalRecordsParsed"], 7);
        assert_eq!(counters["KinesisSender.TotalRecordsSent"], 5);
        assert_eq!(counters["FileTailer.BytesBehind"], 0);
        assert_eq!(agent_counters(&[report()], Duration::from_millis(9))["Agent.UptimeMillis"], 9);
    }
}
