//! Base64 for request bodies, 24 bytes at a time.
//!
//! Every byte that is sent passes here. The `base64` crate looks up one letter for each 6 bits; looking up two for each 12
//! takes a third of its time, and a table of 8 KiB. Only encoding, only the standard alphabet, always padded.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The two letters of every 12 bits, the first one in the lower byte.
static PAIRS: [u16; 4096] = {
    let mut pairs = [0; 4096];
    let mut bits = 0;
    while bits < pairs.len() {
        pairs[bits] = u16::from_le_bytes([ALPHABET[bits >> 6], ALPHABET[bits & 63]]);
        bits += 1;
    }
    pairs
};

/// Bytes that so many take in base64.
pub(super) fn encoded_len(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4
}

/// Appends `data` in base64.
pub(super) fn push(data: &[u8], out: &mut Vec<u8>) {
    let from = out.len();
    out.resize(from + encoded_len(data.len()), 0);
    let mut rest = data;
    let mut blocks = out[from..].as_chunks_mut::<32>().0.iter_mut();
    // Four times eight letters for one look at the lengths. Eight bytes are read for six: one load instead of six.
    while let Some(bytes) = rest.first_chunk::<26>()
        && let Some(block) = blocks.next()
    {
        let (eights, _) = block.as_chunks_mut::<8>();
        for (index, eight) in eights.iter_mut().enumerate() {
            if let Some(word) = bytes[6 * index..].first_chunk::<8>() {
                *eight = letters_of(u64::from_be_bytes(*word) >> 16).to_le_bytes();
            }
        }
        rest = &rest[24..];
    }
    let mut at = out.len() - encoded_len(rest.len());
    for few in rest.chunks(6) {
        at += push_few(few, &mut out[at..]);
    }
}

/// Encodes one to six bytes with padding. Returns how many letters they take.
fn push_few(few: &[u8], out: &mut [u8]) -> usize {
    let mut word = [0; 8];
    word[..few.len()].copy_from_slice(few);
    let mut letters = letters_of(u64::from_be_bytes(word) >> 16).to_le_bytes();
    // Every three bytes begun have a letter more than bytes; the rest of their group of four is padding.
    let length = encoded_len(few.len());
    letters[few.len() + few.len().div_ceil(3)..length].fill(b'=');
    out[..length].copy_from_slice(&letters[..length]);
    length
}

/// The eight letters of 48 bits, the first one in the lowest byte.
fn letters_of(bits: u64) -> u64 {
    let pair = |shift: u32| u64::from(PAIRS[(bits >> shift) as usize & 4095]);
    pair(36) | pair(24) << 16 | pair(12) << 32 | pair(0) << 48
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_vectors_of_rfc_4648_are_met() {
        let vectors = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (data, expected) in vectors {
            let mut out = b"before".to_vec();
            push(data.as_bytes(), &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), format!("before{expected}"));
        }
    }

    proptest! {
        #[test]
        fn it_is_what_the_crate_writes(data in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut out = Vec::new();
            push(&data, &mut out);
            prop_assert_eq!(String::from_utf8(out).unwrap(), BASE64_STANDARD.encode(&data));
        }
    }
}
