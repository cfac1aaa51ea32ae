//! Writes the Kinesis Producer Library's aggregated records.
//!
//! Format (`aggregation-format.md`): `F3 89 9A C2`, a protobuf message, the MD5 of the message. The message is
//! `AggregatedRecord { repeated string partition_key_table = 1; repeated Record records = 3 }`, a record is
//! `{ uint64 partition_key_index = 1; bytes data = 3 }`. Our table has one key, and no explicit hash keys.

use md5::{Digest as _, Md5};

use crate::record::PartitionKey;

/// What an aggregate begins with.
const MAGIC: [u8; 4] = [0xf3, 0x89, 0x9a, 0xc2];

const MD5_BYTES: usize = 16;

/// Field 1 of the message, and field 3 of message and record, each with its length in front.
const KEY_FIELD: u8 = 1 << 3 | 2;
const RECORD_FIELD: u8 = 3 << 3 | 2;
const DATA_FIELD: u8 = 3 << 3 | 2;

/// Field 1 of a record, a number: the first key of the table.
const FIRST_KEY: [u8; 2] = [1 << 3, 0];

/// Begins an aggregate whose records have this key.
pub(super) fn begin(out: &mut Vec<u8>, key: &str) {
    out.extend_from_slice(&MAGIC);
    out.push(KEY_FIELD);
    push_varint(out, key.len());
    out.extend_from_slice(key.as_bytes());
}

/// Appends a record. Returns where its data begins.
pub(super) fn append(out: &mut Vec<u8>, data: &[u8]) -> usize {
    out.push(RECORD_FIELD);
    push_varint(out, record_size(data.len()));
    out.extend_from_slice(&FIRST_KEY);
    out.push(DATA_FIELD);
    push_varint(out, data.len());
    out.extend_from_slice(data);
    out.len() - data.len()
}

/// Ends an aggregate.
pub(super) fn close(out: &mut Vec<u8>) {
    let digest = Md5::digest(out.get(MAGIC.len()..).unwrap_or_default());
    out.extend_from_slice(&digest);
}

/// Bytes of an aggregate with this key and records of these lengths.
pub(super) fn size_of(key: &PartitionKey, lengths: &[usize]) -> usize {
    let begin = MAGIC.len() + 1 + varint_size(key.len()) + key.len();
    closed_size(begin) + lengths.iter().map(|length| entry_size(*length)).sum::<usize>()
}

/// Bytes of what is open so far once it is closed.
pub(super) fn closed_size(open: usize) -> usize {
    open + MD5_BYTES
}

/// Bytes one more record takes.
pub(super) fn entry_size(length: usize) -> usize {
    let record = record_size(length);
    1 + varint_size(record) + record
}

fn record_size(length: usize) -> usize {
    FIRST_KEY.len() + 1 + varint_size(length) + length
}

fn varint_size(number: usize) -> usize {
    (number.checked_ilog2().unwrap_or(0) / 7 + 1) as usize
}

fn push_varint(out: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_takes_as_many_bytes_as_it_is_counted_with() {
        for number in [0, 1, 127, 128, 16_383, 16_384, 1 << 20, usize::MAX] {
            let mut out = Vec::new();
            push_varint(&mut out, number);
            assert_eq!(out.len(), varint_size(number), "{number}");
        }
    }

    #[test]
    fn an_aggregate_has_the_bytes_of_the_format() {
        let mut out = Vec::new();
        begin(&mut out, "k");
        assert_eq!(append(&mut out, b"ab"), 13);
        close(&mut out);
        let message = b"\x0a\x01k\x1a\x06\x08\x00\x1a\x02ab";
        assert_eq!(out, [&MAGIC[..], message, &Md5::digest(message)].concat());
        assert_eq!(out.len(), size_of(&PartitionKey::Text("k".into()), &[2]));
    }
}
