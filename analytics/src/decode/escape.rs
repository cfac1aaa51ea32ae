//! Escapes in strings of a log line: JSON's, and Apache's own.

/// Undoes the one escape that `text` begins with. Returns how many bytes it took and whether JSON knows it.
pub(super) fn escape(text: &[u8], out: &mut Vec<u8>) -> (usize, bool) {
    let byte = match text.get(1) {
        Some(b'u') => return unicode_escape(text, out),
        Some(b'x') => return hex_escape(text, out),
        Some(b'v') => {
            out.push(0x0b);
            return (2, false);
        }
        Some(b'b') => 0x08,
        Some(b'f') => 0x0c,
        Some(b'n') => b'\n',
        Some(b'r') => b'\r',
        Some(b't') => b'\t',
        Some(same @ (b'"' | b'\\' | b'/')) => *same,
        _ => return keep_backslash(out),
    };
    out.push(byte);
    (2, true)
}

/// An escape that nobody defines stays as it was written.
fn keep_backslash(out: &mut Vec<u8>) -> (usize, bool) {
    out.push(b'\\');
    (1, false)
}

/// `\xHH`: one byte, Apache's own.
fn hex_escape(text: &[u8], out: &mut Vec<u8>) -> (usize, bool) {
    let Some(byte) = text.get(2..4).and_then(hex) else { return keep_backslash(out) };
    out.push(byte as u8); // two digits: at most 0xff
    (4, false)
}

/// `\uXXXX`, or a pair of them for a character beyond U+FFFF; a lone half becomes U+FFFD.
fn unicode_escape(text: &[u8], out: &mut Vec<u8>) -> (usize, bool) {
    let Some(first) = text.get(2..6).and_then(hex) else { return keep_backslash(out) };
    let (character, taken) = match text.get(6..12) {
        Some([b'\\', b'u', low @ ..]) if (0xd800..0xdc00).contains(&first) => match hex(low) {
            Some(low @ 0xdc00..=0xdfff) => (0x10000 + ((first - 0xd800) << 10) + (low - 0xdc00), 12),
            _ => (first, 6),
        },
        _ => (first, 6),
    };
    let character = char::from_u32(character);
    out.extend_from_slice(character.unwrap_or(char::REPLACEMENT_CHARACTER).encode_utf8(&mut [0; 4]).as_bytes());
    (taken, character.is_some())
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, digit| Some(value * 16 + (*digit as char).to_digit(16)?))
}
