//! Walks the members of a JSON object in a line without building values: legal JSON and Apache's form alike.
//!
//! Pure logic. Apache writes `\v` and `\xHH`, one byte each, for what is not printable ASCII; no JSON parser takes
//! that. The escapes are unambiguous (a backslash is always doubled, `\u` never occurs), so one decoder reads both:
//! a value is undone to bytes first and read as UTF-8 second, with U+FFFD for what is not.

use std::{borrow::Cow, ops::Range};

use memchr::memchr2;

/// What kind of value a member has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// In quotes.
    Text,
    /// A number, `true`, `false` or `null`.
    Bare,
    /// An object.
    Object,
    /// A list.
    Array,
}

/// One member of an object, as places in the line.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    /// The key without its quotes.
    pub(crate) key: Range<usize>,
    /// The value with its quotes or brackets.
    pub(crate) value: Range<usize>,
    /// What it is.
    pub(crate) kind: Kind,
}

/// One value of a list, as its place in the line.
pub(crate) type Element = (Range<usize>, Kind);

/// The line is no object, or none this scan can walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotAnObject;

/// Nesting beyond this is refused: it is no log line, and the walk must not run out of stack.
const MAX_DEPTH: usize = 64;

/// The members of the object that begins at `from`, in their order, and where it ends.
///
/// # Errors
/// When there is no well-formed object. Values inside of it are walked too; only numbers and words are not looked at
/// closely.
pub(crate) fn members(line: &[u8], from: usize) -> Result<(Vec<Member>, usize), NotAnObject> {
    let (mut found, mut cursor) = (Vec::new(), Cursor { line, at: from });
    cursor.object(0, &mut |member| found.push(member))?;
    Ok((found, cursor.at))
}

/// The values of the list that begins at `from`, and where it ends.
///
/// # Errors
/// As [`members`].
pub(crate) fn elements(line: &[u8], from: usize) -> Result<(Vec<Element>, usize), NotAnObject> {
    let (mut found, mut cursor) = (Vec::new(), Cursor { line, at: from });
    cursor.array(0, &mut |value, kind| found.push((value, kind)))?;
    Ok((found, cursor.at))
}

/// The members of the one object on a line; nothing but blanks may stand around it.
///
/// # Errors
/// When the line holds anything else.
pub(crate) fn members_of_line(line: &[u8]) -> Result<Vec<Member>, NotAnObject> {
    let (found, end) = members(line, 0)?;
    if line[end..].iter().all(u8::is_ascii_whitespace) { Ok(found) } else { Err(NotAnObject) }
}

/// The text of a field of the outermost object: of the last one, where there are several of that name. Numbers and
/// truth values are their own text; `null`, objects and lists have none.
pub(crate) fn text_of(line: &[u8], name: &str) -> Option<String> {
    let members = members_of_line(line).ok()?;
    let member = members.into_iter().rev().find(|member| unescape(&line[member.key.clone()]) == name)?;
    let value = &line[member.value.clone()];
    match member.kind {
        Kind::Text => Some(unescape(&value[1..value.len() - 1]).into_owned()),
        Kind::Bare if value != b"null" => Some(String::from_utf8_lossy(value).into_owned()),
        _ => None,
    }
}

struct Cursor<'a> {
    line: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn object(&mut self, depth: usize, member: &mut dyn FnMut(Member)) -> Result<(), NotAnObject> {
        self.expect(b'{')?;
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        loop {
            let key = self.string()?;
            self.expect(b':')?;
            self.peek();
            let from = self.at;
            let kind = self.value(depth)?;
            member(Member { key, value: from..self.at, kind });
            match self.next()? {
                b',' => {}
                b'}' => return Ok(()),
                _ => return Err(NotAnObject),
            }
        }
    }

    fn array(&mut self, depth: usize, element: &mut dyn FnMut(Range<usize>, Kind)) -> Result<(), NotAnObject> {
        self.expect(b'[')?;
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.peek();
            let from = self.at;
            let kind = self.value(depth)?;
            element(from..self.at, kind);
            match self.next()? {
                b',' => {}
                b']' => return Ok(()),
                _ => return Err(NotAnObject),
            }
        }
    }

    fn value(&mut self, depth: usize) -> Result<Kind, NotAnObject> {
        if depth >= MAX_DEPTH {
            return Err(NotAnObject);
        }
        match self.peek().ok_or(NotAnObject)? {
            b'"' => self.string().map(|_| Kind::Text),
            b'{' => self.object(depth + 1, &mut |_| ()).map(|()| Kind::Object),
            b'[' => self.array(depth + 1, &mut |_, _| ()).map(|()| Kind::Array),
            _ => self.bare().map(|()| Kind::Bare),
        }
    }

    /// A number or a word.
    fn bare(&mut self) -> Result<(), NotAnObject> {
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
        let length = self.line[self.at..].iter().take_while(|byte| is_part(byte)).count();
        self.at += length;
        if length > 0 { Ok(()) } else { Err(NotAnObject) }
    }

    /// A text; the result is the place between its quotes.
    fn string(&mut self) -> Result<Range<usize>, NotAnObject> {
        self.expect(b'"')?;
        let from = self.at;
        loop {
            let rest = self.line.get(self.at..).unwrap_or_default();
            self.at += memchr2(b'"', b'\\', rest).ok_or(NotAnObject)?;
            if self.line[self.at] == b'"' {
                self.at += 1;
                return Ok(from..self.at - 1);
            }
            self.at += 2;
        }
    }

    fn peek(&mut self) -> Option<u8> {
        while self.line.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        self.line.get(self.at).copied()
    }

    fn next(&mut self) -> Result<u8, NotAnObject> {
        let byte = self.peek().ok_or(NotAnObject)?;
        self.at += 1;
        Ok(byte)
    }

    fn expect(&mut self, byte: u8) -> Result<(), NotAnObject> {
        if self.next()? == byte { Ok(()) } else { Err(NotAnObject) }
    }
}

