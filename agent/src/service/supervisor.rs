//! The flows that run: starts and ends them, at the start and at each reload.
//!
//! A flow whose settings changed is drained first; its successor begins where its checkpoint ends. Flows that did not
//! change never notice. Nothing is ended before everything that can fail has succeeded.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::{Context as _, Result};
use tokio::{sync::mpsc, sync::oneshot, task::JoinError, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{
    changes::{self, Changes},
    reload::Reload,
};
use crate::{
    counters::Counters,
    memory,
    runner::{Prepared, Runner},
    settings::{FlowSettings, Settings},
};

/// Owns every flow's task.
pub(crate) struct Supervisor {
    runner: Runner,
    stop: CancellationToken,
    tasks: JoinSet<(String, Result<()>)>,
    /// Ends one flow alone.
    running: BTreeMap<String, CancellationToken>,
    /// What takes the place of a flow that drains; nothing when it was removed.
    draining: BTreeMap<String, Option<FlowSettings>>,
    /// Of every flow that ever ran.
    counters: Vec<Arc<Counters>>,
    /// The reload that waits for the flows to drain.
    pending: Option<(Changes, oneshot::Sender<Result<Changes>>)>,
}

impl Supervisor {
    pub(crate) fn new(runner: Runner, stop: CancellationToken) -> Self {
        Self {
            runner,
            stop,
            tasks: JoinSet::new(),
            running: BTreeMap::new(),
            draining: BTreeMap::new(),
            counters: Vec::new(),
            pending: None,
        }
    }

    /// Of every flow that ever ran.
    pub(crate) fn counters(&self) -> &[Arc<Counters>] {
        &self.counters
    }

    /// Starts flows.
    pub(crate) async fn start(&mut self, flows: Vec<Prepared>) {
        self.runner.learn_instance(&flows).await;
        for flow in flows {
            let (id, stop) = (flow.id().to_owned(), self.stop.child_token());
            self.counters.push(flow.counters());
            self.running.insert(id.clone(), stop.clone());
            let running = self.runner.run(flow, stop);
            self.tasks.spawn(async move { (id, running.await) });
        }
    }

    /// Ends what runs beside the flows, after `stop`.
    ///
    /// # Errors
    /// When some of it panicked.
    pub(crate) async fn finish(&mut self) -> Result<()> {
        self.runner.finish().await
    }

    /// Runs until every flow has ended. The first that fails stops the others, and is the one to report.
    pub(crate) async fn run(&mut self, mut current: Settings, mut reloads: mpsc::Receiver<Reload>) -> Result<()> {
        let (mut outcome, mut is_open) = (Ok(()), true);
        while !self.tasks.is_empty() {
            // Both branches may be cancelled: neither wait loses anything.
            tokio::select! {
                Some(finished) = self.tasks.join_next() => {
                    if let Err(error) = self.finished(finished).await {
                        self.stop.cancel();
                        outcome = outcome.and(Err(error));
                    }
                }
                reload = reloads.recv(), if is_open && self.pending.is_none() => match reload {
                    Some(reload) if self.stop.is_cancelled() => drop(reload),
                    Some(reload) => self.reload(&mut current, reload).await,
                    None => is_open = false,
                },
            }
            self.answer();
        }
        outcome
    }

    /// Changes to new settings, or says why not and changes nothing.
    async fn reload(&mut self, current: &mut Settings, Reload { mut settings, done }: Reload) {
        let changes = changes::between(&current.written, &settings.written);
        if !changes.agent_keys.is_empty() {
            warn!("{} changed: a restart is needed for that to take effect", changes.agent_keys.join(", "));
        }
        memory::fit(&mut settings.flows, current.max_memory_bytes);
        let with_id = |id: &String| settings.flows.iter().find(|flow| flow.id == *id).cloned();
        let added = changes.added.iter().filter_map(with_id);
        match self.runner.prepare(added).await {
            Ok(added) => self.start(added).await,
            Err(error) => {
                let _ = done.send(Err(error)); // who asked may be gone
                return;
            }
        }
        let successors = changes.changed.iter().map(|id| (id, with_id(id)));
        for (id, successor) in changes.removed.iter().map(|id| (id, None)).chain(successors) {
            if let Some(stop) = self.running.get(id) {
                info!(
                    flow = id,
                    "ending the flow: its settings were {}",
                    if successor.is_some() { "changed" } else { "removed" }
                );
                self.draining.insert(id.clone(), successor);
                stop.cancel();
            }
        }
        current.flows = settings.flows;
        current.written.flows = settings.written.flows; // the agent's own keys are still the old ones
        self.pending = Some((changes, done));
    }

    /// Answers a reload once nothing drains any more.
    fn answer(&mut self) {
        if self.draining.is_empty()
            && let Some((changes, done)) = self.pending.take()
        {
            let _ = done.send(Ok(changes)); // who asked may be gone
        }
    }

    /// A flow has ended: its successor starts, if it has one.
    async fn finished(&mut self, finished: Result<(String, Result<()>), JoinError>) -> Result<()> {
        let (id, outcome) = finished.context("a flow panicked")?;
        self.running.remove(&id);
        let successor = self.draining.remove(&id);
        if successor.is_some() {
            self.runner.forget(&id);
        }
        outcome?;
        if let Some(Some(successor)) = successor
            && !self.stop.is_cancelled()
        {
            let prepared = self.runner.prepare([successor]).await?;
            self.start(prepared).await;
        }
        Ok(())
    }
}
