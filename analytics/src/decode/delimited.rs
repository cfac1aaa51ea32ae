//! Lines that are not JSON: CSV, and the access logs that web servers write by default.
//!
//! A CSV field belongs to the column of its place; those at the end may be missing. The NCSA forms have names of their
//! own, the same that the JSON log has, so that one program reads either. Formats: RFC 4180 within one line; Apache's
//! mod_log_config, `"%h %l %u %t \"%r\" %>s %b"` (common) and the same with `\"%{Referer}i\" \"%{User-agent}i\"` (combined).

use std::borrow::Cow;

use super::lenient::LineError;
use crate::sql::FieldPath;

/// How lines are written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Form {
    /// Objects, one a line.
    #[default]
    Json,
    /// Fields between commas; these are the names of their columns, in order.
    Csv(Vec<String>),
    /// NCSA common or combined: the parts that only the second has may be missing.
    Ncsa,
}

/// The fields of an NCSA line.
pub(super) const NCSA_FIELDS: [&str; 11] = [
    "client_ip",
    "remote_identity",
    "remote_user",
    "request_time",
    "http_method",
    "request",
    "protocol",
    "status",
    "size",
    "referer",
    "userAgent",
];

impl Form {
    /// Where each wanted field stands in a line; None: it has no such field, so it is NULL.
    pub(super) fn positions(&self, wanted: &[FieldPath]) -> Vec<Option<usize>> {
        let place = |name: &str| match self {
            Self::Json => None,
            Self::Csv(columns) => columns.iter().position(|column| column == name),
            Self::Ncsa => NCSA_FIELDS.iter().position(|field| *field == name),
        };
        wanted.iter().map(|path| place(path.key())).collect()
    }

    /// Whether a line has a field of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        *self == Self::Json || self.positions(&[FieldPath::of(name)])[0].is_some()
    }

    /// The fields of a line, in order.
    ///
    /// # Errors
    /// When the line is not of this form.
    pub(super) fn fields<'a>(&self, line: &'a [u8]) -> Result<Vec<Option<Cow<'a, str>>>, LineError> {
        match self {
            Self::Json | Self::Csv(_) => csv(line),
            Self::Ncsa => ncsa(line),
        }
    }
}

/// An empty field without quotes is NULL.
fn csv(line: &[u8]) -> Result<Vec<Option<Cow<'_, str>>>, LineError> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let mut fields = Vec::new();
    let mut at = 0;
    loop {
        let (field, end) = if line.get(at) == Some(&b'"') { quoted(line, at)? } else { plain(line, at) };
        fields.push(field);
        match line.get(end) {
            None => return Ok(fields),
            Some(b',') => at = end + 1,
            Some(_) => return Err(LineError::Form { what: format!("text behind a closing quote, at byte {end}") }),
        }
    }
}

fn plain(line: &[u8], at: usize) -> (Option<Cow<'_, str>>, usize) {
    let end = memchr::memchr(b',', &line[at..]).map_or(line.len(), |length| at + length);
    let field = String::from_utf8_lossy(&line[at..end]);
    (Some(field).filter(|field| !field.is_empty()), end)
}

/// A quote inside is written twice.
fn quoted(line: &[u8], at: usize) -> Result<(Option<Cow<'_, str>>, usize), LineError> {
    let mut text = Vec::new();
    let mut from = at + 1;
    loop {
        let unclosed = || LineError::Form { what: format!("a quote that is not closed, at byte {at}") };
        let quote = memchr::memchr(b'"', &line[from..]).map(|length| from + length).ok_or_else(unclosed)?;
        text.extend(&line[from..quote]);
        if line.get(quote + 1) != Some(&b'"') {
            return Ok((Some(Cow::Owned(String::from_utf8_lossy(&text).into_owned())), quote + 1));
        }
        text.push(b'"');
        from = quote + 2;
    }
}

fn ncsa(line: &[u8]) -> Result<Vec<Option<Cow<'_, str>>>, LineError> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let mut rest = line;
    let mut word = |what: &str| {
        let (word, after) = part(rest).ok_or_else(|| LineError::Form { what: format!("no {what}") })?;
        rest = after;
        Ok::<_, LineError>(word)
    };
    let mut fields: Vec<Option<Cow<'_, str>>> = Vec::with_capacity(NCSA_FIELDS.len());
    for what in ["client", "identity", "user", "time in brackets"] {
        fields.push(Some(word(what)?));
    }
    let is_time = fields.last().is_some_and(|time| time.as_deref().is_some_and(|time| time.starts_with('[')));
    if !is_time {
        return Err(LineError::Form { what: "no time in brackets".to_owned() });
    }
    let request = word("request")?;
    // A request that was cut or is none has fewer parts.
    let mut parts = request.splitn(3, ' ').map(|part| Some(Cow::Owned(part.to_owned())));
    fields.extend([parts.next().flatten(), parts.next().flatten(), parts.next().flatten()]);
    fields.push(Some(word("status")?));
    fields.push(Some(word("size")?));
    for _ in ["referer", "user agent"] {
        fields.push(word("more").ok());
    }
    // "-" stands for what there is not; for the size too, which a program reads as a number.
    Ok(fields.into_iter().map(|field| field.filter(|text| text != "-")).collect())
}

