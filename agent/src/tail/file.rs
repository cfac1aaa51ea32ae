//! One file that is being read.
//!
//! Reads are positional and each is checked afterwards against the file's first bytes, so that lines of a file
//! that was truncated and refilled meanwhile are never taken for the old file's.

use std::{
    fs::File,
    io,
    path::Path,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use memchr::{memchr, memrchr};

use super::{
    directory::{self, Stamp, node_of, read_full, read_head},
    discovery::Known,
    framing::{Framing, Reading},
    line_buffer::{Line, LineBuffer},
    packed::Packed,
    read_buffer::ReadBuffer,
};
use crate::record::{FileFacts, FileId, Fingerprint};

/// Bytes asked for in one read. Larger reads gain nothing measurable; smaller ones cost system calls.
pub(crate) const READ_BYTES: usize = 256 * 1024;

/// A known file, open or not.
#[derive(Debug)]
pub(super) struct TailedFile {
    pub(super) id: FileId,
    pub(super) facts: FileFacts,
    /// End of the last line handed on. What is behind it is read again from the file.
    pub(super) position: u64,
    /// Since when it has no name in the directory.
    pub(super) gone_since: Option<Instant>,
    /// The bytes of the fingerprint, once they were read in this run.
    head: Option<Bytes>,
    framing: Framing,
    handle: Option<File>,
    /// Its compressed rotation, when that is all that is left of it.
    packed: Option<Box<Packed>>,
    /// Whether it has more to read and waits until another file is closed.
    pub(super) is_waiting: bool,
    /// The file as it was when it was last read to its end.
    drained: Option<Stamp>,
    /// When it last had something to read, or was opened.
    active: Instant,
}

/// What a read found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Nothing new.
    Idle,
    /// Bytes, perhaps with complete lines; `grown` when the fingerprint now covers more.
    Read { grown: bool },
    /// The content is not the known file's any more.
    Displaced,
}

impl TailedFile {
    pub(super) fn new(id: FileId, facts: FileFacts, position: u64, framing: Framing, now: Instant) -> Self {
        Self {
            id,
            facts,
            position,
            gone_since: None,
            head: None,
            framing,
            handle: None,
            packed: None,
            is_waiting: false,
            drained: None,
            active: now,
        }
    }

