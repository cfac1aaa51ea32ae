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
pub struct Node {
    process: Process,
    address: String,
    folder: TempDir,
}

impl Node {
    /// Starts a node. `settings` are sections of its file, `environment` is what does not belong into a file.
    pub async fn start(settings: &str, environment: &[(&str, &str)]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let (process, address) = run(folder.path(), settings, environment).await?;
        Ok(Self { process, address, folder })
    }

    /// Stops it as systemd would, and starts it again with other settings and the same data.
    pub async fn restart(self, settings: &str, environment: &[(&str, &str)]) -> Result<Self> {
        let Self { process, folder, .. } = self;
        process.terminate(START).await?.success()?;
        let (process, address) = run(folder.path(), settings, environment).await?;
        Ok(Self { process, address, folder })
    }

    /// Ends it at once.
    pub async fn kill(self) -> Result<()> {
        self.process.kill().await.map(drop)
    }

    /// `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// A browser that has not been here.
    pub fn visitor(&self) -> Result<Visitor> {
        Visitor::new(&format!("http://{}", self.address))
    }

    /// Runs `webapp migrate-storage` beside it, with the node's own settings.
    pub async fn migrate(&self, from: &str, to: &str, environment: &[(&str, &str)]) -> Result<Finished> {
        let mut migrate = command(env!("CARGO_BIN_EXE_webapp"));
        migrate.args(["migrate-storage", "--from", from, "--to", to, "--remove"]);
        migrate.arg("--config").arg(self.folder.path().join("webapp.toml"));
        migrate.arg("--data-dir").arg(self.folder.path()).envs(environment.iter().copied());
        Process::start("migrate", migrate, self.folder.path())?.wait(START).await
    }

    /// Its data folder.
    pub fn folder(&self) -> &Path {
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
