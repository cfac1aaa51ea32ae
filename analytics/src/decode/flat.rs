//! The fast path: takes wanted string fields straight from the bytes of a flat JSON object.
//!
//! It reads only plain lines ([`Line::is_plain`]); every other line is for [`super::lenient`]. The fields that nobody wants
//! are not read: that quotes come in fours and a line ends with `}` finds truncated and glued lines.
//!
//! The lines of a log are alike, so what stands between their values is compared with the line before, and read
//! only when it differs.

use std::ops::Range;

use memchr::memchr;

use crate::lines::Line;

/// Finds wanted fields in one line after the other.
pub(crate) struct Scanner {
    wanted: Vec<Vec<u8>>,
    /// The fields of the last line that was read, up to the last wanted one.
    shape: Vec<Step>,
    /// Of the line that is read.
    values: Vec<Range<usize>>,
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
        let values = vec![0..0; wanted.len()];
        Self { wanted, shape: Vec::new(), values }
    }

    /// Where the values of the wanted fields stand in `line`, in the order of the keys: the bytes between their quotes, not
    /// checked to be UTF-8. None: the line needs the general parser, for escapes, nested values, a missing field, or because
    /// it is broken.
    pub(crate) fn scan(&mut self, line: Line<'_>) -> Option<&[Range<usize>]> {
        // Another number of quotes cannot be fields: the line was cut, or another one hangs on it.
        let Line { bytes: line, is_plain: true } = line else { return None };
        let end = match self.find_known(line) {
            Some(end) => end,
            None => self.find_fields(line)?,
        };
        can_end(line.get(end + 1..)?).then_some(&self.values)
    }

    /// Finds the fields where the line before had them. Returns where the last wanted value ends.
    fn find_known(&mut self, line: &[u8]) -> Option<usize> {
        let mut at = 0;
        for step in &self.shape {
            let value = line.get(at..)?.strip_prefix(step.lead.as_slice())?;
            let length = memchr(b'"', value)?;
            at += step.lead.len() + length;
            if let Some(index) = step.wanted {
                self.values[index] = at - length..at;
            }
        }
        (at > 0).then_some(at)
    }

    /// Reads a line of another shape, and remembers that. Returns where the last wanted value ends.
    fn find_fields(&mut self, line: &[u8]) -> Option<usize> {
        self.shape.clear();
        let end = self.read_fields(line);
        if end.is_none() {
            self.shape.clear();
        }
        end
    }

    fn read_fields(&mut self, line: &[u8]) -> Option<usize> {
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
                self.values[index] = value_start..value_end;
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
    use crate::lines::lines;

    fn wanted() -> Vec<Vec<u8>> {
        vec![b"time".to_vec(), b"ip".to_vec()]
    }

    fn scan<'a>(scanner: &'a mut Scanner, line: &str) -> Option<&'a [Range<usize>]> {
        scanner.scan(lines(line.as_bytes()).next()?)
    }

    fn found(line: &str) -> Option<(&str, &str)> {
        let mut scanner = Scanner::new(wanted());
        let values = scan(&mut scanner, line)?;
        Some((&line[values[0].clone()], &line[values[1].clone()]))
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

    #[test]
    fn a_line_of_another_shape_is_read_as_if_it_were_the_first() {
        let mut scanner = Scanner::new(wanted());
        for line in [
            r#"{ "time":"1", "ip":"::1", "x":"y" }"#,
            r#"{ "time":"22", "ip":"::1", "x":"y" }"#,
            r#"{"ip":"::1","time":"333"}"#,
            r#"{"ip":"::1","x":"y","time":"4"}"#,
        ] {
            let values = scan(&mut scanner, line).unwrap().to_vec();
            assert_eq!(found(line), Some((&line[values[0].clone()], &line[values[1].clone()])));
        }
        assert_eq!(scan(&mut scanner, r#"{"ip":"::1","x":"y","tame":"4"}"#), None);
    }
}
