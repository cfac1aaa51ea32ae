//! The thread that writes: results to the sink, bad lines to their file and the log.

use anyhow::{Context, Result};
use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;

use crate::bad_lines::BadLines;
use crate::decode::BadLine;
use crate::engine::StreamRows;
use crate::sinks::{Sinks, is_reader_gone};

/// What the engine has to say to the world.
pub(super) enum Report {
    Rows(StreamRows),
    BadLines(Vec<BadLine>),
}

/// Writes until the engine has ended. When writing fails, stops everything.
pub(super) fn run(reports: Receiver<Report>, sinks: Sinks, bad_lines: BadLines, stop: &CancellationToken) -> Result<()> {
    let outcome = write(reports, sinks, bad_lines);
    if outcome.is_err() {
        stop.cancel();
    }
    match outcome {
        Err(error) if is_reader_gone(&error) => Ok(()),
        other => other,
    }
}

fn write(mut reports: Receiver<Report>, mut sinks: Sinks, mut bad_lines: BadLines) -> Result<()> {
    sinks.begin().context("cannot write results")?;
    while let Some(report) = reports.blocking_recv() {
        match report {
            Report::Rows(rows) => sinks.write(&rows).context("cannot write results")?,
            Report::BadLines(lines) => bad_lines.take(&lines)?,
        }
    }
    Ok(())
}
