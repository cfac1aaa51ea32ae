//! `status.json` in the state directory: tells other programs on this machine that an agent runs and where it listens.
//!
//! ```json
//! {"version": "0.1.0", "pid": 4711, "start": 123456, "address": "127.0.0.1:9580", "token": "5f4d…"}
//! ```
//!
//! Only the agent's user and root may read it, because the token opens `/tap`, which shows records.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::process;

/// The file's name.
const NAME: &str = "status.json";

/// What stands in it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Content {
    /// Version of the program.
    pub(crate) version: String,
    /// Its process.
    pub(crate) pid: u32,
    /// When that process started, in ticks since the machine did.
    pub(crate) start: u64,
    /// Where it listens, if it does.
    pub(crate) address: Option<SocketAddr>,
    /// Opens `/tap`.
    pub(crate) token: String,
}

/// What is known about a running agent from outside.
#[derive(Debug)]
pub(crate) enum Found {
    /// It runs.
    Running(Content),
    /// The file is there, but only the agent's user and root may read it.
    Unreadable(PathBuf),
}

/// The file of this agent.
#[derive(Debug)]
pub(crate) struct Address(PathBuf);

impl Address {
    /// Writes the file; it replaces what an earlier run left.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn write(state_directory: &Path, address: Option<SocketAddr>, token: &str) -> Result<Self> {
        let pid = std::process::id();
        let start = process::start_of(pid).unwrap_or(0);
        let content = Content { version: env!("CARGO_PKG_VERSION").to_owned(), pid, start, address, token: token.to_owned() };
        let path = state_directory.join(NAME);
        replace(&path, &content)
            .with_context(|| format!("cannot write {}; `agent status` will not find this agent", path.display()))?;
        Ok(Self(path))
    }

    /// Removes it, at the end.
    pub(crate) fn remove(self) {
        let _ = fs::remove_file(self.0); // a file that stays names a process that is gone
    }
}

fn replace(path: &Path, content: &Content) -> io::Result<()> {
    let temporary = path.with_extension("json.new");
    let _ = fs::remove_file(&temporary); // its mode would stay
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&temporary)?;
    file.write_all(&serde_json::to_vec(content)?)?;
    fs::rename(&temporary, path)
}

/// The agent that runs with this state directory; none when there is none.
pub(crate) fn find(state_directory: &Path) -> Option<Found> {
    let path = state_directory.join(NAME);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Some(Found::Unreadable(path)),
        Err(_) => return None,
    };
    let content: Content = serde_json::from_slice(&text).ok()?;
    let is_alive = process::start_of(content.pid) == Some(content.start);
    is_alive.then_some(Found::Running(content))
}

/// A token nobody can guess.
pub(crate) fn new_token() -> String {
    format!("{:032x}", rand::random::<u128>())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_running_agent_is_found_and_one_that_is_gone_is_not() {
        let folder = tempfile::tempdir().unwrap();
        assert!(find(folder.path()).is_none());
        let listen = "127.0.0.1:9580".parse().unwrap();
        let address = Address::write(folder.path(), Some(listen), "t").unwrap();
        let Some(Found::Running(content)) = find(folder.path()) else { panic!("not found") };
        assert_eq!((content.pid, content.address), (std::process::id(), Some(listen)));
        let path = folder.path().join(NAME);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

        let other_process = Content { start: content.start + 1, ..content };
        replace(&path, &other_process).unwrap();
        assert!(find(folder.path()).is_none(), "the process id is another program's by now");
        address.remove();
        assert!(!path.exists());
    }

    #[test]
    fn tokens_differ() {
        assert_ne!(new_token(), new_token());
        assert_eq!(new_token().len(), 32);
    }
}
