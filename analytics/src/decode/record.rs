//! Takes a stream record out of its wrapping: KPL aggregation, gzip, zstd; a plain record is its own content.
//!
//! Formats: KPL `aggregation-format.md` (magic, protobuf `AggregatedRecord`, MD5 of the protobuf); RFC 1952; RFC 8878.
//! What looks wrapped but is not, is a plain record: never an error. A compressed record that breaks is an error.

use std::borrow::Cow;
use std::io::{self, Read};

use md5::{Digest, Md5};

/// First bytes of a record that the Kinesis Producer Library aggregated.
const KPL_MAGIC: [u8; 4] = [0xf3, 0x89, 0x9a, 0xc2];
const MD5_BYTES: usize = 16;

/// The most that the compressed parts of one record may unfold to together: a bound on memory, far above Kinesis' 10 MiB.
const MAX_UNFOLDED_BYTES: u64 = 64 * 1024 * 1024;

/// A compressed record that does not unfold.
#[derive(Debug, thiserror::Error)]
pub(super) enum RecordError {
    #[error("a {kind} record that cannot be decompressed: {source}")]
    Broken { kind: &'static str, source: io::Error },
    #[error("a {kind} record that unfolds to more than {} MiB", MAX_UNFOLDED_BYTES >> 20)]
    TooLarge { kind: &'static str },
}

/// The contents of a record, in order: one, or the user records of an aggregate. Each may hold several lines.
pub(super) fn contents(data: &[u8]) -> Vec<Result<Cow<'_, [u8]>, RecordError>> {
    let mut room = MAX_UNFOLDED_BYTES;
    match aggregated(data) {
        Some(parts) => parts.into_iter().map(|part| decompress(part, &mut room)).collect(),
        None => vec![decompress(data, &mut room)],
    }
}

fn decompress<'a>(data: &'a [u8], room: &mut u64) -> Result<Cow<'a, [u8]>, RecordError> {
    match data {
        [0x1f, 0x8b, ..] => unfold("gzip", flate2::bufread::MultiGzDecoder::new(data), room),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            let decoder = zstd::Decoder::with_buffer(data).map_err(|source| RecordError::Broken { kind: "zstd", source })?;
            unfold("zstd", decoder, room)
        }
        _ => Ok(Cow::Borrowed(data)),
    }
}

fn unfold<'a>(kind: &'static str, decoder: impl Read, room: &mut u64) -> Result<Cow<'a, [u8]>, RecordError> {
    let mut unfolded = Vec::new();
    let read = decoder.take(*room + 1).read_to_end(&mut unfolded);
    let read = read.map_err(|source| RecordError::Broken { kind, source })?;
    *room = room.checked_sub(read as u64).ok_or(RecordError::TooLarge { kind })?;
    Ok(Cow::Owned(unfolded))
}

/// The user records of an aggregate; None when it is not one, by magic, length, digest and grammar.
fn aggregated(data: &[u8]) -> Option<Vec<&[u8]>> {
    let rest = data.strip_prefix(&KPL_MAGIC)?;
    let (message, digest) = rest.split_at_checked(rest.len().checked_sub(MD5_BYTES)?)?;
    if message.is_empty() || Md5::digest(message).as_slice() != digest {
        return None;
    }
    // AggregatedRecord: 3 is the repeated Record, in which 3 is the data.
    let records = fields(message)?.into_iter().filter(|(number, _)| *number == 3);
    records.map(|(_, record)| fields(record)?.into_iter().find(|(number, _)| *number == 3).map(|(_, data)| data)).collect()
}

