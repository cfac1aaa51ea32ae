//! The log that is shipped, and a hash that tells whether all of it arrived unchanged.

use std::{fs::File, io::Write as _, path::Path};

use anyhow::{Context as _, Result, ensure};
use tests::generator::Generator;

/// Lines, and the sum of their hashes: equal sums mean the same lines, in whatever order they arrived.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) lines: u64,
    pub(crate) hash_sum: u64,
}

impl Content {
    pub(crate) fn add(&mut self, line: &[u8]) {
        self.lines += 1;
        self.hash_sum = self.hash_sum.wrapping_add(hash(line));
    }
}

/// Writes a log and says what is in it. It is written piece by piece: 20 M lines are 7 GB.
pub(crate) fn write_log(path: &Path, lines: u64) -> Result<Content> {
    const BUFFER_BYTES: usize = 1 << 20;
    const LINE_BYTES: u64 = 400;
    let room = rustix::fs::statvfs(path.parent().context("a log lies in a folder")?)?;
    let (free, needed) = (room.f_bavail * room.f_frsize, lines * LINE_BYTES);
    ensure!(free > needed, "{} has {free} bytes left and the log needs {needed}; set TMPDIR to a larger disk", path.display());
    let (mut file, mut generator, mut content) = (File::create(path)?, Generator::new(42), Content::default());
    let mut buffer = Vec::with_capacity(BUFFER_BYTES + 4096);
    for _ in 0..lines {
        let from = buffer.len();
        generator.write_line(&mut buffer);
        content.add(&buffer[from..]);
        if buffer.len() >= BUFFER_BYTES {
            file.write_all(&buffer)?;
            buffer.clear();
        }
    }
    file.write_all(&buffer)?;
    Ok(content)
}

/// A fast hash of 64 bits by multiplying and folding; not for enemies.
fn hash(bytes: &[u8]) -> u64 {
    let fold = |state: u64, word: u64, factor: u64| {
        let product = u128::from(state ^ word) * u128::from(factor);
        (product as u64) ^ ((product >> 64) as u64)
    };
    let (words, rest) = bytes.as_chunks::<8>();
    let start = 0x9E37_79B9_7F4A_7C15 ^ bytes.len() as u64;
    let state = words.iter().fold(start, |state, word| fold(state, u64::from_le_bytes(*word), 0xD6E8_FEB8_6659_FD93));
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    fold(state, u64::from_le_bytes(last) ^ 0xA5, 0xCA5A_8263_9512_1157)
}
