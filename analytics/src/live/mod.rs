//! Live results for readers outside: open windows and the latest closed ones.
//!
//! A reader asks the engine's task for a snapshot and gets its own copy, so a slow reader affects only itself.

mod health;
mod http;
mod metrics;
mod rows;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::Instant;

use crate::engine::Snapshot;
use crate::program::StreamId;

pub(crate) use health::{Behind, Health, Phase, Told};
pub(crate) use http::serve;

/// Asks the engine for a snapshot.
pub(crate) type SnapshotRequest = oneshot::Sender<Snapshot>;

/// How long a snapshot is shared between readers: bounds the engine's work however many ask.
const SNAPSHOT_LIFE: Duration = Duration::from_millis(200);

/// A stream that readers see, under its name.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    pub(crate) name: String,
    pub(crate) stream: StreamId,
    /// Columns that readers get.
    pub(crate) columns: Vec<usize>,
}

/// A handle that every reader clones.
#[derive(Clone)]
pub(crate) struct LiveTables {
    shown: Arc<[Shown]>,
    engine: mpsc::Sender<SnapshotRequest>,
    pub(crate) health: Health,
    // A lock, not a task: it holds one value that readers share, and is held only while one of them refreshes it.
    latest: Arc<Mutex<Option<Taken>>>,
}

/// A snapshot and when it was taken.
struct Taken {
    at: Instant,
    snapshot: Arc<Snapshot>,
}

impl LiveTables {
    pub(crate) fn new(shown: Vec<Shown>, engine: mpsc::Sender<SnapshotRequest>, health: Health) -> Self {
        Self { shown: shown.into(), engine, health, latest: Arc::default() }
    }

    /// The stream of this name.
    pub(crate) fn find(&self, name: &str) -> Option<&Shown> {
        self.shown.iter().find(|shown| shown.name == name)
    }

    /// The names of all streams.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.shown.iter().map(|shown| shown.name.as_str()).collect()
    }

    /// The state of all windows, at most [`SNAPSHOT_LIFE`] old.
    ///
    /// # Errors
    /// When the engine has stopped.
    pub(crate) async fn snapshot(&self) -> Result<Arc<Snapshot>> {
        if matches!(*self.health.phase.borrow(), Phase::Starting | Phase::StandingBy) {
            bail!("this instance is starting or standing by");
        }
        let mut latest = self.latest.lock().await;
        if let Some(taken) = latest.as_ref().filter(|taken| taken.at.elapsed() < SNAPSHOT_LIFE) {
            return Ok(taken.snapshot.clone());
        }
        let (reply, answer) = oneshot::channel();
        self.engine.send(reply).await.context("the engine has stopped")?;
        let snapshot = Arc::new(answer.await.context("the engine has stopped")?);
        *latest = Some(Taken { at: Instant::now(), snapshot: snapshot.clone() });
        Ok(snapshot)
    }
}
