//! What lines hold, for someone who does not know their columns yet.

use arrow::array::ArrayRef;
use serde_json::{Map, Value};

use super::delimited::{Form, NCSA_FIELDS};
use super::lenient::{self, LineError};
use super::{record, typed};
use crate::chunk::Payload;
use crate::lines::lines;
use crate::sql::{FieldPath, SqlType};

/// The fields of Apache's common log.
pub(crate) const COMMON_FIELDS: [&str; 9] = *NCSA_FIELDS.first_chunk().expect("the combined log has more fields");
/// The fields of Apache's combined log.
pub(crate) const COMBINED_FIELDS: [&str; 11] = NCSA_FIELDS;

/// The lines of a chunk that are not blank, without their newlines. What does not unfold has none.
pub(crate) fn lines_of(payload: &Payload) -> Vec<Vec<u8>> {
    let owned = |bytes: &[u8]| lines(bytes).map(|line| line.bytes.to_vec()).filter(|line| !line.is_empty()).collect::<Vec<_>>();
    match payload {
        Payload::Lines { lines, .. } => owned(lines.bytes()),
        Payload::Records(records) => {
            let contents =
                records.iter().flat_map(|record| record::contents(&record.data)).filter_map(|content| content.data.ok());
            contents.flat_map(|content| owned(&content)).collect()
        }
        Payload::Begin | Payload::CaughtUp { .. } | Payload::End | Payload::Unread(_) | Payload::Nothing => vec![],
    }
}

/// Where the values of an object stand: its fields, and those of the objects in it. Deeper ones are the text of a field.
///
/// # Errors
/// When the line is no object.
pub(crate) fn json_paths(line: &[u8]) -> Result<Vec<FieldPath>, LineError> {
    if let Some(keys) = lenient::flat_keys(line)? {
        return Ok(keys.iter().map(|key| FieldPath::of(key)).collect());
    }
    let object: Map<String, Value> =
        serde_json::from_slice(line).map_err(|error| LineError::NotAnObject { at: error.column() })?;
    let mut paths = Vec::new();
    for (key, value) in &object {
        match value.as_object().filter(|inner| !inner.is_empty()) {
            Some(inner) => paths.extend(inner.keys().filter_map(|inner| FieldPath::new(vec![key.clone(), inner.clone()]))),
            None => paths.push(FieldPath::of(key)),
        }
    }
    Ok(paths)
}

/// How many fields a CSV line has.
pub(crate) fn csv_width(line: &[u8]) -> Option<usize> {
    Form::Csv(vec![]).fields(line).ok().map(|fields| fields.len())
}

/// How many fields a line of Apache's common or combined log has, without those at its end that have no value.
pub(crate) fn ncsa_width(line: &[u8]) -> Option<usize> {
    let fields = Form::Ncsa.fields(line).ok()?;
    Some(fields.iter().rposition(Option::is_some).map_or(0, |last| last + 1))
}

/// Text as this type, as the decoder reads it: what does not fit is NULL.
pub(crate) fn converted(texts: &ArrayRef, sql_type: SqlType) -> ArrayRef {
    typed::convert_column(texts, sql_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_in_an_object_are_opened_once() {
        let paths = |line: &str| json_paths(line.as_bytes()).unwrap().iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(paths(r#"{"a":1,"b":{"c":2,"d":{"e":3}},"f":[{"g":1}],"h":{}}"#), ["$.a", "$.b.c", "$.b.d", "$.f", "$.h"]);
        assert_eq!(paths(r#"{"a":"\x41","b":null}"#), ["$.a", "$.b"]);
        assert!(json_paths(b"{\"a\":{").is_err() && json_paths(b"[1]").is_err());
    }

    #[test]
    fn widths_of_delimited_lines() {
        let common = b"::1 - - [10/Oct/2000:13:55:36 -0700] \"GET / HTTP/1.0\" 200 2326";
        assert_eq!((ncsa_width(common), ncsa_width(b"a,b")), (Some(9), None));
        assert_eq!(csv_width(b"a,\"b,c\",,"), Some(4));
    }
}
