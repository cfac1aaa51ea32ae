//! Escapes in strings of a log line: JSON's, and Apache's own.

use std::iter;

/// A string with its escapes undone, as text.
pub(super) fn unescape(raw: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut end = 0;
    for (at, escape) in escapes(raw) {
        bytes.extend_from_slice(&raw[end..at]);
        escape.undo(&mut bytes);
        end = at + escape.length;
    }
    bytes.extend_from_slice(&raw[end..]);
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Whether JSON knows all escapes of a string.
pub(super) fn has_legal_escapes(raw: &[u8]) -> bool {
    escapes(raw).all(|(_, escape)| escape.is_legal)
}

/// Escapes and where they begin.
fn escapes(raw: &[u8]) -> impl Iterator<Item = (usize, Escape)> {
    let mut from = 0;
    iter::from_fn(move || {
        let at = from + memchr::memchr(b'\\', &raw[from..])?;
        let escape = Escape::read(&raw[at..]);
        from = at + escape.length;
        Some((at, escape))
    })
}

/// One escape.
struct Escape {
    meaning: Meaning,
    /// How many bytes it takes. Invariant: no more than there are.
    length: usize,
    /// Whether JSON knows it.
    is_legal: bool,
}

/// What an escape stands for.
enum Meaning {
    Byte(u8),
    Character(char),
}

/// An escape that nobody defines stays as it was written.
const UNDEFINED: Escape = Escape { meaning: Meaning::Byte(b'\\'), length: 1, is_legal: false };

impl Escape {
    /// The one that `text` begins with.
    fn read(text: &[u8]) -> Self {
        let (byte, is_legal) = match text.get(1) {
            Some(b'u') => return unicode(text),
            Some(b'x') => return byte(text),
            Some(b'v') => (0x0b, false),
            Some(b'b') => (0x08, true),
            Some(b'f') => (0x0c, true),
            Some(b'n') => (b'\n', true),
            Some(b'r') => (b'\r', true),
            Some(b't') => (b'\t', true),
            Some(same @ (b'"' | b'\\' | b'/')) => (*same, true),
            _ => return UNDEFINED,
        };
        Self { meaning: Meaning::Byte(byte), length: 2, is_legal }
    }

    /// Appends what it stands for.
    fn undo(&self, out: &mut Vec<u8>) {
        match self.meaning {
            Meaning::Byte(byte) => out.push(byte),
            Meaning::Character(character) => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// `\xHH`: one byte, Apache's own.
fn byte(text: &[u8]) -> Escape {
    let Some(byte) = text.get(2..4).and_then(hex) else { return UNDEFINED };
    Escape { meaning: Meaning::Byte(byte as u8), length: 4, is_legal: false } // two digits: at most 0xff
}

/// `\uXXXX`, or a pair of them for a character beyond U+FFFF; a lone half becomes U+FFFD.
fn unicode(text: &[u8]) -> Escape {
    let Some(first) = text.get(2..6).and_then(hex) else { return UNDEFINED };
    let (character, length) = match text.get(6..12) {
        Some([b'\\', b'u', low @ ..]) if (0xd800..0xdc00).contains(&first) => match hex(low) {
            Some(low @ 0xdc00..=0xdfff) => (0x10000 + ((first - 0xd800) << 10) + (low - 0xdc00), 12),
            _ => (first, 6),
        },
        _ => (first, 6),
    };
    let character = char::from_u32(character);
    let meaning = Meaning::Character(character.unwrap_or(char::REPLACEMENT_CHARACTER));
    Escape { meaning, length, is_legal: character.is_some() }
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, digit| Some(value * 16 + (*digit as char).to_digit(16)?))
}
