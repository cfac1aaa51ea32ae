//! The site itself, as it is shipped.

use std::{fs, time::Duration};

use anyhow::{Context, Result};
use tempfile::TempDir;
use tests::{
    backends::{MariaDb, Memcached},
    process::{Process, command},
};

const START: Duration = Duration::from_secs(60);

/// A running node with a data folder of its own.
pub(crate) struct Site {
    process: Process,
    base: String,
    _folder: TempDir,
}

impl Site {
    pub(crate) async fn start(settings: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("webapp.toml");
        fs::write(&file, settings)?;
        let mut program = command(env!("CARGO_BIN_EXE_webapp"));
        program.args(["run", "--listen", "127.0.0.1:0", "--config"]).arg(&file).arg("--data-dir").arg(folder.path());
        program.env("WEBAPP_DATABASE_PASSWORD", MariaDb::PASSWORD).env("RUST_LOG", "warn");
        let mut process = Process::start("webapp", program, folder.path())?;
        let line = process.line_with("http://", START).await?;
        let address = line.split("http://").nth(1).and_then(|rest| rest.split('/').next()).context("no address")?;
        Ok(Self { base: format!("http://{address}"), process, _folder: folder })
    }

    pub(crate) fn id(&self) -> Result<u32> {
        self.process.id().context("the site has ended")
    }

    pub(crate) fn page(&self) -> String {
        format!("{}/web-demo/index.php", self.base)
    }

    /// The page and every picture a browser loads with it.
    pub(crate) async fn page_and_pictures(&self) -> Result<Vec<String>> {
        let html = reqwest::get(self.page()).await?.error_for_status()?.text().await?;
        let sources = html.split("<img ").skip(1).filter_map(|tag| tag.split_once("src=\"")?.1.split('"').next());
        let pictures: Vec<String> = sources.map(|source| format!("{}{source}", self.base)).collect();
        Ok([vec![self.page()], pictures].concat())
    }
}

/// `[database]` for a server.
pub(crate) fn database(server: &MariaDb) -> String {
    format!("[database]\nurl = \"{}\"\n", server.url())
}

/// `[cache]` in a node of memcached.
pub(crate) fn cache(node: &Memcached) -> String {
    format!("[cache]\nstore = \"memcached\"\nexpiry = \"1h\"\n[memcached]\nservers = [\"{}\"]\n", node.address())
}
