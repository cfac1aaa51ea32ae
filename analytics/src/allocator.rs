//! How the memory allocator behaves.

use std::hint::black_box;

/// Half of what may lie free at the top of a heap, in bytes.
const PIECE_BYTES: usize = 1 << 20;

/// Lets glibc keep what windows free for the next ones.
///
/// Out of the box it gives memory back as soon as 128 KiB are free at the top of a heap, and takes it again, cleared by the
/// kernel, for the next window: a twenty-fifth of a replay. Once a large piece has been freed, it keeps twice as much as
/// that. Source: `M_TRIM_THRESHOLD`, and the dynamic `M_MMAP_THRESHOLD`, in mallopt(3). Other allocators do not mind.
pub(crate) fn keep_freed_memory() {
    drop(black_box(Vec::<u8>::with_capacity(PIECE_BYTES)));
}
