//! Where results of closed windows go. Now: standard output, as a table, CSV or JSON lines.

mod csv;
mod json_lines;
mod table;

use std::io::{self, Write};

use anyhow::Result;
use arrow::datatypes::SchemaRef;

use crate::engine::WindowResult;
use crate::program::Window;

/// The form of the results on standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For reading: one table a window.
    Table,
    /// With a header; times such as 2026-11-21T02:08:50Z.
    Csv,
    /// One JSON object a row.
    Jsonl,
}

/// Writes results in the order windows close.
pub(crate) trait Sink: Send {
    /// Writes what stands before the first result, so that an empty result has it too.
    fn begin(&mut self) -> Result<()> {
        Ok(())
    }

    /// Writes one window's rows, all the way to the reader.
    fn write(&mut self, result: &WindowResult) -> Result<()>;
}

/// Standard output in a format.
pub(crate) fn stdout(format: Format, schema: &SchemaRef, window: Window) -> Box<dyn Sink> {
    let out = io::BufWriter::new(io::stdout());
    match format {
        Format::Table => Box::new(table::Table::new(out)),
        Format::Csv => Box::new(csv::Csv::new(out, schema, window)),
        Format::Jsonl => Box::new(json_lines::JsonLines::new(out)),
    }
}

/// Whether a write failed because the reader has gone, as `head` does: the end of the work, not a fault.
pub(crate) fn is_reader_gone(error: &anyhow::Error) -> bool {
    error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).any(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Drops `window_end`, the second column: in a file the start names the window.
fn without_window_end(width: usize) -> Vec<usize> {
    (0..width).filter(|column| *column != 1).collect()
}

/// What the sinks write to: anything, so that tests write to memory.
trait Out: Write + Send {}

impl<W: Write + Send> Out for W {}
