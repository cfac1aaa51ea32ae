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
mod tests;
