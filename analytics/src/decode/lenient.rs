//! The general parser of one log line: legal JSON and Apache's form alike, whole line checked.
//!
//! Apache's `LogFormat` escapes quotes, backslashes and `\b \n \r \t` as JSON does, but writes `\v` and `\xHH`,
//! one byte each, for everything else that is not printable ASCII: no JSON parser takes that. The escapes are
//! unambiguous (a backslash is always doubled, `\u` never occurs), so one decoder reads both forms: values are
//! undone to bytes first and read as UTF-8 second, with U+FFFD for what is not.
//!
//! Only the values of wanted fields become text. The others are looked at as far as the line's legality asks for it.

use std::borrow::Cow;

use serde_json::Value;

use super::escape::{has_legal_escapes, unescape};
use crate::sql::FieldPath;

/// Why a line could not be read. The texts complete "line 7: …".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LineError {
    #[error("not a JSON object, at byte {at}")]
    NotAnObject { at: usize },
    #[error("no field \"{name}\"")]
    MissingField { name: String },
    #[error("field \"{name}\" holds an object or a list, not a value")]
    NotAValue { name: String },
    #[error("no time: {field} is neither in the form [21/Nov/2026:02:08:50 +0000] nor in that of 2026-11-21T02:08:50Z")]
    Time { field: String },
    #[error("not of the form of --input-format: {what}")]
    Form { what: String },
}

/// What a missing field means. A field that is `null` is a missing one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// The line is bad: the access log has all of its fields.
    Bad,
    /// The value is NULL, and a nested value is its text: any JSON.
    Null,
}

/// Values of the wanted fields, and whether a strict JSON parser would have taken the line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fields<'a> {
    pub(crate) values: Vec<Option<Cow<'a, str>>>,
    pub(crate) is_legal_json: bool,
}

/// Reads the fields `wanted` from a line. Numbers, `true` and `false` are taken as their text.
///
/// # Errors
/// When the line is not an object. With [`Missing::Bad`] too when it lacks a wanted field, or holds an object or a list
/// in one.
pub(crate) fn parse<'a>(line: &'a [u8], wanted: &[FieldPath], missing: Missing) -> Result<Fields<'a>, LineError> {
    let mut values: Vec<Option<Cow<'a, str>>> = vec![None; wanted.len()];
    let mut cursor = Cursor::new(line);
    let outcome = cursor.members(|key, value| {
        for (found, path) in values.iter_mut().zip(wanted) {
            // A repeated key: the last one wins, as in most JSON parsers. A value has no keys inside.
            if path.below().is_empty() && key.is(path.key()) {
                *found = value.map(Raw::text);
            }
        }
    });
    match outcome {
        Ok(()) => {
            if missing == Missing::Bad
                && let Some((_, path)) = values.iter().zip(wanted).find(|(value, _)| value.is_none())
            {
                return Err(missing_field(path));
            }
            Ok(Fields { values, is_legal_json: cursor.is_legal_json })
        }
        Err(Stop::Nested) => parse_nested(line, wanted, missing),
        Err(Stop::Broken) => Err(LineError::NotAnObject { at: cursor.at }),
    }
}

/// Lines with nested values are rare and not Apache's: they go through a whole JSON parser.
fn parse_nested<'a>(line: &[u8], wanted: &[FieldPath], missing: Missing) -> Result<Fields<'a>, LineError> {
    let object: Value = serde_json::from_slice(line).map_err(|error| LineError::NotAnObject { at: error.column() })?;
    let mut values = Vec::with_capacity(wanted.len());
    for path in wanted {
        let outer = object.get(path.key());
        values.push(match path.below().iter().try_fold(outer, |value, key| Some(value?.get(key))).flatten() {
            None | Some(Value::Null) if missing == Missing::Bad => return Err(missing_field(path)),
            None | Some(Value::Null) => None,
            Some(Value::Array(_) | Value::Object(_)) if missing == Missing::Bad => {
                return Err(LineError::NotAValue { name: shown(path) });
            }
            Some(Value::String(text)) => Some(Cow::Owned(text.clone())),
            Some(other) => Some(Cow::Owned(other.to_string())),
        });
    }
    Ok(Fields { values, is_legal_json: true })
}

/// The keys of an object whose values are no objects or lists; None when one is.
///
/// # Errors
/// When the line is no object.
pub(super) fn flat_keys(line: &[u8]) -> Result<Option<Vec<String>>, LineError> {
    let mut cursor = Cursor::new(line);
    let mut keys = Vec::new();
    match cursor.members(|key, _| keys.push(key.text().into_owned())) {
        Ok(()) => Ok(Some(keys)),
        Err(Stop::Nested) => Ok(None),
        Err(Stop::Broken) => Err(LineError::NotAnObject { at: cursor.at }),
    }
}

