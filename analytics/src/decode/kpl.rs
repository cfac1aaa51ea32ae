//! Records that the Kinesis Producer Library aggregated: many user records in one of the stream.
//!
//! Format: KPL `aggregation-format.md`: magic, protobuf `AggregatedRecord`, MD5 of the protobuf. In the message 1 is the
//! repeated partition key, 2 the repeated explicit hash key and 3 the repeated `Record`; in that, 1 and 2 are the indices of its
//! keys and 3 its data. Explicit hash keys chose a shard and are of no use behind it.

use md5::{Digest, Md5};

/// First bytes of an aggregate.
const MAGIC: [u8; 4] = [0xf3, 0x89, 0x9a, 0xc2];
const MD5_BYTES: usize = 16;

/// A record as it was before it was aggregated.
pub(super) struct UserRecord<'a> {
    /// Its own partition key; None when the table of keys has none for it.
    pub(super) partition_key: Option<&'a str>,
    pub(super) data: &'a [u8],
}

/// The user records of an aggregate in their order, in which the place of each is its sub-sequence number; None when it is no
/// aggregate, by magic, length, digest and grammar.
pub(super) fn user_records(data: &[u8]) -> Option<Vec<UserRecord<'_>>> {
    let rest = data.strip_prefix(&MAGIC)?;
    let (message, digest) = rest.split_at_checked(rest.len().checked_sub(MD5_BYTES)?)?;
    if message.is_empty() || Md5::digest(message).as_slice() != digest {
        return None;
    }
    let fields = fields(message)?;
    let of = |wanted: u64| fields.iter().filter(move |(number, _)| *number == wanted).filter_map(|(_, value)| value.bytes());
    let keys: Vec<&[u8]> = of(1).collect();
    of(3).map(|record| user_record(record, &keys)).collect()
}

fn user_record<'a>(record: &'a [u8], keys: &[&'a [u8]]) -> Option<UserRecord<'a>> {
    let fields = fields(record)?;
    let first = |wanted: u64| fields.iter().find(|(number, _)| *number == wanted).map(|(_, value)| value);
    let index = first(1).and_then(Value::number).and_then(|index| usize::try_from(index).ok());
    let key = index.and_then(|index| keys.get(index));
    Some(UserRecord { partition_key: key.and_then(|key| str::from_utf8(key).ok()), data: first(3)?.bytes()? })
}

/// The value of a field.
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    fn number(&self) -> Option<u64> {
        if let Self::Number(number) = self { Some(*number) } else { None }
    }

    fn bytes(&self) -> Option<&'a [u8]> {
        if let Self::Bytes(bytes) = self { Some(bytes) } else { None }
    }
}

/// Fields of a protobuf message by number; None when it is not well formed.
fn fields(mut message: &[u8]) -> Option<Vec<(u64, Value<'_>)>> {
    let mut found = Vec::new();
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        let value = match tag & 7 {
            0 => Value::Number(varint(&mut message)?),
            2 => {
                let length = usize::try_from(varint(&mut message)?).ok()?;
                let (field, rest) = message.split_at_checked(length)?;
                message = rest;
                Value::Bytes(field)
            }
            _ => return None, // the format has no others
        };
        found.push((tag >> 3, value));
    }
    Some(found)
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) const MAGIC: [u8; 4] = super::MAGIC;

    /// An aggregate as the KPL writes it: one partition key for all.
    pub(crate) fn aggregate(records: &[&[u8]]) -> Vec<u8> {
        let delimited = |number: u8, bytes: &[u8]| {
            let mut field = vec![number << 3 | 2];
            let mut length = bytes.len();
            while length >= 0x80 {
                field.push(length as u8 | 0x80);
                length >>= 7;
            }
            field.push(length as u8);
            [field, bytes.to_vec()].concat()
        };
        let mut message = delimited(1, b"key");
        for record in records {
            message.extend(delimited(3, &[vec![0x08, 0x00], delimited(3, record)].concat()));
        }
        let digest = Md5::digest(&message);
        [MAGIC.as_slice(), &message, digest.as_slice()].concat()
    }

    fn bytes(hex: &serde_json::Value) -> Vec<u8> {
        let hex = hex.as_str().unwrap();
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    #[test]
    fn what_awss_own_library_aggregated_opens_to_the_same_user_records_with_their_keys_in_their_order() {
        let path = ::tests::data::repository("tests/data/kpl/aggregates.jsonl"); // made by make.py beside it
        let aggregates = std::fs::read_to_string(path).unwrap();
        let mut other_keys = 0;
        for line in aggregates.lines() {
            let aggregate: serde_json::Value = serde_json::from_str(line).unwrap();
            let expected = |user_record: &serde_json::Value| {
                (user_record["partition_key"].as_str().map(str::to_owned), bytes(&user_record["data"]))
            };
            let expected: Vec<_> = aggregate["user_records"].as_array().unwrap().iter().map(expected).collect();
            let record = bytes(&aggregate["record"]);
            let found = user_records(&record).unwrap();
            let found: Vec<_> = found.iter().map(|part| (part.partition_key.map(str::to_owned), part.data.to_vec())).collect();
            assert_eq!(found, expected, "the place in the list is the sub-sequence number");
            other_keys += found.iter().filter(|(key, _)| key.as_deref() != aggregate["partition_key"].as_str()).count();
        }
        assert_eq!((aggregates.lines().count(), other_keys), (8, 205));
    }

    #[test]
    fn a_key_that_the_table_has_not_is_none_and_the_record_stays() {
        let mut message = aggregate(&[b"one"]);
        let index = message.len() - MD5_BYTES - b"one".len() - 3;
        message[index] = 7; // the table has one key
        let digest = Md5::digest(&message[4..message.len() - MD5_BYTES]);
        let at = message.len() - MD5_BYTES;
        message[at..].copy_from_slice(digest.as_slice());
        let found = user_records(&message).unwrap();
        assert_eq!((found.len(), found[0].partition_key, found[0].data), (1, None, b"one".as_slice()));
    }

    #[test]
    fn what_only_looks_aggregated_is_plain() {
        let mut wrong_digest = aggregate(&[b"one"]);
        *wrong_digest.last_mut().unwrap() ^= 1;
        for data in [wrong_digest, MAGIC.to_vec(), [MAGIC.as_slice(), &[0; 20]].concat()] {
            assert!(user_records(&data).is_none());
        }
    }
}
