//! A node of the site: the program, with settings of its own.

use std::{fs, path::Path, time::Duration};

use anyhow::Result;
use tempfile::TempDir;
use tests::process::{Finished, Process, command};

use crate::visitor::Visitor;

/// A debug build on a busy machine.
const START: Duration = Duration::from_secs(60);

/// Settings of every node here. Short pauses of its own would only make these tests slower.
const COMMON: &str = "[demo]\npictures = false\n";

/// A running node, with a data folder of its own.
pub(crate) struct Node {
    process: Process,
    address: String,
    folder: TempDir,
}

impl Node {
    /// Starts a node. `settings` are sections of its file, `environment` is what does not belong into a file.
    pub(crate) async fn start(settings: &str, environment: &[(&str, &str)]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let (process, address) = run(folder.path(), settings, environment).await?;
        Ok(Self { process, address, folder })
    }

    /// Stops it as systemd would, and starts it again with other settings and the same data.
    pub(crate) async fn restart(self, settings: &str, environment: &[(&str, &str)]) -> Result<Self> {
        let Self { process, folder, .. } = self;
        process.terminate(START).await?.success()?;
        let (process, address) = run(folder.path(), settings, environment).await?;
        Ok(Self { process, address, folder })
    }

    /// Ends it at once.
    pub(crate) async fn kill(self) -> Result<()> {
        self.process.kill().await.map(drop)
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// A browser that has not been here.
    pub(crate) fn visitor(&self) -> Result<Visitor> {
        Visitor::new(&format!("http://{}", self.address))
    }

    /// Runs another command of the program beside it, with the node's own settings.
    pub(crate) async fn tool(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Result<Finished> {
        let mut tool = command(env!("CARGO_BIN_EXE_webapp"));
        tool.args(arguments).arg("--config").arg(self.folder.path().join("webapp.toml"));
        tool.arg("--data-dir").arg(self.folder.path()).envs(environment.iter().copied());
        Process::start("tool", tool, self.folder.path())?.wait(START).await
    }

    /// Moves its pictures to another storage.
    pub(crate) async fn migrate(&self, from: &str, to: &str) -> Result<Finished> {
        self.tool(&["migrate-storage", "--from", from, "--to", to, "--remove"], &[]).await
    }

    /// Everything it logged so far.
    pub(crate) fn log(&self) -> String {
        self.process.output()
    }

    /// Its data folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

async fn run(folder: &Path, settings: &str, environment: &[(&str, &str)]) -> Result<(Process, String)> {
    let file = folder.join("webapp.toml");
    fs::write(&file, format!("{COMMON}{settings}"))?;
    let mut program = command(env!("CARGO_BIN_EXE_webapp"));
    program.args(["run", "--listen", "127.0.0.1:0", "--config"]).arg(&file).arg("--data-dir").arg(folder);
    program.envs(environment.iter().copied());
    let mut process = Process::start("webapp", program, folder)?;
    let line = process.line_with("listening on http://", START).await?;
    let address = line.split("http://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
    Ok((process, address.to_owned()))
}
