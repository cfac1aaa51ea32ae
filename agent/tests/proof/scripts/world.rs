//! Carries a script out: real files, a real agent, a model of what must arrive.
//!
//! What the scripts leave out, and why:
//! - Truncating, deleting, compressing or moving out of sight what has not arrived, except while the agent runs and
//!   has the file open ([`Action::TakeWhileBehind`]): nobody can read what is nowhere any more. Likewise a link is
//!   swapped only when the old target has arrived, and nothing is killed until what was taken away has arrived.
//!   Lines that are appended to an old target after that are nowhere the agent looks.
//! - Truncating and refilling with the same first bytes: lines are numbered, so that cannot happen here.
//! - Appending behind an unfinished last line that was rotated away: after a grace period it counts as finished.
//! - A log that is rotated by rename and by copying in turn may be sent again in part: its dated names do not say
//!   which copy is which. For such logs only losses and foreign lines count.
//! - Deleting a live file that was copied and truncated and has got no line since: if the agent looks only then, the
//!   copy's original is nowhere, and a short copy is sent as a file of its own.
//! - What was copied and truncated before it arrived may come again: if the agent sees the log for the first time
//!   between the two, it sees two new files.
//! - A plain copy may be sent again: if its original is rotated away before the agent looks, nothing tells it from a
//!   new file.

use std::{io, time::Duration};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use tests::recorder::Reply;

use super::action::{Action, Flow, Rotator, Script};
use crate::{
    log::Log,
    rig::{DEADLINE, Rig, flow, with},
};

/// A script that is being carried out.
pub(crate) struct World {
    pub(crate) rig: Rig,
    /// Each log and the stream it is for.
    logs: Vec<(Log, String)>,
    rotators: Vec<Rotator>,
}

/// What a script that held left behind.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) lines: usize,
    pub(crate) requests: usize,
    pub(crate) doubled: usize,
    pub(crate) excused: usize,
}

impl World {
    /// The agent runs and has taken its baseline: no log exists yet.
    pub(crate) async fn create(script: &Script) -> Result<Self> {
        let mut rig = Rig::create().await?;
        let stream = |index: usize| format!("stream-{index}");
        let settings = |(index, flow): (usize, &Flow)| flow_settings(&rig, flow, &stream(index));
        let flows = script.flows.iter().enumerate().map(settings).collect();
        rig.settings(flows, json!({}))?;
        let rotators = script.flows.iter().flat_map(|flow| flow.logs.iter().map(|_| flow.rotator)).collect();
        let logs = script.flows.iter().enumerate();
        let logs = logs.flat_map(|(index, flow)| flow.logs.iter().map(move |name| (index, flow, *name)));
        let logs = logs.map(|(index, flow, name)| (Log::new(&rig.logs(), name, flow.style), stream(index))).collect();
        rig.start()?;
        // Whatever is written before that, END_OF_FILE skips by right.
        rig.baseline(script.flows.len()).await?;
        Ok(Self { rig, logs, rotators })
    }

    /// One step.
    pub(crate) async fn act(&mut self, action: &Action) -> Result<()> {
        match action {
            Action::Settle => self.settle_if_running().await,
            Action::Pause(time) => {
                tokio::time::sleep(*time).await; // lets the agent see what is between two steps
                Ok(())
            }
            Action::Kill(after) => self.kill(*after).await,
            Action::Stop if self.rig.is_running() => self.rig.stop().await.map(drop),
            Action::Start if !self.rig.is_running() => self.rig.start(),
            Action::Stop | Action::Start => Ok(()),
            Action::Faults(replies) => {
                self.rig.recorder.reply_next(replies.clone());
                Ok(())
            }
            Action::Outage(time) => self.outage(*time).await,
            _ => self.change_file(action).await,
        }
    }

