//! Rows as JSON records with ids that are the same each time a window is sent.

use std::collections::HashMap;

use anyhow::Result;
use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::TimestampMillisecondType;
use arrow::json::writer::{LineDelimited, WriterBuilder};
use md5::{Digest, Md5};

use super::layout::Layout;

/// A row on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// Stands for the stream, the ROWTIME and the content: sent again after a crash, a row has the same id.
    pub(super) id: String,
    /// A JSON object, without a newline.
    pub(super) json: Vec<u8>,
}

/// The rows of a batch as records. Equal rows of one batch have ids of their own; equal rows of one moment that come in
/// different batches have not, which closed windows never do.
pub(super) fn records(layout: &Layout, rows: &RecordBatch) -> Result<Vec<Record>> {
    let times = rows.column(0).as_primitive::<TimestampMillisecondType>().values();
    let mut seen: HashMap<(i64, Vec<u8>), u32> = HashMap::new();
    let record = |(line, ms): (&[u8], &i64)| {
        let count = seen.entry((*ms, line.to_vec())).or_default();
        *count += 1;
        let mut digest = Md5::new();
        digest.update(format!("{}\n{ms}\n{count}\n", layout.name));
        digest.update(line);
        Record { id: hex(&digest.finalize()), json: line.to_vec() }
    };
    let text = json_lines(layout, rows)?;
    Ok(text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).zip(times).map(record).collect())
}

/// Every row has every key: a missing value is null, as the service wrote it.
pub(super) fn json_lines(layout: &Layout, rows: &RecordBatch) -> Result<Vec<u8>> {
    let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(Vec::new());
    writer.write(&layout.rows(rows)?)?;
    writer.finish()?;
    Ok(writer.into_inner())
}

/// The object with one member more, at its end.
pub(super) fn with_member(json: &[u8], name: &str, value: &str) -> Vec<u8> {
    let body = json.strip_suffix(b"}").unwrap_or(json);
    let comma = if body.ends_with(b"{") { "" } else { "," };
    let member = format!("{comma}{}:{}}}", serde_json::Value::from(name), serde_json::Value::from(value));
    [body, member.as_bytes()].concat()
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::tests::{REQUEST_COUNTS_SCHEMA, counted, request_counts};

    fn of(rows: &[(i64, &str)]) -> Vec<Record> {
        let layout = Layout::of_output("request_counts", &REQUEST_COUNTS_SCHEMA);
        counted(&mut request_counts(), rows).iter().flat_map(|window| records(&layout, &window.rows).unwrap()).collect()
    }

    #[test]
    fn a_window_has_the_same_ids_however_its_rows_came() {
        let mut one = of(&[(0, "::1"), (3_000, "10.0.0.1"), (4_000, "::1")]);
        let mut other = of(&[(3_000, "10.0.0.1"), (4_000, "::1"), (5_000, "::1")]);
        one.sort_by(|a, b| a.id.cmp(&b.id));
        other.sort_by(|a, b| a.id.cmp(&b.id));
        assert_eq!(one, other);
        assert_ne!(of(&[(0, "::1")])[0].id, of(&[(10_000, "::1")])[0].id);
    }

    #[test]
    fn a_member_is_added_at_the_end() {
        assert_eq!(with_member(b"{\"a\":1}", "id", "x\""), br#"{"a":1,"id":"x\""}"#);
        assert_eq!(with_member(b"{}", "id", "x"), br#"{"id":"x"}"#);
    }
}
