//! Lines to Arrow columns: only the fields the program reads are decoded.
//!
//! ```text
//! record ─▶ unwrapped (KPL aggregate, gzip, zstd, plain) ─▶ lines
//! line ─▶ flat (no backslash in the line, wanted fields are strings) ─┬─▶ columns ─▶ Decoded { batch, bad lines, counts }
//!             └─ anything else ─▶ lenient (legal JSON and Apache's) ──┘
//! ```
//!
//! A bad line is counted and located; it never stops the next one.

mod clf_time;
mod columns;
mod flat;
mod lenient;
mod record;

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use memchr::memchr_iter;

use crate::chunk::{Chunk, Payload, Position, ShardId, StreamRecord};
use crate::program::RowTime;
use clf_time::ClfClock;
use columns::Columns;
use flat::Scan;
use lenient::LineError;

/// The field of the log that holds the time of the request.
const TIME_FIELD: &str = "request_time";

/// A line that could not be read.
#[derive(Debug, Clone)]
pub(crate) struct BadLine {
    pub(crate) position: Position,
    pub(crate) reason: String,
    /// The line as it came, cut after 1 KiB.
    pub(crate) text: String,
}

/// How much of a bad line is kept.
const BAD_LINE_BYTES: usize = 1024;

/// What a [`Chunk`] became.
#[derive(Debug)]
pub(crate) struct Decoded {
    pub(crate) shard: ShardId,
    pub(crate) event: ShardEvent,
}

/// Rows of a shard, or news about it, in the shard's order.
#[derive(Debug)]
pub(crate) enum ShardEvent {
    /// See [`Payload::Begin`].
    Begin,
    Rows(Rows),
    /// See [`Payload::CaughtUp`].
    CaughtUp {
        at_ms: i64,
    },
    /// See [`Payload::End`].
    End,
}

/// Decoded lines.
#[derive(Debug)]
pub(crate) struct Rows {
    /// `rowtime` (milliseconds, UTC) and the columns of the program.
    pub(crate) batch: RecordBatch,
    pub(crate) bad_lines: Vec<BadLine>,
    pub(crate) counts: LineCounts,
}

/// Lines, by what became of them. Each line is in `lines` once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LineCounts {
    /// Records of the stream; for a file the same as `lines`.
    pub(crate) records: u64,
    pub(crate) lines: u64,
    pub(crate) bytes: u64,
    /// Lines that a strict JSON parser refuses and we read: Apache's `\xHH`.
    pub(crate) illegal_json: u64,
    pub(crate) bad: u64,
}

impl LineCounts {
    pub(crate) fn add(&mut self, other: Self) {
        self.records += other.records;
        self.lines += other.lines;
        self.bytes += other.bytes;
        self.illegal_json += other.illegal_json;
        self.bad += other.bad;
    }
}

/// Decodes chunks one after the other; each worker thread has its own.
pub(crate) struct Decoder {
    /// The program's columns, then the time field when the time of a row stands in the line.
    wanted: Vec<Vec<u8>>,
    /// Where the time field stands in `wanted`.
    time_index: Option<usize>,
    row_time: RowTime,
    clock: ClfClock,
    columns: Columns,
}

impl Decoder {
    /// A decoder for the named columns of the log.
    pub(crate) fn new(column_names: &[String], row_time: RowTime) -> Self {
        let mut wanted: Vec<Vec<u8>> = column_names.iter().map(|name| name.clone().into_bytes()).collect();
        if row_time == RowTime::Event && !column_names.iter().any(|name| name == TIME_FIELD) {
            wanted.push(TIME_FIELD.into());
        }
        let time_index = wanted.iter().position(|name| name == TIME_FIELD.as_bytes());
        Self { wanted, time_index, row_time, clock: ClfClock::default(), columns: Columns::new(column_names) }
    }

    /// `rowtime` and the program's columns.
    pub(crate) fn schema(&self) -> SchemaRef {
        self.columns.schema()
    }

    /// Decodes one chunk. `now_ms` is the clock, for rows whose time is when they were read.
    pub(crate) fn decode(&mut self, chunk: Chunk, now_ms: i64) -> Decoded {
        let shard = chunk.shard;
        let event = match chunk.payload {
            Payload::Lines { bytes, file, first_line } => {
                ShardEvent::Rows(self.decode_with(|decoder, out| decoder.file_lines(&bytes, &file, first_line, now_ms, out)))
            }
            Payload::Records(records) => {
                ShardEvent::Rows(self.decode_with(|decoder, out| decoder.stream_records(&records, now_ms, out)))
            }
            Payload::Begin => ShardEvent::Begin,
            Payload::CaughtUp { at_ms } => ShardEvent::CaughtUp { at_ms },
            Payload::End => ShardEvent::End,
        };
        Decoded { shard, event }
    }