    async fn change_file(&mut self, action: &Action) -> Result<()> {
        match action {
            Action::Append { log, lines, padding } => self.logs[*log].0.append(*lines, *padding)?,
            Action::AppendPart { log } => self.logs[*log].0.append_part()?,
            Action::Rotate { log } => self.rotate(*log, false).await?,
            Action::RotateAndFinish { log } => self.rotate(*log, true).await?,
            Action::AppendLate { log, lines } => self.logs[*log].0.append_late(*lines)?,
            Action::CopyTruncate { log } if self.rotators[*log] != Rotator::Rename => self.copy_truncate(*log)?,
            Action::CopyTruncate { log } => self.rotate(*log, false).await?,
            Action::Copy { log } => self.copy(*log)?,
            Action::TakeWhileBehind { log, lines, delete } => self.take_while_behind(*log, *lines, *delete).await?,
            Action::CompressWhileDown { log, lines } => self.compress_while_down(*log, *lines).await?,
            _ => return self.remove_what_arrived(action).await,
        }
        Ok(())
    }

    async fn remove_what_arrived(&mut self, action: &Action) -> Result<()> {
        if !self.rig.is_running() {
            return Ok(());
        }
        self.settle().await?;
        match action {
            Action::TruncateRefill { log, lines } => self.logs[*log].0.truncate(*lines)?,
            Action::DeleteLive { log } if self.logs[*log].0.was_emptied() => {}
            Action::DeleteLive { log } => self.logs[*log].0.delete_live()?,
            Action::DeleteOldest { log } => self.with_oldest(*log, |_, path| std::fs::remove_file(path))?,
            Action::CompressOldest { log } => self.with_oldest(*log, Log::compress)?,
            Action::MoveOldest { log } => self.with_oldest(*log, Log::move_away)?,
            other => unreachable!("{other:?} is handled before"),
        }
        Ok(())
    }

    fn with_oldest(&mut self, log: usize, act: impl FnOnce(&mut Log, &std::path::Path) -> io::Result<()>) -> io::Result<()> {
        let log = &mut self.logs[log].0;
        match log.oldest() {
            Some(path) => act(log, &path),
            None => Ok(()),
        }
    }

    async fn rotate(&mut self, log: usize, finish: bool) -> Result<()> {
        if !self.logs[log].0.is_linked() {
            return match self.rotators[log] {
                Rotator::CopyTruncate => self.copy_truncate(log),
                Rotator::Rename | Rotator::Both => Ok(self.logs[log].0.rotate(finish)?),
            };
        }
        if self.rig.is_running() {
            if finish && self.logs[log].0.has_part() {
                self.logs[log].0.append(1, 0)?;
            }
            self.settle().await?;
            self.logs[log].0.rotate(false)?;
        }
        Ok(())
    }

    fn copy(&mut self, log: usize) -> Result<()> {
        let (log, stream) = &mut self.logs[log];
        let copy = log.copy()?;
        let lines = copy.split_inclusive(|byte| *byte == b'\n');
        self.rig.recorder.ledger(|ledger| ledger.exempt(stream, lines));
        Ok(())
    }

    fn copy_truncate(&mut self, log: usize) -> Result<()> {
        let (log, stream) = &mut self.logs[log];
        let content = std::fs::read(log.live()).unwrap_or_default();
        self.rig.recorder.ledger(|ledger| {
            let lines = content.split_inclusive(|byte| *byte == b'\n');
            let new: Vec<&[u8]> = lines.filter(|line| !ledger.has(stream, line)).collect();
            ledger.exempt(stream, new);
        });
        Ok(log.copy_truncate()?)
    }

    async fn take_while_behind(&mut self, log: usize, lines: usize, delete: bool) -> Result<()> {
        if !self.rig.is_running() || self.logs[log].0.is_linked() {
            return Ok(());
        }
        // The agent has the file open once a line of it arrived. What is appended then must arrive too, although
        // nothing is accepted before the file is gone.
        self.logs[log].0.append(1, 0)?;
        self.settle().await?;
        self.rig.recorder.reply_always(Some(Reply::Throttle(u64::MAX)));
        self.logs[log].0.append(lines, 0)?;
        let live = self.logs[log].0.live();
        match delete {
            true => self.logs[log].0.delete_live()?,
            false => self.logs[log].0.move_away(&live)?,
        }
        self.rig.recorder.heal();
        self.settle().await
    }