fn missing_field(path: &FieldPath) -> LineError {
    LineError::MissingField { name: shown(path) }
}

fn shown(path: &FieldPath) -> String {
    if path.below().is_empty() { path.key().to_owned() } else { path.to_string() }
}

/// Why the cursor stopped early.
enum Stop {
    Broken,
    Nested,
}

/// A string without its quotes, or a number, `true` or `false`, as the line has it.
#[derive(Clone, Copy)]
enum Raw<'a> {
    /// It is its text as it stands: in a line of UTF-8, without escapes.
    Plain(&'a str),
    /// It may have escapes, and bytes that are no UTF-8.
    Coded(&'a [u8]),
}

impl<'a> Raw<'a> {
    fn text(self) -> Cow<'a, str> {
        match self {
            Self::Plain(text) => Cow::Borrowed(text),
            Self::Coded(bytes) => Cow::Owned(unescape(bytes)),
        }
    }

    /// Whether this is its text.
    fn is(self, text: &str) -> bool {
        match self {
            Self::Plain(plain) => plain == text,
            Self::Coded(_) => self.text() == text,
        }
    }
}

fn has_control(bytes: &[u8]) -> bool {
    bytes.iter().fold(false, |found, byte| found | (*byte < 0x20)) // without a way out, for the CPU's vectors
}

/// Walks one line. Invariant: `at <= line.len()`.
struct Cursor<'a> {
    line: &'a [u8],
    /// The line, when it is UTF-8.
    text: Option<&'a str>,
    at: usize,
    /// Whether the line has a control character anywhere: if not, no string is searched for one.
    has_control: bool,
    /// Whether a strict JSON parser would take what was read so far.
    is_legal_json: bool,
}

impl<'a> Cursor<'a> {
    fn new(line: &'a [u8]) -> Self {
        let text = str::from_utf8(line).ok();
        Self { line, text, at: 0, has_control: has_control(line), is_legal_json: text.is_some() }
    }

    /// Calls `member` for each key and value of the one object on the line.
    fn members(&mut self, mut member: impl FnMut(Raw<'a>, Option<Raw<'a>>)) -> Result<(), Stop> {
        self.expect(b'{')?;
        if self.peek() != Some(b'}') {
            loop {
                let key = self.string()?;
                self.expect(b':')?;
                let value = self.value()?;
                member(key, value);
                if self.peek() != Some(b',') {
                    break;
                }
                self.at += 1;
            }
        }
        self.expect(b'}')?;
        if self.peek().is_some() { Err(Stop::Broken) } else { Ok(()) }
    }

    /// The next byte that is not blank.
    fn peek(&mut self) -> Option<u8> {
        while matches!(self.line.get(self.at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
        self.line.get(self.at).copied()
    }

    fn expect(&mut self, byte: u8) -> Result<(), Stop> {
        if self.peek() != Some(byte) {
            return Err(Stop::Broken);
        }
        self.at += 1;
        Ok(())
    }

    /// None for `null`.
    fn value(&mut self) -> Result<Option<Raw<'a>>, Stop> {
        match self.peek() {
            Some(b'"') => self.string().map(Some),
            Some(b'{' | b'[') => Err(Stop::Nested),
            _ => self.bare_value().map(|text| (text != "null").then_some(Raw::Plain(text))),
        }
    }

    /// A number, `true`, `false` or `null`, kept as its text.
    fn bare_value(&mut self) -> Result<&'a str, Stop> {
        let rest = &self.line[self.at..];
        let length = rest.iter().position(|byte| matches!(byte, b',' | b'}' | b' ' | b'\t' | b'\r')).unwrap_or(rest.len());
        let text = str::from_utf8(&rest[..length]).map_err(|_| Stop::Broken)?;
        serde_json::from_str::<Value>(text).map_err(|_| Stop::Broken)?;
        self.at += length;
        Ok(text)
    }

    fn string(&mut self) -> Result<Raw<'a>, Stop> {
        self.expect(b'"')?;
        let start = self.at;
        let mut has_escape = false;
        loop {
            let rest = &self.line[self.at..];
            let found = memchr::memchr2(b'"', b'\\', rest).ok_or(Stop::Broken)?;
            self.at += found;
            if self.line[self.at] == b'"' {
                break;
            }
            has_escape = true;
            self.at = (self.at + 2).min(self.line.len());
        }
        let place = start..self.at;
        self.at += 1;
        let raw = &self.line[place.clone()];
        if (self.has_control && has_control(raw)) || (has_escape && !has_legal_escapes(raw)) {
            self.is_legal_json = false;
        }
        let plain = self.text.filter(|_| !has_escape).and_then(|text| text.get(place));
        Ok(plain.map_or(Raw::Coded(raw), Raw::Plain))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(line: &str) -> Result<(String, bool), LineError> {
        let fields = parse(line.as_bytes(), &[FieldPath::of("a")], Missing::Bad)?;
        Ok((fields.values[0].as_deref().unwrap().to_owned(), fields.is_legal_json))
    }