/// What a text between quotes means.
pub(crate) fn unescape(raw: &[u8]) -> Cow<'_, str> {
    if memchr::memchr(b'\\', raw).is_none() {
        return String::from_utf8_lossy(raw);
    }
    let (mut bytes, mut rest) = (Vec::with_capacity(raw.len()), raw);
    while let Some(at) = memchr::memchr(b'\\', rest) {
        bytes.extend_from_slice(&rest[..at]);
        let taken = escape(&rest[at..], &mut bytes);
        rest = &rest[at + taken..];
    }
    bytes.extend_from_slice(rest);
    Cow::Owned(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

/// Undoes the one escape that `text` begins with. Returns how many bytes it took.
fn escape(text: &[u8], out: &mut Vec<u8>) -> usize {
    let byte = match text.get(1) {
        Some(b'u') => return unicode_escape(text, out),
        Some(b'x') => match text.get(2..4).and_then(hex) {
            Some(byte) => {
                out.push(byte as u8); // two digits: at most 0xff
                return 4;
            }
            None => b'\\',
        },
        Some(b'v') => 0x0b,
        Some(b'b') => 0x08,
        Some(b'f') => 0x0c,
        Some(b'n') => b'\n',
        Some(b'r') => b'\r',
        Some(b't') => b'\t',
        Some(same @ (b'"' | b'\\' | b'/')) => *same,
        _ => {
            out.push(b'\\'); // an escape that nobody defines stays as it was written
            return 1;
        }
    };
    out.push(byte);
    if text.get(1) == Some(&b'x') { 1 } else { 2 }
}

/// `\uXXXX`, or a pair of them for a character beyond U+FFFF; a lone half becomes U+FFFD.
fn unicode_escape(text: &[u8], out: &mut Vec<u8>) -> usize {
    let Some(first) = text.get(2..6).and_then(hex) else {
        out.push(b'\\');
        return 1;
    };
    let low = text.get(6..12).and_then(|next| next.strip_prefix(b"\\u")).and_then(hex);
    let (character, taken) = match low {
        Some(low @ 0xdc00..=0xdfff) if (0xd800..0xdc00).contains(&first) => {
            (0x10000 + ((first - 0xd800) << 10) + (low - 0xdc00), 12)
        }
        _ => (first, 6),
    };
    let character = char::from_u32(character).unwrap_or(char::REPLACEMENT_CHARACTER);
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    taken
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, digit| Some(value * 16 + (*digit as char).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nested_values_are_walked_over() {
        let line = br#" { "a" : [1, {"b": "]}"}] , "b":"x\"}" ,"c":-1.5e3 } "#;
        let members = members_of_line(line).unwrap();
        let seen: Vec<(&[u8], &[u8], Kind)> =
            members.iter().map(|member| (&line[member.key.clone()], &line[member.value.clone()], member.kind)).collect();
        assert_eq!(
            seen,
            [
                (&b"a"[..], &br#"[1, {"b": "]}"}]"#[..], Kind::Array),
                (b"b", br#""x\"}""#, Kind::Text),
                (b"c", b"-1.5e3", Kind::Bare),
            ]
        );
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for line in [
            "",
            "x",
            "{",
            "{\"a\"}",
            "{\"a\":1",
            "{\"a\":1} x",
            "[]",
            "{\"a\":\"x\\\"}",
            "{\"a\":1,}",
            "{,}",
            &"{\"a\":".repeat(100),
        ] {
            assert_eq!(members_of_line(line.as_bytes()).map(|_| ()), Err(NotAnObject), "{line}");
        }
    }

    #[test]
    fn the_last_of_equal_names_counts_and_a_name_may_be_escaped() {
        assert_eq!(text_of(br#"{"a":"1","\u0061":"2"}"#, "a").as_deref(), Some("2"));
    }

    #[test]
    fn escapes_nobody_defines_stay() {
        assert_eq!(unescape(br"\q \xZZ \u12 \"), r"\q \xZZ \u12 \");
        assert_eq!(unescape(br"\ud83d\ude00 \ud83d"), "\u{1f600} \u{fffd}");
    }

    proptest! {
        #[test]
        fn what_a_json_library_writes_is_read_back(text in ".*", other in ".*") {
            let line = serde_json::json!({ "a": text, "b": {"a": other} }).to_string();
            prop_assert_eq!(text_of(line.as_bytes(), "a"), Some(text));
        }

        #[test]
        fn no_bytes_make_it_panic(line in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'"'), Just(b'\\'), Just(b'{')], 0..64)) {
            let _ = members_of_line(&line);
            let _ = unescape(&line);
        }
    }
}
