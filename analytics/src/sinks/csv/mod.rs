//! CSV: a header, then the stream's columns, RFC 4180 quoting where needed.
//!
//! The text is that of arrow's own writer, which takes each value through three buffers on its way.

mod cells;

use anyhow::Result;
use arrow::array::RecordBatch;
use arrow::error::ArrowError;

use super::layout::Layout;
use super::{Out, Sink};
use cells::{Cells, append_field};

/// The text that is kept before it is written: more than a thousand rows, so that a system call costs each of them little.
const CHUNK_BYTES: usize = 64 * 1024;

pub(super) struct Csv<W> {
    out: W,
    layout: Layout,
    /// Whole rows that are not written yet. Empty between calls, and kept for its room.
    text: String,
}

impl<W: Out> Csv<W> {
    pub(super) fn new(out: W, layout: Layout) -> Self {
        Self { out, layout, text: String::new() }
    }

    fn append_rows(&mut self, columns: &mut [Cells<'_>], rows: usize) -> Result<()> {
        for row in 0..rows {
            let start = self.text.len();
            if let Err(error) = append_row(columns, row, &mut self.text) {
                self.text.truncate(start);
                return Err(error.into());
            }
            if self.text.len() >= CHUNK_BYTES {
                self.write_text()?;
            }
        }
        Ok(())
    }

    fn write_text(&mut self) -> Result<()> {
        let written = self.out.write_all(self.text.as_bytes());
        self.text.clear();
        Ok(written?)
    }
}

impl<W: Out> Sink for Csv<W> {
    fn begin(&mut self) -> Result<()> {
        for (index, name) in self.layout.names().into_iter().enumerate() {
            self.text.push_str(if index == 0 { "" } else { "," });
            append_field(name, &mut self.text);
        }
        self.text.push('\n');
        self.write_text()?;
        Ok(self.out.flush()?)
    }

    /// Of rows with one that has no text, those before it are written.
    fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        let rows = self.layout.columns(rows)?;
        let mut columns = rows.columns().iter().map(|column| Cells::new(column, &self.layout)).collect::<Result<Vec<_>>>()?;
        let appended = self.append_rows(&mut columns, rows.num_rows());
        self.write_text()?;
        self.out.flush()?;
        appended
    }
}

fn append_row(columns: &mut [Cells<'_>], row: usize, out: &mut String) -> Result<(), ArrowError> {
    let start = out.len();
    for (index, column) in columns.iter_mut().enumerate() {
        if index > 0 {
            out.push(',');
        }
        let described = |error| ArrowError::CsvError(format!("Error processing row {}, col {}: {error}", row + 1, index + 1));
        column.append(row, out).map_err(described)?;
    }
    // A blank line would be no row to most readers.
    out.push_str(if out.len() == start { "\"\"\n" } else { "\n" });
    Ok(())
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
