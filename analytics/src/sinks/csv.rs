//! CSV: a header, then the stream's columns, RFC 4180 quoting where needed.

use anyhow::Result;
use arrow::array::RecordBatch;
use arrow::csv::WriterBuilder;

use super::layout::Layout;
use super::{Out, Sink};

pub(super) struct Csv<W> {
    out: W,
    layout: Layout,
}

impl<W: Out> Csv<W> {
    pub(super) fn new(out: W, layout: Layout) -> Self {
        Self { out, layout }
    }
}

impl<W: Out> Sink for Csv<W> {
    fn begin(&mut self) -> Result<()> {
        writeln!(self.out, "{}", self.layout.names().into_iter().map(quoted).collect::<Vec<_>>().join(","))?;
        Ok(self.out.flush()?)
    }

    fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        let rows = self.layout.rows_with_times_as_text(rows)?;
        WriterBuilder::new().with_header(false).build(&mut self.out).write(&rows)?;
        Ok(self.out.flush()?)
    }
}

fn quoted(name: &str) -> String {
    if name.contains([',', '"', '\n', '\r']) { format!("\"{}\"", name.replace('"', "\"\"")) } else { name.to_owned() }
}

/// Rows as CSV with a header, for tests.
#[cfg(test)]
pub(crate) fn text(layout: Layout, batches: &[RecordBatch]) -> String {
    let mut out = Vec::new();
    let mut csv = Csv::new(&mut out, layout);
    csv.begin().expect("memory takes all");
    batches.iter().try_for_each(|rows| csv.write(rows)).expect("memory takes all");
    drop(csv);
    String::from_utf8(out).expect("CSV is text")
}

#[cfg(test)]
mod tests {
    use super::super::Format;
    use super::*;
    use crate::engine::tests::{REQUEST_COUNTS_SCHEMA, counted, request_counts};

    fn csv(rows: &[(i64, &str)], is_whole_seconds: bool) -> String {
        let layout = Layout::of_request_counts("request_counts", &REQUEST_COUNTS_SCHEMA, Format::Csv, is_whole_seconds);
        let results = counted(&mut request_counts(), rows);
        text(layout, &results.into_iter().map(|result| result.rows).collect::<Vec<_>>())
    }

    #[test]
    fn rows_have_the_window_and_the_columns() {
        assert_eq!(
            csv(&[(0, "::1"), (3_000, "10.0.0.1"), (11_000, "::1")], true),
            "window_start,client_ip,request_count\n1970-01-01T00:00:00Z,10.0.0.1,1\n1970-01-01T00:00:00Z,::1,1\n1970-01-01T00:00:10Z,::1,1\n"
        );
    }

    #[test]
    fn windows_of_less_than_a_second_show_milliseconds() {
        assert_eq!(csv(&[(12_000, "::1")], false), "window_start,client_ip,request_count\n1970-01-01T00:00:10.000Z,::1,1\n");
    }

    #[test]
    fn names_are_quoted_where_needed() {
        assert_eq!(["a", "a,b", "a\"b"].map(quoted), ["a", "\"a,b\"", "\"a\"\"b\""]);
    }
}
