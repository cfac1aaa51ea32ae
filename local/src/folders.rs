//! Where everything lies, under one folder.

use std::{
    fs::{self, File, TryLockError},
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use config::exit::Failure;

/// The folder of one pipeline. One process may hold it.
#[derive(Debug)]
pub(crate) struct Folders {
    root: PathBuf,
    _lock: File,
}

impl Folders {
    /// Creates what is missing and makes sure that nobody else uses it.
    ///
    /// # Errors
    /// When it cannot be written, or another `local` runs in it.
    pub(crate) fn open(root: &Path) -> Result<Self, Failure> {
        let denied = |error: io::Error| {
            let hint = "choose a folder that this user may write with --dir";
            Failure::usage(format!("cannot write in {}: {error}; {hint}", root.display()))
        };
        for folder in ["access-log", "agent", "logs", "stream", "webapp"] {
            fs::create_dir_all(root.join(folder)).map_err(denied)?;
        }
        let lock = File::create(root.join("lock")).map_err(denied)?;
        let root = root.canonicalize().map_err(denied)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { root, _lock: lock }),
            Err(TryLockError::Error(error)) => Err(denied(error)),
            Err(TryLockError::WouldBlock) => {
                let hint = "stop it, or choose another folder with --dir";
                Err(Failure::usage(format!("another pipeline already runs in {}; {hint}", root.display())))
            }
        }
    }

    /// The folder itself.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// What the photo site appends to.
    pub(crate) fn access_log(&self) -> PathBuf {
        self.root.join("access-log/access.log")
    }

    /// The agent's settings.
    pub(crate) fn agent_json(&self) -> PathBuf {
        self.root.join("agent.json")
    }

    /// A component's folder for its state.
    pub(crate) fn state(&self, component: &str) -> PathBuf {
        self.root.join(component)
    }

    /// What a component prints.
    pub(crate) fn log(&self, component: &str) -> PathBuf {
        self.root.join("logs").join(format!("{component}.log"))
    }

    /// Lines in the access log and the files it was rotated to.
    pub(crate) fn count_logged_lines(&self) -> Result<u64> {
        let mut lines = 0;
        for file in fs::read_dir(self.root.join("access-log")).context("cannot list the access logs")? {
            let path = file.context("cannot list the access logs")?.path();
            lines += count_lines(&path).with_context(|| format!("cannot read {}", path.display()))?;
        }
        Ok(lines)
    }
}

fn count_lines(path: &Path) -> io::Result<u64> {
    let mut reader = BufReader::with_capacity(1 << 16, File::open(path)?);
    let mut lines = 0;
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Ok(lines);
        }
        lines += buffer.iter().filter(|byte| **byte == b'\n').count() as u64;
        let read = buffer.len();
        reader.consume(read);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_pipelines_never_share_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let _first = Folders::open(folder.path()).unwrap();
        let Err(Failure::Usage(second)) = Folders::open(folder.path()) else { panic!("it was shared") };
        assert!(second.to_string().contains("choose another folder with --dir"), "{second}");
    }

    #[test]
    fn a_folder_that_cannot_be_made_names_the_flag() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let Err(Failure::Usage(error)) = Folders::open(&file.path().join("below")) else { panic!("it was made") };
        assert!(error.to_string().contains("--dir"), "{error}");
    }

    #[test]
    fn rotated_logs_count_too() {
        let folder = tempfile::tempdir().unwrap();
        let folders = Folders::open(folder.path()).unwrap();
        fs::write(folders.access_log(), "1\n2\n").unwrap();
        fs::write(folders.access_log().with_extension("log.1"), "3\n").unwrap();
        assert_eq!(folders.count_logged_lines().unwrap(), 3);
    }
}