    fn decode_with(&mut self, fill: impl FnOnce(&mut Self, &mut Tally)) -> Rows {
        let mut tally = Tally::default();
        fill(self, &mut tally);
        Rows { batch: self.columns.finish(), bad_lines: tally.bad_lines, counts: tally.counts }
    }

    fn file_lines(&mut self, bytes: &[u8], file: &Arc<str>, first_line: u64, now_ms: i64, tally: &mut Tally) {
        for (index, line) in lines(bytes).enumerate() {
            self.line(line, now_ms, tally, || Position::File { file: file.clone(), line: first_line + index as u64 });
        }
        tally.counts.records = tally.counts.lines;
        tally.counts.bytes = bytes.len() as u64;
    }

    fn stream_records(&mut self, records: &[StreamRecord], now_ms: i64, tally: &mut Tally) {
        for record in records {
            let given_ms = if self.row_time == RowTime::Arrival { record.arrival_ms } else { now_ms };
            self.stream_record(record, given_ms, tally);
            tally.counts.records += 1;
            tally.counts.bytes += record.data.len() as u64;
        }
    }

    fn stream_record(&mut self, record: &StreamRecord, given_ms: i64, tally: &mut Tally) {
        let position = |line| {
            let (shard, sequence_number) = (record.shard_name.clone(), record.sequence_number.clone());
            Position::Stream { shard, sequence_number, line }
        };
        let mut number = 0; // lines of one record are numbered through, whatever they were wrapped in
        for content in record::contents(&record.data) {
            match content {
                Ok(content) => {
                    for line in lines(&content) {
                        number += 1;
                        self.line(line, given_ms, tally, || position(number));
                    }
                }
                Err(error) => {
                    number += 1;
                    tally.counts.lines += 1;
                    tally.bad(&record.data, error.to_string(), position(number));
                }
            }
        }
    }

    /// Decodes one line into the columns, or counts it as bad.
    fn line(&mut self, line: &[u8], given_ms: i64, tally: &mut Tally, position: impl FnOnce() -> Position) {
        if line.is_empty() {
            return; // a blank line is no record
        }
        tally.counts.lines += 1;
        if let Err(error) = self.row(line, given_ms, tally) {
            tally.bad(line, error.to_string(), position());
        }
    }

    fn row(&mut self, line: &[u8], given_ms: i64, tally: &mut Tally) -> Result<(), LineError> {
        let mut values = [b"".as_slice(); MAX_WANTED];
        let values = &mut values[..self.wanted.len()];
        if flat::scan(line, &self.wanted, values) == Scan::Found
            && let Some(texts) = as_texts(values)
        {
            return self.append(&texts[..values.len()], given_ms);
        }
        let fields = lenient::parse(line, &self.wanted)?;
        let texts: Vec<&str> = fields.values.iter().map(Cow::as_ref).collect();
        self.append(&texts, given_ms)?;
        tally.counts.illegal_json += u64::from(!fields.is_legal_json);
        Ok(())
    }

    fn append(&mut self, values: &[&str], given_ms: i64) -> Result<(), LineError> {
        let row_ms = match (self.row_time, self.time_index) {
            (RowTime::Event, Some(index)) => self.clock.read(values[index].as_bytes())?,
            _ => given_ms,
        };
        self.columns.append(row_ms, values);
        Ok(())
    }
}

/// The most columns a program may read, and the time: the log has ten.
const MAX_WANTED: usize = 16;

fn as_texts<'a>(values: &[&'a [u8]]) -> Option<[&'a str; MAX_WANTED]> {
    let mut texts = [""; MAX_WANTED];
    for (text, value) in texts.iter_mut().zip(values) {
        *text = str::from_utf8(value).ok()?;
    }
    Some(texts)
}

/// Counts of one chunk while it is decoded.
#[derive(Default)]
struct Tally {
    bad_lines: Vec<BadLine>,
    counts: LineCounts,
}

impl Tally {
    fn bad(&mut self, text: &[u8], reason: String, position: Position) {
        self.counts.bad += 1;
        let text = String::from_utf8_lossy(&text[..text.len().min(BAD_LINE_BYTES)]).into_owned();
        self.bad_lines.push(BadLine { position, reason, text });
    }
}

/// Lines of `bytes` without their newlines; the last one may lack it.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut start = 0;
    let ends = memchr_iter(b'\n', bytes).chain(std::iter::once(bytes.len()));
    ends.filter_map(move |end| {
        let line = bytes.get(start..end);
        start = end + 1;
        line.filter(|line| !line.is_empty() || end < bytes.len())
    })
}

#[cfg(test)]
mod tests;
