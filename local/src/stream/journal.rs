//! The files behind the stream: entries are appended to the newest, and the oldest is forgotten as a whole.
//!
//! Each file begins with the streams as they were then, so no file needs an older one. That makes forgetting, by age
//! or by size, the deletion of a file; nothing is ever rewritten.

use std::{
    collections::VecDeque,
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use tracing::warn;

use super::{
    entry::Entry,
    segment::{Segment, SegmentReader},
};

/// How large the journal may grow.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Bytes of all files together. Memory use is close to it: the store holds the same records.
    pub(crate) total_bytes: u64,
    /// Bytes after which a new file begins.
    pub(crate) segment_bytes: u64,
}

impl Limits {
    /// Sixteen files: forgetting the oldest takes a small part at a time.
    pub(crate) const fn of_total(total_bytes: u64) -> Self {
        Self { total_bytes, segment_bytes: total_bytes / 16 }
    }
}

/// The open journal. One process may hold it.
#[derive(Debug)]
pub(crate) struct Journal {
    folder: PathBuf,
    limits: Limits,
    /// Oldest first; the last one is open for appending. Never empty.
    segments: VecDeque<Segment>,
    file: File,
    is_synced: bool,
    _lock: File,
}

impl Journal {
    /// Opens the journal in `folder` and passes each of its entries to `replay`, oldest first.
    pub(crate) async fn open(folder: &Path, limits: Limits, mut replay: impl AsyncFnMut(Entry) -> Result<()>) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let lock = lock(folder)?;
        let mut segments = find_segments(folder)?;
        for segment in &mut segments {
            let mut reader = SegmentReader::open(segment)?;
            while let Some(entry) = reader.next()? {
                replay(entry).await?;
            }
            let torn = reader.cut_torn_end()?;
            if torn > 0 {
                warn!(file = %segment.path.display(), bytes = torn, "cut off a record that was half written when the stream was stopped hard");
            }
        }
        if segments.is_empty() {
            segments.push_back(Segment::new(folder, 1));
        }
        let file = segments.back().context("there is at least one segment")?.open()?;
        Ok(Self { folder: folder.to_owned(), limits, segments, file, is_synced: true, _lock: lock })
    }

    /// Appends entries to the newest file.
    pub(crate) fn append(&mut self, entries: &[Entry]) -> Result<()> {
        let Some(newest) = self.segments.back_mut() else { bail!("a journal without a file") };
        self.is_synced = false;
        newest.append(&mut self.file, entries)
    }

    /// Whether the newest file is full.
    pub(crate) fn is_full(&self) -> bool {
        self.segments.back().is_some_and(|newest| newest.bytes >= self.limits.segment_bytes)
    }

    /// Begins a new file with `head`, the streams as they are now.
    pub(crate) fn begin_segment(&mut self, head: &[Entry]) -> Result<()> {
        self.sync()?;
        let number = self.segments.back().map_or(0, |newest| newest.number) + 1;
        let mut segment = Segment::new(&self.folder, number);
        let mut file = segment.open()?;
        segment.append(&mut file, head)?;
        self.segments.push_back(segment);
        self.file = file;
        self.is_synced = false;
        Ok(())
    }

    /// Deletes the oldest file if all its records arrived before `cutoff`, or the journal is too large.
    /// Gives the deleted segment, whose records the store must forget too. The newest file always stays.
    pub(crate) fn forget_oldest(&mut self, cutoff: f64) -> Result<Option<Segment>> {
        let Some(oldest) = self.segments.front().filter(|_| self.segments.len() > 1) else { return Ok(None) };
        let is_too_large = self.bytes() > self.limits.total_bytes;
        if oldest.newest_arrival >= cutoff && !is_too_large {
            return Ok(None);
        }
        fs::remove_file(&oldest.path).with_context(|| format!("cannot delete {}", oldest.path.display()))?;
        Ok(self.segments.pop_front())
    }

    /// Bytes of all files.
    pub(crate) fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// Waits until the disk has everything that was appended.
    pub(crate) fn sync(&mut self) -> Result<()> {
        if !self.is_synced {
            self.file.sync_data().context("the disk did not confirm the stream's journal")?;
            self.is_synced = true;
        }
        Ok(())
    }
}

fn lock(folder: &Path) -> Result<File> {
    let path = folder.join("lock");
    let file = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            bail!("another stream uses {}; stop it, or choose another folder with --dir", folder.display())
        }
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("cannot lock {}", path.display())),
    }
}

fn find_segments(folder: &Path) -> Result<VecDeque<Segment>> {
    let mut segments = Vec::new();
    for file in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        segments.extend(Segment::of_file(&file?.path()));
    }
    segments.sort_by_key(|segment| segment.number);
    Ok(segments.into())
}
