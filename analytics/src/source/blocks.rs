//! Blocks of whole lines from any reader.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use memchr::memrchr;

/// Bytes asked of the reader at once: large enough that a batch of rows pays for its plan's start.
const BLOCK_BYTES: usize = 1024 * 1024;

/// Longest line; a longer one is cut, and its pieces are counted as bad lines. Above Kinesis' largest record.
pub(super) const MAX_LINE_BYTES: usize = 16 * 1024 * 1024;

/// Cuts a reader into blocks that end with a newline; the last one may lack it.
///
/// A block's memory comes back when its last reader drops it, and is filled again: fresh memory for each block cost a
/// sixth of the time of a replay, spent by the kernel on clearing pages.
pub(super) struct Blocks<R> {
    reader: R,
    /// Room for the next block; what the last block left over stands at its start. Holds no newline in `..kept`.
    buffer: Vec<u8>,
    kept: usize,
    pool: Pool,
    /// Whether lines go on as soon as they are there, though more of them would fit.
    is_eager: bool,
}

/// Buffers that wait to be filled again. A lock, taken twice a block: by the reader and by whoever drops the block.
type Pool = Arc<Mutex<Vec<Vec<u8>>>>;

impl<R: Read> Blocks<R> {
    /// Blocks as large as can be.
    pub(super) fn new(reader: R) -> Self {
        Self { reader, buffer: Vec::new(), kept: 0, pool: Pool::default(), is_eager: false }
    }

    /// Blocks of the lines that have come, for a reader that waits for its writer.
    pub(super) fn eager(reader: R) -> Self {
        Self { is_eager: true, ..Self::new(reader) }
    }

    /// The next block; None at the end.
    ///
    /// # Errors
    /// Those of the reader.
    pub(super) fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            self.make_room();
            let filled = self.fill()?;
            if filled == self.kept {
                return Ok(Some(self.take(filled, filled)).filter(|rest| !rest.is_empty()));
            }
            if let Some(newline) = memrchr(b'\n', &self.buffer[self.kept..filled]) {
                return Ok(Some(self.take(self.kept + newline + 1, filled)));
            }
            self.kept = filled;
            if filled > MAX_LINE_BYTES {
                return Ok(Some(self.take(filled, filled)));
            }
        }
    }

    fn make_room(&mut self) {
        let needed = self.kept + BLOCK_BYTES;
        if self.buffer.len() < needed {
            self.buffer.resize(needed, 0);
        }
    }

    /// Reads until the buffer is full or the reader has no more, or, if it is eager, until there is a line. Returns where it
    /// ends.
    fn fill(&mut self) -> io::Result<usize> {
        let mut filled = self.kept;
        while filled < self.buffer.len() {
            match self.reader.read(&mut self.buffer[filled..]) {
                Ok(0) => break,
                Ok(read) => {
                    filled += read;
                    if self.is_eager && self.buffer[filled - read..filled].contains(&b'\n') {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    /// Gives away `..end` of the buffer and keeps `end..filled` at the start of another one.
    fn take(&mut self, end: usize, filled: usize) -> Bytes {
        let mut next = lock(&self.pool).pop().unwrap_or_default();
        self.kept = filled - end;
        if next.len() < self.kept {
            next.resize(self.kept + BLOCK_BYTES, 0);
        }
        next[..self.kept].copy_from_slice(&self.buffer[end..filled]);
        let buffer = std::mem::replace(&mut self.buffer, next);
        Bytes::from_owner(Block { buffer, end, pool: self.pool.clone() })
    }
}

/// A filled buffer; its memory goes back to the pool.
struct Block {
    buffer: Vec<u8>,
    end: usize,
    pool: Pool,
}

impl AsRef<[u8]> for Block {
    fn as_ref(&self) -> &[u8] {
        &self.buffer[..self.end]
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        lock(&self.pool).push(std::mem::take(&mut self.buffer));
    }
}

fn lock(pool: &Pool) -> MutexGuard<'_, Vec<Vec<u8>>> {
    pool.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader that gives a few bytes at a time.
    struct Drip<'a>(&'a [u8], usize);

    impl Read for Drip<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(buffer.len()).min(self.0.len());
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    fn blocks(bytes: &[u8], drip: usize) -> Vec<Bytes> {
        let mut blocks = Blocks::new(Drip(bytes, drip));
        std::iter::from_fn(|| blocks.next().unwrap()).collect()
    }

    #[test]
    fn blocks_end_with_a_newline_and_lose_nothing() {
        let log: Vec<u8> = (0..40_000).flat_map(|line| format!("line {line} {}\n", "x".repeat(line % 97)).into_bytes()).collect();
        let blocks = blocks(&log, 300_007);
        assert!(blocks.len() > 1);
        assert!(blocks.iter().all(|block| block.ends_with(b"\n")));
        assert_eq!(blocks.concat(), log);
    }

    #[test]
    fn eager_blocks_wait_for_a_line_only() {
        let mut blocks = Blocks::eager(Drip(b"one\ntwo\nthree", 5));
        let blocks: Vec<Bytes> = std::iter::from_fn(|| blocks.next().unwrap()).collect();
        assert_eq!(blocks, ["one\n", "two\n", "three"]);
    }

    #[test]
    fn the_last_line_may_lack_its_newline() {
        assert_eq!(blocks(b"a\nb", 1), ["a\n", "b"]);
        assert!(blocks(b"", 1).is_empty());
    }
}
