//! The status lines, in the Java agent's words: people's log filters look for them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::{MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::counters::Counters;

/// Bytes behind from which the lag is told. Source: the Java agent.
const LAG_INFO_BYTES: u64 = 20 * 1024 * 1024;

/// Bytes behind from which the lag is a warning. Source: the Java agent.
const LAG_WARN_BYTES: u64 = 40 * 1024 * 1024;

/// The totals of all flows.
#[derive(Debug, Clone)]
pub(crate) struct Status {
    flows: Vec<(String, Arc<Counters>)>,
    started: Instant,
}

impl Status {
    pub(crate) fn new(flows: Vec<(String, Arc<Counters>)>) -> Self {
        Self { flows, started: Instant::now() }
    }

    /// Logs the status every `period` until `stop` is cancelled.
    pub(crate) async fn report(self, period: Duration, stop: CancellationToken) {
        let mut ticks = interval_at((Instant::now() + period).into(), period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => self.log(),
                () = stop.cancelled() => return,
            }
        }
    }

    /// Logs one line for each flow and one for all.
    pub(crate) fn log(&self) {
        for (flow, counters) in &self.flows {
            info!("{}", flow_line(flow, counters));
            log_lag(flow, counters.bytes_behind.get());
        }
        let uptime = self.started.elapsed();
        info!("{}", agent_line(self.flows.iter().map(|(_, counters)| &**counters), uptime));
    }
}

fn agent_line<'a>(flows: impl Iterator<Item = &'a Counters>, uptime: Duration) -> String {
    let (mut parsed, mut bytes, mut sent) = (0, 0, 0);
    for flow in flows {
        parsed += flow.records_parsed.get();
        bytes += flow.bytes_parsed.get();
        sent += flow.records_sent.get();
    }
    let uptime = uptime.as_millis();
    format!(
        "Agent: Progress: {parsed} records parsed ({bytes} bytes), and {sent} records sent successfully to destinations. Uptime: {uptime}ms"
    )
}

fn flow_line(flow: &str, counters: &Counters) -> String {
    let (parsed, bytes, sent) = (counters.records_parsed.get(), counters.bytes_parsed.get(), counters.records_sent.get());
    let (transformed, skipped) = (counters.records_transformed.get(), counters.records_skipped.get());
    format!(
        "FileTailer[{flow}]: Tailer Progress: Tailer has parsed {parsed} records ({bytes} bytes), transformed {transformed} \
         records, skipped {skipped} records, and has successfully sent {sent} records to destination."
    )
}

fn log_lag(flow: &str, behind: u64) {
    let line = || format!("FileTailer[{flow}]: Tailer is {:.6} MB ({behind} bytes) behind.", behind as f64 / 1024.0 / 1024.0);
    match behind {
        LAG_WARN_BYTES.. => warn!("{}", line()),
        LAG_INFO_BYTES.. => info!("{}", line()),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters() -> Counters {
        let counters = Counters::default();
        counters.records_parsed.add(7);
        counters.bytes_parsed.add(70);
        counters.records_transformed.add(6);
        counters.records_skipped.add(1);
        counters.records_sent.add(5);
        counters
    }

    #[test]
    fn the_lines_are_the_java_agent_s() {
        let both = [counters(), counters()];
        assert_eq!(
            agent_line(both.iter(), Duration::from_millis(30_001)),
            "Agent: Progress: 14 records parsed (140 bytes), and 10 records sent successfully to destinations. Uptime: 30001ms"
        );
        assert_eq!(
            flow_line("kinesis:s:/l/a", &both[0]),
            "FileTailer[kinesis:s:/l/a]: Tailer Progress: Tailer has parsed 7 records (70 bytes), transformed 6 records, \
             skipped 1 records, and has successfully sent 5 records to destination."
        );
    }
}
