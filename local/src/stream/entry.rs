//! What the journal says, one line per entry.
//!
//! Format: eight hexadecimal digits (CRC-32 of the JSON), a space, the entry as JSON, a newline. Data stays in the
//! base64 of the protocol, so a line can be read with ordinary tools. Pure: bytes in, entries out.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use ferrokinesis::types::{StoredRecord, Stream};
use flate2::Crc;
use serde::{Deserialize, Serialize};

/// Length of the checksum and the space after it.
const PREFIX: usize = 9;

/// One change of the store.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Entry {
    /// A stream exists in this shape.
    Stream(Box<StreamState>),
    /// A stream and its records are gone.
    Deleted {
        /// The stream's name.
        stream: String,
    },
    /// A record was accepted.
    Record(RecordEntry),
}

/// A record where the store keeps it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RecordEntry {
    pub(crate) stream: String,
    /// The store's key: shard number in hexadecimal, a slash, the sequence number.
    pub(crate) key: String,
    #[serde(flatten)]
    pub(crate) record: StoredRecord,
}

/// A stream with what its public description leaves out.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StreamState {
    pub(crate) stream: Stream,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) key_id: Option<String>,
    pub(crate) warm_throughput_mibps: u32,
    pub(crate) max_record_size_kib: u32,
    /// For each shard, the index that its next record gets inside its sequence number. At least 1.
    pub(crate) next_indexes: Vec<u64>,
}

impl StreamState {
    /// Takes a stream apart.
    pub(crate) fn new(stream: Stream, next_indexes: Vec<u64>) -> Self {
        Self {
            tags: stream.tags.clone(),
            key_id: stream.key_id.clone(),
            warm_throughput_mibps: stream.warm_throughput_mibps,
            max_record_size_kib: stream.max_record_size_kib,
            stream,
            next_indexes,
        }
    }

    /// The stream as the store wants it.
    pub(crate) fn to_stream(&self) -> Stream {
        let mut stream = self.stream.clone();
        stream.tags = self.tags.clone();
        stream.key_id = self.key_id.clone();
        stream.warm_throughput_mibps = self.warm_throughput_mibps;
        stream.max_record_size_kib = self.max_record_size_kib;
        stream
    }
}

impl Entry {
    /// Appends the entry's line.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        let json = serde_json::to_vec(self).context("a journal entry cannot be written as JSON")?;
        out.extend_from_slice(format!("{:08x} ", checksum(&json)).as_bytes());
        out.extend_from_slice(&json);
        out.push(b'\n');
        Ok(())
    }

    /// Reads a line with its newline. None when it is cut short or damaged.
    pub(crate) fn decode(line: &[u8]) -> Option<Self> {
        let line = line.strip_suffix(b"\n")?;
        let (prefix, json) = line.split_at_checked(PREFIX)?;
        let expected = std::str::from_utf8(prefix).ok()?.strip_suffix(' ')?;
        let expected = u32::from_str_radix(expected, 16).ok()?;
        if checksum(json) == expected { serde_json::from_slice(json).ok() } else { None }
    }
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> Vec<u8> {
        let record = StoredRecord { partition_key: "k".into(), data: "bGluZQ==".into(), approximate_arrival_timestamp: 1.5 };
        let entry = Entry::Record(RecordEntry { stream: "s".into(), key: "00000000/49".into(), record });
        let mut line = Vec::new();
        entry.encode(&mut line).unwrap();
        line
    }

    #[test]
    fn an_entry_is_read_back_as_it_was() {
        let Some(Entry::Record(entry)) = Entry::decode(&line()) else { panic!("not a record") };
        assert_eq!((entry.stream.as_str(), entry.key.as_str()), ("s", "00000000/49"));
        assert_eq!((entry.record.data.as_str(), entry.record.approximate_arrival_timestamp), ("bGluZQ==", 1.5));
    }

    #[test]
    fn every_cut_of_a_line_is_noticed() {
        let line = line();
        assert!((0..line.len()).all(|length| Entry::decode(&line[..length]).is_none()));
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let line = line();
        let damaged = |place: usize| {
            let mut copy = line.clone();
            copy[place] ^= 1;
            copy
        };
        // A space that becomes '!' or a digit that changes: neither may pass.
        assert!((0..line.len()).all(|place| Entry::decode(&damaged(place)).is_none()));
    }
}
