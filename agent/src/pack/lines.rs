//! The lines of a record that holds several.

use std::io::Read;

use bytes::Bytes;

use crate::record::{FileId, Record};

/// What a record of several lines is made of.
#[derive(Debug, Clone)]
pub(crate) struct Packed {
    /// How the lines are found in the record's bytes.
    pub(super) content: Content,
    /// In their order; never empty.
    pub(crate) lines: Vec<PackedLine>,
}

impl Packed {
    /// Position in its file where the first line begins.
    pub(crate) fn start(&self) -> u64 {
        self.lines.first().map_or(0, |line| line.end.saturating_sub(u64::from(line.line_bytes)))
    }
}

/// How a record's bytes are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// Lines stand in them as they are.
    Plain,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

/// One line in a record: its place in the file, and in the record's content.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PackedLine {
    /// The file it comes from.
    pub(crate) file: FileId,
    /// Position in the file after it.
    pub(crate) end: u64,
    /// Its bytes in the file.
    pub(crate) line_bytes: u32,
    /// Where it begins in the content, and how long it is there. No content is as long as 4 GiB.
    from: u32,
    length: u32,
}

impl PackedLine {
    pub(super) fn new(line: &Record, from: usize) -> Self {
        let small = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let (from, length) = (small(from), small(line.data.len()));
        Self { file: line.file, end: line.end, line_bytes: line.line_bytes, from, length }
    }
}

/// The lines of a record as records of their own; a record of one line is its own.
pub(crate) fn unpack(record: &Record) -> Vec<Record> {
    let Some(packed) = &record.packed else { return vec![record.clone()] };
    let content = match packed.content {
        Content::Plain => record.data.clone(),
        Content::Gzip => unfold(flate2::read::MultiGzDecoder::new(&record.data[..])),
        Content::Zstd => zstd::stream::read::Decoder::new(&record.data[..]).map(unfold).unwrap_or_default(),
    };
    let line = |line: &PackedLine| {
        let (from, to) = (line.from as usize, line.from as usize + line.length as usize);
        // We wrote the content: it unfolds. If it did not, the letter still says where the line stands.
        let data = if to <= content.len() { content.slice(from..to) } else { Bytes::new() };
        Record { data, key: record.key.clone(), file: line.file, end: line.end, line_bytes: line.line_bytes, packed: None }
    };
    packed.lines.iter().map(line).collect()
}

fn unfold(mut reader: impl Read) -> Bytes {
    let mut unfolded = Vec::new();
    if let Err(error) = reader.read_to_end(&mut unfolded) {
        debug_assert!(false, "our own record does not unfold: {error}");
    }
    unfolded.into()
}
