//! Writes JSON in the Java agent's style: insertion order, `\u001B` in upper case, `/` and other scripts as they are.
//!
//! Format: Jackson's compact form, and its default pretty printer (two spaces, `"key" : value`, arrays on one line).

use std::collections::HashMap;

use serde_json::Value;

/// How an object is laid out. Both end with one `\n`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JsonFormat {
    /// Without any blank.
    Compact,
    /// One field a line.
    PrettyPrint,
}

/// The keys of an object whose values are texts or null, written once for all records.
#[derive(Debug)]
pub(crate) struct Columns {
    /// What stands before each value, and which value that is.
    columns: Vec<(Vec<u8>, usize)>,
    close: &'static [u8],
}

impl Columns {
    /// A name that is there twice keeps its first place and takes its last value, as in a Java map.
    pub(crate) fn new(names: &[String], format: JsonFormat) -> Self {
        let mut last: HashMap<&str, usize> = HashMap::new();
        let mut order: Vec<&str> = Vec::new();
        for (index, name) in names.iter().enumerate() {
            if last.insert(name, index).is_none() {
                order.push(name);
            }
        }
        let column = |(place, name): (usize, &&str)| {
            let mut before = Vec::new();
            write_key(&mut before, name, place == 0, format, 1);
            (before, last[name])
        };
        let columns: Vec<_> = order.iter().enumerate().map(column).collect();
        Self { close: closing(columns.is_empty(), format), columns }
    }

    /// Writes one record.
    pub(super) fn write(&self, values: &[Option<&str>]) -> Vec<u8> {
        let bytes: usize = self.columns.iter().map(|(before, _)| before.len() + 8).sum();
        let text: usize = values.iter().flatten().map(|value| value.len()).sum();
        let mut out = Vec::with_capacity(bytes + text + self.close.len() + 1);
        out.push(b'{');
        for (before, index) in &self.columns {
            out.extend_from_slice(before);
            match values.get(*index).copied().flatten() {
                Some(value) => write_string(&mut out, value),
                None => out.extend_from_slice(b"null"),
            }
        }
        out.extend_from_slice(self.close);
        out.push(b'\n');
        out
    }
}

fn closing(is_empty: bool, format: JsonFormat) -> &'static [u8] {
    match (format, is_empty) {
        (JsonFormat::Compact, _) => b"}",
        (JsonFormat::PrettyPrint, true) => b" }",
        (JsonFormat::PrettyPrint, false) => b"\n}",
    }
}

/// Writes what stands between the value before, or the `{`, and a value.
pub(super) fn write_key(out: &mut Vec<u8>, name: &str, is_first: bool, format: JsonFormat, depth: usize) {
    if !is_first {
        out.push(b',');
    }
    if format == JsonFormat::PrettyPrint {
        new_line(out, depth);
    }
    write_string(out, name);
    out.extend_from_slice(if format == JsonFormat::PrettyPrint { b" : " } else { b":" });
}

/// Writes any value; `depth` is the number of objects around it.
pub(super) fn write_value(out: &mut Vec<u8>, value: &Value, format: JsonFormat, depth: usize) {
    let is_pretty = format == JsonFormat::PrettyPrint;
    match value {
        Value::String(text) => write_string(out, text),
        Value::Array(items) => {
            out.extend_from_slice(if is_pretty { b"[ " } else { b"[" });
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.extend_from_slice(if is_pretty { b", " } else { b"," });
                }
                write_value(out, item, format, depth);
            }
            out.extend_from_slice(if is_pretty && !items.is_empty() { b" ]" } else { b"]" });
        }
        Value::Object(object) if object.is_empty() => out.extend_from_slice(if is_pretty { b"{ }" } else { b"{}" }),
        Value::Object(object) => {
            out.push(b'{');
            for (index, (name, value)) in object.iter().enumerate() {
                write_key(out, name, index == 0, format, depth + 1);
                write_value(out, value, format, depth + 1);
            }
            if is_pretty {
                new_line(out, depth);
            }
            out.push(b'}');
        }
        Value::Number(number) if number.is_f64() => write_double(out, number.as_f64().unwrap_or_default()),
        Value::Null | Value::Bool(_) | Value::Number(_) => out.extend_from_slice(value.to_string().as_bytes()),
    }
}

