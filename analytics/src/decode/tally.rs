//! What became of lines.

use serde::{Deserialize, Serialize};

use crate::chunk::Position;

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

/// Lines, by what became of them. Each line is in `lines` once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
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

/// Counts of one chunk while it is decoded.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) bad_lines: Vec<BadLine>,
    pub(super) counts: LineCounts,
}

impl Tally {
    /// Counts a line that could not be read, and keeps it.
    pub(super) fn bad(&mut self, text: &[u8], reason: String, position: Position) {
        self.counts.bad += 1;
        let text = String::from_utf8_lossy(&text[..text.len().min(BAD_LINE_BYTES)]).into_owned();
        self.bad_lines.push(BadLine { position, reason, text });
    }
}
