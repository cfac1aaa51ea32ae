//! The settings of one flow: which files, to which stream, in what batches.

use std::time::Duration;

use super::{
    keys::{self, Use},
    options,
    pattern::FilePattern,
    problem::Fields,
    records::{self, RecordSettings},
};
use crate::transform::Transform;

/// Milliseconds no setting needs to exceed: a day.
pub(super) const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;

/// Bytes in one PutRecords request, keys included. The Java agent's limit; the service takes 10 MiB.
const MAX_REQUEST_BYTES: i64 = 5 * 1024 * 1024;

/// Shortest wait of a line for its request to fill. The Java agent starts at [`JAVA_MIN_AGE`].
const MIN_AGE_MILLIS: i64 = 10;

/// Below it the Java agent refuses to start.
pub(super) const JAVA_MIN_AGE: Duration = Duration::from_secs(1);

/// One flow: the files of a pattern to one destination.
#[derive(Debug, Clone)]
pub struct FlowSettings {
    /// `kinesis:<stream>:<directory>/<pattern>`: names the flow in logs and its checkpoint.
    pub id: String,
    /// The files.
    pub files: FilePattern,
    /// Name of the Kinesis stream.
    pub stream: String,
    /// How records spread over the shards.
    pub partition_key: PartitionKeyOption,
    /// Where to begin in files that exist when the flow starts for the first time ever.
    pub initial_position: InitialPosition,
    /// When a batch leaves.
    pub batch: BatchLimits,
    /// How long to wait after a request failed.
    pub retry: RetryLimits,
    /// Shortest time between two looks at the files.
    pub poll_interval: Duration,
    /// Longest time between two listings of the directory.
    pub refresh_interval: Duration,
    /// Chunks of lines that may wait for the destination; more than [`crate::run()`] can use are not kept.
    pub queue_capacity: usize,
    /// What is done to each record before it is sent.
    pub(crate) transform: Option<Transform>,
    /// What a record is.
    pub(crate) records: RecordSettings,
}

/// How records spread over the shards of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartitionKeyOption {
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
    refuse_unsupported(fields, keys::FLOW);
    let files = read_pattern(fields);
    let stream = read_stream(fields);
    let batch = BatchLimits {
        max_records: fields.size("maxBufferSizeRecords", 500, 1..=500),
        max_bytes: fields.size("maxBufferSizeBytes", MAX_REQUEST_BYTES, 1..=MAX_REQUEST_BYTES),
        max_age: fields.millis("maxBufferAgeMillis", 60_000, MIN_AGE_MILLIS..=900_000),
    };
    let retry = RetryLimits {
        initial: fields.millis("retryInitialBackoffMillis", 100, 0..=DAY_MILLIS),
        max: fields.millis("retryMaxBackoffMillis", 10_000, 0..=DAY_MILLIS),
    };
    let positions = [("END_OF_FILE", InitialPosition::EndOfFile), ("START_OF_FILE", InitialPosition::StartOfFile)];
    let options = [("RANDOM", PartitionKeyOption::Random), ("DETERMINISTIC", PartitionKeyOption::Deterministic)];
    let initial_position = fields.choice("initialPosition", InitialPosition::EndOfFile, &positions);
    let partition_key = fields.choice("partitionKeyOption", PartitionKeyOption::Random, &options);
    let poll_interval = fields.millis("minTimeBetweenFilePollsMillis", 100, 0..=DAY_MILLIS);
    let refresh_interval = fields.millis("maxTimeBetweenFileTrackerRefreshMillis", 10_000, 0..=DAY_MILLIS);
    let queue_capacity = fields.size("publishQueueCapacity", 100, 1..=1_000_000);
    let transform = options::read(fields);
    let records = records::read(fields, partition_key);
    let (files, stream) = (files?, stream?);
    let id = format!("kinesis:{stream}:{}", files.full());
    Some(FlowSettings {
        id,
        files,
        stream,
        partition_key,
        initial_position,
        batch,
        retry,
        poll_interval,
        refresh_interval,
        queue_capacity,
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

fn read_stream(fields: &mut Fields<'_>) -> Option<String> {
    let is_firehose = fields.value("deliveryStream").is_some();
    if is_firehose && fields.value("kinesisStream").is_none() {
        return None; // reported as not supported yet
    }
    let name = fields.required_text("kinesisStream", "a flow needs the name of a Kinesis stream");
    if name.is_empty() {
        return None;
    }
    // Checked here because the service's own refusal would come once for each request.
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    if name.len() > 128 || !name.bytes().all(is_legal) {
        fields.problem("kinesisStream", "allowed are 1 to 128 letters, digits, '_', '.', '-' (the name, not an ARN)");
        return None;
    }
    Some(name)
}

/// Reports each key that would change what is sent and that this version cannot honour.
pub(super) fn refuse_unsupported(fields: &mut Fields<'_>, table: &[(&str, Use)]) {
    for (key, _) in table.iter().filter(|(_, use_)| *use_ == Use::Refused) {
        let Some(value) = fields.value(key) else { continue };
        if !keys::asks_for_nothing(key, value) {
            fields.refuse(key);
        }
    }
}
