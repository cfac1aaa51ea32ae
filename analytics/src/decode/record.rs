//! Takes a stream record out of its wrapping: KPL aggregation, gzip, zstd; a plain record is its own content.
//!
//! Formats: [`super::kpl`]; RFC 1952; RFC 8878.
//! What looks wrapped but is not, is a plain record: never an error. A compressed record that breaks is an error.

use std::borrow::Cow;
use std::io::{self, Read};

use super::kpl;

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

/// One content of a record. It may hold several lines.
pub(super) struct Content<'a> {
    /// The partition key of a user record; None: that of the record itself.
    pub(super) partition_key: Option<&'a str>,
    pub(super) data: Result<Cow<'a, [u8]>, RecordError>,
}

/// The contents of a record, in order: one, or the user records of an aggregate.
pub(super) fn contents(data: &[u8]) -> Vec<Content<'_>> {
    let mut room = MAX_UNFOLDED_BYTES;
    match kpl::user_records(data) {
        Some(parts) => parts
            .into_iter()
            .map(|part| Content { partition_key: part.partition_key, data: decompress(part.data, &mut room) })
            .collect(),
        None => vec![Content { partition_key: None, data: decompress(data, &mut room) }],
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

#[cfg(test)]
mod tests {
    use std::io::Write;

    use md5::{Digest, Md5};

    use super::super::kpl::tests::{MAGIC, aggregate};
    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn opened(data: &[u8]) -> Vec<Vec<u8>> {
        contents(data).into_iter().map(|content| content.data.unwrap().into_owned()).collect()
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

    /// Each part alone was within the bound, and a record had room for a thousand of them.
    #[test]
    fn the_parts_of_a_record_unfold_to_the_bound_together() {
        let part = gzip(&vec![b'x'; 30 << 20]);
        let opened =
            contents(&aggregate(&[&part, &part, &part, b"plain"])).into_iter().map(|part| part.data.is_ok()).collect::<Vec<_>>();
        assert_eq!(opened, [true, true, false, true]);
    }

    #[test]
    fn a_broken_compressed_record_is_an_error_that_names_the_format() {
        let whole = gzip(b"line\n");
        let error = contents(&whole[..whole.len() - 4]).remove(0).data.unwrap_err();
        assert!(error.to_string().starts_with("a gzip record that cannot be decompressed"), "{error}");
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(data in proptest::collection::vec(proptest::num::u8::ANY, 0..64)) {
            let wrapped = aggregate(&[&data]);
            let _ = contents(&data);
            proptest::prop_assert_eq!(contents(&wrapped).len(), 1);
            let digest = Md5::digest(&data);
            let _ = contents(&[MAGIC.as_slice(), &data, digest.as_slice()].concat());
        }
    }
}
