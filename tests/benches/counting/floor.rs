//! The least that counting costs: one thread that reads, finds two fields where they always stand, and counts.
//!
//! It checks nothing, knows one form of line, and holds every window: no product, but the distance to it can be read.

use std::collections::HashMap;
use std::fs::File;
use std::hash::{BuildHasherDefault, Hasher};
use std::io::{self, BufWriter, Read, Write};

use anyhow::{Context, Result};
use memchr::{memchr, memchr_iter, memrchr};

/// What stands before the two fields of a line, and how long the first one is.
const BEFORE_TIME: usize = br#"{ "request_time":"["#.len();
const TIME: usize = b"21/Nov/2026:02:08:50".len();
const BEFORE_CLIENT: usize = BEFORE_TIME + TIME + br#" +0000]", "client_ip":""#.len();
/// No address of the log is longer.
const CLIENT: usize = 16;
const WINDOW_SECONDS: i64 = 10;

/// Window and client, padded with zeros.
type Key = (i64, [u8; CLIENT]);

/// Writes window, client and count of a log to standard output.
///
/// # Errors
/// When the log cannot be read, or is of another form.
pub(crate) fn run(log: &str) -> Result<()> {
    const BLOCK: usize = 1 << 18;
    let mut file = File::open(log)?;
    let (mut buffer, mut kept) = (vec![0; BLOCK], 0);
    let mut counts: HashMap<Key, u64, BuildHasherDefault<Multiplied>> = HashMap::default();
    let (mut last_time, mut last_window) = ([0; TIME], 0);
    loop {
        let read = file.read(&mut buffer[kept..])?;
        if read == 0 {
            break;
        }
        let filled = kept + read;
        let end = memrchr(b'\n', &buffer[..filled]).context("a line is longer than a block")? + 1;
        let mut start = 0;
        for newline in memchr_iter(b'\n', &buffer[..end]) {
            let line = &buffer[start..newline];
            start = newline + 1;
            let time: &[u8; TIME] = line[BEFORE_TIME..].first_chunk().context("a short line")?;
            if *time != last_time {
                (last_time, last_window) = (*time, window(time)?);
            }
            let client = &line[BEFORE_CLIENT..];
            let client = &client[..memchr(b'"', client).context("a broken line")?];
            let mut key = [0; CLIENT];
            key.get_mut(..client.len()).context("a long client")?.copy_from_slice(client);
            *counts.entry((last_window, key)).or_default() += 1;
        }
        buffer.copy_within(end..filled, 0);
        kept = filled - end;
    }
    let mut output = BufWriter::new(io::stdout().lock());
    for ((window, client), count) in &counts {
        let client = client.split(|byte| *byte == 0).next().unwrap_or_default();
        writeln!(output, "{window},{},{count}", str::from_utf8(client)?)?;
    }
    Ok(output.flush()?)
}

/// The start of the window of a time on the log's one day, in seconds since midnight.
fn window(time: &[u8; TIME]) -> Result<i64> {
    let number = |at: usize| str::from_utf8(&time[at..at + 2])?.parse::<i64>().context("no time");
    let seconds = number(12)? * 3_600 + number(15)? * 60 + number(18)?;
    Ok(seconds - seconds % WINDOW_SECONDS)
}

/// A hash of few instructions, for keys that nobody chose to collide.
#[derive(Default)]
struct Multiplied(u64);

impl Hasher for Multiplied {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        words.iter().for_each(|word| self.write_u64(u64::from_le_bytes(*word)));
        rest.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }

    fn write_i64(&mut self, word: i64) {
        self.write_u64(word.cast_unsigned());
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }

    fn finish(&self) -> u64 {
        self.0.rotate_left(26)
    }
}
