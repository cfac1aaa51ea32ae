//! What is packed can be taken apart again, by us and by a reader that knows only the format.

use std::{io::Read as _, sync::Arc};

use md5::{Digest as _, Md5};
use proptest::prelude::*;

use super::*;
use crate::record::FileId;

const AGGREGATED: Packing = Packing::Aggregated { bytes: 200 };
const JOINED: Packing = Packing::Joined { bytes: 200 };
const GZIP: Packing = Packing::Compressed { compression: Compression::Gzip { level: 6 }, bytes: 200 };
const ZSTD: Packing = Packing::Compressed { compression: Compression::Zstd { level: 3 }, bytes: 200 };

fn line(file: u32, end: u64, data: &[u8]) -> Record {
    let line_bytes = data.len() as u32;
    Record { data: Bytes::copy_from_slice(data), key: PartitionKey::Random(7), file: FileId(file), end, line_bytes, packed: None }
}

fn keyed(end: u64, key: &str) -> Record {
    Record { key: PartitionKey::Text(Arc::from(key)), ..line(0, end, b"x\n") }
}

fn pack(packing: Packing, lines: impl IntoIterator<Item = Record>) -> Vec<Record> {
    let mut packer = Packer::new(packing);
    let mut packed: Vec<Record> = lines.into_iter().filter_map(|line| packer.push(line)).collect();
    packed.extend(packer.take());
    assert!(packer.take().is_none());
    packed
}

/// The file of each line a record holds and the position after it.
fn places(record: &Record) -> Vec<(FileId, u64)> {
    match &record.packed {
        None => vec![(record.file, record.end)],
        Some(packed) => packed.lines.iter().map(|line| (line.file, line.end)).collect(),
    }
}

/// The keys of an aggregate's table, and for each record the index of its key and its data.
type Aggregate = (Vec<String>, Vec<(u64, Vec<u8>)>);

/// A reader of the format that shares no code with the writer.
fn read_aggregate(data: &[u8]) -> Option<Aggregate> {
    let message = data.strip_prefix(b"\xf3\x89\x9a\xc2")?;
    let (message, digest) = message.split_at(message.len().checked_sub(16)?);
    if Md5::digest(message).as_slice() != digest {
        return None;
    }
    let (mut keys, mut records) = (Vec::new(), Vec::new());
    for (field, value) in read_fields(message) {
        match (field, value) {
            (1, Ok(key)) => keys.push(String::from_utf8(key.to_vec()).unwrap()),
            (3, Ok(record)) => {
                let fields = read_fields(record);
                let index = fields.iter().find_map(|(field, value)| value.err().filter(|_| *field == 1)).unwrap();
                let data = fields.iter().find_map(|(field, value)| value.ok().filter(|_| *field == 3)).unwrap();
                records.push((index, data.to_vec()));
            }
            other => panic!("a field of another kind: {other:?}"),
        }
    }
    Some((keys, records))
}

/// Fields of a message: numbers as errors, bytes as they are.
fn read_fields(mut rest: &[u8]) -> Vec<(u64, Result<&[u8], u64>)> {
    let varint = |rest: &mut &[u8]| {
        let length = rest.iter().position(|byte| *byte < 0x80).unwrap() + 1;
        let (bytes, after) = rest.split_at(length);
        *rest = after;
        bytes.iter().rev().fold(0, |value, byte| value << 7 | u64::from(byte & 0x7f))
    };
    let mut fields = Vec::new();
    while !rest.is_empty() {
        let tag = varint(&mut rest);
        let number = varint(&mut rest);
        if tag & 7 == 0 {
            fields.push((tag >> 3, Err(number)));
        } else {
            assert_eq!(tag & 7, 2);
            let (bytes, after) = rest.split_at(number as usize);
            rest = after;
            fields.push((tag >> 3, Ok(bytes)));
        }
    }
    fields
}

#[test]
fn an_aggregate_has_one_key_and_its_records_in_order() {
    let packed = pack(AGGREGATED, [line(0, 2, b"a\n"), line(0, 4, b"b\n"), line(1, 9, b"no end")]);
    assert_eq!((packed.len(), packed[0].lines()), (1, 3));
    let (keys, records) = read_aggregate(&packed[0].data).unwrap();
    assert_eq!(keys, ["7"]);
    assert_eq!(records, [(0, b"a\n".to_vec()), (0, b"b\n".to_vec()), (0, b"no end".to_vec())]);
    assert_eq!(places(&packed[0]), [(FileId(0), 2), (FileId(0), 4), (FileId(1), 9)]);
}

#[test]
fn a_line_alone_travels_as_it_is() {
    for packing in [AGGREGATED, JOINED] {
        let packed = pack(packing, [line(0, 2, b"a\n")]);
        assert_eq!(&packed[0].data[..], b"a\n");
        assert!(packed[0].packed.is_none());
    }
}

