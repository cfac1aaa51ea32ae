//! The folder of an application's checkpoint: `state`, replaced as a whole, and `lock`, held by the active instance.

use std::fs::{self, File, TryLockError};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{Checkpoint, Draft, Identity, SinkMarks, contents};

/// How often a stand-by looks whether the active instance has gone.
const STAND_BY_INTERVAL: Duration = Duration::from_millis(500);

/// The folder, held by this instance until it is dropped or the process ends, however it ends.
pub(crate) struct CheckpointFolder {
    folder: PathBuf,
    identity: Identity,
    // The lock goes with the open file.
    _lock: File,
}

impl CheckpointFolder {
    /// Waits until no other instance is active; calls `stand_by` when one is. None when `stop` came first.
    ///
    /// # Errors
    /// When the folder cannot be made or written.
    pub(crate) async fn take(
        folder: &Path,
        identity: Identity,
        stand_by: impl Fn(),
        stop: &CancellationToken,
    ) -> Result<Option<Self>> {
        fs::create_dir_all(folder).with_context(|| format!("cannot create the folder of --checkpoint, {}", folder.display()))?;
        let path = folder.join("lock");
        let lock = File::options().create(true).truncate(false).write(true).open(&path);
        let lock = lock.with_context(|| format!("cannot write {}; check that this user may", path.display()))?;
        let mut is_told = false;
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(Some(Self { folder: folder.to_owned(), identity, _lock: lock })),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => {
                    return Err(error).with_context(|| format!("cannot lock {}; is the disk a network's?", path.display()));
                }
            }
            if !is_told {
                info!(folder = %folder.display(), "another instance is active; standing by to take over when it ends");
                stand_by();
                is_told = true;
            }
            tokio::select! {
                () = stop.cancelled() => return Ok(None),
                () = tokio::time::sleep(STAND_BY_INTERVAL) => {}
            }
        }
    }

    /// The last checkpoint; None when there is none.
    ///
    /// # Errors
    /// When it is damaged, or of another program, input or version; each says what can be done.
    pub(crate) fn load(&self) -> Result<Option<Checkpoint>> {
        let path = self.state();
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("cannot read the checkpoint {}", path.display())),
        };
        contents::read(&path.display().to_string(), &bytes, &self.identity).map(Some)
    }

    /// Forgets the checkpoint.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub(crate) fn forget(&self) -> Result<()> {
        match fs::remove_file(self.state()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove the checkpoint {}", self.state().display()))
            }
            Ok(()) => {
                warn!(folder = %self.folder.display(), "--fresh: the old checkpoint was forgotten");
                Ok(())
            }
            Err(_) => Ok(()),
        }
    }

    /// Replaces the checkpoint, all or nothing. Returns its size in bytes.
    ///
    /// # Errors
    /// When it cannot be written; the old one still stands.
    pub(crate) fn save(&self, draft: Draft, sinks: SinkMarks) -> Result<u64> {
        let remedy = || format!("cannot save the checkpoint in {}; check the room on the disk", self.folder.display());
        self.replace(draft, sinks).with_context(remedy)
    }

    fn replace(&self, draft: Draft, sinks: SinkMarks) -> Result<u64> {
        let new = self.folder.join("state.new");
        let file = File::create(&new)?;
        contents::write(BufWriter::new(&file), &self.identity, draft, sinks)?;
        file.sync_all()?;
        fs::rename(&new, self.state())?;
        File::open(&self.folder)?.sync_all()?; // the rename itself
        Ok(file.metadata()?.len())
    }

    fn state(&self) -> PathBuf {
        self.folder.join("state")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::tests::{counted, request_counts};

    fn identity(program: &str) -> Identity {
        Identity { program: program.to_owned(), inputs: vec!["a.log".to_owned()] }
    }

    async fn folder(path: &Path, identity: Identity) -> CheckpointFolder {
        CheckpointFolder::take(path, identity, || (), &CancellationToken::new()).await.unwrap().unwrap()
    }

    fn draft(number: u64) -> Draft {
        let mut engine = request_counts();
        counted(&mut engine, &[(0, "::1")]);
        Draft { number, marks: Default::default(), image: engine.image().unwrap() }
    }

    #[tokio::test]
    async fn the_last_saved_checkpoint_is_loaded() {
        let place = tempfile::tempdir().unwrap();
        let folder = folder(place.path(), identity("p")).await;
        assert!(folder.load().unwrap().is_none());
        for number in [1, 2] {
            folder.save(draft(number), SinkMarks::new()).unwrap();
        }
        assert_eq!(folder.load().unwrap().unwrap().number, 2);
        folder.forget().unwrap();
        assert!(folder.load().unwrap().is_none());
    }

    #[tokio::test]
    async fn the_state_of_another_program_or_input_is_refused_with_a_choice() {
        let place = tempfile::tempdir().unwrap();
        folder(place.path(), identity("p")).await.save(draft(1), SinkMarks::new()).unwrap();
        let other_input = Identity { inputs: vec!["b.log".to_owned()], ..identity("p") };
        for (other, what) in [(identity("q"), "another program"), (other_input, "another input: in a.log, not in b.log")] {
            let error = folder(place.path(), other).await.load().unwrap_err().to_string();
            assert!(error.contains(what) && error.contains("--fresh"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_second_instance_stands_by_until_the_first_has_gone() {
        let place = tempfile::tempdir().unwrap();
        let first = folder(place.path(), identity("p")).await;
        let path = place.path().to_owned();
        let second = tokio::spawn(async move { folder(&path, identity("p")).await.load().unwrap().unwrap().number });
        tokio::task::yield_now().await;
        first.save(draft(5), SinkMarks::new()).unwrap();
        assert!(!second.is_finished());
        drop(first);
        assert_eq!(second.await.unwrap(), 5);
    }

    #[tokio::test]
    async fn a_stand_by_can_be_stopped() {
        let place = tempfile::tempdir().unwrap();
        let _first = folder(place.path(), identity("p")).await;
        let stop = CancellationToken::new();
        stop.cancel();
        assert!(CheckpointFolder::take(place.path(), identity("p"), || (), &stop).await.unwrap().is_none());
    }
}
