//! How Apache writes what clients sent: its escaping, and its idea of a request's path.
//!
//! Pure logic over bytes. Both follow the Apache HTTP Server 2.4 (`ap_escape_logitem`, `ap_normalize_path`,
//! `ap_unescape_url`), byte by byte, so that a log of ours can stand beside one of Apache's.

/// Appends a value as Apache does: pure printable ASCII, but not always legal JSON.
pub(super) fn append_escaped(out: &mut Vec<u8>, value: &[u8]) {
    for &byte in value {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0x08 => out.extend_from_slice(b"\\b"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            0x0b => out.extend_from_slice(b"\\v"),
            b' '..=b'~' => out.push(byte),
            _ => out.extend_from_slice(&[b'\\', b'x', hex_digit(byte >> 4), hex_digit(byte & 15)]),
        }
    }
}

fn hex_digit(value: u8) -> u8 {
    b"0123456789abcdef"[usize::from(value)]
}

/// Apache's `%U`: slashes merged, `.` and `..` resolved, percent-decoded once, and cut at a zero byte as C strings are.
///
/// A path that Apache refuses is logged as far as it got: not decoded if a `%` is not followed by two hex digits, or if
/// it climbs out of the root.
pub(super) fn logged_path(path: &str) -> Vec<u8> {
    if !path.starts_with('/') {
        return path.as_bytes().to_vec();
    }
    let (unreserved, is_well_formed) = decode(path.as_bytes(), is_unreserved);
    let (normal, is_inside) = resolve_segments(&unreserved);
    if !is_well_formed || !is_inside {
        return normal;
    }
    let (mut decoded, _) = decode(&normal, |_| true);
    if let Some(zero) = decoded.iter().position(|byte| *byte == 0) {
        decoded.truncate(zero);
    }
    decoded
}

/// Decodes those `%HH` whose byte is wanted. The second part: whether every `%` had its two digits.
fn decode(text: &[u8], is_wanted: impl Fn(u8) -> bool) -> (Vec<u8>, bool) {
    let (mut out, mut is_well_formed) = (Vec::with_capacity(text.len()), true);
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        match after.first_chunk::<2>().and_then(|digits| u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()) {
            Some(decoded) if after[0] != b'+' && is_wanted(decoded) => {
                out.push(decoded);
                rest = &after[2..];
            }
            Some(_) if after[0] != b'+' => out.push(byte),
            _ => {
                out.push(byte);
                is_well_formed = false;
            }
        }
    }
    (out, is_well_formed)
}

/// RFC 3986, section 2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Merges slashes and resolves dot segments. The second part: whether no `..` climbed out of the root.
fn resolve_segments(path: &[u8]) -> (Vec<u8>, bool) {
    let mut kept: Vec<&[u8]> = Vec::new();
    let mut is_inside = true;
    let mut ends_in_slash = false;
    for segment in path.split(|byte| *byte == b'/') {
        ends_in_slash = matches!(segment, b"" | b"." | b"..");
        match segment {
            b"" | b"." => {}
            b".." => is_inside &= kept.pop().is_some(),
            _ => kept.push(segment),
        }
    }
    let mut out = vec![b'/'];
    out.extend_from_slice(&kept.join(&b'/'));
    if ends_in_slash && !kept.is_empty() {
        out.push(b'/');
    }
    (out, is_inside)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn escaped(value: &[u8]) -> String {
        let mut out = Vec::new();
        append_escaped(&mut out, value);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_kind_of_byte_has_its_escape() {
        assert_eq!(escaped(b"a\"\\\x08\t\n\r\x0b\x0c\x00\x1b\x7f"), r#"a\"\\\b\t\n\r\v\x0c\x00\x1b\x7f"#);
        assert_eq!(escaped("é".as_bytes()), r"\xc3\xa9");
    }

    #[test]
    fn a_path_is_logged_as_apache_resolves_it() {
        for (sent, logged) in [
            ("/a%22b", &b"/a\"b"[..]),
            ("/caf%c3%a9", "/café".as_bytes()),
            ("/web-demo/%2e%2e/index.html", b"/index.html"),
            ("//web-demo///index.php", b"/web-demo/index.php"),
            ("/files%2Fa.txt", b"/files/a.txt"),
            ("/files/%2522", b"/files/%22"),
            ("/files/%zz", b"/files/%zz"),
            ("/100%", b"/100%"),
            ("/%+1", b"/%+1"),
            ("/../../etc/passwd", b"/etc/passwd"),
            ("/a%00b", b"/a"),
            ("/a/./b/..", b"/a/"),
            ("/", b"/"),
            ("*", b"*"),
        ] {
            assert_eq!(logged_path(sent), logged, "{sent}");
        }
    }

    proptest! {
        #[test]
        fn whatever_was_sent_stays_on_one_line_of_printable_ascii(value: Vec<u8>) {
            let text = escaped(&value);
            prop_assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
            let closing = text.replace("\\\\", "").replace("\\\"", "");
            prop_assert!(!closing.contains('"'));
        }
    }
}