/// Length-delimited fields of a protobuf message by number; None when it is not well formed. Varints are skipped.
fn fields(mut message: &[u8]) -> Option<Vec<(u64, &[u8])>> {
    let mut found = Vec::new();
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        match tag & 7 {
            0 => {
                varint(&mut message)?;
            }
            2 => {
                let length = usize::try_from(varint(&mut message)?).ok()?;
                let (field, rest) = message.split_at_checked(length)?;
                found.push((tag >> 3, field));
                message = rest;
            }
            _ => return None, // the format has no others
        }
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
mod tests {
    use std::io::Write;

    use super::*;

    /// An aggregate as the KPL writes it: one partition key for all.
    fn aggregate(records: &[&[u8]]) -> Vec<u8> {
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
        [KPL_MAGIC.as_slice(), &message, digest.as_slice()].concat()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn opened(data: &[u8]) -> Vec<Vec<u8>> {
        contents(data).into_iter().map(|content| content.unwrap().into_owned()).collect()
    }

    #[test]
    fn a_plain_record_is_its_own_content() {
        assert_eq!(opened(b"line\n"), [b"line\n"]);
        assert_eq!(opened(b""), [b""]);
    }

    #[test]
    fn compressed_records_unfold() {
        assert_eq!(opened(&gzip(b"a\nb\n")), [b"a\nb\n"]);
        assert_eq!(opened(&zstd::encode_all(&b"a\nb\n"[..], 1).unwrap()), [b"a\nb\n"]);
    }

    #[test]
    fn an_aggregate_gives_its_records_in_order_compressed_ones_too() {
        let long = vec![b'x'; 300];
        assert_eq!(opened(&aggregate(&[b"one\n", &gzip(b"two\n"), &long])), [b"one\n".to_vec(), b"two\n".to_vec(), long.clone()]);
        assert!(opened(&aggregate(&[])).is_empty());
    }

    #[test]
    fn what_awss_own_library_aggregated_opens_to_the_same_user_records_in_their_order() {
        let bytes = |hex: &serde_json::Value| -> Vec<u8> {
            let hex = hex.as_str().unwrap();
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
        };
        let path = ::tests::data::repository("tests/data/kpl/aggregates.jsonl"); // made by make.py beside it
        let aggregates = std::fs::read_to_string(path).unwrap();
        for line in aggregates.lines() {
            let aggregate: serde_json::Value = serde_json::from_str(line).unwrap();
            let user_records: Vec<Vec<u8>> =
                aggregate["user_records"].as_array().unwrap().iter().map(|user_record| bytes(&user_record["data"])).collect();
            let record = bytes(&aggregate["record"]);
            let parts: Vec<Vec<u8>> = aggregated(&record).unwrap().into_iter().map(<[u8]>::to_vec).collect();
            assert_eq!(parts, user_records, "the place in the list is the sub-sequence number");
        }
        assert_eq!(aggregates.lines().count(), 8);
    }

    #[test]
    fn what_only_looks_aggregated_is_plain() {
        let mut wrong_digest = aggregate(&[b"one"]);
        *wrong_digest.last_mut().unwrap() ^= 1;
        for data in [wrong_digest, KPL_MAGIC.to_vec(), [KPL_MAGIC.as_slice(), &[0; 20]].concat()] {
            assert_eq!(opened(&data), std::slice::from_ref(&data));
        }
    }

    /// Each part alone was within the bound, and a record had room for a thousand of them.
    #[test]
    fn the_parts_of_a_record_unfold_to_the_bound_together() {
        let part = gzip(&vec![b'x'; 30 << 20]);
        let opened =
            contents(&aggregate(&[&part, &part, &part, b"plain"])).into_iter().map(|part| part.is_ok()).collect::<Vec<_>>();
        assert_eq!(opened, [true, true, false, true]);
    }

    #[test]
    fn a_broken_compressed_record_is_an_error_that_names_the_format() {
        let whole = gzip(b"line\n");
        let error = contents(&whole[..whole.len() - 4]).remove(0).unwrap_err();
        assert!(error.to_string().starts_with("a gzip record that cannot be decompressed"), "{error}");
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(data in proptest::collection::vec(proptest::num::u8::ANY, 0..64)) {
            let wrapped = aggregate(&[&data]);
            let _ = contents(&data);
            proptest::prop_assert_eq!(contents(&wrapped).len(), 1);
            let digest = Md5::digest(&data);
            let _ = contents(&[KPL_MAGIC.as_slice(), &data, digest.as_slice()].concat());
        }
    }
}