    async fn compress_while_down(&mut self, log: usize, lines: usize) -> Result<()> {
        let is_renamed = self.rotators[log] != Rotator::CopyTruncate && !self.logs[log].0.is_linked();
        if !self.rig.is_running() || !is_renamed || self.logs[log].0.has_part() {
            return Ok(());
        }
        // The agent knows the file once a line of it arrived. The rest of it is in the compressed file only.
        self.logs[log].0.append(1, 0)?;
        self.settle().await?;
        self.rig.stop().await?;
        let (log, _) = &mut self.logs[log];
        log.append(lines, 0)?;
        log.rotate(false)?;
        let rotated = log.rotated().into_iter().next().context("it was rotated")?;
        log.compress(&rotated)?;
        self.rig.start()?;
        self.settle().await
    }

    async fn kill(&mut self, after: Duration) -> Result<()> {
        if !self.rig.is_running() {
            return Ok(());
        }
        tokio::time::sleep(after).await; // not a wait for anything: a crash may come at any time
        self.rig.kill().await
    }

    async fn outage(&mut self, time: Duration) -> Result<()> {
        self.rig.recorder.close().await;
        tokio::time::sleep(time).await; // how long it lasts
        self.rig.recorder.open().await
    }

    async fn settle_if_running(&mut self) -> Result<()> {
        if self.rig.is_running() { self.settle().await } else { Ok(()) }
    }

    async fn settle(&mut self) -> Result<()> {
        for (log, stream) in &self.logs {
            self.rig.recorder.until_all(stream, &log.written, DEADLINE).await?;
        }
        Ok(())
    }

    /// Ends the script and checks everything it promised.
    pub(crate) async fn finish(&mut self, script: &Script) -> Result<Tally> {
        self.rig.recorder.heal();
        if !self.rig.is_running() {
            self.rig.start()?;
        }
        let again = self.rig.stop_twice().await?;
        let has_copies = script.actions.iter().any(|action| matches!(action, Action::Copy { .. }));
        let is_mixed = self.rotators.contains(&Rotator::Both);
        ensure!(again == 0 || has_copies || is_mixed, "{again} records were sent again after a clean stop");
        let mut tally = Tally { requests: self.rig.recorder.requests(), ..Tally::default() };
        for (index, flow) in script.flows.iter().enumerate() {
            let stream = format!("stream-{index}");
            let logs = || self.logs.iter().filter(|(_, of)| *of == stream).map(|(log, _)| log);
            let written: Vec<Vec<u8>> = logs().flat_map(|log| log.written.clone()).collect();
            let possible = logs().flat_map(|log| log.possible.clone()).collect();
            let mut verdict = self.rig.recorder.ledger(|ledger| ledger.verdict(&stream, &written, &possible));
            if flow.rotator == Rotator::Both {
                verdict.repeated.clear();
            }
            ensure!(verdict.is_good(), "{stream}: {verdict:#?}");
            tally.lines += written.len();
            tally.doubled += verdict.doubled;
            tally.excused += verdict.excused;
        }
        Ok(tally)
    }
}

fn flow_settings(rig: &Rig, of: &Flow, stream: &str) -> serde_json::Value {
    let position = if of.from_end { "END_OF_FILE" } else { "START_OF_FILE" };
    let more = json!({ "initialPosition": position, "maxBufferSizeRecords": of.max_records });
    let mut settings = with(flow(&rig.log(&of.pattern).to_string_lossy(), stream), more);
    if of.is_firehose
        && let Some(name) = settings.as_object_mut().and_then(|flow| flow.remove("kinesisStream"))
    {
        settings["deliveryStream"] = name;
    }
    settings
}

/// Runs one script from its beginning to its end.
pub(crate) async fn run(script: &Script) -> Result<Tally> {
    let mut world = World::create(script).await?;
    let outcome = async {
        for action in &script.actions {
            world.act(action).await.with_context(|| format!("at {action:?}"))?;
        }
        world.finish(script).await
    };
    match outcome.await {
        Ok(tally) => Ok(tally),
        Err(error) => {
            let history = world.rig.history();
            let folder = world.rig.keep();
            Err(error.context(format!("files are kept in {}\n{history}\n", folder.display())))
        }
    }
}
