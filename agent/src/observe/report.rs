//! All that is known about the running flows at one moment, as plain data: what `/status` serves as JSON, and what
//! every other view is made of.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::Path,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

use super::{
    flows::{Flows, Observed},
    process::{self, Usage},
};
use crate::destination::Cause;

/// Files listed for one flow, those furthest behind first. All of them count in the sums.
pub(crate) const LISTED_FILES: usize = 1000;

/// The whole agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Version of the program.
    pub(crate) version: String,
    /// Its process id.
    pub(crate) pid: u32,
    /// When this was true, in milliseconds since 1970.
    pub(crate) at_unix_ms: u64,
    /// Milliseconds since the start.
    pub(crate) uptime_ms: u64,
    /// Whether it finishes what was read and ends then.
    pub(crate) is_stopping: bool,
    /// What the process costs.
    pub(crate) process: Usage,
    /// In the order of the settings.
    pub(crate) flows: Vec<FlowReport>,
}

/// One flow. Numbers that end in `_total` count from the start of the agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct FlowReport {
    /// Its id.
    pub(crate) id: String,
    /// `KinesisStream:<name>`.
    pub(crate) destination: String,
    /// `starting`, `ok`, or why the last request was not accepted: `throttled`, `unavailable`, `misconfigured`, `refused`.
    pub(crate) state: String,
    /// What a person can do about the state.
    pub(crate) remedy: Option<String>,
    /// The last failure; it stays when things are well again.
    pub(crate) last_error: Option<ErrorReport>,
    /// When a record was accepted last, in milliseconds since 1970.
    pub(crate) last_accepted_unix_ms: Option<u64>,
    /// Lines read.
    pub(crate) records_parsed_total: u64,
    /// Bytes of those.
    pub(crate) bytes_parsed_total: u64,
    /// Records that were converted.
    pub(crate) records_transformed_total: u64,
    /// Lines no converter could read.
    pub(crate) records_skipped_total: u64,
    /// Lines cut to the record limit.
    pub(crate) records_truncated_total: u64,
    /// Records accepted.
    pub(crate) records_sent_total: u64,
    /// Bytes of those.
    pub(crate) bytes_sent_total: u64,
    /// Records sent once more.
    pub(crate) records_retried_total: u64,
    /// Records the destination refused for ever.
    pub(crate) records_refused_total: u64,
    /// Records in the dead-letter file.
    pub(crate) dead_letters_total: u64,
    /// Requests that came back.
    pub(crate) requests_total: u64,
    /// Answers with a failure in them, by cause.
    pub(crate) failures_total: Vec<(String, u64)>,
    /// Requests on their way.
    pub(crate) requests_in_flight: u64,
    /// Closed batches that wait.
    pub(crate) batches_waiting: u64,
    /// Bytes in the files that were not read.
    pub(crate) unread_bytes: u64,
    /// Bytes in the files that were not accepted.
    pub(crate) lag_bytes: u64,
    /// Age of the oldest line that was read and not accepted, in seconds.
    pub(crate) lag_seconds: f64,
    /// Files of the flow.
    pub(crate) files_known: u64,
    /// Files of which nothing was read yet although there is something.
    pub(crate) files_waiting: u64,
    /// When the checkpoint was saved last, in milliseconds since 1970.
    pub(crate) checkpoint_saved_unix_ms: Option<u64>,
    /// Why it cannot be saved.
    pub(crate) checkpoint_error: Option<String>,
    /// Checkpoints that could not be saved.
    pub(crate) checkpoint_failures_total: u64,
    /// Failed attempts to read a file since the last one that succeeded.
    pub(crate) read_errors: u64,
    /// The loop that hangs, and for how many seconds.
    pub(crate) stuck: Option<(String, u64)>,
    /// At most 1,000, those furthest behind first.
    pub(crate) files: Vec<FileReport>,
}