#[test]
fn a_line_alone_is_compressed_too() {
    let packed = pack(GZIP, [line(0, 2, b"a\n")]);
    let mut text = String::new();
    flate2::read::GzDecoder::new(&packed[0].data[..]).read_to_string(&mut text).unwrap();
    assert_eq!(text, "a\n");
}

#[test]
fn a_record_ends_where_the_key_changes() {
    for packing in [AGGREGATED, GZIP, JOINED] {
        let packed =
            pack(packing, [keyed(1, "a"), keyed(2, "a"), keyed(3, "b"), keyed(4, "a"), line(0, 5, b"r\n"), line(0, 6, b"r\n")]);
        let seen: Vec<(String, usize)> = packed.iter().map(|record| (record.key.to_string(), record.lines())).collect();
        assert_eq!(seen, [("a".to_owned(), 2), ("b".to_owned(), 1), ("a".to_owned(), 1), ("7".to_owned(), 2)]);
    }
}

#[test]
fn only_lines_of_one_file_are_joined() {
    let packed = pack(JOINED, [line(0, 2, b"a\n"), line(0, 4, b"b\n"), line(1, 2, b"c\n")]);
    assert_eq!(packed.iter().map(|record| &record.data[..]).collect::<Vec<_>>(), [&b"a\nb\n"[..], b"c\n"]);
}

#[test]
fn a_line_without_an_end_gets_one_when_another_follows() {
    let packed = pack(JOINED, [line(0, 2, b"{a}"), line(0, 4, b"{b}")]);
    assert_eq!(&packed[0].data[..], b"{a}\n{b}");
    assert_eq!(unpack(&packed[0]).iter().map(|line| &line.data[..]).collect::<Vec<_>>(), [&b"{a}"[..], b"{b}"]);
}

// The Java agent's AggregationSplitter, case by case: whole lines up to the hint and never beyond, a longer line alone.
#[test]
fn whole_lines_are_joined_up_to_the_hint() {
    let lengths = |bytes, lines: &[usize]| -> Vec<usize> {
        let mut end = 0;
        let lines = lines.iter().map(|length| {
            end += *length as u64;
            line(0, end, &[&vec![b'x'; length - 1][..], b"\n"].concat())
        });
        pack(Packing::Joined { bytes }, lines.collect::<Vec<_>>()).iter().map(|record| record.data.len()).collect()
    };
    assert_eq!(lengths(30, &[10, 10, 10, 10]), [30, 10], "as many as fit");
    assert_eq!(lengths(29, &[10, 10, 10, 10]), [20, 20], "whole lines only");
    assert_eq!(lengths(10, &[10, 10]), [10, 10], "a line of just the hint");
    assert_eq!(lengths(10, &[25, 5, 4]), [25, 9], "a longer line is not cut, and nothing joins it");
    assert_eq!(lengths(10, &[4, 25, 4]), [4, 25, 4], "a longer line ends the record before it");
    assert_eq!(lengths(1000, &[10]), [10]);
    assert_eq!(lengths(1000, &[]), [0usize; 0]);
}

fn any_line() -> impl Strategy<Value = (u32, Vec<u8>)> {
    (0u32..3, prop::collection::vec(any::<u8>(), 0..260))
}

proptest! {
    #[test]
    fn every_line_is_in_one_record_in_order_and_comes_out_again(lines in prop::collection::vec(any_line(), 0..40)) {
        let lines: Vec<Record> = lines.iter().enumerate().map(|(index, (file, data))| line(*file, index as u64, data)).collect();
        for packing in [AGGREGATED, JOINED, GZIP, ZSTD] {
            let packed = pack(packing, lines.clone());
            let places: Vec<_> = packed.iter().flat_map(places).collect();
            prop_assert_eq!(places, lines.iter().map(|line| (line.file, line.end)).collect::<Vec<_>>());
            let unpacked: Vec<Record> = packed.iter().flat_map(unpack).collect();
            let seen = |records: &[Record]| -> Vec<_> { records.iter().map(|one| (one.data.clone(), one.end, one.line_bytes)).collect() };
            prop_assert_eq!(seen(&unpacked), seen(&lines));
        }
    }

    #[test]
    fn a_reader_that_knows_only_the_format_gets_the_lines(lines in prop::collection::vec(any_line(), 0..40)) {
        let lines: Vec<Record> = lines.iter().map(|(file, data)| line(*file, 0, data)).collect();
        let mut read = Vec::new();
        for record in pack(AGGREGATED, lines.clone()) {
            prop_assert!(record.data.len() <= 200 || record.packed.is_none());
            match record.packed {
                None => read.push(record.data.to_vec()),
                Some(_) => read.extend(read_aggregate(&record.data).unwrap().1.into_iter().map(|(_, data)| data)),
            }
        }
        prop_assert_eq!(read, lines.iter().map(|line| line.data.to_vec()).collect::<Vec<_>>());
    }
}
