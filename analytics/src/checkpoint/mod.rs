//! Checkpoints: the state of every operator and where the source and the sinks stand, all of one instant, in one file.
//!
//! ```text
//! engine ─ image, marks of the source ─▶ Draft ─┐ travels behind the rows of its instant
//! sinks ─ how far they have written ────────────┴▶ contents ─▶ format (bytes) ─┬▶ folder (temporary file, fsync, rename)
//!                                                                             └▶ bucket (conditional write; owner)
//! ```
//!
//! A restart goes on from the last file: it reads again what came after, and yields the same windows again. A sink that
//! can take back what it wrote after the checkpoint, or has kept it apart until then, shows each window once.

mod bucket;
mod contents;
mod folder;
mod format;
mod owner;
mod place;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::chunk::{Mark, ShardId};
use crate::engine::{EngineImage, Facts};
use folder::CheckpointFolder;
#[cfg(test)]
pub(crate) use format::round_trip;
pub(crate) use place::{CheckpointPlace, CheckpointStore};

/// Where checkpoints go.
#[derive(Debug, Clone)]
pub(crate) struct CheckpointSettings {
    pub(crate) place: CheckpointPlace,
    /// Forget what it has.
    pub(crate) is_fresh: bool,
}

/// What a state belongs to: another program or another input cannot go on from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    /// Stands for the operators and the columns; not for comments and blanks.
    pub(crate) program: String,
    pub(crate) inputs: Vec<String>,
}

/// What the engine has to say at one instant.
#[derive(Debug)]
pub(crate) struct Draft {
    /// Counts checkpoints of an application, over restarts.
    pub(crate) number: u64,
    /// Where the source stands, for each of its shards.
    pub(crate) marks: BTreeMap<ShardId, Mark>,
    pub(crate) image: EngineImage,
}

/// For each sink that needs it, what it has to know after a restart.
pub(crate) type SinkMarks = BTreeMap<String, Value>;

/// A checkpoint that was read.
#[derive(Debug)]
pub(crate) struct Checkpoint {
    pub(crate) number: u64,
    pub(crate) marks: BTreeMap<ShardId, Mark>,
    pub(crate) sinks: SinkMarks,
    pub(crate) image: EngineImage,
}

/// The last checkpoint that was saved.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Saved {
    pub(crate) number: u64,
    pub(crate) at_ms: i64,
    pub(crate) bytes: u64,
    /// Checkpoints that could not be saved since the start.
    pub(crate) failures: u64,
    /// The last one that was tried, saved or not.
    pub(crate) tried: u64,
}

/// Everything in the file but the tables.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    /// Versions of this program and of DataFusion, whose state is its own.
    written_by: String,
    identity: Identity,
    number: u64,
    marks: Vec<(ShardId, Mark)>,
    sinks: SinkMarks,
    facts: Facts,
    tables: usize,
}

/// The versions that read and write the same state.
fn versions() -> String {
    format!("weir {} with DataFusion {}", env!("CARGO_PKG_VERSION"), datafusion::DATAFUSION_VERSION)
}
