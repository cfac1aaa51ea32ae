//! The thread that writes: results to the sinks, bad lines to their file and the log, and checkpoints when all that
//! belongs to them is written.

use anyhow::{Context, Result};
use tokio::sync::mpsc::Receiver;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error};

use crate::bad_lines::BadLines;
use crate::checkpoint::{CheckpointStore, Draft, Saved};
use crate::clock::now_ms;
use crate::decode::BadLine;
use crate::engine::StreamRows;
use crate::sinks::{Sinks, is_reader_gone};

/// What the engine has to say to the world.
pub(super) enum Report {
    Rows(StreamRows),
    BadLines(Vec<BadLine>),
    /// Everything before belongs to this checkpoint. None: there are no checkpoints, and sinks may finish their files.
    Settle(Option<Box<Draft>>),
}

/// Where everything is written.
pub(super) struct Output {
    pub(super) sinks: Sinks,
    pub(super) bad_lines: BadLines,
    pub(super) store: Option<CheckpointStore>,
    pub(super) saved: watch::Sender<Saved>,
}

impl Output {
    /// Writes until the engine has ended. When writing fails, stops everything.
    pub(super) fn run(mut self, reports: Receiver<Report>, stop: &CancellationToken) -> Result<()> {
        let outcome = self.write(reports);
        if outcome.is_err() {
            stop.cancel();
        }
        if let Some(store) = self.store.take() {
            store.release();
        }
        match outcome {
            Err(error) if is_reader_gone(&error) => Ok(()),
            other => other,
        }
    }

    fn write(&mut self, mut reports: Receiver<Report>) -> Result<()> {
        self.sinks.begin().context("cannot write results")?;
        let mut last_save = Ok(());
        while let Some(report) = reports.blocking_recv() {
            match report {
                Report::Rows(rows) => self.sinks.write(&rows).context("cannot write results")?,
                Report::BadLines(lines) => self.bad_lines.take(&lines)?,
                Report::Settle(draft) => last_save = self.settle(draft)?,
            }
        }
        last_save // the one of the end has to be there
    }

    /// Finishes what was written, and saves the checkpoint that it belongs to. The inner result tells whether it could be
    /// saved: the next one may, so that ends nothing.
    fn settle(&mut self, draft: Option<Box<Draft>>) -> Result<Result<()>> {
        let mut marks = self.sinks.settle().context("cannot write results")?;
        self.bad_lines.settle(&mut marks)?;
        if let (Some(store), Some(draft)) = (&mut self.store, draft) {
            let number = draft.number;
            match store.save(*draft, marks) {
                Ok(bytes) => {
                    debug!(number, bytes, "saved a checkpoint");
                    self.saved.send_modify(|saved| *saved = Saved { number, at_ms: now_ms(), bytes, tried: number, ..*saved });
                }
                Err(failure) => {
                    error!(number, error = format!("{failure:#}"), "the checkpoint is not saved; the one before still stands");
                    self.saved.send_modify(|saved| *saved = Saved { failures: saved.failures + 1, tried: number, ..*saved });
                    return Ok(Err(failure));
                }
            }
        }
        self.sinks.saved().context("cannot write results")?;
        Ok(Ok(()))
    }
}
