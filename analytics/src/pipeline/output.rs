//! The thread that writes: results to the sink, bad lines to their file and the log.

use anyhow::{Context, Result};
use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;

use crate::bad_lines::BadLines;
use crate::decode::BadLine;
use crate::engine::WindowResult;
use crate::sinks::{Sink, is_reader_gone};

/// What the engine has to say to the world.
pub(super) enum Report {
    Closed(WindowResult),
    BadLines(Vec<BadLine>),
}

/// Writes until the engine has ended. When writing fails, stops everything.
pub(super) fn run(reports: Receiver<Report>, sink: Box<dyn Sink>, bad_lines: BadLines, stop: &CancellationToken) -> Result<()> {
    let outcome = write(reports, sink, bad_lines);
    if outcome.is_err() {
        stop.cancel();
    }
    match outcome {
        Err(error) if is_reader_gone(&error) => Ok(()),
        other => other,
    }
}

fn write(mut reports: Receiver<Report>, mut sink: Box<dyn Sink>, mut bad_lines: BadLines) -> Result<()> {
    sink.begin().context("cannot write results")?;
    while let Some(report) = reports.blocking_recv() {
        match report {
            Report::Closed(result) => sink.write(&result).context("cannot write results")?,
            Report::BadLines(lines) => bad_lines.take(&lines)?,
        }
    }
    Ok(())
}