    /// What discovery needs to know.
    pub(super) fn known(&self) -> Known {
        Known {
            id: self.id,
            name: self.facts.name.clone(),
            node: self.facts.node,
            fingerprint: self.facts.fingerprint,
            head: self.head.clone(),
            position: self.position,
            is_open: self.is_open(),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.handle.is_some() || self.packed.is_some()
    }

    /// Whether everything that was in it has been read and nothing came for this long.
    pub(super) fn is_quiet(&self, period: Duration, now: Instant) -> bool {
        (self.drained.is_some() || !self.is_open()) && now.duration_since(self.active) >= period
    }

    /// Opens the file at `path`, unless that name stands for another file by now.
    pub(super) fn open(&mut self, path: &Path, now: Instant) -> io::Result<()> {
        let handle = directory::open(path)?;
        self.is_waiting = false;
        if node_of(&handle.metadata()?) == self.facts.node {
            self.handle = Some(handle);
            self.drained = None;
            self.active = now;
        }
        Ok(())
    }

    /// Goes on reading in a compressed rotation of the file.
    pub(super) fn open_packed(&mut self, packed: Box<Packed>, now: Instant) {
        self.close();
        self.packed = Some(packed);
        self.active = now;
    }

    /// Whether it was read to its end.
    pub(super) fn is_drained(&self) -> bool {
        self.drained.is_some()
    }

    /// Closes the file; it is opened again when it grows.
    pub(super) fn close(&mut self) {
        self.handle = None;
        self.packed = None;
        self.head = None; // there may be very many files; the fingerprint is enough
        self.drained = None;
        // What was held of an unfinished record is read again from its start.
        self.framing.forget(self.position);
    }

    /// Takes the first bytes of a copy that may be shorter than the file was.
    pub(super) fn begin_again_as(&mut self, head: Bytes) {
        self.facts.fingerprint = Fingerprint::of(&head);
        self.head = Some(head);
    }

    /// Whether nothing is known of it that a new file would not have.
    pub(super) fn is_blank(&self) -> bool {
        self.position == 0 && self.facts.fingerprint.length == 0
    }

    /// The open file, to compare its content.
    pub(super) fn handle(&self) -> Option<&File> {
        self.handle.as_ref()
    }

    /// Lines that were cut to the limit since the last call.
    pub(super) fn take_truncated(&mut self) -> u64 {
        self.framing.take_truncated()
    }

    /// Header lines and footers since the last call; the position passed them.
    pub(super) fn take_discarded(&mut self) -> u64 {
        self.framing.take_discarded()
    }

    /// Reads the next piece. Complete lines go to `lines`.
    pub(super) fn read(&mut self, buffer: &mut ReadBuffer, lines: &mut Vec<Line>, now: Instant) -> io::Result<Outcome> {
        if self.packed.is_some() {
            return self.read_packed(buffer.block(), lines, now);
        }
        let Some(handle) = &self.handle else { return Ok(Outcome::Idle) };
        let metadata = handle.metadata()?;
        let stamp = Stamp::of(&metadata);
        if self.drained == Some(stamp) && !self.framing.is_due(now) {
            return Ok(Outcome::Idle);
        }
        let from = self.position + self.framing.held();
        if metadata.len() < from {
            return Ok(Outcome::Displaced);
        }
        let (length, is_end) = read_piece(handle, buffer.block(), from, &self.framing)?;
        let head = read_head(handle)?;
        if !self.begins_with(&head) || !agree(&head, &buffer.block()[..length], from) {
            return Ok(Outcome::Displaced);
        }
        let grown = self.grow(head);
        // The stamp is older than the read: what was appended in between makes it differ at the next look.
        self.drained = is_end.then_some(stamp);
        self.active = now;
        let lent = buffer.lend(length);
        let piece = match &lent {
            Some(block) => &block[..length],
            None => &buffer.block()[..length],
        };
        let reading = Reading { is_end, size: metadata.len(), now, block: lent.as_ref() };
        self.position = self.framing.split(piece, self.position, reading, lines);
        Ok(if length > 0 || !lines.is_empty() { Outcome::Read { grown } } else { Outcome::Idle })
    }

    /// Reads the next piece of the compressed rotation.
    fn read_packed(&mut self, buffer: &mut BytesMut, lines: &mut Vec<Line>, now: Instant) -> io::Result<Outcome> {
        let Some(packed) = &mut self.packed else { return Ok(Outcome::Idle) };
        let stamp = packed.stamp()?;
        if self.drained == Some(stamp) && !self.framing.is_due(now) {
            return Ok(Outcome::Idle);
        }
        if self.drained.is_some_and(|drained| drained != stamp) {
            packed.begin_again()?; // it was read before it was all written
        }
        let from = self.position + self.framing.held();
        buffer.resize(packed_block(&self.framing), 0);
        let length = packed.read_at(buffer, from)?;
        let is_end = length < buffer.len();
        self.drained = is_end.then_some(stamp);
        self.active = now;
        let reading = Reading { is_end, size: from + length as u64, now, block: None };
        self.position = self.framing.split(&buffer[..length], self.position, reading, lines);
        Ok(if length > 0 || !lines.is_empty() { Outcome::Read { grown: false } } else { Outcome::Idle })
    }

    /// What is left although it has no end: nobody will end it. Returns whether there was anything.
    pub(super) fn take_rest(&mut self, buffer: &mut BytesMut, lines: &mut Vec<Line>) -> io::Result<bool> {
        let (before, from) = (self.position, self.position + self.framing.held());
        if let Some(packed) = &mut self.packed {
            buffer.resize(packed_block(&self.framing), 0);
            let length = packed.read_at(buffer, from)?;
            if !packed.is_whole() {
                return Ok(false);
            }
            self.position = self.framing.take_rest(&buffer[..length], before, lines);
            return Ok(self.position > before);
        }
        let Some(handle) = &self.handle else { return Ok(false) };
        let (length, is_end) = read_piece(handle, buffer, from, &self.framing)?;
        let piece = &buffer[..length];
        let head = read_head(handle)?;
        if !self.begins_with(&head) || !agree(&head, piece, from) {
            return Ok(false);
        }
        let has_grown = self.framing.lines().is_some() && memchr(b'\n', piece).is_some();
        if !is_end || has_grown {
            return Ok(false);
        }
        self.position = self.framing.take_rest(piece, before, lines);
        Ok(self.position > before)
    }

    fn begins_with(&self, head: &[u8]) -> bool {
        match &self.head {
            Some(known) => head.starts_with(known),
            None => self.facts.fingerprint.matches(head),
        }
    }

    /// Keeps a longer head. Returns whether the fingerprint changed.
    fn grow(&mut self, head: Bytes) -> bool {
        let grown = head.len() as u64 > self.facts.fingerprint.length;
        if grown {
            self.facts.fingerprint = Fingerprint::of(&head);
        }
        if grown || self.head.is_none() {
            self.head = Some(head);
        }
        grown
    }
}

/// Whether a piece that was read at a position has the bytes that the file's beginning, read afterwards, has there. If not,
/// the content was removed or replaced in between, and of a file nothing is known of yet, one content's beginning would be
/// taken for another's.
fn agree(head: &[u8], piece: &[u8], from: u64) -> bool {
    let Some(wanted) = usize::try_from(from).ok().and_then(|from| Fingerprint::FULL.checked_sub(from)) else { return true };
    let common = &piece[..wanted.min(piece.len())];
    let from = Fingerprint::FULL - wanted;
    head.get(from..).unwrap_or_default().starts_with(common)
}

/// Bytes to unpack at once: as much as a line may have, because what was unpacked is not read again for the rest of it.
fn packed_block(framing: &Framing) -> usize {
    framing.wanted().max(framing.lines().map_or(0, LineBuffer::limit))
}

/// Reads the bytes after a position: a block, or as much as a record takes if the block has no line end.
/// Returns how many bytes there are and whether the file ends behind them.
///
/// # Errors
/// When the file cannot be read.
pub(crate) fn read_piece(handle: &File, buffer: &mut BytesMut, from: u64, framing: &Framing) -> io::Result<(usize, bool)> {
    let block = framing.wanted();
    if buffer.len() < block {
        buffer.resize(block, 0);
    }
    let length = read_full(handle, &mut buffer[..block], from)?;
    // A block is enough for records of several lines: the framing wants more when it is not.
    let limit = framing.lines().map_or(0, LineBuffer::limit);
    let is_one_line = || memrchr(b'\n', &buffer[..length]).is_none();
    if length < block || limit <= block || framing.held() > 0 || !is_one_line() {
        return Ok((length, length < block));
    }
    buffer.resize(limit, 0);
    let more = read_full(handle, &mut buffer[block..limit], from + block as u64)?;
    Ok((block + more, block + more < limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_agrees_with_the_beginning_where_they_overlap() {
        let full = [b'x'; Fingerprint::FULL];
        assert!(agree(b"one two three", b"one two", 0));
        assert!(agree(b"one two three", b"two", 4));
        assert!(agree(&full, &[b'x'; 2 * Fingerprint::FULL], 4));
        assert!(agree(&full, b"anything", Fingerprint::FULL as u64), "they do not overlap");
        assert!(agree(&full, b"anything", 4_000_000_000));
        assert!(!agree(b"", b"one", 0), "it was truncated");
        assert!(!agree(b"one", b"one two", 0));
        assert!(!agree(b"six two three", b"one two", 0));
        assert!(!agree(b"one ten six", b"two", 4));
    }
}
