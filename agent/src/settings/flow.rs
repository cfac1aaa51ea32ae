//! The settings of one flow: which files, to which destination, in what batches.

use std::time::Duration;

use super::{
    destination::{self, Kind, Target},
    options,
    pattern::FilePattern,
    problem::Fields,
    records::{self, RecordSettings},
    tracking::Tracking,
};
use crate::transform::Transform;

/// Milliseconds no setting needs to exceed: a day.
pub(super) const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;

/// Bytes in one PutRecords request, keys included. Source: the Kinesis API reference.
const MOST_REQUEST_BYTES: i64 = 10 * 1024 * 1024;

/// Requests of one flow on their way together unless it says otherwise. Four keep a stream busy while answers take
/// their time.
const DEFAULT_REQUESTS: i64 = 4;

/// Longest time between two listings unless the flow says otherwise.
const DEFAULT_REFRESH_MILLIS: i64 = 10_000;

/// The same, for whoever wants to know whether the flow asks for less.
pub(crate) const DEFAULT_REFRESH: Duration = Duration::from_millis(DEFAULT_REFRESH_MILLIS as u64);

/// Shortest wait of a line for its request to fill. The Java agent starts at [`JAVA_MIN_AGE`].
const MIN_AGE_MILLIS: i64 = 10;

/// Below it the Java agent refuses to start.
pub(super) const JAVA_MIN_AGE: Duration = Duration::from_secs(1);

/// One flow: the files of a pattern to one destination.
#[derive(Debug, Clone)]
pub struct FlowSettings {
    /// `kinesis:<stream>:<directory>/<pattern>`, or `fh:<delivery stream>:..`: names the flow in logs and its checkpoint.
    pub id: String,
    /// The files.
    pub files: FilePattern,
    /// How they are found and remembered.
    pub tracking: Tracking,
    /// Where the records go.
    pub target: Target,
    /// How records spread over the shards.
    pub partition_key: PartitionKeyOption,
    /// Where to begin in files that exist when the flow starts for the first time ever.
    pub initial_position: InitialPosition,
    /// When a batch leaves.
    pub batch: BatchLimits,
    /// Requests that may be on their way together. With 1, lines stay in order while the destination accepts them.
    pub max_requests: usize,
    /// How long to wait after a request failed.
    pub retry: RetryLimits,
    /// Shortest time between two looks at the files.
    pub poll_interval: Duration,
    /// Longest time between two listings of the directory.
    pub refresh_interval: Duration,
    /// Chunks of lines that may wait for the destination; more than [`crate::run()`] can use are not kept.
    pub queue_capacity: usize,
    /// Whether its counters are logged as JSON with each status line.
    pub internal_metrics: bool,
    /// What is done to each record before it is sent.
    pub(crate) transform: Option<Transform>,
    /// What a record is.
    pub(crate) records: RecordSettings,
}

/// How records spread over the shards of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartitionKeyOption {
    /// There is no key: Firehose has no shards.
    None,
    /// A random number for each record.
    Random,
    /// The MD5 of the record's bytes in hexadecimal: equal lines meet on one shard.
    Deterministic,
}

/// Where to begin in a file that is older than the flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InitialPosition {
    /// All of it is sent.
    StartOfFile,
    /// Only what is written from now on is sent.
    EndOfFile,
}

/// When a batch leaves for the destination.
#[derive(Debug, Clone, Copy)]
pub struct BatchLimits {
    /// Records in one request: 1 to 500, the PutRecords limit.
    pub max_records: usize,
    /// Bytes in one request, partition keys included.
    pub max_bytes: usize,
    /// Longest time a record waits for its batch to fill.
    pub max_age: Duration,
}

/// Bounds of the wait between attempts; it doubles in between.
#[derive(Debug, Clone, Copy)]
pub struct RetryLimits {
    /// After the first failure.
    pub initial: Duration,
    /// After many.
    pub max: Duration,
}

/// Reads one flow. What is wrong goes to the problems behind `fields`.
pub(super) fn read(fields: &mut Fields<'_>) -> Option<FlowSettings> {
    let files = read_pattern(fields);
    let target = destination::read(fields);
    let kind = target.as_ref().map_or(Kind::Kinesis, |target| target.kind);
    let max_bytes = read_request_limit(fields, kind);
    let batch = BatchLimits {
        max_records: fields.size("maxBufferSizeRecords", 500, 1..=500),
        max_bytes: fields.size("maxBufferSizeBytes", max_bytes, 1..=max_bytes),
        max_age: fields.millis("maxBufferAgeMillis", 60_000, MIN_AGE_MILLIS..=900_000),
    };
    let retry = RetryLimits {
        initial: fields.millis("retryInitialBackoffMillis", 100, 0..=DAY_MILLIS),
        max: fields.millis("retryMaxBackoffMillis", 10_000, 0..=DAY_MILLIS),
    };
    let positions = [("END_OF_FILE", InitialPosition::EndOfFile), ("START_OF_FILE", InitialPosition::StartOfFile)];
    let options = [("RANDOM", PartitionKeyOption::Random), ("DETERMINISTIC", PartitionKeyOption::Deterministic)];
    let initial_position = fields.choice("initialPosition", InitialPosition::EndOfFile, &positions);
    let chosen_key = fields.choice("partitionKeyOption", PartitionKeyOption::Random, &options);
    let partition_key = if kind == Kind::Firehose { PartitionKeyOption::None } else { chosen_key };
    // A few dozen keep any stream busy; each holds a whole request in memory.
    let max_requests = fields.size("maxRequestsInFlight", DEFAULT_REQUESTS, 1..=64);
    let poll_interval = fields.millis("minTimeBetweenFilePollsMillis", 100, 0..=DAY_MILLIS);
    let refresh_interval = fields.millis("maxTimeBetweenFileTrackerRefreshMillis", DEFAULT_REFRESH_MILLIS, 0..=DAY_MILLIS);
    let queue_capacity = fields.size("publishQueueCapacity", 100, 1..=1_000_000);
    let internal_metrics = fields.boolean("log.emitInternalMetrics", false);
    let transform = options::read(fields);
    let records = records::read(fields, kind, partition_key);
    let (files, target) = (files?, target?);
    let id = format!("{}:{}:{}", kind.prefix(), target.written(), files.full());
    Some(FlowSettings {
        id,
        files,
        tracking: Tracking::default(), // read where the keys at the top of the file are at hand
        target,
        partition_key,
        initial_position,
        batch,
        max_requests,
        retry,
        poll_interval,
        refresh_interval,
        queue_capacity,
        internal_metrics,
        transform,
        records,
    })
}

fn read_pattern(fields: &mut Fields<'_>) -> Option<FilePattern> {
    let text = fields.required_text("filePattern", "a flow needs the files to read, such as /var/log/app.log*");
    if text.is_empty() {
        return None;
    }
    FilePattern::parse(&text).map_err(|remedy| fields.problem("filePattern", &remedy)).ok()
}

/// The most bytes `maxBufferSizeBytes` may ask for, which is also its default.
fn read_request_limit(fields: &mut Fields<'_>, kind: Kind) -> i64 {
    let usual = i64::try_from(kind.max_request_bytes()).unwrap_or(MOST_REQUEST_BYTES);
    match kind {
        Kind::Kinesis => fields.integer("requestSizeLimitBytes", usual, 1..=MOST_REQUEST_BYTES),
        Kind::Firehose => {
            if fields.value("requestSizeLimitBytes").is_some() {
                fields.problem("requestSizeLimitBytes", "only Kinesis takes larger requests; Firehose's limit of 4 MiB is fixed");
            }
            usual
        }
    }
}
