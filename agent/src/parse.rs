//! `agent parse FILE`: what would be sent for a file.
//!
//! Records go to the standard output byte for byte, or as one JSON object each with `--json`; what is not sent, and why,
//! is only in the JSON. How many of each there were is said on the standard error.

use std::io::{self, Write};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use clap::Args;
use config::exit::Failure;
use serde_json::{Value, json};

use crate::{
    pack::Packer,
    recipe::Made,
    record::{Record, Rejection},
    rehearsal::{Source, unless_pipe_closed},
};

/// What the user typed.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    source: Source,
    /// One JSON object for each record and each line that is not sent
    #[arg(long)]
    json: bool,
}

/// Prints what would be sent.
///
/// # Errors
/// When the settings or the flow are wrong, or the file cannot be read.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let flow = arguments.source.flow()?;
    let out = io::BufWriter::new(io::stdout().lock());
    let mut printer =
        Printer { out, is_json: arguments.json, packer: flow.records.packing.map(Packer::new), counts: Counts::default() };
    let read = arguments.source.read(&flow, |made| printer.take(made));
    unless_pipe_closed(read.and_then(|is_unfinished| {
        printer.finish()?;
        let Counts { records, lines, dropped, rejected, bytes } = printer.counts;
        let mut err = io::stderr().lock();
        writeln!(err, "flow {}", flow.id)?;
        writeln!(err, "{records} records of {lines} lines, {bytes} bytes; {dropped} dropped, {rejected} dead letters")?;
        if is_unfinished {
            writeln!(err, "the last line has no end yet: it is sent when it has one, or when the file is rotated")?;
        }
        Ok(())
    }))
}

#[derive(Debug, Default)]
struct Counts {
    records: u64,
    lines: u64,
    dropped: u64,
    rejected: u64,
    bytes: u64,
}

struct Printer<W> {
    out: W,
    is_json: bool,
    packer: Option<Packer>,
    counts: Counts,
}

impl<W: Write> Printer<W> {
    fn take(&mut self, made: Made) -> io::Result<()> {
        match made {
            Made::Record(record) => {
                let ready = match &mut self.packer {
                    Some(packer) => packer.push(record),
                    None => Some(record),
                };
                ready.map_or(Ok(()), |record| self.print(&record))
            }
            Made::Rejected(reason, line) => {
                self.counts.rejected += 1;
                self.explain("deadletter", reason, line.start(), line.end)
            }
            Made::Dropped { reason, start, end } => {
                self.counts.dropped += 1;
                self.explain("dropped", reason, start, end)
            }
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        if let Some(record) = self.packer.as_mut().and_then(Packer::take) {
            self.print(&record)?;
        }
        self.out.flush()
    }

    fn print(&mut self, record: &Record) -> io::Result<()> {
        self.counts.records += 1;
        self.counts.lines += record.lines() as u64;
        self.counts.bytes += record.data.len() as u64;
        if !self.is_json {
            return self.out.write_all(&record.data);
        }
        let start = record.packed.as_ref().map_or(record.start(), |packed| packed.start());
        let (key, value) = data(&record.data);
        let line = json!({
            "outcome": "sent", "offset": start, "end": record.end, "lines": record.lines(), "size": record.size(),
            "partition_key": record.key.to_string(), key: value,
        });
        writeln!(self.out, "{line}")
    }

    fn explain(&mut self, outcome: &str, reason: Rejection, start: u64, end: u64) -> io::Result<()> {
        if !self.is_json {
            return Ok(());
        }
        let line = json!({"outcome": outcome, "reason": reason.to_string(), "offset": start, "end": end});
        writeln!(self.out, "{line}")
    }
}

/// Bytes as text where they are one.
fn data(bytes: &[u8]) -> (&'static str, Value) {
    match str::from_utf8(bytes) {
        Ok(text) => ("data", text.into()),
        Err(_) => ("data_base64", BASE64_STANDARD.encode(bytes).into()),
    }
}
