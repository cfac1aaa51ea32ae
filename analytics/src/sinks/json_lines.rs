//! JSON lines: one object a row.

use anyhow::Result;
use arrow::array::RecordBatch;

use super::layout::Layout;
use super::records::json_lines;
use super::{Out, Sink};

pub(super) struct JsonLines<W> {
    out: W,
    layout: Layout,
}

impl<W: Out> JsonLines<W> {
    pub(super) fn new(out: W, layout: Layout) -> Self {
        Self { out, layout }
    }
}

impl<W: Out> Sink for JsonLines<W> {
    fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        self.out.write_all(&json_lines(&self.layout, rows)?)?;
        Ok(self.out.flush()?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Format;
    use super::*;
    use crate::engine::tests::{REQUEST_COUNTS_SCHEMA, counted, request_counts};

    #[test]
    fn a_row_is_an_object_with_both_ends_of_its_window() {
        let layout = Layout::of_request_counts("request_counts", &REQUEST_COUNTS_SCHEMA, Format::Jsonl, true);
        let mut out = Vec::new();
        for result in counted(&mut request_counts(), &[(0, "::1")]) {
            JsonLines::new(&mut out, layout.clone()).write(&result.rows).unwrap();
        }
        let row: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let expected = serde_json::json!({
            "window_start": "1970-01-01T00:00:00Z", "window_end": "1970-01-01T00:00:10Z", "client_ip": "::1", "request_count": 1
        });
        assert_eq!(row, expected);
    }
}
