//! The loop of the one task that owns all window state.

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::Result;
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::Summary;
use super::checkpoints::Checkpoints;
use super::output::Report;
use super::pace::Pace;
use super::workers::InTurn;
use crate::clock::now_ms;
use crate::decode::{Decoded, ShardEvent};
use crate::engine::{Engine, Output, Totals};
use crate::live::SnapshotRequest;

/// How often the clock is looked at: windows of quiet shards close this late at most.
const TICK: Duration = Duration::from_millis(200);

pub(super) struct EngineTask {
    pub(super) engine: Engine,
    pub(super) decoded: InTurn,
    pub(super) requests: Receiver<SnapshotRequest>,
    pub(super) reports: Sender<Report>,
    pub(super) until_idle: Option<Duration>,
    pub(super) checkpoints: Checkpoints,
    pub(super) totals: watch::Sender<Totals>,
    pub(super) pace: Option<Pace>,
    /// Rows that are not due yet; nothing more is taken until they have gone on.
    pub(super) early: VecDeque<(Instant, Decoded)>,
    pub(super) stop: CancellationToken,
}

impl EngineTask {
    /// Runs on a thread of its own, so that network tasks never wait for a query.
    pub(super) fn run(mut self) -> Result<Summary> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        runtime.block_on(self.work())
    }

    async fn work(&mut self) -> Result<Summary> {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last_rows_at = Instant::now();
        let is_complete = loop {
            let next_due = self.early.front().map(|(due, _)| *due);
            tokio::select! {
                decoded = self.decoded.next(), if next_due.is_none() => match decoded {
                    Some(decoded) => {
                        if matches!(decoded.event, ShardEvent::Rows(_)) {
                            last_rows_at = Instant::now();
                        }
                        match &mut self.pace {
                            Some(pace) => self.early.extend(pace.cut(decoded, Instant::now())),
                            None => self.handle(decoded).await?,
                        }
                        self.checkpoint_if_time().await?;
                    }
                    None => break !self.stop.is_cancelled(),
                },
                () = tokio::time::sleep_until(next_due.unwrap_or_else(Instant::now)), if next_due.is_some() => {
                    if let Some((_, decoded)) = self.early.pop_front() {
                        self.handle(decoded).await?;
                    }
                }
                () = self.stop.cancelled(), if next_due.is_some() => break false,
                Some(reply) = self.requests.recv() => {
                    let _ = reply.send(self.engine.snapshot()?); // the reader may have gone
                }
                _ = tick.tick() => {
                    let output = self.engine.tick(now_ms())?;
                    self.totals.send_replace(self.engine.totals());
                    self.report(output).await;
                    self.checkpoint_if_time().await?;
                    if self.until_idle.is_some_and(|limit| last_rows_at.elapsed() >= limit) {
                        info!("no record has come for the time of --until-idle; closing all windows");
                        break true;
                    }
                }
            }
        };
        self.end(is_complete).await
    }

    /// Closes what is open when the input has ended; leaves it when the work was stopped in the middle.
    async fn end(&mut self, is_complete: bool) -> Result<Summary> {
        let open_windows = self.engine.open_windows();
        let is_kept = self.checkpoints.is_kept;
        if is_complete {
            self.stop.cancel(); // the source of a stream does not know that it is over
            let output = self.engine.finish(now_ms())?;
            self.report(output).await;
        }
        let draft = self.checkpoints.draft(&mut self.engine)?;
        let _ = self.reports.send(Report::Settle(draft)).await;
        Ok(Summary { stats: self.engine.stats(), is_complete, open_windows, is_kept })
    }

    async fn checkpoint_if_time(&mut self) -> Result<()> {
        if self.checkpoints.is_time() {
            let draft = self.checkpoints.draft(&mut self.engine)?;
            let _ = self.reports.send(Report::Settle(draft)).await; // a failed output stops everything itself
        }
        Ok(())
    }

    async fn handle(&mut self, mut decoded: Decoded) -> Result<()> {
        let (shard, mark) = (decoded.shard, decoded.mark.take());
        let output = self.engine.handle(decoded, now_ms())?;
        self.report(output).await;
        self.checkpoints.passed(shard, mark);
        Ok(())
    }

    async fn report(&self, output: Output) {
        if !output.bad_lines.is_empty() {
            let _ = self.reports.send(Report::BadLines(output.bad_lines)).await; // a failed output stops everything itself
        }
        for rows in output.rows {
            let _ = self.reports.send(Report::Rows(rows)).await;
        }
    }
}