    #[test]
    fn json_escapes_are_legal() {
        assert_eq!(one(r#"{"a":"\"\\\/\b\f\n\r\té😀"}"#), Ok(("\"\\/\u{8}\u{c}\n\r\té😀".to_owned(), true)));
    }

    #[test]
    fn apache_escapes_are_read_as_bytes_then_as_utf8() {
        assert_eq!(one(r#"{"a":"caf\xc3\xa9 \v"}"#), Ok(("café \u{b}".to_owned(), false)));
        assert_eq!(one(r#"{"a":"caf\xe9"}"#), Ok(("caf\u{fffd}".to_owned(), false)));
    }

    #[test]
    fn a_doubled_backslash_is_one_character() {
        assert_eq!(one(r#"{"a":"\\x41"}"#), Ok((r"\x41".to_owned(), true)));
    }

    #[test]
    fn an_escape_in_another_field_makes_the_line_illegal_but_readable() {
        assert_eq!(one(r#"{"b":"\x7f","a":"1"}"#), Ok(("1".to_owned(), false)));
    }

    #[test]
    fn numbers_and_nested_values_beside_the_field_are_fine() {
        assert_eq!(one(r#"{"a":200,"b":true}"#), Ok(("200".to_owned(), true)));
        assert_eq!(one(r#"{"b":{"c":[1]},"a":"x"}"#), Ok(("x".to_owned(), true)));
    }

    #[test]
    fn a_broken_line_says_where() {
        assert_eq!(one(r#"{"a":"1""#), Err(LineError::NotAnObject { at: 8 }));
        assert_eq!(one(""), Err(LineError::NotAnObject { at: 0 }));
        assert_eq!(one(r#"{"a":"1"} x"#), Err(LineError::NotAnObject { at: 10 }));
        assert_eq!(one(r#"{"a":"1\"#), Err(LineError::NotAnObject { at: 8 }));
    }

    #[test]
    fn a_missing_field_is_named() {
        assert_eq!(one(r#"{"b":"1"}"#), Err(LineError::MissingField { name: "a".to_owned() }));
    }

    #[test]
    fn a_missing_field_or_null_may_be_no_value_and_a_nested_one_its_text() {
        let one = |line: &'static str| parse(line.as_bytes(), &[FieldPath::of("a")], Missing::Null).unwrap().values.remove(0);
        assert_eq!(one(r#"{"b":"1"}"#), None);
        assert_eq!(one(r#"{"a":null}"#), None);
        assert_eq!(one(r#"{"a":"null"}"#).as_deref(), Some("null"));
        assert_eq!(one(r#"{"a":{"b": [1]}}"#).as_deref(), Some(r#"{"b":[1]}"#));
    }

    #[test]
    fn a_path_goes_into_objects() {
        let paths = ["$.a.b", "$.a", "$.a.b.c", "$.b"].map(|path| FieldPath::parse(path).unwrap());
        let read = |line: &'static str| parse(line.as_bytes(), &paths, Missing::Null).unwrap().values;
        assert_eq!(read(r#"{"a":{"b":1},"b":"x"}"#), [Some("1".into()), Some(r#"{"b":1}"#.into()), None, Some("x".into())]);
        assert_eq!(read(r#"{"a":"y","b":"\x41"}"#), [None, Some("y".into()), None, Some("A".into())]);
    }

    proptest::proptest! {
        #[test]
        fn what_a_json_library_writes_is_read_back(text in ".*") {
            let line = serde_json::json!({ "a": text }).to_string();
            proptest::prop_assert_eq!(one(&line), Ok((text, true)));
        }

        #[test]
        fn no_bytes_make_it_panic(line in proptest::collection::vec(proptest::num::u8::ANY, 0..64)) {
            let _ = parse(&line, &[FieldPath::of("a")], Missing::Bad);
            let _ = parse(&line, &[FieldPath::of("a")], Missing::Null);
        }

        #[test]
        fn no_escapes_make_it_panic(text in r#"[\\xuv0-9a-f"]{0,16}"#) {
            let _ = one(&format!(r#"{{"a":"{text}"}}"#));
        }
    }
}
