//! JSON lines: one object a row, with the window's start and end.

use anyhow::Result;
use arrow::json::LineDelimitedWriter;

use super::{Out, Sink};
use crate::engine::WindowResult;

pub(super) struct JsonLines<W> {
    out: W,
}

impl<W: Out> JsonLines<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out }
    }
}

impl<W: Out> Sink for JsonLines<W> {
    fn write(&mut self, result: &WindowResult) -> Result<()> {
        let mut writer = LineDelimitedWriter::new(&mut self.out);
        writer.write(&result.rows)?;
        writer.finish()?;
        Ok(self.out.flush()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::tests::{counted, request_counts};

    #[test]
    fn a_row_is_an_object_with_both_ends_of_its_window() {
        let mut out = Vec::new();
        for result in counted(&mut request_counts(), &[(0, "::1")]) {
            JsonLines::new(&mut out).write(&result).unwrap();
        }
        let row: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let expected = serde_json::json!({
            "window_start": "1970-01-01T00:00:00Z", "window_end": "1970-01-01T00:00:10Z", "client_ip": "::1", "request_count": 1
        });
        assert_eq!(row, expected);
    }
}
