//! `repairApacheJson`: Apache's JSON lines as legal JSON.
//!
//! Apache's `LogFormat` writes `\v` and `\xHH`, one byte each, for what is not printable ASCII. A text in quotes that
//! no JSON parser would take is written anew: its escapes are undone to bytes, these are read as UTF-8 with U+FFFD for
//! what is not, and the result is escaped as JSON has it. Everything else stays byte for byte.

use memchr::{memchr, memchr2};

use super::{json, json_scan};

/// The line as legal JSON. Nothing when it needs no repair, or is not made of texts in quotes.
pub(crate) fn repair(line: &[u8]) -> Option<Vec<u8>> {
    if is_legal(line) {
        return None;
    }
    let mut out = Vec::with_capacity(line.len() + 64);
    let (mut rest, mut has_changed) = (line, false);
    while let Some(open) = memchr(b'"', rest) {
        let text = &rest[open + 1..];
        let end = end_of_text(text)?;
        out.extend_from_slice(&rest[..open]);
        if is_legal(&text[..end]) {
            out.extend_from_slice(&rest[open..open + end + 2]);
        } else {
            json::write_string(&mut out, &json_scan::unescape(&text[..end]));
            has_changed = true;
        }
        rest = &text[end + 1..];
    }
    out.extend_from_slice(rest);
    has_changed.then_some(out)
}

/// Where the closing quote stands.
fn end_of_text(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr2(b'"', b'\\', text.get(at..)?)?;
        if text[at] == b'"' {
            return Some(at);
        }
        at += 2;
    }
}

/// Whether a JSON parser would take the escapes and bytes. A line's own end is no part of a text.
fn is_legal(text: &[u8]) -> bool {
    let inside = text.strip_suffix(b"\n").unwrap_or(text);
    if inside.iter().any(|byte| *byte < 0x20) || str::from_utf8(text).is_err() {
        return false;
    }
    let mut rest = text;
    while let Some(at) = memchr(b'\\', rest) {
        let is_known = match rest.get(at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => true,
            Some(b'u') => rest.get(at + 2..at + 6).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)),
            _ => false,
        };
        if !is_known {
            return false;
        }
        rest = &rest[at + 2..];
    }
    true
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn data(name: &str) -> String {
        fs::read_to_string(::tests::data::apache_json(name)).unwrap()
    }

    #[test]
    fn all_lines_of_a_real_apache_are_legal_after_repair_and_say_what_they_said() {
        let (lines, expected) = (data("nasty.log"), data("nasty.expected.jsonl"));
        let mut repaired_lines = 0;
        for (line, expected) in lines.split_inclusive('\n').zip(expected.lines()) {
            let expected: Value = serde_json::from_str(expected).unwrap();
            let repaired = repair(line.as_bytes());
            assert_eq!(repaired.is_none(), expected["plain_json"].as_bool().unwrap(), "{line}");
            repaired_lines += usize::from(repaired.is_some());
            let read: Value = serde_json::from_slice(repaired.as_deref().unwrap_or(line.as_bytes())).unwrap();
            assert_eq!(read, expected["fields"], "{line}");
        }
        assert_eq!((lines.lines().count(), repaired_lines), (217, 26));
    }

    #[test]
    fn only_texts_that_need_it_are_written_anew() {
        let line = br#"{ "a" : "\u00e9\/" , "b":"\x1b caf\xc3\xa9\v" }"#;
        assert_eq!(repair(line).unwrap(), "{ \"a\" : \"\\u00e9\\/\" , \"b\":\"\\u001B café\\u000B\" }".as_bytes());
    }

    #[test]
    fn what_is_not_json_stays_as_it_is() {
        for line in [&b"plain\n"[..], b"{\"a\":\"\\x41", b"\\x41", b"{\"a\":\"b\"}\n"] {
            assert_eq!(repair(line), None);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_legal_after_repair(text in r#"[\\xvu0-9a-f "é\x01]{0,40}"#) {
            let text = text.replace('"', "\\\"");
            let line = format!("{{\"a\":\"{text}\"}}");
            if let Some(repaired) = repair(line.as_bytes()) {
                let read = serde_json::from_slice::<Value>(&repaired);
                prop_assert_eq!(
                    read.ok().and_then(|value| value["a"].as_str().map(str::to_owned)),
                    json_scan::text_of(line.as_bytes(), "a")
                );
            }
        }

        #[test]
        fn no_bytes_make_it_panic(line in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'"'), Just(b'\\')], 0..64)) {
            let _ = repair(&line);
        }
    }
}
