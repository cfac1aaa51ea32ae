//! What travels through a flow: records, and news about the files they come from.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use md5::{Digest as _, Md5};
use serde::{Deserialize, Serialize};

use crate::{pack::Packed, settings::PartitionKeyOption, transform::json};

/// Our own number for one file's content; it stays when the file is renamed. Unique within a flow and a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FileId(pub(crate) u32);

/// One line on its way to the destination, or several that travel as one record.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    /// The line with its `\n`, as it stands in the file, or what the converters made of it.
    pub(crate) data: Bytes,
    /// Drawn once, so that a retry goes to the same shard.
    pub(crate) key: PartitionKey,
    /// The file it comes from.
    pub(crate) file: FileId,
    /// Position in the file after the line. Grows within a file.
    pub(crate) end: u64,
    /// Bytes of the line in the file. A number this small costs a record no memory.
    pub(crate) line_bytes: u32,
    /// The lines of a record that holds several. `file`, `end` and `line_bytes` are the last line's then.
    pub(crate) packed: Option<Box<Packed>>,
}

impl Record {
    /// Position in the file where the line begins.
    pub(crate) fn start(&self) -> u64 {
        self.end.saturating_sub(u64::from(self.line_bytes))
    }

    /// Bytes that count towards the limits of a request.
    pub(crate) fn size(&self) -> usize {
        self.data.len() + self.key.len()
    }

    /// Lines it holds.
    pub(crate) fn lines(&self) -> usize {
        self.packed.as_ref().map_or(1, |packed| packed.lines.len())
    }
}

/// What decides the shard; kept as a number until the request is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PartitionKey {
    /// There is none: Firehose takes no key.
    None,
    /// A random number, sent in decimal.
    Random(u32),
    /// The record's MD5, sent in hexadecimal. Bytes, not a number: a record is a fifth smaller for it.
    Md5([u8; 16]),
    /// A text of 1 to 256 characters. It may hold anything: quotes and control characters too.
    Text(Arc<str>),
}

impl PartitionKey {
    /// A key for these bytes.
    pub(crate) fn of(data: &[u8], option: PartitionKeyOption) -> Self {
        match option {
            PartitionKeyOption::None => Self::None,
            PartitionKeyOption::Random => Self::Random(rand::random()),
            PartitionKeyOption::Deterministic => Self::Md5(Md5::digest(data).into()),
        }
    }

    /// Appends it as it stands between the quotes of a JSON text.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::None => {}
            Self::Random(number) => write_decimal(*number, out),
            Self::Md5(bytes) => out.extend(bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(hex_digit)),
            Self::Text(text) => json::write_escaped(out, text),
        }
    }

    /// Bytes it counts with towards the limits of a request.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Random(number) => number.checked_ilog10().map_or(1, |log| log as usize + 1),
            Self::Md5(_) => 32,
            Self::Text(text) => text.len(),
        }
    }

    /// Whether records with these keys may travel as one: a random key goes with any other.
    pub(crate) fn joins(&self, other: &Self) -> bool {
        matches!((self, other), (Self::Random(_), Self::Random(_))) || self == other
    }
}

impl fmt::Display for PartitionKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::Random(number) => write!(out, "{number}"),
            Self::Md5(bytes) => write!(out, "{:032x}", u128::from_be_bytes(*bytes)),
            Self::Text(text) => out.write_str(text),
        }
    }
}

/// Without the formatting machinery: it runs for every record.
fn write_decimal(mut number: u32, out: &mut Vec<u8>) {
    let mut digits = [0; 10];
    let mut from = digits.len();
    loop {
        from -= 1;
        digits[from] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[from..]);
}

fn hex_digit(value: u8) -> u8 {
    b"0123456789abcdef"[usize::from(value)]
}

/// The first bytes of a file, as a hash: tells one file's content from another's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fingerprint {
    /// Bytes hashed, from the start of the file. 0 matches any file.
    pub(crate) length: u64,
    /// MD5 of those bytes in hexadecimal.
    #[serde(with = "hex")]
    pub(crate) hash: u128,
}

impl Fingerprint {
    /// Bytes hashed at most: enough for several log lines with their times.
    pub(crate) const FULL: usize = 1024;

    /// The fingerprint of a file that begins with `head`; longer heads are cut.
    pub(crate) fn of(head: &[u8]) -> Self {
        let head = &head[..head.len().min(Self::FULL)];
        Self { length: head.len() as u64, hash: u128::from_be_bytes(Md5::digest(head).into()) }
    }

    /// Whether a file that begins with `head` has at least this fingerprint's bytes, and the same ones.
    pub(crate) fn matches(&self, head: &[u8]) -> bool {
        let length = self.length as usize;
        length == 0 || (head.len() >= length && Self::of(&head[..length]).hash == self.hash)
    }
}

