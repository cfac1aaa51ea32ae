//! Blocks of whole lines from any reader.

use std::io::{self, Read};

use bytes::{Bytes, BytesMut};
use memchr::memrchr;

/// Bytes asked of the reader at once: large enough that a batch of rows pays for its plan's start.
const BLOCK_BYTES: usize = 1024 * 1024;

/// Longest line; a longer one is cut, and its pieces are counted as bad lines. Above Kinesis' largest record.
const MAX_LINE_BYTES: usize = 16 * 1024 * 1024;

/// Cuts a reader into blocks that end with a newline; the last one may lack it.
///
/// Invariant: `pending` holds no newline.
pub(super) struct Blocks<R> {
    reader: R,
    pending: BytesMut,
}

impl<R: Read> Blocks<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, pending: BytesMut::new() }
    }

    /// The next block; None at the end.
    ///
    /// # Errors
    /// Those of the reader.
    pub(super) fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            let kept = self.pending.len();
            self.pending.resize(kept + BLOCK_BYTES, 0);
            let read = self.fill(kept)?;
            self.pending.truncate(kept + read);
            if read == 0 {
                let rest = std::mem::take(&mut self.pending).freeze();
                return Ok(Some(rest).filter(|rest| !rest.is_empty()));
            }
            if let Some(newline) = memrchr(b'\n', &self.pending[kept..]) {
                let tail = self.pending.split_off(kept + newline + 1);
                let block = std::mem::replace(&mut self.pending, tail_buffer(&tail));
                return Ok(Some(block.freeze()));
            }
            if self.pending.len() > MAX_LINE_BYTES {
                return Ok(Some(std::mem::take(&mut self.pending).freeze()));
            }
        }
    }

    /// Reads until the buffer is full or the reader has no more: a pipe gives little at a time.
    fn fill(&mut self, from: usize) -> io::Result<usize> {
        let mut filled = from;
        while filled < self.pending.len() {
            match self.reader.read(&mut self.pending[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled - from)
    }
}

/// A fresh buffer for the unfinished line, so that the block does not keep it alive, nor it the block.
fn tail_buffer(tail: &[u8]) -> BytesMut {
    let mut buffer = BytesMut::with_capacity(tail.len() + BLOCK_BYTES);
    buffer.extend_from_slice(tail);
    buffer
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
    fn the_last_line_may_lack_its_newline() {
        assert_eq!(blocks(b"a\nb", 1), ["a\n", "b"]);
        assert!(blocks(b"", 1).is_empty());
    }
}