/// Writes a number with a fraction as Java's `Double.toString` does: plain from 0.001 to 10,000,000, else `1.0E10`.
fn write_double(out: &mut Vec<u8>, number: f64) {
    let is_plain = number == 0.0 || (1e-3..1e7).contains(&number.abs());
    let text = if is_plain { format!("{number:?}") } else { format!("{number:E}") };
    match text.split_once('E') {
        Some((digits, exponent)) if !digits.contains('.') => out.extend_from_slice(format!("{digits}.0E{exponent}").as_bytes()),
        _ => out.extend_from_slice(text.as_bytes()),
    }
}

/// Writes a text with its quotes.
pub(crate) fn write_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    write_escaped(out, text);
    out.push(b'"');
}

/// Writes what stands between the quotes of a text.
pub(crate) fn write_escaped(out: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let short = match byte {
            b'"' | b'\\' => byte,
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x08 => b'b',
            0x0C => b'f',
            0..0x20 => b'u',
            _ => continue,
        };
        out.extend_from_slice(&text.as_bytes()[from..at]);
        out.extend_from_slice(&[b'\\', short]);
        if short == b'u' {
            out.extend_from_slice(&[b'0', b'0', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
        from = at + 1;
    }
    out.extend_from_slice(&text.as_bytes()[from..]);
}

fn new_line(out: &mut Vec<u8>, depth: usize) {
    out.push(b'\n');
    out.extend(std::iter::repeat_n(b' ', 2 * depth));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written(format: JsonFormat, value: &Value) -> String {
        let mut out = Vec::new();
        write_value(&mut out, value, format, 0);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn control_characters_are_escaped_with_upper_case_digits_and_nothing_else_is() {
        let text = json!("a/é\u{1b}\u{7f}\u{8}\u{c}\t\r\n\"\\");
        assert_eq!(written(JsonFormat::Compact, &text), "\"a/é\\u001B\u{7f}\\b\\f\\t\\r\\n\\\"\\\\\"");
    }

    #[test]
    fn nested_values_have_both_layouts() {
        let value = json!({"z": {"k": [1, "x"], "e": {}}, "a": [], "n": null});
        assert_eq!(written(JsonFormat::Compact, &value), r#"{"z":{"k":[1,"x"],"e":{}},"a":[],"n":null}"#);
        let pretty = "{\n  \"z\" : {\n    \"k\" : [ 1, \"x\" ],\n    \"e\" : { }\n  },\n  \"a\" : [ ],\n  \"n\" : null\n}";
        assert_eq!(written(JsonFormat::PrettyPrint, &value), pretty);
    }

    #[test]
    fn numbers_with_a_fraction_are_written_as_java_writes_them() {
        let text = json!([1.10, 100.0, -0.0, 0.001, 0.00012, 9999999.5, 1e7, -1.5e300, 7]);
        let expected = "[1.1,100.0,-0.0,0.001,1.2E-4,9999999.5,1.0E7,-1.5E300,7]";
        assert_eq!(written(JsonFormat::Compact, &text), expected);
    }

    #[test]
    fn columns_are_written_in_order_and_missing_ones_are_null() {
        let names = ["b", "a"].map(str::to_owned);
        assert_eq!(Columns::new(&names, JsonFormat::Compact).write(&[Some("1")]), b"{\"b\":\"1\",\"a\":null}\n");
        let pretty = Columns::new(&names, JsonFormat::PrettyPrint).write(&[Some("1"), Some("2")]);
        assert_eq!(pretty, b"{\n  \"b\" : \"1\",\n  \"a\" : \"2\"\n}\n");
    }

    #[test]
    fn a_name_that_is_there_twice_keeps_its_place_and_takes_the_last_value() {
        let names = ["a", "b", "a"].map(str::to_owned);
        let columns = Columns::new(&names, JsonFormat::Compact);
        assert_eq!(columns.write(&[Some("1"), Some("2"), Some("3")]), b"{\"a\":\"3\",\"b\":\"2\"}\n");
    }
}
