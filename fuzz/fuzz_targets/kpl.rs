#![no_main]

//! Lines go into aggregates and come out of them again, read by a protobuf library: each once, in their order, with the
//! key, and no aggregate is over the limit. The first two bytes are the limit, the third is the length of the key.

use md5::{Digest, Md5};
use prost::Message;

const MAGIC: &[u8] = &[0xf3, 0x89, 0x9a, 0xc2];

/// As `aggregation-format.md` has it.
#[derive(Clone, PartialEq, Message)]
struct AggregatedRecord {
    #[prost(string, repeated, tag = "1")]
    partition_key_table: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    explicit_hash_key_table: Vec<String>,
    #[prost(message, repeated, tag = "3")]
    records: Vec<Record>,
}

#[derive(Clone, PartialEq, Message)]
struct Record {
    #[prost(uint64, tag = "1")]
    partition_key_index: u64,
    #[prost(uint64, optional, tag = "2")]
    explicit_hash_key_index: Option<u64>,
    #[prost(bytes = "vec", tag = "3")]
    data: Vec<u8>,
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let [low, high, key, text @ ..] = data else { return };
    let limit = usize::from(u16::from_le_bytes([*low, *high]));
    let key = "k".repeat(usize::from(*key).max(1));
    let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    let records = agent::fuzzing::aggregate(&key, limit, &lines);
    // A record of one line is sent as it is.
    let is_alone = |record: &Vec<u8>| !record.starts_with(MAGIC);
    let mut found = Vec::new();
    for record in records {
        if is_alone(&record) || lines.contains(&record.as_slice()) {
            found.push(record);
            continue;
        }
        assert!(record.len() <= limit, "over the limit");
        let (message, digest) = record[MAGIC.len()..].split_at(record.len() - MAGIC.len() - 16);
        assert_eq!(digest, Md5::digest(message).as_slice());
        let message = AggregatedRecord::decode(message).expect("not the format");
        assert_eq!(message.partition_key_table, [key.as_str()]);
        assert!(message.records.len() > 1 && message.records.iter().all(|record| record.partition_key_index == 0));
        found.extend(message.records.into_iter().map(|record| record.data));
    }
    assert_eq!(found, lines);
});