/// Why something was not accepted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ErrorReport {
    /// The kind.
    pub(crate) cause: String,
    /// What the destination or the network said.
    pub(crate) message: String,
    /// When, in milliseconds since 1970.
    pub(crate) at_unix_ms: u64,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct FileReport {
    /// Its path when it was last seen.
    pub(crate) path: String,
    /// Its length; what was read of it when it is gone.
    pub(crate) size: u64,
    /// Everything before it was read.
    pub(crate) read: u64,
    /// Everything before it was accepted.
    pub(crate) accepted: u64,
    /// Bytes that were not accepted.
    pub(crate) lag_bytes: u64,
    /// Age of the oldest line that was read and not accepted, in seconds.
    pub(crate) lag_seconds: f64,
    /// Whether it has no name any more and is read through its open handle.
    pub(crate) is_gone: bool,
}

/// Looks at everything. Asks the file system for the length of every file: not for an async worker.
pub(crate) fn of(flows: &Flows, started: Instant, is_stopping: bool) -> Report {
    let now = Instant::now();
    Report {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        at_unix_ms: unix_ms(SystemTime::now()),
        uptime_ms: millis(now.saturating_duration_since(started)),
        is_stopping,
        process: process::usage(),
        flows: flows.all().iter().map(|flow| of_flow(flow, now)).collect(),
    }
}

/// Looks at one flow; as [`of`].
pub(crate) fn of_flow(flow: &Observed, now: Instant) -> FlowReport {
    let (counters, live) = (&flow.counters, &flow.counters.live);
    let (delivery, checkpoint) = (live.delivery(), live.checkpoint());
    let mut files = Vec::new();
    live.each_file(|file| files.push((file.name.clone(), file.read, file.accepted, file.lag(now))));
    let mut files: Vec<_> = files.into_iter().map(|file| of_file(&flow.directory, file)).collect();
    files.sort_by(|one, other| (other.lag_bytes, &one.path).cmp(&(one.lag_bytes, &other.path)));
    let failing = delivery.last_failure.as_ref().filter(|_| delivery.is_failing).map(|(failure, _)| failure.cause);
    let failures = Cause::ALL.iter().map(|cause| (cause.to_string(), live.failures_of(*cause).map_or(0, |count| count.get())));
    let loops = [("tailer", &live.tailer), ("shipper", &live.shipper)];
    let stuck = loops.into_iter().find_map(|(name, beat)| Some((name.to_owned(), beat.stuck_for(now)?.as_secs())));
    FlowReport {
        id: flow.id.clone(),
        destination: flow.destination.clone(),
        state: match failing {
            Some(cause) => cause.to_string(),
            None if !live.tailer.has_started() || !live.shipper.has_started() => "starting".to_owned(),
            None => "ok".to_owned(),
        },
        remedy: failing.map(|cause| cause.remedy().to_owned()),
        last_error: delivery.last_failure.map(|(failure, at)| ErrorReport {
            cause: failure.cause.to_string(),
            message: failure.message,
            at_unix_ms: unix_ms(at),
        }),
        last_accepted_unix_ms: delivery.last_accepted.map(unix_ms),
        records_parsed_total: counters.records_parsed.get(),
        bytes_parsed_total: counters.bytes_parsed.get(),
        records_transformed_total: counters.records_transformed.get(),
        records_skipped_total: counters.records_skipped.get(),
        records_truncated_total: counters.records_truncated.get(),
        records_sent_total: counters.records_sent.get(),
        bytes_sent_total: live.bytes_sent.get(),
        records_retried_total: counters.records_retried.get(),
        records_refused_total: counters.records_refused.get(),
        dead_letters_total: live.dead_letters.get(),
        requests_total: live.requests.get(),
        failures_total: failures.collect(),
        requests_in_flight: live.requests_in_flight.get(),
        batches_waiting: live.batches_waiting.get(),
        unread_bytes: files.iter().map(|file| file.size.saturating_sub(file.read)).sum(),
        lag_bytes: files.iter().map(|file| file.lag_bytes).sum(),
        lag_seconds: files.iter().map(|file| file.lag_seconds).fold(0.0, f64::max),
        files_known: files.len() as u64,
        files_waiting: files.iter().filter(|file| file.read == 0 && file.size > 0).count() as u64,
        checkpoint_saved_unix_ms: checkpoint.saved.map(unix_ms),
        checkpoint_error: checkpoint.trouble,
        checkpoint_failures_total: live.checkpoint_failures.get(),
        read_errors: live.read_errors.get(),
        stuck,
        files: {
            files.truncate(LISTED_FILES);
            files
        },
    }
}

