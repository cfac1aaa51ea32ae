//! Puts several lines into one record: joined, aggregated as the Kinesis Producer Library does, or compressed.
//!
//! Pure logic. It saves requests and money: streams are billed and limited by records of at least a kilobyte, and
//! `agent cost` says how much a log would gain.
//!
//! Invariants: lines leave in the order they came, each exactly once, and a record knows the place of every line in
//! it. So a position moves when the record that holds the line is accepted, and a record that is refused for ever can
//! be taken apart again for the dead letters.
//!
//! The lines of a record share its partition key. Lines with random keys go together; any other key ends the open
//! record when it changes, so that each aggregate has one key: a reader that trims aggregates to its shard's range, as
//! the Kinesis Client Library does, then never discards a line.

mod compress;
mod kpl;
mod lines;

use std::fmt;

use bytes::Bytes;

pub(crate) use self::{
    compress::Compression,
    lines::{Packed, unpack},
};
use self::{
    compress::Compressor,
    lines::{Content, PackedLine},
};
use crate::record::{PartitionKey, Record};

/// Lines one record holds at most, however short they are: their places are kept until it is accepted.
const MAX_LINES: usize = 16 * 1024;

/// Lines of one batch from which on it is full, for the same reason.
pub(crate) const MAX_BATCH_LINES: usize = 4 * MAX_LINES;

/// How the lines of a flow travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    /// Joined as they are, lines of one file only: `aggregatedRecordSizeBytes`. Converters have seen each line by itself,
    /// where the Java agent gave them all lines at once, which dropped or mangled them.
    Joined {
        /// The most a record of several lines has.
        bytes: usize,
    },
    /// As the Kinesis Producer Library does.
    Aggregated {
        /// The most a record of several lines has.
        bytes: usize,
    },
    /// Joined and compressed.
    Compressed {
        /// How.
        compression: Compression,
        /// The most the lines of a record have before they are compressed, unless it is one line.
        bytes: usize,
    },
}

impl Packing {
    /// Bytes that packing needs at most beside what batches hold: the open record, and the places of the lines of so many
    /// batches.
    pub(crate) fn memory_bytes(&self, batches: usize) -> usize {
        let compressor = if matches!(self, Self::Compressed { .. }) { compress::STATE_BYTES } else { 0 };
        2 * self.bytes() + batches * (MAX_BATCH_LINES + MAX_LINES) * size_of::<PackedLine>() + compressor
    }

    /// Bytes a line may grow by when it travels alone.
    pub(crate) fn overhead(&self) -> usize {
        match self {
            // A line alone is sent as it is.
            Self::Joined { .. } | Self::Aggregated { .. } => 0,
            Self::Compressed { .. } => compress::OVERHEAD_BYTES,
        }
    }
}

/// For people.
impl fmt::Display for Packing {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Joined { bytes } => write!(out, "joined up to {bytes} bytes"),
            Self::Aggregated { bytes } => write!(out, "aggregated as the KPL does up to {bytes} bytes"),
            Self::Compressed { compression: Compression::Gzip { level }, bytes } => {
                write!(out, "joined up to {bytes} bytes and compressed with gzip, level {level}")
            }
            Self::Compressed { compression: Compression::Zstd { level }, bytes } => {
                write!(out, "joined up to {bytes} bytes and compressed with zstd, level {level}")
            }
        }
    }
}

/// The open record of one flow.
#[derive(Debug)]
pub(crate) struct Packer {
    packing: Packing,
    /// Set exactly when compressing.
    compressor: Option<Compressor>,
    open: Option<Open>,
}

/// Lines that wait for more.
#[derive(Debug)]
struct Open {
    /// Sent as it is when no other joins it.
    first: Record,
    /// What the lines are in so far: joined, or the beginning of an aggregate.
    content: Vec<u8>,
    lines: Vec<PackedLine>,
}

impl Packer {
    pub(crate) fn new(packing: Packing) -> Self {
        let compressor = match packing {
            Packing::Compressed { compression, .. } => Some(Compressor::new(compression)),
            Packing::Joined { .. } | Packing::Aggregated { .. } => None,
        };
        Self { packing, compressor, open: None }
    }

