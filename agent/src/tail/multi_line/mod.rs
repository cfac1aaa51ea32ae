//! Cuts the bytes of a file into records of several lines.
//!
//! Pure logic; the time is an argument. A record begins at a line that the flow's pattern matches and ends where the
//! next one begins; its first line belongs to it whether it matches or not. As with single lines the file is the
//! buffer: an open record is read again when the file has grown, and only a record over the limit keeps its beginning
//! here. So no position ever stands inside of a record.
//!
//! The last record of a file has no line behind it that would end it. It is taken when nothing was appended for the
//! flush time and its last line is complete. The Java agent takes it as soon as what it has read ends with `\n`, which
//! cuts a stack trace that is written in two pieces; a flush time of 0 does the same.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use memchr::memchr;

use super::{
    READ_BYTES,
    framing::Reading,
    line_buffer::{Line, ended},
};
use crate::transform::Pattern;

/// The pattern sees no more of a line than this. So a line need not be complete to be known as one that starts
/// nothing, and a line without end cannot hold up the file.
const TESTED_BYTES: usize = 64 * 1024;

/// Splits one file, piece by piece.
#[derive(Debug)]
pub(super) struct MultiLine {
    start: Arc<Pattern>,
    flush: Duration,
    /// In bytes.
    limit: usize,
    /// [`TESTED_BYTES`], but for tests.
    tested_bytes: usize,
    terminator: Arc<[u8]>,
    open: Open,
    long: Option<LongRecord>,
    /// End of what was seen of the file, and when it got there.
    seen: Option<(u64, Instant)>,
    /// The open record ends with the file, and with a line.
    is_complete: bool,
    /// Bytes to ask for in the next read.
    wanted: usize,
    truncated: u64,
}

/// How far a record was looked through for the next one's first line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Open {
    /// Bytes that hold no other record's start.
    checked: usize,
    /// They end inside of a line that starts none.
    inside_line: bool,
}

/// Nothing looked at: whatever the first line is, it belongs to the record.
const NEW: Open = Open { checked: 0, inside_line: true };

/// The open record when it is over the limit.
#[derive(Debug)]
struct LongRecord {
    /// What will be sent.
    data: Bytes,
    /// Bytes of the record seen so far, and whether they end inside of a line.
    length: u64,
    inside_line: bool,
}

/// Where a look for the next first line ended.
enum Found {
    /// At the line that begins here.
    Start(usize),
    /// Nowhere; so much is known.
    Nothing(Open),
}

impl MultiLine {
    pub(super) fn new(start: Arc<Pattern>, flush: Duration, limit: usize, terminator: Arc<[u8]>) -> Self {
        let (open, long, seen) = (NEW, None, None);
        Self {
            start,
            flush,
            limit,
            tested_bytes: TESTED_BYTES,
            terminator,
            open,
            long,
            seen,
            is_complete: false,
            wanted: READ_BYTES,
            truncated: 0,
        }
    }

    /// Bytes of the open record that need not be read again.
    pub(super) fn held(&self) -> u64 {
        self.long.as_ref().map_or(0, |long| long.length)
    }

    /// Bytes to ask for: enough to see the open record and something behind it.
    pub(super) fn wanted(&self) -> usize {
        self.wanted
    }

    /// Forgets the open record; it must be read again from its start.
    pub(super) fn forget(&mut self) {
        (self.open, self.long, self.seen, self.is_complete) = (NEW, None, None, false);
        self.wanted = READ_BYTES;
    }

    /// Records cut to the limit since the last call.
    pub(super) fn take_truncated(&mut self) -> u64 {
        std::mem::take(&mut self.truncated)
    }