fn of_file(directory: &Path, (name, read, accepted, lag): (String, u64, u64, Duration)) -> FileReport {
    let path = directory.join(name);
    let size = fs::metadata(&path).map(|metadata| metadata.size());
    let is_gone = size.is_err();
    let size = size.unwrap_or(read).max(read);
    let lag_bytes = size.saturating_sub(accepted);
    FileReport {
        path: path.to_string_lossy().into_owned(),
        size,
        read,
        accepted,
        lag_bytes,
        lag_seconds: lag.as_secs_f64(),
        is_gone,
    }
}

/// Milliseconds since 1970.
pub(crate) fn unix_ms(time: SystemTime) -> u64 {
    millis(time.duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        counters::Counters,
        destination::{Failure, Reason},
        observe::Answered,
        record::FileId,
        testing,
    };

    /// A flow over one file of ten bytes, six of them read and four accepted.
    pub(crate) fn flow(directory: &Path) -> Observed {
        fs::write(directory.join("a.log"), "0123456789").unwrap();
        let counters = Arc::new(Counters::default());
        counters.live.learn(FileId(0), "a.log", 0);
        counters.live.accepted(FileId(0), Some(4));
        let record = crate::record::Record {
            data: bytes::Bytes::from_static(b"x\n"),
            key: crate::record::PartitionKey::Random(1),
            file: FileId(0),
            end: 6,
            line_bytes: 2,
            packed: None,
        };
        counters.live.received(&[record], Instant::now());
        counters.live.tailer.waiting(Instant::now());
        counters.live.shipper.waiting(Instant::now());
        Observed::new(&testing::flow(directory, "*.log", ""), counters)
    }

    /// An agent with that flow.
    pub(crate) fn report(directory: &Path) -> Report {
        let flows = Flows::default();
        flows.add(flow(directory));
        of(&flows, Instant::now(), false)
    }

    fn answer(flow: &Observed, accepted: usize, failure: Option<&Failure>) {
        let answer = Answered { attempted: 5, accepted, bytes: accepted * 10, failed_whole: accepted == 0, failure };
        flow.counters.live.answered(&answer, SystemTime::now());
    }

    #[test]
    fn the_lag_is_what_was_not_accepted_of_the_files_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let flow = flow(folder.path());
        let report = of_flow(&flow, Instant::now() + Duration::from_secs(9));
        let file = &report.files[0];
        assert_eq!((file.size, file.read, file.accepted, file.lag_bytes), (10, 6, 4, 6));
        assert_eq!((report.unread_bytes, report.lag_bytes, report.state.as_str()), (4, 6, "ok"));
        assert!(report.lag_seconds >= 9.0);
    }

    #[test]
    fn a_file_without_a_name_is_as_long_as_what_was_read() {
        let folder = tempfile::tempdir().unwrap();
        let flow = flow(folder.path());
        fs::remove_file(folder.path().join("a.log")).unwrap();
        let report = of_flow(&flow, Instant::now());
        assert_eq!((report.files[0].size, report.files[0].is_gone, report.lag_bytes), (6, true, 2));
    }

    #[test]
    fn the_state_is_the_last_answer_s_and_the_error_is_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let flow = flow(folder.path());
        let failure = Failure::new(Reason::NotFound, "no such stream");
        answer(&flow, 0, Some(&failure));
        let failing = of_flow(&flow, Instant::now());
        assert_eq!(failing.state, "misconfigured");
        assert!(failing.remedy.is_some());
        answer(&flow, 5, None);
        let fine = of_flow(&flow, Instant::now());
        assert_eq!((fine.state.as_str(), fine.remedy), ("ok", None));
        assert_eq!(fine.last_error.unwrap().message, "no such stream");
        assert_eq!((fine.requests_total, fine.bytes_sent_total), (2, 50));
        assert_eq!(fine.failures_total.iter().find(|(cause, _)| cause == "misconfigured").unwrap().1, 1);
    }
}