    /// Adds a line. Returns the record that had to close to make room for it.
    pub(crate) fn push(&mut self, line: Record) -> Option<Record> {
        let closed = if self.has_room_for(&line) { None } else { self.take() };
        match &mut self.open {
            None => self.open = Some(Open { first: line, content: Vec::new(), lines: Vec::new() }),
            Some(open) => {
                if open.lines.is_empty() {
                    open.content.reserve(self.packing.bytes().min(64 * 1024));
                    let first = open.first.clone();
                    self.packing.append(open, &first);
                }
                self.packing.append(open, &line);
            }
        }
        closed
    }

    /// Closes the open record, if there is one.
    pub(crate) fn take(&mut self) -> Option<Record> {
        let mut open = self.open.take()?;
        let Some(compressor) = &mut self.compressor else {
            return Some(if open.lines.is_empty() { open.first } else { self.packing.close(open) });
        };
        if open.lines.is_empty() {
            let first = open.first.clone();
            self.packing.append(&mut open, &first);
        }
        let (data, content) = compressor.compress(&open.content);
        Some(record(data, content, open))
    }

    fn has_room_for(&self, line: &Record) -> bool {
        let Some(open) = &self.open else { return true };
        let is_same_file = !matches!(self.packing, Packing::Joined { .. }) || line.file == open.first.file;
        let has_place = open.lines.len() < MAX_LINES;
        is_same_file && has_place && line.key.joins(&open.first.key) && self.packing.size_with(open, line) <= self.packing.bytes()
    }
}

impl Packing {
    fn bytes(&self) -> usize {
        match self {
            Self::Joined { bytes } | Self::Aggregated { bytes } | Self::Compressed { bytes, .. } => *bytes,
        }
    }

    /// Bytes of the open record with one more line.
    fn size_with(&self, open: &Open, line: &Record) -> usize {
        let one = line.data.len();
        match self {
            Self::Aggregated { .. } if open.lines.is_empty() => kpl::size_of(&open.first.key, &[open.first.data.len(), one]),
            Self::Aggregated { .. } => kpl::closed_size(open.content.len()) + kpl::entry_size(one),
            Self::Joined { .. } | Self::Compressed { .. } => {
                let before = if open.lines.is_empty() { &open.first.data[..] } else { &open.content };
                before.len() + usize::from(lacks_end(before)) + one
            }
        }
    }

    fn append(&self, open: &mut Open, line: &Record) {
        let from = match self {
            Self::Aggregated { .. } => {
                if open.content.is_empty() {
                    kpl::begin(&mut open.content, &key_text(&open.first.key));
                }
                kpl::append(&mut open.content, &line.data)
            }
            Self::Joined { .. } | Self::Compressed { .. } => {
                // The last line of a file that is gone, or of a record in brackets, has no end of its own.
                if lacks_end(&open.content) {
                    open.content.push(b'\n');
                }
                let from = open.content.len();
                open.content.extend_from_slice(&line.data);
                from
            }
        };
        open.lines.push(PackedLine::new(line, from));
    }

    fn close(&self, mut open: Open) -> Record {
        if matches!(self, Self::Aggregated { .. }) {
            kpl::close(&mut open.content);
        }
        let data = Bytes::from(std::mem::take(&mut open.content));
        record(data, Content::Plain, open)
    }
}

/// Whether another line cannot follow as it is.
fn lacks_end(content: &[u8]) -> bool {
    content.last().is_some_and(|last| *last != b'\n')
}

fn key_text(key: &PartitionKey) -> String {
    key.to_string()
}

/// The record the open one becomes.
fn record(data: Bytes, content: Content, open: Open) -> Record {
    let Open { first, lines, .. } = open;
    let last = lines.last().copied().unwrap_or(PackedLine::new(&first, 0));
    let packed = Packed { content, lines };
    Record { data, key: first.key, file: last.file, end: last.end, line_bytes: last.line_bytes, packed: Some(Box::new(packed)) }
}

#[cfg(test)]
mod tests;
