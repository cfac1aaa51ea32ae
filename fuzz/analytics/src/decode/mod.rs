//! The decoder of lines and records, without the columns that they go to.

#[path = "../../../../analytics/src/decode/delimited.rs"]
mod delimited;
#[path = "../../../../analytics/src/decode/escape.rs"]
mod escape;
#[path = "../../../../analytics/src/decode/flat.rs"]
mod flat;
#[path = "../../../../analytics/src/decode/kpl.rs"]
mod kpl;
#[path = "../../../../analytics/src/decode/lenient.rs"]
mod lenient;
#[path = "../../../../analytics/src/decode/record.rs"]
mod record;

use serde_json::Value;

use crate::lines::{Line, lines};
use crate::sql::FieldPath;

/// The fields that are wanted of every line.
const WANTED: [&str; 3] = ["$.a", "$.b", "$.c"];

/// A line: what serde_json takes is read, with the same values; the fast path agrees with the general one; nothing else
/// makes any reader panic.
pub fn line(line: &[u8]) {
    for form in [delimited::Form::Csv(vec![]), delimited::Form::Ncsa] {
        let _ = form.fields(line);
    }
    let flat: Vec<FieldPath> = WANTED.map(|path| FieldPath::parse(path).expect("it is a path")).to_vec();
    let deep = FieldPath::parse("$.a.b").expect("it is a path");
    let paths = [flat.clone(), vec![deep]].concat();
    let read = lenient::parse(line, &paths, lenient::Missing::Null);
    let _ = lenient::parse(line, &flat, lenient::Missing::Bad);
    let reference = serde_json::from_slice::<Value>(line).ok().filter(Value::is_object);
    if let Some(reference) = &reference {
        let read = read.as_ref().unwrap_or_else(|error| panic!("it is an object, and was refused: {error}"));
        let expected = ["a", "b", "c"].map(|key| reference.get(key)).into_iter().chain([reference.pointer("/a/b")]);
        for (value, expected) in read.values.iter().zip(expected) {
            same(value.as_deref(), expected.filter(|value| !value.is_null()));
        }
        // A line with lone surrogates is no JSON to serde_json, so this one is.
        assert!(read.is_legal_json, "it is legal JSON");
    }
    let keys: Vec<Vec<u8>> = flat.iter().map(|path| path.key().as_bytes().to_vec()).collect();
    // Of a repeated key the fast path may take the first one: it does not look behind the last field that it wants.
    let is_repeated =
        WANTED.iter().any(|path| memchr::memmem::find_iter(line, format!("\"{}\"", &path[2..]).as_bytes()).count() > 1);
    let mut scanner = flat::Scanner::new(keys);
    for before in lines(line) {
        scanner.scan(before); // it remembers the shape of a line
    }
    if let Some(line) = one_line(line)
        && let Some(values) = scanner.scan(line)
        && let Ok(read) = &read
        && !is_repeated
    {
        for (value, fast) in read.values.iter().zip(values) {
            assert_eq!(value.as_deref(), Some(String::from_utf8_lossy(&line.bytes[fast.clone()]).as_ref()), "the fast path differs");
        }
    }
}

/// These bytes when they are one line.
fn one_line(bytes: &[u8]) -> Option<Line<'_>> {
    let mut lines = lines(bytes);
    lines.next().filter(|_| lines.next().is_none())
}

fn same(found: Option<&str>, expected: Option<&Value>) {
    match (found, expected) {
        (None, None) => {}
        (Some(found), Some(Value::String(text))) => assert_eq!(found, text),
        (Some(found), Some(value)) => assert_eq!(serde_json::from_str::<Value>(found).ok().as_ref(), Some(value), "{found}"),
        other => panic!("{other:?}"),
    }
}

/// What a record of a stream holds; None: a part that does not unfold.
pub fn contents(record: &[u8]) -> Vec<Option<Vec<u8>>> {
    record::contents(record).into_iter().map(|content| content.data.ok().map(std::borrow::Cow::into_owned)).collect()
}
