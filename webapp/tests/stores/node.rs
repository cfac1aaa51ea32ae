//! A node of the site: the program, with settings of its own.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result};
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
    /// What it prints is kept elsewhere: a test may fill its data folder's disk.
    output: TempDir,
}

impl Node {
    /// Starts a node. `settings` are sections of its file, `environment` is what does not belong into a file.
    pub(crate) async fn start(settings: &str, environment: &[(&str, &str)]) -> Result<Self> {
        Self::start_in(&std::env::temp_dir(), settings, environment).await
    }

    /// As [`Node::start`], with its data folder on a disk of the caller's choice.
    pub(crate) async fn start_in(disk: &Path, settings: &str, environment: &[(&str, &str)]) -> Result<Self> {
        let (folder, output) = (tempfile::tempdir_in(disk)?, tempfile::tempdir()?);
        let (process, address) = run(folder.path(), output.path(), settings, environment).await?;
        Ok(Self { process, address, folder, output })
    }

    /// Stops it as systemd would, and starts it again with other settings and the same data.
    pub(crate) async fn restart(self, settings: &str, environment: &[(&str, &str)]) -> Result<Self> {
        let Self { process, folder, output, .. } = self;
        process.terminate(START).await?.success()?;
        let (process, address) = run(folder.path(), output.path(), settings, environment).await?;
        Ok(Self { process, address, folder, output })
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
        Process::start("tool", tool, self.output.path())?.wait(START).await
    }

    /// Moves its pictures to another storage.
    pub(crate) async fn migrate(&self, from: &str, to: &str) -> Result<Finished> {
        self.tool(&["migrate-storage", "--from", from, "--to", to, "--remove"], &[]).await
    }

    /// Everything it logged so far.
    pub(crate) fn log(&self) -> String {
        self.process.output()
    }

    /// Address of its second listener, if `[admin]` asks for one.
    pub(crate) fn admin(&self) -> Result<String> {
        let output = self.process.output();
        let line = output.split("admin on ").nth(1).and_then(|rest| rest.split("/metrics").next());
        line.map(str::to_owned).with_context(|| format!("no admin address in:\n{output}"))
    }

    /// Its data folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

async fn run(folder: &Path, output: &Path, settings: &str, environment: &[(&str, &str)]) -> Result<(Process, String)> {
    let file = folder.join("webapp.toml");
    fs::write(&file, format!("{COMMON}{settings}"))?;
    let mut program = command(env!("CARGO_BIN_EXE_webapp"));
    program.args(["run", "--listen", "127.0.0.1:0", "--config"]).arg(&file).arg("--data-dir").arg(folder);
    program.envs(environment.iter().copied());
    let mut process = Process::start("webapp", program, output)?;
    let line = process.line_with("listening on http://", START).await?;
    let address = line.split("http://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
    Ok((process, address.to_owned()))
}
