//! A log file that is being written, followed through its rotations.
//!
//! Looked at every [`LOOK`]: that is the truth, whatever writes it and wherever it lies. Only whole lines are handed over.
//!
//! - Renamed, and created anew: the old file is read to its end through the open handle, and for [`GRACE`] longer, because
//!   a server writes to it until it has opened the new one; then those that were rotated in between, then the new one.
//! - Copied and truncated: what the copy has behind the position is read from it, then the file from its beginning.
//! - After a restart the file is known by its first bytes, whatever its name is now.

mod rotated;

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use tokio::sync::mpsc::Sender;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::blocks::MAX_LINE_BYTES;
use super::file::{HEAD_BYTES, digest_of};
use crate::chunk::{Chunk, FileMark, Mark, Payload, ShardId};
use crate::clock::now_ms;
use crate::lines::Lines;

/// How often the file is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// How long a file that was replaced has to be quiet before it is left.
const GRACE: Duration = Duration::from_secs(2);
/// Bytes read at once.
const BLOCK_BYTES: usize = 1024 * 1024;

/// What to follow.
pub(crate) struct Tail {
    path: PathBuf,
    shard: ShardId,
    /// Where a checkpoint stands.
    from: Option<FileMark>,
    look: Duration,
    grace: Duration,
}

impl Tail {
    /// A file, from a checkpoint's position or from its beginning.
    pub(crate) fn new(path: PathBuf, shard: ShardId, from: Option<FileMark>) -> Self {
        Self { path, shard, from, look: LOOK, grace: GRACE }
    }
}

/// A file that is read, and how far.
struct Current {
    file: File,
    mark: FileMark,
    /// When it was last seen to grow, or replaced.
    quiet_since: Instant,
    /// Whether it was told that the next file cannot be read.
    is_shut_out: bool,
}

/// What became of the file at the path.
enum Look {
    /// It is the one that is read, or there is none.
    Same,
    /// Another one stands there.
    Replaced,
    /// It is shorter than what was read of it, or begins otherwise.
    Truncated,
}

/// Sends lines as they come, until `stop` or until the receiver is gone.
///
/// # Errors
/// When a file cannot be read.
pub(super) fn follow(tail: &Tail, chunks: &Sender<Chunk>, stop: &CancellationToken) -> Result<()> {
    let reader = Reader { tail, name: tail.path.display().to_string().into(), chunks, stop };
    reader.run().with_context(|| format!("cannot follow {}", tail.path.display()))
}

struct Reader<'a> {
    tail: &'a Tail,
    name: Arc<str>,
    chunks: &'a Sender<Chunk>,
    stop: &'a CancellationToken,
}

