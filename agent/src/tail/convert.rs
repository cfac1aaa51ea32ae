//! Hands lines on through the converters of a flow.
//!
//! Every line of a read is accounted for when the read is: sent, put aside before any line behind it is sent, or
//! covered by a [`FromTailer::Passed`] behind the last record. So a line that is not sent never holds the position.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tracing::warn;

use super::{CHUNK_RECORDS, Line, READ_BYTES, Tailer, line_buffer, record_of};
use crate::{
    rate_limit::RateLimit,
    record::{self, FileId, FromTailer, PartitionKey, Record},
    transform::{OnParseError, Outcome, Transform},
};

/// What is said about lines that could not be converted, and how often.
#[derive(Debug, Default)]
pub(super) struct Misses {
    mismatched: RateLimit,
    failed: RateLimit,
}

/// What became of the lines of one read.
#[derive(Default)]
struct Tally {
    transformed: u64,
    skipped: u64,
    truncated: u64,
    /// Start of the first line that is not in the format, and how many are not.
    mismatched: Option<(u64, u64)>,
    /// The same for lines that failed, and why the first one did.
    failed: Option<(u64, u64)>,
    reason: &'static str,
}

impl<S: FnMut(FromTailer) -> bool> Tailer<S> {
    /// Converts and sends lines of one file, in their order.
    pub(super) fn convert(&mut self, id: FileId, lines: impl Iterator<Item = Line>, transform: &Transform, now: Instant) {
        let (mut tally, mut chunk, mut rejected) = (Tally::default(), Chunk::default(), Vec::new());
        let (mut end, mut sent_to) = (None, None);
        let now_ms = unix_ms(); // once for the read
        for line in lines {
            end = Some(line.end);
            let raw = record_of(line, id, self.settings.partition_key);
            let record = match transform.apply(&raw.data, now_ms) {
                Outcome::Converted(data) => Some(self.converted(raw, data, &mut tally)),
                Outcome::Failed(reason) => Some(tally.fail(raw, reason)),
                Outcome::Mismatched(policy) => tally.mismatch(raw, policy, &mut rejected),
            };
            let Some(record) = record else { continue };
            sent_to = Some(record.end);
            chunk.push(record);
            if chunk.is_full() {
                self.send_chunk(&mut rejected, &mut chunk);
            }
        }
        self.send_chunk(&mut rejected, &mut chunk);
        if let Some(end) = end.filter(|_| end != sent_to) {
            self.is_closed |= !(self.sink)(FromTailer::Passed { id, end });
        }
        self.note(id, &tally, now);
    }

    /// What is put aside goes first: the position may pass it once a record behind it is accepted.
    fn send_chunk(&mut self, rejected: &mut Vec<Record>, chunk: &mut Chunk) {
        if !rejected.is_empty() {
            self.is_closed |= !(self.sink)(FromTailer::Rejected(std::mem::take(rejected)));
        }
        let Chunk { records, .. } = std::mem::take(chunk);
        if !records.is_empty() {
            self.is_closed |= !(self.sink)(FromTailer::Records(records));
        }
    }

    /// The record with its new bytes, cut to the record limit as a line is, and the key of what is sent.
    fn converted(&self, raw: Record, data: Vec<u8>, tally: &mut Tally) -> Record {
        let option = self.settings.partition_key;
        let limit = record::max_line_bytes(option);
        tally.transformed += 1;
        let data = if data.len() > limit {
            tally.truncated += 1;
            line_buffer::ended(&data[..limit])
        } else {
            Bytes::from(data)
        };
        Record { key: PartitionKey::of(&data, option), data, ..raw }
    }

    /// Counts, and says what an operator must know; never what stands in a line.
    fn note(&mut self, id: FileId, tally: &Tally, now: Instant) {
        self.counters.records_transformed.add(tally.transformed);
        self.counters.records_skipped.add(tally.skipped);
        self.counters.records_truncated.add(tally.truncated);
        let (flow, file) = (&self.settings.id, self.files.get(&id).map_or("", |file| file.facts.name.as_str()));
        if let Some((offset, lines)) = tally.mismatched
            && let Some(suppressed) = self.misses.mismatched.allow(now)
        {
            let skipped = tally.skipped;
            warn!(flow, file, offset, lines, skipped, suppressed, "lines are not in the format of LOGTOJSON; see onParseError");
        }
        if let Some((offset, lines)) = tally.failed
            && let Some(suppressed) = self.misses.failed.allow(now)
        {
            let reason = tally.reason;
            warn!(flow, file, offset, lines, reason, suppressed, "Cannot process input data, falling back to raw data");
        }
        if tally.truncated > 0
            && let Some(suppressed) = self.troubles.allow(now)
        {
            let (truncated, limit) = (tally.truncated, record::max_line_bytes(self.settings.partition_key));
            warn!(flow, file, truncated, limit, suppressed, "cut converted records to the record limit");
        }
    }
}

impl Tally {
    /// The line is sent as it is.
    fn fail(&mut self, raw: Record, reason: &'static str) -> Record {
        if self.failed.is_none() {
            self.reason = reason;
        }
        count(&mut self.failed, raw.start());
        raw
    }

    /// The line, if it is sent all the same.
    fn mismatch(&mut self, raw: Record, policy: OnParseError, rejected: &mut Vec<Record>) -> Option<Record> {
        count(&mut self.mismatched, raw.start());
        self.skipped += u64::from(policy != OnParseError::Raw);
        match policy {
            OnParseError::Drop => None,
            OnParseError::Raw => Some(raw),
            OnParseError::DeadLetter => {
                rejected.push(raw);
                None
            }
        }
    }
}

/// Remembers the first place and counts.
fn count(seen: &mut Option<(u64, u64)>, offset: u64) {
    seen.get_or_insert((offset, 0)).1 += 1;
}

/// Records that travel together. Converters may make them larger than what was read, so bytes close it too.
#[derive(Default)]
struct Chunk {
    records: Vec<Record>,
    bytes: usize,
}

impl Chunk {
    fn push(&mut self, record: Record) {
        self.bytes += record.data.len();
        self.records.push(record);
    }

    fn is_full(&self) -> bool {
        self.records.len() >= CHUNK_RECORDS || self.bytes >= READ_BYTES
    }
}

fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
