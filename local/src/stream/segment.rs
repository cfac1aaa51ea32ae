//! One file of the journal.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{BufRead, BufReader, Seek, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use super::entry::Entry;

/// A file of the journal and what must be known to forget it.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) number: u64,
    pub(crate) path: PathBuf,
    /// End of the last complete entry.
    pub(crate) bytes: u64,
    /// Arrival of its newest record, in seconds since the Unix epoch; 0 when it has none.
    pub(crate) newest_arrival: f64,
    /// For each stream and shard (hexadecimal number), the key of the last record in this file.
    pub(crate) last_keys: BTreeMap<(String, String), String>,
}

impl Segment {
    /// A segment not read yet.
    pub(crate) fn new(folder: &Path, number: u64) -> Self {
        let path = folder.join(format!("{number:010}.journal"));
        Self { number, path, bytes: 0, newest_arrival: 0.0, last_keys: BTreeMap::new() }
    }

    /// The segment of a file name, or None for other files.
    pub(crate) fn of_file(path: &Path) -> Option<Self> {
        let number = path.file_name()?.to_str()?.strip_suffix(".journal")?.parse().ok()?;
        Some(Self::new(path.parent()?, number))
    }

    /// Opens the file to append to it.
    pub(crate) fn open(&self) -> Result<File> {
        let file = OpenOptions::new().create(true).append(true).open(&self.path);
        file.with_context(|| format!("cannot open {}; may this user write there?", self.path.display()))
    }

    /// Appends entries. On an error the file keeps what it had.
    pub(crate) fn append(&mut self, file: &mut File, entries: &[Entry]) -> Result<()> {
        let mut lines = Vec::new();
        for entry in entries {
            entry.encode(&mut lines)?;
        }
        if let Err(error) = file.write_all(&lines) {
            file.set_len(self.bytes).ok(); // a half-written entry would hide those after it
            return Err(error).with_context(|| format!("cannot append to {}; is the disk full?", self.path.display()));
        }
        self.bytes += lines.len() as u64;
        entries.iter().for_each(|entry| self.note(entry));
        Ok(())
    }

    fn note(&mut self, entry: &Entry) {
        let Entry::Record(entry) = entry else { return };
        self.newest_arrival = self.newest_arrival.max(entry.record.approximate_arrival_timestamp);
        let shard = entry.key.split('/').next().unwrap_or_default();
        self.last_keys.insert((entry.stream.clone(), shard.to_owned()), entry.key.clone());
    }
}

/// Reads a segment from its beginning, and learns what `Segment` must know.
#[derive(Debug)]
pub(crate) struct SegmentReader<'a> {
    segment: &'a mut Segment,
    lines: BufReader<File>,
    line: Vec<u8>,
}

impl<'a> SegmentReader<'a> {
    pub(crate) fn open(segment: &'a mut Segment) -> Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(&segment.path);
        let file = file.with_context(|| format!("cannot open {}", segment.path.display()))?;
        Ok(Self { segment, lines: BufReader::new(file), line: Vec::new() })
    }

    /// The next entry, or None at the end or before the first entry that is cut short or damaged.
    pub(crate) fn next(&mut self) -> Result<Option<Entry>> {
        self.line.clear();
        self.lines.read_until(b'\n', &mut self.line).with_context(|| format!("cannot read {}", self.segment.path.display()))?;
        let entry = Entry::decode(&self.line);
        if let Some(entry) = &entry {
            self.segment.bytes += self.line.len() as u64;
            self.segment.note(entry);
        }
        Ok(entry)
    }

    /// Cuts off what is not an entry: a crash can leave half of one. Gives the number of bytes cut.
    pub(crate) fn cut_torn_end(mut self) -> Result<u64> {
        let file = self.lines.get_mut();
        let end = file.seek(std::io::SeekFrom::End(0))?;
        if end > self.segment.bytes {
            file.set_len(self.segment.bytes).with_context(|| format!("cannot shorten {}", self.segment.path.display()))?;
        }
        Ok(end - self.segment.bytes)
    }
}