impl Reader<'_> {
    fn run(&self) -> Result<()> {
        let Some(mut current) = self.open_first()? else { return Ok(()) };
        let mut is_going_on = self.send(Payload::Begin, Some(&current.mark));
        while is_going_on && !self.stop.is_cancelled() {
            let at_ms = now_ms();
            is_going_on = match current.look(&self.tail.path)? {
                Look::Same => self.read(&mut current, false)? && self.send(Payload::CaughtUp { at_ms }, None),
                Look::Truncated => self.leave_truncated(&mut current)?,
                Look::Replaced => self.drain(&mut current)?,
            };
            self.pause();
        }
        Ok(())
    }

    /// The file where the mark stands, or the one at the path, once there is one. None: `stop` came first.
    fn open_first(&self) -> Result<Option<Current>> {
        let Tail { path, from, .. } = self.tail;
        if let Some(mark) = from.clone().filter(|mark| mark.offset > 0) {
            if let Some(file) = rotated::holding(path, &mark, None)? {
                return Ok(Some(Current::new(file, mark)));
            }
            warn!(file = self.name.as_ref(), "the file that the checkpoint stands in is gone: what it had after is lost");
        }
        let total_lines = from.as_ref().map_or(0, |mark| mark.total_lines);
        while !self.stop.is_cancelled() {
            match File::open(path) {
                Ok(file) => {
                    refuse_compressed(&file)?;
                    return Ok(Some(Current::new(file, FileMark { total_lines, ..FileMark::default() })));
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => self.pause(),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    /// Hands over what there is. With `is_last` a last line without newline, too. False when the receiver is gone.
    fn read(&self, current: &mut Current, is_last: bool) -> Result<bool> {
        while let Some(bytes) = current.next(is_last)?.filter(|_| !self.stop.is_cancelled()) {
            let first_line = current.mark.lines + 1;
            let lines = Lines::new(bytes);
            current.pass(&lines)?;
            let payload = Payload::Lines { lines, file: self.name.clone(), first_line, arrivals_ms: vec![] };
            if !self.send(payload, Some(&current.mark)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Reads a file that was replaced to its end, and goes to the next one when it has been quiet long enough.
    fn drain(&self, current: &mut Current) -> Result<bool> {
        let before = current.mark.offset;
        if !self.read(current, false)? {
            return Ok(false);
        }
        if current.mark.offset > before {
            current.quiet_since = Instant::now();
        }
        if current.quiet_since.elapsed() < self.tail.grace {
            return Ok(true);
        }
        if !self.read(current, true)? {
            return Ok(false);
        }
        let next = match rotated::after(&self.tail.path, &current.file) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                if !std::mem::replace(&mut current.is_shut_out, true) {
                    warn!(file = self.name.as_ref(), "the next file may not be read by this user; waiting until it may");
                }
                return Ok(true);
            }
            next => next?,
        };
        if let Some(next) = next {
            info!(file = self.name.as_ref(), lines = current.mark.lines, "the file was rotated; going on with the next one");
            let total_lines = current.mark.total_lines;
            *current = Current::new(next, FileMark { total_lines, ..FileMark::default() });
        }
        Ok(true)
    }

    /// Goes on in the copy that was made before the file was truncated, or at its beginning when there is none.
    fn leave_truncated(&self, current: &mut Current) -> Result<bool> {
        let mark = current.mark.clone();
        if let Some(copy) = rotated::holding(&self.tail.path, &mark, Some(&current.file))? {
            info!(file = self.name.as_ref(), "the file was truncated; reading the rest of its copy");
            *current = Current::new(copy, mark);
            return Ok(true);
        }
        info!(file = self.name.as_ref(), lines = mark.lines, "the file was truncated; going on at its beginning");
        let file = current.file.try_clone()?;
        *current = Current::new(file, FileMark { total_lines: mark.total_lines, ..FileMark::default() });
        Ok(true)
    }

    #[expect(clippy::disallowed_methods, reason = "a thread that polls: nothing tells when a file grows")]
    fn pause(&self) {
        std::thread::sleep(self.tail.look);
    }

    fn send(&self, payload: Payload, mark: Option<&FileMark>) -> bool {
        let mark = mark.map(|mark| Mark::File(mark.clone()));
        self.chunks.blocking_send(Chunk { shard: self.tail.shard, payload, mark }).is_ok()
    }
}

impl Current {
    fn new(file: File, mark: FileMark) -> Self {
        Self { file, mark, quiet_since: Instant::now(), is_shut_out: false }
    }

    fn look(&mut self, path: &Path) -> io::Result<Look> {
        let own = self.file.metadata()?;
        let there = match path.metadata() {
            Ok(there) => there,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Look::Same), // between two names
            Err(error) => return Err(error),
        };
        if (own.dev(), own.ino()) != (there.dev(), there.ino()) {
            return Ok(Look::Replaced);
        }
        let is_same = own.len() >= self.mark.offset && (own.len() == self.mark.offset || begins_as(&self.file, &self.mark)?);
        self.quiet_since = Instant::now();
        Ok(if is_same { Look::Same } else { Look::Truncated })
    }

    /// The next whole lines.
    fn next(&self, is_last: bool) -> io::Result<Option<Bytes>> {
        if self.file.metadata()?.len() <= self.mark.offset {
            return Ok(None); // as nearly always: without the buffer
        }
        let mut size = BLOCK_BYTES;
        loop {
            let mut bytes = read_at(&self.file, self.mark.offset, size)?;
            if let Some(newline) = memchr::memrchr(b'\n', &bytes) {
                bytes.truncate(newline + 1);
                return Ok(Some(bytes.into()));
            }
            if bytes.len() >= MAX_LINE_BYTES || (is_last && !bytes.is_empty() && bytes.len() < size) {
                return Ok(Some(bytes.into()));
            }
            if bytes.len() < size {
                return Ok(None); // the line is still being written
            }
            size *= 2;
        }
    }

    /// Moves the mark behind these bytes.
    fn pass(&mut self, lines: &Lines) -> io::Result<()> {
        self.mark.offset += lines.bytes().len() as u64;
        self.mark.lines += lines.ended();
        self.mark.total_lines += lines.count();
        if self.mark.head.1 < HEAD_BYTES as u64 {
            let length = HEAD_BYTES.min(usize::try_from(self.mark.offset).unwrap_or(HEAD_BYTES));
            let head = read_at(&self.file, 0, length)?;
            self.mark.head = (digest_of(&head), head.len() as u64);
        }
        Ok(())
    }
}

/// Whether a file begins with the bytes that the mark knows.
fn begins_as(file: &File, mark: &FileMark) -> io::Result<bool> {
    let (digest, length) = &mark.head;
    if *length == 0 {
        return Ok(true);
    }
    let head = read_at(file, 0, usize::try_from(*length).unwrap_or(HEAD_BYTES))?;
    Ok(head.len() as u64 == *length && digest_of(&head) == *digest)
}

/// So many bytes from there, or those up to the end.
fn read_at(file: &File, offset: u64, size: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; size];
    let mut filled = 0;
    while filled < size {
        match file.read_at(&mut bytes[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

fn refuse_compressed(file: &File) -> Result<()> {
    if rotated::is_compressed(&read_at(file, 0, 4)?) {
        bail!("it is compressed, so nobody appends to it; read it without --follow");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
