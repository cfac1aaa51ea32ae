//! CSV: `window_start` and the program's columns, RFC 4180 quoting where needed.

use anyhow::Result;
use arrow::csv::WriterBuilder;
use arrow::datatypes::SchemaRef;

use super::{Out, Sink, without_window_end};
use crate::engine::WindowResult;
use crate::program::Window;

pub(super) struct Csv<W> {
    out: W,
    columns: Vec<usize>,
    header: String,
    /// In the notation of `strftime`.
    time_format: &'static str,
}

impl<W: Out> Csv<W> {
    pub(super) fn new(out: W, schema: &SchemaRef, window: Window) -> Self {
        let columns = without_window_end(schema.fields().len());
        let names: Vec<&str> = columns.iter().map(|column| schema.field(*column).name().as_str()).collect();
        let time_format = if window.is_whole_seconds() { "%Y-%m-%dT%H:%M:%SZ" } else { "%Y-%m-%dT%H:%M:%S%.3fZ" };
        Self { out, header: names.join(","), columns, time_format }
    }
}

impl<W: Out> Sink for Csv<W> {
    fn begin(&mut self) -> Result<()> {
        writeln!(self.out, "{}", self.header)?;
        Ok(self.out.flush()?)
    }

    fn write(&mut self, result: &WindowResult) -> Result<()> {
        let rows = result.rows.project(&self.columns)?;
        let builder = WriterBuilder::new().with_header(false).with_timestamp_tz_format(self.time_format.to_owned());
        builder.build(&mut self.out).write(&rows)?;
        Ok(self.out.flush()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::tests::{counted, request_counts};

    #[test]
    fn rows_have_the_window_and_the_columns() {
        let mut engine = request_counts();
        let schema = engine.schema();
        let mut out = Vec::new();
        let mut csv = Csv::new(&mut out, &schema, Window::tumbling(10_000));
        csv.begin().unwrap();
        for result in counted(&mut engine, &[(0, "::1"), (3_000, "10.0.0.1"), (11_000, "::1")]) {
            csv.write(&result).unwrap();
        }
        drop(csv);
        let text = String::from_utf8(out).unwrap();
        assert_eq!(
            text,
            "window_start,client_ip,request_count\n1970-01-01T00:00:00Z,10.0.0.1,1\n1970-01-01T00:00:00Z,::1,1\n1970-01-01T00:00:10Z,::1,1\n"
        );
    }
}
