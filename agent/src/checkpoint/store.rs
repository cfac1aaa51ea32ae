//! Reads and writes checkpoints, and keeps a second agent away from them.
//!
//! A checkpoint is written to a temporary file that then takes the old one's name, so a reader sees one or the
//! other whole. It is synced, so it survives the end of the machine. What [`Recent`] holds survives the end of the process.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use md5::{Digest as _, Md5};

use super::{
    recent::{self, Recent},
    state::{FlowState, VERSION},
};

/// Why checkpoints cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckpointError {
    /// The state directory cannot be made or opened.
    #[error("cannot use state directory {}; create it for the agent's user, or choose another with --state-dir", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another agent has the state directory.
    #[error("another agent is running with state directory {}; stop it, or choose another with --state-dir", path.display())]
    Locked {
        /// The directory.
        path: PathBuf,
    },
    /// The checkpoint is there but cannot be read.
    #[error("cannot read checkpoint {}; check that the agent may read it", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The checkpoint makes no sense.
    #[error(
        "checkpoint {} is damaged ({reason}); restore it from a backup, or move it away: the flow then starts afresh at initialPosition",
        path.display()
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// The checkpoint cannot be written.
    #[error("cannot save checkpoint {}; check that the agent may write there and the disk has room", path.display())]
    Save {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The state directory, locked as long as this lives.
#[derive(Debug)]
pub(crate) struct StateDirectory {
    path: PathBuf,
    _lock: File,
}

impl StateDirectory {
    /// Creates the directory if need be and locks it.
    ///
    /// # Errors
    /// When it cannot be used, or another agent has it.
    pub(crate) fn open(path: &Path) -> Result<Self, CheckpointError> {
        let failed = |source| CheckpointError::Directory { path: path.to_owned(), source };
        fs::create_dir_all(path).map_err(failed)?;
        let options = OpenOptions::new().create(true).truncate(false).write(true).open(path.join("lock"));
        let lock = options.map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(CheckpointError::Locked { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    /// Where one flow's checkpoint is kept.
    pub(crate) fn store(&self, flow: &str) -> Store {
        Store::of(&self.path, flow)
    }

    /// Where records that were refused for ever go.
    pub(crate) fn dead_letters(&self) -> PathBuf {
        self.path.join("dead-letter.jsonl")
    }
}

/// Readable, legal as a file name, and different for flows that differ only in illegal characters.
fn file_name(flow: &str) -> String {
    let legal = |character: char| if character.is_ascii_alphanumeric() || "-._".contains(character) { character } else { '_' };
    let readable: String = flow.chars().map(legal).take(150).collect();
    let hash = u128::from_be_bytes(Md5::digest(flow).into());
    format!("{readable}.{:08x}.json", hash >> 96)
}

/// One flow's checkpoint file.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    path: PathBuf,
    flow: String,
}

impl Store {
    /// The checkpoint of a flow in a state directory that another agent may have: only to be read.
    pub(crate) fn of(directory: &Path, flow: &str) -> Self {
        Self { path: directory.join(file_name(flow)), flow: flow.to_owned() }
    }

    /// The saved state; none when the flow never ran.
    ///
    /// # Errors
    /// When there is a file that cannot be read or makes no sense. It is never replaced in silence.
    pub(crate) fn load(&self) -> Result<Option<FlowState>, CheckpointError> {
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(CheckpointError::Read { path: self.path.clone(), source }),
        };
        let corrupt = |reason| CheckpointError::Corrupt { path: self.path.clone(), reason };
        let mut state = parse(&text).map_err(corrupt)?;
        state.saved_at = fs::metadata(&self.path).and_then(|metadata| metadata.modified()).ok();
        if let Some(newer) = recent::load(&self.path, &text) {
            state = with_known_version(newer).map_err(corrupt)?;
        }
        if state.flow != self.flow {
            return Err(corrupt(format!("it belongs to flow {}", state.flow)));
        }
        Ok(Some(state))
    }

    /// Replaces the saved state and syncs it. What changes from now on may be saved more cheaply behind it.
    ///
    /// # Errors
    /// When it cannot be written; the old one is still there then.
    pub(crate) fn save(&self, state: &FlowState) -> Result<Recent, CheckpointError> {
        self.replace(state).map_err(|source| self.failed(source))
    }

    /// Why a state could not be saved.
    pub(crate) fn failed(&self, source: io::Error) -> CheckpointError {
        CheckpointError::Save { path: self.path.clone(), source }
    }

    fn replace(&self, state: &FlowState) -> io::Result<Recent> {
        let temporary = self.path.with_extension("json.new");
        let content = serde_json::to_vec(state)?;
        let mut file = File::create(&temporary)?;
        file.write_all(&content)?;
        file.sync_data()?;
        fs::rename(&temporary, &self.path)?;
        if let Some(directory) = self.path.parent() {
            File::open(directory)?.sync_all()?; // the new name must survive too
        }
        Recent::begin(&self.path, &content)
    }
}

/// Reads a state, or says why it is none.
pub(crate) fn parse(text: &[u8]) -> Result<FlowState, String> {
    with_known_version(serde_json::from_slice(text).map_err(|error| error.to_string())?)
}

fn with_known_version(state: FlowState) -> Result<FlowState, String> {
    if state.version != VERSION {
        return Err(format!("it has version {}, this agent writes {VERSION}", state.version));
    }
    Ok(state)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{checkpoint::state::FileState, record::Fingerprint};

    fn state(flow: &str) -> FlowState {
        let fingerprint = Fingerprint::of(b"first line\n");
        let file = FileState {
            path: "a.log".to_owned(),
            device: 1,
            inode: u64::MAX,
            fingerprint,
            offset: 42,
            rotated: true,
            gone: None,
        };
        FlowState { version: VERSION, flow: flow.to_owned(), files: vec![file], saved_at: None }
    }

    /// What is loaded, but for when it was saved.
    fn loaded(store: &Store) -> FlowState {
        let loaded = store.load().unwrap().unwrap();
        assert!(loaded.saved_at.is_some());
        FlowState { saved_at: None, ..loaded }
    }

    #[test]
    fn what_was_saved_is_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let store = StateDirectory::open(folder.path()).unwrap().store("kinesis:s:/l/a*");
        assert_eq!(store.load().unwrap(), None);
        let mut recent = store.save(&state("kinesis:s:/l/a*")).unwrap();
        assert_eq!(loaded(&store), state("kinesis:s:/l/a*"));
        let mut newer = state("kinesis:s:/l/a*");
        newer.files[0].offset += 1;
        recent.save(&newer).unwrap();
        assert_eq!(loaded(&store), newer);
    }

    #[test]
    fn a_damaged_checkpoint_is_an_error_that_names_it_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let store = StateDirectory::open(folder.path()).unwrap().store("f");
        fs::write(&store.path, b"{\"version\": 1, \"fl").unwrap();
        let message = store.load().unwrap_err().to_string();
        assert!(message.contains(store.path.to_str().unwrap()) && message.contains("move it away"), "{message}");
        assert_eq!(fs::read(&store.path).unwrap(), b"{\"version\": 1, \"fl");
    }

    #[test]
    fn another_flow_s_or_version_s_checkpoint_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let store = StateDirectory::open(folder.path()).unwrap().store("f");
        store.save(&state("g")).unwrap();
        assert!(store.load().unwrap_err().to_string().contains("belongs to flow g"));
        store.save(&FlowState { version: 9, ..state("f") }).unwrap();
        assert!(store.load().unwrap_err().to_string().contains("version 9"));
    }

    #[test]
    fn a_second_agent_is_kept_away() {
        let folder = tempfile::tempdir().unwrap();
        let first = StateDirectory::open(folder.path()).unwrap();
        assert!(StateDirectory::open(folder.path()).unwrap_err().to_string().contains("another agent is running"));
        drop(first);
        assert!(StateDirectory::open(folder.path()).is_ok());
    }

    #[test]
    fn flows_that_differ_only_in_illegal_characters_have_different_files() {
        assert_ne!(file_name("kinesis:s:/l/a*"), file_name("kinesis:s:/l/a?"));
    }
}
