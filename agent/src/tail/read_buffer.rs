//! The memory that files are read into.
//!
//! Lines of a large read stay where they were read: the block is lent to them, and taken back when the last of them was
//! accepted. So catching up copies nothing and asks for no new memory. Lines of a small read are copied, so that a few
//! waiting lines of a quiet file never keep a large block.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::file::READ_BYTES;

/// Reads of fewer bytes are copied.
const LENT_FROM: usize = READ_BYTES / 2;

/// Blocks that may be waited for. More lines than these hold are never on their way; the handles cost nothing.
const MAX_LENT: usize = 32;

/// What the files of one flow are read into.
#[derive(Debug, Default)]
pub(super) struct ReadBuffer {
    /// What the next read goes to.
    spare: BytesMut,
    /// Oldest first. Each is the whole block.
    lent: VecDeque<Bytes>,
}

impl ReadBuffer {
    /// The block to read into. It keeps its length, which the reader may raise.
    pub(super) fn block(&mut self) -> &mut BytesMut {
        if self.spare.is_empty() {
            self.spare = self.take_back().unwrap_or_default();
        }
        &mut self.spare
    }

    /// Gives the block away if so many bytes in it are worth it; else they are to be copied.
    pub(super) fn lend(&mut self, length: usize) -> Option<Bytes> {
        if length < LENT_FROM {
            return None;
        }
        let block = std::mem::take(&mut self.spare);
        if block.capacity() > READ_BYTES {
            self.spare = block; // a very long line was read, which is copied; lines behind it must not keep so much
            return None;
        }
        let block = block.freeze();
        if self.lent.len() == MAX_LENT {
            self.lent.pop_front();
        }
        self.lent.push_back(block.clone());
        Some(block)
    }

    /// Keeps no memory for later: there is nothing to read for now.
    pub(super) fn rest(&mut self) {
        self.lent.clear();
        if self.spare.capacity() > READ_BYTES {
            self.spare = BytesMut::new();
        }
    }

    /// The oldest block, if nobody needs it any more.
    fn take_back(&mut self) -> Option<BytesMut> {
        let oldest = self.lent.pop_front()?;
        oldest.try_into_mut().map_err(|needed| self.lent.push_front(needed)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(buffer: &mut ReadBuffer) -> *const u8 {
        let block = buffer.block();
        block.resize(READ_BYTES, 0);
        block.as_ptr()
    }

    #[test]
    fn a_block_is_taken_back_when_its_last_line_is_gone() {
        let mut buffer = ReadBuffer::default();
        let first = read(&mut buffer);
        let line = buffer.lend(READ_BYTES).unwrap().slice(7..9);
        let second = read(&mut buffer);
        assert_ne!(first, second, "a line needs the first");
        drop(buffer.lend(READ_BYTES));
        assert_ne!(read(&mut buffer), second, "the oldest comes first");
        drop((buffer.lend(READ_BYTES), line));
        assert_eq!(read(&mut buffer), first);
    }

    #[test]
    fn a_small_read_and_a_large_buffer_are_not_lent() {
        let mut buffer = ReadBuffer::default();
        read(&mut buffer);
        assert!(buffer.lend(100).is_none());
        buffer.block().resize(4 * READ_BYTES, 0);
        assert!(buffer.lend(READ_BYTES).is_none());
        buffer.rest();
        assert_eq!(buffer.block().capacity(), 0);
    }

    #[test]
    fn no_memory_is_kept_while_there_is_nothing_to_read() {
        let mut buffer = ReadBuffer::default();
        read(&mut buffer);
        let line = buffer.lend(READ_BYTES).unwrap();
        buffer.rest();
        assert!(line.is_unique());
    }
}
