//! Where the rows of streams go.
//!
//! ```text
//! plan (what --sink says) ─▶ text: table, csv, json_lines ─▶ standard output, file (taken back on a restart)
//!                          ├▶ parquet (seen once its checkpoint is saved)
//!                          └▶ records (JSON with ids) ─▶ aws (Kinesis, Firehose), webhook ─▶ remote (until it is taken)
//! ```

mod aws;
mod csv;
mod file;
mod json_lines;
mod layout;
mod parquet;
mod parts;
mod plan;
mod records;
mod remote;
mod table;
mod webhook;

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};
use arrow::array::RecordBatch;
use serde_json::Value;

use crate::bucket::Bucket;
use crate::checkpoint::SinkMarks;
use crate::engine::StreamRows;
use crate::program::StreamId;

#[cfg(test)]
pub(crate) use csv::text as csv_text;
pub(crate) use file::take_back;
pub(crate) use layout::Layout;
pub(crate) use plan::{SinkPlan, SinkText, Target};
pub(crate) use remote::Network;

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

    /// Makes durable what was written so far. Returns what the sink has to know to go on from here after a restart.
    fn settle(&mut self) -> Result<Value> {
        Ok(Value::Null)
    }

    /// A checkpoint with what [`Self::settle`] returned is saved: it will not be taken back.
    fn saved(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Opens a sink. `is_named` says that several streams are printed to one place.
fn open(plan: SinkPlan, is_named: bool, mark: Option<&Value>, network: &Network) -> Result<Box<dyn Sink>> {
    let SinkPlan { layout, target, .. } = plan;
    Ok(match target {
        Target::Stdout(format) => text(BufWriter::new(io::stdout()), format, layout, is_named),
        Target::File(format, path) => {
            let folder = path.parent().unwrap_or(Path::new("."));
            fs::create_dir_all(folder).with_context(|| format!("cannot create the folder {}", folder.display()))?;
            Box::new(file::FileSink::open(&path, format, layout, mark)?)
        }
        Target::Parquet(folder) => Box::new(parquet::ParquetSink::open(Box::new(parts::Folder::open(&folder)?), layout, mark)?),
        Target::ParquetInBucket(place) => {
            let bucket = network.wait(Bucket::open(&place));
            let parts = parts::Objects::new(bucket, network.clone());
            Box::new(parquet::ParquetSink::open(Box::new(parts), layout, mark)?)
        }
        Target::Webhook(url) => Box::new(webhook::Webhook::new(url, layout, network.clone())?),
        Target::Kinesis(to) => Box::new(aws::AwsSink::kinesis(to, layout, network.clone())?),
        Target::Firehose(to) => Box::new(aws::AwsSink::firehose(to, layout, network.clone())?),
    })
}

/// All sinks of a run.
pub(crate) struct Sinks {
    outlets: Vec<Outlet>,
}

struct Outlet {
    stream: StreamId,
    key: String,
    sink: Box<dyn Sink>,
}

impl Sinks {
    /// Opens the sinks; those that `marks` knows go on from there. Waits for the network, so not from one of its threads.
    ///
    /// # Errors
    /// When one of them cannot be opened.
    pub(crate) fn open(plans: Vec<SinkPlan>, marks: &SinkMarks, network: &Network) -> Result<Self> {
        let printed = plans.iter().filter(|plan| matches!(plan.target, Target::Stdout(_))).count();
        let outlet = |plan: SinkPlan| {
            let (stream, key) = (plan.stream, plan.key());
            Ok(Outlet { stream, sink: open(plan, printed > 1, marks.get(&key), network)?, key })
        };
        Ok(Self { outlets: plans.into_iter().map(outlet).collect::<Result<_>>()? })
    }

    /// Writes what stands before the first rows.
    pub(crate) fn begin(&mut self) -> Result<()> {
        self.outlets.iter_mut().try_for_each(|outlet| outlet.sink.begin())
    }

    /// Writes rows of a stream to every sink of it.
    pub(crate) fn write(&mut self, rows: &StreamRows) -> Result<()> {
        let mut outlets = self.outlets.iter_mut().filter(|outlet| outlet.stream == rows.stream);
        outlets.try_for_each(|outlet| outlet.sink.write(&rows.rows))
    }

    /// Makes durable what was written so far, for a checkpoint.
    pub(crate) fn settle(&mut self) -> Result<SinkMarks> {
        let mut marks = SinkMarks::new();
        for outlet in &mut self.outlets {
            let mark = outlet.sink.settle()?;
            if !mark.is_null() {
                marks.insert(outlet.key.clone(), mark);
            }
        }
        Ok(marks)
    }

    /// The checkpoint is saved.
    pub(crate) fn saved(&mut self) -> Result<()> {
        self.outlets.iter_mut().try_for_each(|outlet| outlet.sink.saved())
    }
}

/// Rows as text.
fn text(out: impl Out + 'static, format: Format, layout: Layout, is_named: bool) -> Box<dyn Sink> {
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