    /// Whether the open record is to be read and taken although the file has not grown.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.is_complete && self.seen.is_some_and(|(_, since)| now.duration_since(since) >= self.flush)
    }

    /// Splits the bytes that follow `start + held()`, where `start` is the end of the last record taken.
    ///
    /// Records go to `records`; the result is the new end of the last one.
    pub(super) fn split(&mut self, piece: &[u8], start: u64, reading: Reading<'_>, records: &mut Vec<Line>) -> u64 {
        let base = start + self.held();
        self.note_seen(base + piece.len() as u64, reading.now);
        let Some((begin, start)) = self.finish_long(piece, start, base, false, records) else {
            self.is_complete = reading.is_end && self.long.as_ref().is_some_and(|long| !long.inside_line);
            return if self.is_due(reading.now) { self.flush_long(start, records) } else { start };
        };
        let open_from = self.cut(piece, begin, base, false, records);
        let taken = base + open_from as u64;
        let rest = &piece[open_from..];
        self.is_complete = reading.is_end && self.open.checked == rest.len() && !self.open.inside_line;
        if self.is_due(reading.now) {
            let end = taken + rest.len() as u64;
            records.push(self.record(rest, taken, end));
            self.reset();
            return end;
        }
        self.wait_for_more(rest);
        debug_assert!(start <= taken, "a position never moves back");
        taken
    }

    /// What is left of a file that nobody will write to any more: the bytes that follow `start + held()`.
    pub(super) fn take_rest(&mut self, piece: &[u8], start: u64, records: &mut Vec<Line>) {
        let base = start + self.held();
        let end = base + piece.len() as u64;
        match self.finish_long(piece, start, base, true, records) {
            None => {
                self.flush_long(start, records);
            }
            Some((begin, _)) => {
                let open_from = self.cut(piece, begin, base, true, records);
                let rest = &piece[open_from..];
                if !rest.is_empty() {
                    records.push(self.record(rest, base + open_from as u64, end));
                }
            }
        }
        self.reset();
    }

    /// Looks for the end of an over-long record. Returns where the next one begins, in the piece and in the file; with
    /// no over-long record that is the start of the piece.
    fn finish_long(
        &mut self,
        piece: &[u8],
        start: u64,
        base: u64,
        is_last: bool,
        records: &mut Vec<Line>,
    ) -> Option<(usize, u64)> {
        let Some(mut long) = self.long.take() else { return Some((0, start)) };
        match self.find_start(piece, Open { checked: 0, inside_line: long.inside_line }, is_last) {
            Found::Start(at) => {
                let end = base + at as u64;
                self.truncated += 1;
                records.push(Line { data: long.data, start, end });
                self.open = NEW;
                Some((at, end))
            }
            Found::Nothing(open) => {
                long.length += if is_last { piece.len() } else { open.checked } as u64;
                long.inside_line = open.inside_line;
                self.long = Some(long);
                None
            }
        }
    }

    /// Takes every record that another one follows. Returns where the open one begins.
    fn cut(&mut self, piece: &[u8], begin: usize, base: u64, is_last: bool, records: &mut Vec<Line>) -> usize {
        let mut open = Open { checked: begin + self.open.checked, ..self.open };
        let mut starts = vec![begin];
        let from = loop {
            let from = starts.last().copied().unwrap_or(begin);
            match self.find_start(piece, open, is_last) {
                Found::Start(at) => {
                    starts.push(at);
                    open = Open { checked: at, inside_line: true };
                }
                Found::Nothing(found) => {
                    self.open = Open { checked: found.checked - from, ..found };
                    break from;
                }
            }
        };
        // One copy for all of them.
        let block = Bytes::copy_from_slice(&piece[begin..from]);
        for (one, next) in starts.iter().zip(starts.iter().skip(1)) {
            let data = block.slice(one - begin..next - begin);
            let (start, end) = (base + *one as u64, base + *next as u64);
            records.push(if data.len() > self.limit { self.record(&data, start, end) } else { Line { data, start, end } });
        }
        from
    }

    /// Looks for the next line that starts a record. `is_last`: an unfinished line is all there will be of it.
    fn find_start(&self, piece: &[u8], from: Open, is_last: bool) -> Found {
        let Open { checked: mut at, mut inside_line } = from;
        loop {
            if inside_line {
                match memchr(b'\n', &piece[at..]) {
                    Some(newline) => at += newline + 1,
                    None => return Found::Nothing(Open { checked: piece.len(), inside_line }),
                }
                inside_line = false;
            }
            let tested = &piece[at..piece.len().min(at + self.tested_bytes)];
            let line = memchr(b'\n', tested).map_or(tested, |newline| &tested[..=newline]);
            let is_decided = line.ends_with(b"\n") || line.len() == self.tested_bytes || (is_last && !line.is_empty());
            if !is_decided {
                return Found::Nothing(Open { checked: at, inside_line });
            }
            if self.start.is_match(&String::from_utf8_lossy(line)) {
                return Found::Start(at);
            }
            inside_line = true;
        }
    }

    /// What is to be read next time, and what is kept of an open record that is too long already.
    fn wait_for_more(&mut self, rest: &[u8]) {
        if self.open.checked >= self.limit {
            let Open { checked, inside_line } = self.open;
            self.long =
                Some(LongRecord { data: ended(&rest[..self.limit], &self.terminator), length: checked as u64, inside_line });
            self.open = NEW;
            self.wanted = READ_BYTES;
        } else {
            // Behind the limit one line must be decidable; then the record is over-long and held.
            self.wanted = (2 * rest.len()).clamp(READ_BYTES, (self.limit + 2 * self.tested_bytes).max(READ_BYTES));
        }
    }

    fn flush_long(&mut self, start: u64, records: &mut Vec<Line>) -> u64 {
        let Some(long) = self.long.take() else { return start };
        let end = start + long.length;
        self.truncated += 1;
        records.push(Line { data: long.data, start, end });
        self.reset();
        end
    }

    fn record(&mut self, bytes: &[u8], start: u64, end: u64) -> Line {
        let data = if bytes.len() > self.limit {
            self.truncated += 1;
            ended(&bytes[..self.limit], &self.terminator)
        } else {
            Bytes::copy_from_slice(bytes)
        };
        Line { data, start, end }
    }

    fn note_seen(&mut self, end: u64, now: Instant) {
        if self.seen.is_none_or(|(seen, _)| seen != end) {
            self.seen = Some((end, now));
        }
    }

    fn reset(&mut self) {
        (self.open, self.is_complete, self.wanted) = (NEW, false, READ_BYTES);
    }
}

#[cfg(test)]
mod tests;
