#![no_main]

//! Records of a stream. Any bytes unfold or do not; lines that a protobuf library aggregates come out, each once, in order.

use md5::{Digest, Md5};
use prost::Message;
use weir_fuzz_analytics::contents;

const MAGIC: [u8; 4] = [0xf3, 0x89, 0x9a, 0xc2];

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
    #[prost(uint64, required, tag = "1")]
    partition_key_index: u64,
    #[prost(uint64, optional, tag = "2")]
    explicit_hash_key_index: Option<u64>,
    #[prost(bytes = "vec", required, tag = "3")]
    data: Vec<u8>,
}

fn wrapped(message: &[u8]) -> Vec<u8> {
    [&MAGIC, message, Md5::digest(message).as_slice()].concat()
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    contents(data);
    contents(&wrapped(data));
    let lines: Vec<Vec<u8>> = data.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    let records = lines.iter().enumerate().map(|(index, line)| Record {
        partition_key_index: index as u64,
        explicit_hash_key_index: (index % 2 == 0).then_some(u64::MAX),
        data: line.clone(),
    });
    let message = AggregatedRecord {
        partition_key_table: vec!["key".to_owned()],
        explicit_hash_key_table: vec![],
        records: records.collect(),
    };
    let message = message.encode_to_vec();
    if message.is_empty() {
        return;
    }
    // A line that begins as a compressed one does is opened once more: what it becomes alone, it becomes here.
    let expected: Vec<Option<Vec<u8>>> =
        lines.iter().flat_map(|line| if line.starts_with(&MAGIC) { vec![Some(line.clone())] } else { contents(line) }).collect();
    assert_eq!(contents(&wrapped(&message)), expected);
});
