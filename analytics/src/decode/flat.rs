//! The fast path: takes wanted string fields straight from the bytes of a flat JSON object.
//!
//! It reads only lines without a backslash; every other line is for [`super::lenient`]. The fields that nobody
//! wants are not read: behind the last wanted field a line is checked for a final `}` and for paired quotes,
//! which finds truncated and glued lines in the pass that looks for backslashes.
//!
//! The lines of a log are alike, so what stands between their values is compared with the line before, and read
//! only when it differs.

use memchr::memchr;

/// What the fast path made of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scan {
    /// Every wanted field was found.
    Found,
    /// The line needs the general parser: escapes, nested values, a missing field, or broken.
    General,
}

/// Finds wanted fields in one line after the other.
pub(crate) struct Scanner {
    wanted: Vec<Vec<u8>>,
    /// The fields of the last line that was read, up to the last wanted one.
    shape: Vec<Step>,
}

/// A field of a line.
struct Step {
    /// What stands before its value: from the closing quote of the value before, or the start of the line, to its opening quote.
    lead: Vec<u8>,
    /// Which of the wanted ones it is.
    wanted: Option<usize>,
}

impl Scanner {
    /// For fields with these keys.
    pub(crate) fn new(wanted: Vec<Vec<u8>>) -> Self {
        Self { wanted, shape: Vec::new() }
    }

    /// Finds the values of the wanted fields in `line` and puts them into `values`, in the order of the keys.
    ///
    /// `values` is as long as there are keys. The slices are raw bytes between the quotes, not checked to be UTF-8.
    pub(crate) fn scan<'a>(&mut self, line: &'a [u8], values: &mut [&'a [u8]]) -> Scan {
        let Some(quotes) = quotes_without_escapes(line) else { return Scan::General };
        let end = self.find_known(line, values).or_else(|| self.find_fields(line, values));
        // Four quotes stand about each field; another number behind the last wanted one cannot be fields.
        match end.filter(|_| quotes.is_multiple_of(4)).and_then(|end| line.get(end + 1..)) {
            Some(tail) if can_end(tail) => Scan::Found,
            _ => Scan::General,
        }
    }

    /// Finds the fields where the line before had them. Returns where the last wanted value ends.
    fn find_known<'a>(&self, line: &'a [u8], values: &mut [&'a [u8]]) -> Option<usize> {
        let mut at = 0;
        for step in &self.shape {
            let value = line.get(at..)?.strip_prefix(step.lead.as_slice())?;
            let length = memchr(b'"', value)?;
            if let Some(index) = step.wanted {
                values[index] = &value[..length];
            }
            at += step.lead.len() + length;
        }
        (at > 0).then_some(at)
    }

    /// Reads a line of another shape, and remembers that. Returns where the last wanted value ends.
    fn find_fields<'a>(&mut self, line: &'a [u8], values: &mut [&'a [u8]]) -> Option<usize> {
        self.shape.clear();
        let end = self.read_fields(line, values);
        if end.is_none() {
            self.shape.clear();
        }
        end
    }

    fn read_fields<'a>(&mut self, line: &'a [u8], values: &mut [&'a [u8]]) -> Option<usize> {
        let mut missing = self.wanted.len();
        let mut at = expect(line, skip_blanks(line, 0), b'{')?;
        let mut lead_start = 0;
        loop {
            let key_start = expect(line, skip_blanks(line, at), b'"')?;
            let key_end = key_start + memchr(b'"', line.get(key_start..)?)?;
            let colon = expect(line, skip_blanks(line, key_end + 1), b':')?;
            let value_start = expect(line, skip_blanks(line, colon), b'"')?;
            let value_end = value_start + memchr(b'"', line.get(value_start..)?)?;
            let wanted = self.wanted.iter().position(|name| name == &line[key_start..key_end]);
            if let Some(index) = wanted {
                if self.shape.iter().any(|step| step.wanted == wanted) {
                    return None; // a repeated key is for the general parser
                }
                values[index] = &line[value_start..value_end];
                missing -= 1;
            }
            self.shape.push(Step { lead: line[lead_start..value_start].to_vec(), wanted });
            if missing == 0 {
                return Some(value_end);
            }
            lead_start = value_end;
            at = expect(line, skip_blanks(line, value_end + 1), b',')?;
        }
    }
}

/// How many quotes a line has; None when it has a backslash. One pass, which compilers turn into vector instructions.
fn quotes_without_escapes(line: &[u8]) -> Option<usize> {
    const LANES: usize = 32;
    /// A lane counts to 255.
    const MOST: usize = 255 * LANES;
    let (mut quotes, mut escapes) = (0, [0u8; LANES]);
    for part in line.chunks(MOST) {
        let mut counts = [0u8; LANES];
        let mut look = |bytes: &[u8; LANES]| {
            for ((count, escape), byte) in counts.iter_mut().zip(&mut escapes).zip(bytes) {
                *count += u8::from(*byte == b'"');
                *escape |= u8::from(*byte == b'\\');
            }
        };
        let (whole, rest) = part.as_chunks::<LANES>();
        whole.iter().for_each(&mut look);
        let mut last = [0; LANES];
        last[..rest.len()].copy_from_slice(rest);
        look(&last);
        quotes += counts.iter().map(|count| usize::from(*count)).sum::<usize>();
    }
    (escapes == [0; LANES]).then_some(quotes)
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

/// Whether what follows the last wanted value can end an object: `}` at once, or `, … "}`.
fn can_end(tail: &[u8]) -> bool {
    match tail.trim_ascii() {
        b"}" => true,
        [b',', middle @ .., b'}'] => middle.trim_ascii_end().ends_with(b"\""),
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
        match Scanner::new(wanted()).scan(line.as_bytes(), &mut values) {
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