mod hex {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(hash: &u128, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{hash:032x}"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u128, D::Error> {
        u128::from_str_radix(&String::deserialize(deserializer)?, 16).map_err(D::Error::custom)
    }
}

/// How a file is found again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileFacts {
    /// Its name in the flow's directory.
    pub(crate) name: String,
    /// Device and inode.
    pub(crate) node: Node,
    /// Covers at least the first `min(1 KiB, position)` bytes.
    pub(crate) fingerprint: Fingerprint,
    /// Whether it was moved away from its live name: nobody is expected to end its last line.
    pub(crate) rotated: bool,
    /// Set when the content lives on in a copy that ends here; no position behind it may be saved.
    pub(crate) copied_to: Option<u64>,
    /// Since when it is gone, in seconds since the Unix epoch. It was read to its end, and is only remembered.
    pub(crate) gone: Option<u64>,
}

/// A file's place in the file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Node {
    /// `st_dev`.
    pub(crate) device: u64,
    /// `st_ino`.
    pub(crate) inode: u64,
}

/// What the tailer tells the shipper, in order.
#[derive(Debug)]
pub(crate) enum FromTailer {
    /// A file is known from now on, from this position; or what is known about it changed.
    File {
        /// Which.
        id: FileId,
        /// How it is found again.
        facts: FileFacts,
        /// Where reading began. Only heeded the first time.
        position: u64,
    },
    /// Every file is known that was there at the first look ever, or that an earlier run left: from now on there is a
    /// state to save, and a file that is not in it is a new one.
    Baseline,
    /// Nothing more comes from this file; forget it when all of it was accepted.
    Done(FileId),
    /// Lines of one file, in its order.
    Records(Vec<Record>),
    /// Lines of one file for the dead-letter file. They come before any record that stands behind them in the file,
    /// and must be written before anything else is taken: a position behind them may be saved from then on.
    Rejected {
        /// Why.
        reason: Rejection,
        /// The lines.
        records: Vec<Record>,
    },
    /// What stands between the last record of a file and this position is done with and need not be sent.
    Passed {
        /// Which file.
        id: FileId,
        /// The position.
        end: u64,
    },
}

/// Why a line is not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rejection {
    /// `LOGTOJSON` cannot read it.
    NotInFormat,
    /// It is longer than a record may be.
    Oversized,
    /// What must not be seen cannot be found in it.
    Unreadable,
}

impl fmt::Display for Rejection {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::NotInFormat => "not in the format of LOGTOJSON",
            Self::Oversized => "longer than a record may be; the beginning of it is kept",
            Self::Unreadable => "not a line that privacy can be applied to",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deterministic_key_is_the_md5_of_the_record() {
        let key = PartitionKey::of(b"hello\n", PartitionKeyOption::Deterministic);
        assert_eq!(key.to_string(), "b1946ac92492d2347c6235b4d2611184");
    }

    #[test]
    fn a_key_counts_with_the_length_it_is_sent_with() {
        for key in [
            PartitionKey::None,
            PartitionKey::Random(0),
            PartitionKey::Random(9),
            PartitionKey::Random(10),
            PartitionKey::Random(u32::MAX),
            PartitionKey::Md5(1_u128.to_be_bytes()),
            PartitionKey::Text(Arc::from("é")),
        ] {
            let mut written = Vec::new();
            key.write(&mut written);
            assert_eq!(String::from_utf8(written).unwrap(), key.to_string());
            assert_eq!(key.len(), key.to_string().len());
        }
    }

    #[test]
    fn a_record_counts_with_its_data_and_its_key_and_knows_its_place() {
        let key = PartitionKey::Text(Arc::from("key"));
        let data = Bytes::from_static(b"one\n");
        let record = Record { data, key, file: FileId(0), end: 14, line_bytes: 4, packed: None };
        assert_eq!((record.size(), record.start(), record.end, record.lines()), (7, 10, 14, 1));
    }

    #[test]
    fn equal_records_have_equal_deterministic_keys_and_random_ones_go_together() {
        let key = |data: &[u8]| PartitionKey::of(data, PartitionKeyOption::Deterministic);
        assert!(key(b"a").joins(&key(b"a")) && !key(b"a").joins(&key(b"b")));
        assert!(PartitionKey::Random(1).joins(&PartitionKey::Random(2)));
        assert!(!PartitionKey::Random(1).joins(&PartitionKey::Text(Arc::from("1"))));
    }

    #[test]
    fn a_fingerprint_matches_the_same_file_after_it_grew() {
        let fingerprint = Fingerprint::of(b"first line\n");
        assert!(fingerprint.matches(b"first line\nsecond line\n"));
        assert!(!fingerprint.matches(b"other line\n"));
        assert!(!fingerprint.matches(b"first"));
        assert!(Fingerprint::default().matches(b"anything"));
    }
}
