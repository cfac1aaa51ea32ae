//! CSV: `window_start` and the program's columns, RFC 4180 quoting where needed.

use std::sync::Arc;

use anyhow::Result;
use arrow::array::{AsArray, RecordBatch, StringArray};
use arrow::csv::WriterBuilder;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimestampMillisecondType};
use jiff::Timestamp;

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
        let time_format = if window.is_whole_seconds() { "%Y-%m-%dT%H:%M:%SZ" } else { "%Y-%m-%dT%H:%M:%S.%3fZ" };
        Self { out, header: names.join(","), columns, time_format }
    }
}

impl<W: Out> Csv<W> {
    /// All rows of a window have the same start: formatted once, not once a row, which cost a twentieth of a replay.
    fn with_start_as_text(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        let starts = rows.column(0).as_primitive::<TimestampMillisecondType>();
        let start = starts.values().first().map_or(Ok(Timestamp::UNIX_EPOCH), |ms| Timestamp::from_millisecond(*ms))?;
        let text = start.strftime(self.time_format).to_string();
        let mut columns = rows.columns().to_vec();
        columns[0] = Arc::new(StringArray::from_iter_values(std::iter::repeat_n(&text, rows.num_rows())));
        let mut fields = rows.schema().fields().to_vec();
        fields[0] = Arc::new(Field::new(fields[0].name(), DataType::Utf8, false));
        Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
    }
}

impl<W: Out> Sink for Csv<W> {
    fn begin(&mut self) -> Result<()> {
        writeln!(self.out, "{}", self.header)?;
        Ok(self.out.flush()?)
    }

    fn write(&mut self, result: &WindowResult) -> Result<()> {
        let rows = self.with_start_as_text(&result.rows.project(&self.columns)?)?;
        WriterBuilder::new().with_header(false).build(&mut self.out).write(&rows)?;
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

    #[test]
    fn windows_of_less_than_a_second_show_milliseconds() {
        let mut engine = request_counts();
        let schema = engine.schema();
        let mut out = Vec::new();
        for result in counted(&mut engine, &[(12_000, "::1")]) {
            Csv::new(&mut out, &schema, Window::tumbling(500)).write(&result).unwrap();
        }
        assert_eq!(String::from_utf8(out).unwrap(), "1970-01-01T00:00:10.000Z,::1,1\n");
    }
}
