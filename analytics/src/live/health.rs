//! How the service is, for those who operate it. Never asks the engine, which may be waiting for a blocked sink.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::checkpoint::Saved;
use crate::engine::Totals;

/// What an instance is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Not ready yet.
    #[default]
    Starting,
    /// Another instance is active.
    StandingBy,
    Running,
    Stopping,
}

/// How far each shard is behind its end, as the service tells it with each answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Behind {
    shards: Arc<Mutex<BTreeMap<String, i64>>>, // a lock, because many readers tell one number each
    /// Tells shards of one name in several streams apart.
    prefix: String,
}

impl Behind {
    /// The same, for shards of this input of several.
    pub(crate) fn of_input(&self, name: &str) -> Self {
        Self { shards: self.shards.clone(), prefix: format!("{name}/") }
    }

    /// A shard is this far behind.
    pub(crate) fn tell(&self, shard: &str, ms: i64) {
        self.shards().insert(format!("{}{shard}", self.prefix), ms);
    }

    /// A shard has been read to its end.
    pub(crate) fn ended(&self, shard: &str) {
        self.shards().remove(&format!("{}{shard}", self.prefix));
    }

    /// Milliseconds by shard.
    pub(crate) fn all(&self) -> BTreeMap<String, i64> {
        self.shards().clone()
    }

    fn shards(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, i64>> {
        self.shards.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What each part last told.
#[derive(Debug, Clone)]
pub(crate) struct Health {
    pub(crate) phase: watch::Receiver<Phase>,
    pub(crate) totals: watch::Receiver<Totals>,
    pub(crate) saved: watch::Receiver<Saved>,
    /// The sink that takes nothing, and why.
    pub(crate) blocked: watch::Receiver<Option<String>>,
    pub(crate) behind: Behind,
    pub(crate) has_checkpoints: bool,
}

/// The ends where parts tell how they are.
pub(crate) struct Told {
    pub(crate) phase: watch::Sender<Phase>,
    pub(crate) totals: watch::Sender<Totals>,
    pub(crate) saved: watch::Sender<Saved>,
    pub(crate) blocked: watch::Sender<Option<String>>,
}

impl Told {
    /// Nothing has been told yet.
    pub(crate) fn new(has_checkpoints: bool) -> (Self, Health) {
        let told = Self {
            phase: watch::Sender::default(),
            totals: watch::Sender::default(),
            saved: watch::Sender::default(),
            blocked: watch::Sender::default(),
        };
        let health = Health {
            phase: told.phase.subscribe(),
            totals: told.totals.subscribe(),
            saved: told.saved.subscribe(),
            blocked: told.blocked.subscribe(),
            behind: Behind::default(),
            has_checkpoints,
        };
        (told, health)
    }
}

impl Health {
    /// Why it cannot do its work now; None when it can.
    pub(crate) fn hindrance(&self) -> Option<String> {
        match *self.phase.borrow() {
            Phase::Starting => Some("starting: the source is not connected yet".to_owned()),
            Phase::StandingBy => Some("standing by: another instance is active".to_owned()),
            Phase::Stopping => Some("stopping".to_owned()),
            Phase::Running => self.blocked.borrow().as_ref().map(|sink| format!("a sink is blocked: {sink}")),
        }
    }
}
