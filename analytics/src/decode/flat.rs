//! The fast path: takes wanted string fields straight from the bytes of a flat JSON object.
//!
//! It reads only lines without a backslash; every other line is for [`super::lenient`]. The fields that nobody
//! wants are not read: behind the last wanted field a line is checked for a final `}` and for paired quotes,
//! which finds truncated and glued lines at the speed of `memchr`.

use memchr::{memchr, memchr_iter};

/// What the fast path made of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scan {
    /// Every wanted field was found.
    Found,
    /// The line needs the general parser: escapes, nested values, a missing field, or broken.
    General,
}

/// Finds the values of `wanted` in `line` and puts them into `values`, in the order of `wanted`.
///
/// `values` is as long as `wanted`. The slices are raw bytes between the quotes, not checked to be UTF-8.
pub(crate) fn scan<'a>(line: &'a [u8], wanted: &[Vec<u8>], values: &mut [&'a [u8]]) -> Scan {
    if memchr(b'\\', line).is_some() {
        return Scan::General;
    }
    find_fields(line, wanted, values).map_or(Scan::General, |()| Scan::Found)
}

fn find_fields<'a>(line: &'a [u8], wanted: &[Vec<u8>], values: &mut [&'a [u8]]) -> Option<()> {
    let mut missing = wanted.len();
    let mut at = expect(line, skip_blanks(line, 0), b'{')?;
    let mut seen = 0u64; // one bit a wanted field: a repeated key is for the general parser
    while missing > 0 {
        let key_start = expect(line, skip_blanks(line, at), b'"')?;
        let key_end = key_start + memchr(b'"', line.get(key_start..)?)?;
        let colon = expect(line, skip_blanks(line, key_end + 1), b':')?;
        let value_start = expect(line, skip_blanks(line, colon), b'"')?;
        let value_end = value_start + memchr(b'"', line.get(value_start..)?)?;
        if let Some(index) = wanted.iter().position(|name| name == &line[key_start..key_end]) {
            if seen & (1 << index) != 0 {
                return None;
            }
            seen |= 1 << index;
            values[index] = &line[value_start..value_end];
            missing -= 1;
        }
        at = skip_blanks(line, value_end + 1);
        if missing > 0 {
            at = expect(line, at, b',')?;
        }
    }
    is_balanced(line.get(at..)?).then_some(())
}

fn skip_blanks(line: &[u8], mut at: usize) -> usize {
    while matches!(line.get(at), Some(b' ' | b'\t' | b'\r')) {
        at += 1;
    }
    at
}

fn expect(line: &[u8], at: usize, byte: u8) -> Option<usize> {
    (line.get(at) == Some(&byte)).then_some(at + 1)
}

/// Whether what follows the last wanted value can end an object: `}` at once, or `, "key":"value" … }`.
fn is_balanced(tail: &[u8]) -> bool {
    let tail = tail.trim_ascii_end();
    match tail {
        b"}" => true,
        [b',', middle @ .., b'}'] => {
            memchr_iter(b'"', middle).count().is_multiple_of(4)
                && middle.trim_ascii_end().ends_with(b"\"")
                && memchr(b'\n', middle).is_none()
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> Vec<Vec<u8>> {
        vec![b"time".to_vec(), b"ip".to_vec()]
    }

    fn found(line: &str) -> Option<(&str, &str)> {
        let mut values: [&[u8]; 2] = [b"", b""];
        match scan(line.as_bytes(), &wanted(), &mut values) {
            Scan::Found => Some((str::from_utf8(values[0]).unwrap(), str::from_utf8(values[1]).unwrap())),
            Scan::General => None,
        }
    }

    #[test]
    fn wanted_fields_are_found_in_any_order() {
        assert_eq!(found(r#"{ "time":"1", "ip":"::1", "x":"y" }"#), Some(("1", "::1")));
        assert_eq!(found(r#"{"x":"y","ip":"::1","time":"1"}"#), Some(("1", "::1")));
    }

    #[test]
    fn a_line_with_a_backslash_is_for_the_general_parser() {
        assert_eq!(found(r#"{ "time":"1", "ip":"::1", "x":"\"" }"#), None);
    }

    #[test]
    fn a_missing_repeated_or_nested_field_is_for_the_general_parser() {
        assert_eq!(found(r#"{ "time":"1" }"#), None);
        assert_eq!(found(r#"{ "time":"1", "time":"2", "ip":"::1" }"#), None);
        assert_eq!(found(r#"{ "a":{}, "time":"1", "ip":"::1" }"#), None);
    }

    #[test]
    fn a_truncated_tail_is_for_the_general_parser() {
        let whole = r#"{ "time":"1", "ip":"::1", "a":"b", "c":"d" }"#;
        assert_eq!(found(whole), Some(("1", "::1")));
        for end in 0..whole.len() {
            assert_eq!(found(&whole[..end]), None, "{}", &whole[..end]);
        }
    }
}
