//! One memcached node.

use std::path::PathBuf;

use anyhow::Result;
use tempfile::TempDir;
use tokio::process::Command;

use super::{free_port, is_root, listens, program};
use crate::process::Process;

/// A running node.
#[derive(Debug)]
pub struct Memcached {
    program: PathBuf,
    port: u16,
    process: Option<Process>,
    folder: TempDir,
}

impl Memcached {
    /// Starts a node.
    ///
    /// # Errors
    /// When it is missing and must not be, or does not start.
    pub async fn start() -> Result<Option<Self>> {
        let Some(program) = program("memcached", "memcached")? else { return Ok(None) };
        let mut node = Self { program, port: free_port()?, process: None, folder: tempfile::tempdir()? };
        node.revive().await?;
        Ok(Some(node))
    }

    /// `host:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its process, to be hung.
    ///
    /// # Panics
    /// When it was killed.
    pub fn process(&self) -> &Process {
        self.process.as_ref().expect("the node runs")
    }

    /// Ends it at once; what it kept is lost.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn kill(&mut self) -> Result<()> {
        match self.process.take() {
            Some(process) => process.kill().await.map(drop),
            None => Ok(()),
        }
    }

    /// Starts it again, empty, on the same port.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn revive(&mut self) -> Result<()> {
        let mut command = Command::new(&self.program);
        command.args(["-l", "127.0.0.1", "-m", "16", "-p", &self.port.to_string()]);
        if is_root() {
            command.args(["-u", "root"]);
        }
        let process = Process::start("memcached", command, self.folder.path())?;
        listens(&process, "memcached", self.port).await?;
        self.process = Some(process);
        Ok(())
    }
}
