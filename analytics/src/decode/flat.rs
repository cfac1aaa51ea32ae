//! The fast path: takes wanted string fields straight from the bytes of a flat JSON object.
//!
//! It reads only lines without a backslash; every other line is for [`super::lenient`]. The fields that nobody
//! wants are not read: behind the last wanted field a line is checked for a final `}` and for paired quotes,
//! which finds truncated and glued lines in the pass that looks for backslashes.
//!
//! The lines of a log are alike, so what stands between their values is compared with the line before, and read
//! only when it differs.

use std::ops::Range;

use memchr::memchr;

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
    pub(crate) fn scan(&mut self, line: &[u8]) -> Option<&[Range<usize>]> {
        let marks = Marks::of(line);
        // Another number of quotes cannot be fields: the line was cut, or another one hangs on it.
        if marks.has_escape() || !marks.has_quotes_in_fours() {
            return None;
        }
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

/// Bytes that are looked at together. A lane of each counts for itself.
const LANES: usize = 32;

/// What one pass over a line finds. Plain loops over lanes, which compilers turn into vector instructions.
struct Marks {
    /// By lane, modulo 256.
    quotes: [u8; LANES],
    escapes: [u8; LANES],
}

impl Marks {
    fn of(line: &[u8]) -> Self {
        let mut marks = Self { quotes: [0; LANES], escapes: [0; LANES] };
        let (whole, rest) = line.as_chunks();
        whole.iter().for_each(|chunk| marks.look(chunk, 0));
        match line.last_chunk() {
            // Its first lanes have been looked at already.
            Some(last) => marks.look(last, LANES - rest.len()),
            None => {
                let mut padded = [0; LANES];
                padded[..rest.len()].copy_from_slice(rest);
                marks.look(&padded, 0);
            }
        }
        marks
    }

    /// Looks at these bytes from lane `first` on.
    fn look(&mut self, chunk: &[u8; LANES], first: usize) {
        let lanes = self.quotes.iter_mut().zip(&mut self.escapes).zip(chunk).enumerate();
        for (lane, ((quotes, escapes), byte)) in lanes {
            let is_new = u8::from(lane >= first);
            *quotes = quotes.wrapping_add(is_new & u8::from(*byte == b'"'));
            *escapes |= u8::from(*byte == b'\\');
        }
    }

    fn has_escape(&self) -> bool {
        self.escapes != [0; LANES]
    }

    /// Whether quotes come in fours, as about the key and the value of each field.
    fn has_quotes_in_fours(&self) -> bool {
        self.quotes.iter().fold(0u8, |sum, count| sum.wrapping_add(*count)).is_multiple_of(4)
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

    fn wanted() -> Vec<Vec<u8>> {
        vec![b"time".to_vec(), b"ip".to_vec()]
    }

    fn found(line: &str) -> Option<(&str, &str)> {
        let mut scanner = Scanner::new(wanted());
        let values = scanner.scan(line.as_bytes())?;
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
    fn lines_of_many_lengths_are_looked_through() {
        for length in 1..200 {
            let text = "x".repeat(length);
            let line = format!(r#"{{ "time":"1", "ip":"::1", "a":"{text}" }}"#);
            assert_eq!(found(&line), Some(("1", "::1")), "{length}");
            assert_eq!(found(&line.replace(&text, &format!("{text}\\n"))), None, "{length}");
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
            let values = scanner.scan(line.as_bytes()).unwrap().to_vec();
            assert_eq!(found(line), Some((&line[values[0].clone()], &line[values[1].clone()])));
        }
        assert_eq!(scanner.scan(br#"{"ip":"::1","x":"y","tame":"4"}"#), None);
    }
}
