//! Where records begin and end in a file: its header and footers, lines, or records of several lines.
//!
//! Pure logic over [`LineBuffer`] and [`MultiLine`]; a flow without any of it goes straight through to lines.
//!
//! A header is the first lines of a file. It is skipped whole or not at all: until its last line is complete no
//! position stands behind any of it, so a restart finds it again. The Java agent gave up on a header that was not
//! complete in ten seconds and sent the rest of it.
//!
//! A footer, and every record that began when the footer was found, is discarded; what is appended after that is
//! read. That is what the Java agent's "the rest of the buffer is discarded" comes to for a file that fits its buffer,
//! and it does not depend on how much was read at once.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use memchr::memchr_iter;

use super::{
    line_buffer::{Line, LineBuffer},
    multi_line::MultiLine,
};
use crate::{settings::FramingSettings, transform::Pattern};

/// What a read knows of the file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading<'b> {
    /// The bytes reach the end of the file.
    pub(crate) is_end: bool,
    /// Size of the file.
    pub(crate) size: u64,
    /// When it was read.
    pub(crate) now: Instant,
    /// What holds the bytes, if lines may keep it.
    pub(crate) block: Option<&'b Bytes>,
}

/// Cuts one file.
#[derive(Debug)]
pub(crate) struct Framing {
    /// Lines the header of a file has.
    header_lines: u64,
    /// Lines of the header that were not seen yet, and bytes of it that need not be read again.
    header: (u64, u64),
    footer: Option<Arc<Pattern>>,
    /// Records that begin before this position are discarded.
    discard_to: u64,
    splitter: Splitter,
    discarded: u64,
}

#[derive(Debug)]
enum Splitter {
    Lines(LineBuffer),
    Records(MultiLine),
}

impl Framing {
    /// For a file that is read from `position`; only one that is read from its start has a header.
    pub(crate) fn new(settings: &FramingSettings, limit: usize, position: u64) -> Self {
        let terminator = settings.terminator.clone();
        let splitter = match &settings.start {
            None => Splitter::Lines(LineBuffer::new(limit, terminator)),
            Some(start) => Splitter::Records(MultiLine::new(start.clone(), settings.flush, limit, terminator)),
        };
        let (header_lines, footer) = (settings.header_lines, settings.footer.clone());
        let mut framing = Self { header_lines, header: (0, 0), footer, discard_to: 0, splitter, discarded: 0 };
        framing.forget(position);
        framing
    }

    /// Bytes behind the last record that need not be read again.
    pub(crate) fn held(&self) -> u64 {
        self.header.1
            + match &self.splitter {
                Splitter::Lines(lines) => lines.held(),
                Splitter::Records(records) => records.held(),
            }
    }

    /// What only a line buffer needs to know: lines are looked at without a copy of what was read before.
    pub(crate) fn lines(&self) -> Option<&LineBuffer> {
        match &self.splitter {
            Splitter::Lines(lines) => Some(lines),
            Splitter::Records(_) => None,
        }
    }

    /// Bytes to ask for in the next read.
    pub(crate) fn wanted(&self) -> usize {
        match &self.splitter {
            Splitter::Lines(_) => super::READ_BYTES,
            Splitter::Records(records) => records.wanted(),
        }
    }

    /// Forgets what was held; it must be read again from `position`.
    pub(crate) fn forget(&mut self, position: u64) {
        self.header = (if position == 0 { self.header_lines } else { 0 }, 0);
        match &mut self.splitter {
            Splitter::Lines(lines) => lines.forget(),
            Splitter::Records(records) => records.forget(),
        }
    }

    /// Whether there is something to take although the file has not grown.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        match &self.splitter {
            Splitter::Lines(_) => false,
            Splitter::Records(records) => records.is_due(now),
        }
    }

    /// Records cut to the limit since the last call.
    pub(crate) fn take_truncated(&mut self) -> u64 {
        match &mut self.splitter {
            Splitter::Lines(lines) => lines.take_truncated(),
            Splitter::Records(records) => records.take_truncated(),
        }
    }

    /// Header lines, footers and what stood behind them, since the last call.
    pub(crate) fn take_discarded(&mut self) -> u64 {
        std::mem::take(&mut self.discarded)
    }

    /// Splits the bytes that follow `start + held()`, where `start` is the position of the file.
    ///
    /// Records go to `records`; the result is the new position.
    pub(crate) fn split(&mut self, piece: &[u8], start: u64, reading: Reading<'_>, records: &mut Vec<Line>) -> u64 {
        let Some((piece, start)) = self.skip_header(piece, start) else { return start };
        let first = records.len();
        let end = match &mut self.splitter {
            Splitter::Lines(lines) => lines.split(piece, start, reading.block, records),
            Splitter::Records(multi) => multi.split(piece, start, reading, records),
        };
        self.discard_footer(first, reading.size, records);
        end
    }

    /// What is left of a file that nobody will write to any more: the bytes that follow `start + held()`. An
    /// incomplete header is no record.
    pub(crate) fn take_rest(&mut self, piece: &[u8], start: u64, records: &mut Vec<Line>) -> u64 {
        let end = start + self.held() + piece.len() as u64;
        let Some((piece, start)) = self.skip_header(piece, start) else {
            self.discarded += 1;
            self.header = (0, 0);
            return end;
        };
        let first = records.len();
        match &mut self.splitter {
            Splitter::Lines(lines) => records.extend(lines.take_rest(piece, start)),
            Splitter::Records(multi) => multi.take_rest(piece, start, records),
        }
        self.discard_footer(first, end, records);
        end
    }

    /// Returns what follows the header and where that stands, unless the header is not complete.
    fn skip_header<'p>(&mut self, piece: &'p [u8], start: u64) -> Option<(&'p [u8], u64)> {
        let (left, held) = self.header;
        if left == 0 {
            return Some((piece, start));
        }
        let mut newlines = memchr_iter(b'\n', piece);
        let last = usize::try_from(left - 1).unwrap_or(usize::MAX);
        if let Some(newline) = newlines.nth(last) {
            self.header = (0, 0);
            self.discarded += self.header_lines;
            return Some((&piece[newline + 1..], start + held + newline as u64 + 1));
        }
        let seen = memchr_iter(b'\n', piece).count() as u64;
        self.header = (left - seen, held + piece.len() as u64);
        None
    }

    fn discard_footer(&mut self, first: usize, size: u64, records: &mut Vec<Line>) {
        let Some(footer) = &self.footer else { return };
        let (before, mut at) = (records.len(), 0);
        records.retain(|record| {
            at += 1;
            if at <= first {
                return true;
            }
            if record.start >= self.discard_to && is_footer(footer, &record.data) {
                self.discard_to = size;
            }
            record.start >= self.discard_to
        });
        self.discarded += (before - records.len()) as u64;
    }
}

/// As the Java agent tests: the record without blanks and line ends around it must match as a whole.
fn is_footer(footer: &Pattern, record: &[u8]) -> bool {
    let text = String::from_utf8_lossy(record);
    footer.is_match(text.trim_matches(|character| character <= ' '))
}