/// The next word, time in brackets or quoted text, and what comes behind.
fn part(line: &[u8]) -> Option<(Cow<'_, str>, &[u8])> {
    let line = &line[line.iter().take_while(|byte| **byte == b' ').count()..];
    match line.first()? {
        b'[' => {
            let end = memchr::memchr(b']', line)? + 1;
            Some((String::from_utf8_lossy(&line[..end]), &line[end..]))
        }
        b'"' => {
            let mut at = 1;
            while *line.get(at)? != b'"' {
                at += if line[at] == b'\\' { 2 } else { 1 };
            }
            Some((unescaped(&line[1..at]), &line[at + 1..]))
        }
        _ => {
            let end = memchr::memchr(b' ', line).unwrap_or(line.len());
            Some((String::from_utf8_lossy(&line[..end]), &line[end..]))
        }
    }
}

/// Apache's escapes: `\"`, `\\`, `\n` and the like, and `\xHH` for a byte.
fn unescaped(text: &[u8]) -> Cow<'_, str> {
    if memchr::memchr(b'\\', text).is_none() {
        return String::from_utf8_lossy(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        let hex = |digits: &[u8]| u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok();
        let (value, after) = match (byte, after) {
            (b'\\', [b'x', high, low, after @ ..]) if hex(&[*high, *low]).is_some() => (hex(&[*high, *low]).unwrap_or(0), after),
            (b'\\', [b'n', after @ ..]) => (b'\n', after),
            (b'\\', [b't', after @ ..]) => (b'\t', after),
            (b'\\', [b'r', after @ ..]) => (b'\r', after),
            (b'\\', [other, after @ ..]) => (*other, after),
            (other, after) => (other, after),
        };
        bytes.push(value);
        rest = after;
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(form: &Form, line: &str) -> Result<Vec<Option<String>>, String> {
        let fields = form.fields(line.as_bytes()).map_err(|error| error.to_string())?;
        Ok(fields.into_iter().map(|field| field.map(Cow::into_owned)).collect())
    }

    fn texts(list: &[&str]) -> Vec<Option<String>> {
        list.iter().map(|text| Some((*text).to_owned()).filter(|text| text != "NULL")).collect()
    }

    #[test]
    fn csv_has_quotes_and_missing_fields() {
        let form = Form::Csv(vec![]);
        assert_eq!(read(&form, "a,\"b, \"\"c\"\"\",,d\r").unwrap(), texts(&["a", "b, \"c\"", "NULL", "d"]));
        assert_eq!(read(&form, "\"\"").unwrap(), texts(&[""]));
        assert!(read(&form, "a,\"b").unwrap_err().contains("a quote that is not closed, at byte 2"));
        assert!(read(&form, "\"a\"b").unwrap_err().contains("text behind a closing quote"));
    }

    #[test]
    fn common_and_combined_lines_are_read() {
        let common = r#"127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326"#;
        let fields =
            ["127.0.0.1", "NULL", "frank", "[10/Oct/2000:13:55:36 -0700]", "GET", "/apache_pb.gif", "HTTP/1.0", "200", "2326"];
        let with = |more: [&str; 2]| texts(&[fields.as_slice(), &more].concat());
        assert_eq!(read(&Form::Ncsa, common).unwrap(), with(["NULL", "NULL"]));
        let combined = format!(r#"{common} "-" "say \"h\xc3\xa4\"""#);
        assert_eq!(read(&Form::Ncsa, &combined).unwrap(), with(["NULL", "say \"hä\""]));
    }

    #[test]
    fn other_lines_are_refused_with_a_reason() {
        for line in ["", "a b c", "{\"client_ip\":\"::1\"}", r#"::1 - - [x] "GET / "#, r#"::1 - - now "GET /" 200 1"#] {
            assert!(read(&Form::Ncsa, line).is_err(), "{line}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(line in proptest::collection::vec(proptest::num::u8::ANY, 0..60)) {
            let _ = Form::Ncsa.fields(&line);
            let _ = Form::Csv(vec![]).fields(&line);
        }
    }
}
