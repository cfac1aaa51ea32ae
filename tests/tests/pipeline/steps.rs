//! Steps that several tests take.

use std::time::Duration;

use tests::{
    agent_setup::AgentSetup,
    binaries,
    data::{Difference, difference, multiset},
    log_writer::RotatingLog,
    process::{Process, command},
    stream::{NAME, TestStream},
    wait,
};
use tokio::time::{MissedTickBehavior, interval};

/// For anything that should take seconds.
pub(crate) const DEADLINE: Duration = Duration::from_secs(90);
/// Lines per file before the log is renamed.
pub(crate) const LINES_PER_FILE: usize = 3_000;
/// Lines are appended in bursts, this often.
const BURST_PERIOD: Duration = Duration::from_millis(10);

/// Appends all lines one by one, about `per_second` of them in a second.
pub(crate) async fn write_log(log: &mut RotatingLog, lines: &[Vec<u8>], per_second: usize) {
    let mut bursts = interval(BURST_PERIOD);
    bursts.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for burst in lines.chunks(per_second / 100) {
        bursts.tick().await;
        burst.iter().for_each(|line| log.append(line).unwrap());
    }
}

/// What the stream has, compared with what was written.
pub(crate) async fn compare(stream: &TestStream, written: &[Vec<u8>]) -> Difference {
    let records = stream.records().await.unwrap();
    // The Java agent ships a line with its newline, and so does ours.
    let arrived = records.iter().map(|record| record.data.strip_suffix(b"\n").unwrap_or(&record.data));
    difference(&multiset(written.iter().map(Vec::as_slice)), &multiset(arrived))
}

/// Waits until no line is missing in the stream.
pub(crate) async fn wait_for_all(stream: &TestStream, written: &[Vec<u8>]) -> Difference {
    let nothing_missing = || async {
        if (stream.count() as usize) < written.len() {
            return None;
        }
        let difference = compare(stream, written).await;
        (difference.missing == 0).then_some(difference)
    };
    wait::until("every line to reach the stream", DEADLINE, nothing_missing).await.unwrap()
}

/// Stops the agent as an operator does.
pub(crate) async fn stop(agent: Process) {
    agent.terminate(AgentSetup::deadline()).await.unwrap().success().unwrap();
}

/// Starts analytics on the stream by event time; it ends when no record has come for a while.
pub(crate) fn count_stream(endpoint: &str, setup: &AgentSetup) -> Process {
    let mut analytics = command(binaries::path("analytics").unwrap());
    analytics.args(["--window", "10s", "--format", "csv", "--rowtime", "event", "--allowed-lateness", "40s"]);
    analytics.args(["--start", "trim-horizon", "--until-idle", "5s", "--endpoint", endpoint]);
    analytics.arg("--input").arg(format!("kinesis:{NAME}"));
    Process::start("analytics", analytics, setup.folder()).unwrap()
}

/// The CSV rows in what analytics printed, without its words on stderr.
pub(crate) fn csv_rows(output: &str) -> Vec<&str> {
    let is_row = |line: &&str| line.starts_with("2026-") && line.matches(',').count() == 2;
    output.lines().filter(is_row).collect()
}
