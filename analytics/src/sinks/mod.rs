//! Where the rows of streams go: standard output or a folder, as tables, CSV or JSON lines.

mod csv;
mod json_lines;
mod layout;
mod table;

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};
use arrow::array::RecordBatch;

use crate::engine::StreamRows;
use crate::program::StreamId;

#[cfg(test)]
pub(crate) use csv::text as csv_text;
pub(crate) use layout::Layout;

/// The form of the results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For reading: one table a window.
    Table,
    /// With a header; times such as 2026-11-21T02:08:50Z.
    Csv,
    /// One JSON object a row.
    Jsonl,
}

impl Format {
    fn extension(self) -> &'static str {
        match self {
            Self::Table => "txt",
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
        }
    }
}

/// Writes the rows of one stream in the order they come.
pub(crate) trait Sink: Send {
    /// Writes what stands before the first row, so that an empty result has it too.
    fn begin(&mut self) -> Result<()> {
        Ok(())
    }

    /// Writes rows, all the way to the reader.
    fn write(&mut self, rows: &RecordBatch) -> Result<()>;
}

/// A sink for each printed stream.
pub(crate) struct Sinks {
    sinks: HashMap<StreamId, Box<dyn Sink>>,
}

impl Sinks {
    /// Writes to standard output.
    pub(crate) fn stdout(format: Format, streams: Vec<(StreamId, Layout)>) -> Self {
        let is_named = streams.len() > 1;
        let sink = |(stream, layout)| (stream, sink(BufWriter::new(io::stdout()), format, layout, is_named));
        Self { sinks: streams.into_iter().map(sink).collect() }
    }

    /// Writes each stream to a file of its name in this folder.
    ///
    /// # Errors
    /// When a file cannot be created.
    pub(crate) fn folder(folder: &Path, format: Format, streams: Vec<(StreamId, Layout)>) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("cannot create the folder of --output, {}", folder.display()))?;
        let mut sinks = HashMap::new();
        for (stream, layout) in streams {
            // A name may hold what a path gives a meaning to.
            let name = layout.name.replace(['/', '\\', '\0'], "_").replace("..", "__");
            let path = folder.join(format!("{name}.{}", format.extension()));
            let file = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
            sinks.insert(stream, sink(BufWriter::new(file), format, layout, false));
        }
        Ok(Self { sinks })
    }

    /// Writes what stands before the first rows.
    pub(crate) fn begin(&mut self) -> Result<()> {
        self.sinks.values_mut().try_for_each(|sink| sink.begin())
    }

    /// Writes rows of a stream, if it is printed.
    pub(crate) fn write(&mut self, rows: &StreamRows) -> Result<()> {
        self.sinks.get_mut(&rows.stream).map_or(Ok(()), |sink| sink.write(&rows.rows))
    }
}

fn sink(out: impl Out + 'static, format: Format, layout: Layout, is_named: bool) -> Box<dyn Sink> {
    match format {
        Format::Table => Box::new(table::Table::new(out, layout, is_named)),
        Format::Csv => Box::new(csv::Csv::new(out, layout)),
        Format::Jsonl => Box::new(json_lines::JsonLines::new(out, layout)),
    }
}

/// Whether a write failed because the reader has gone, as `head` does: the end of the work, not a fault.
pub(crate) fn is_reader_gone(error: &anyhow::Error) -> bool {
    error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).any(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// What the sinks write to: anything, so that tests write to memory.
trait Out: Write + Send {}

impl<W: Write + Send> Out for W {}
