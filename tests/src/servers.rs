//! Real servers of other people, run as they come: moto (Firehose to S3, STS, the metadata service), kinesalite and
//! kinesis-local. `tests/install-servers` installs them.
//!
//! A server that is not installed is a visible skip, which `WEIR_REQUIRE_SERVERS=1` turns into a failure. Delivery is
//! never counted against moto's Kinesis: it loses records when two requests come at once.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;
use tokio::{net::TcpStream, process::Command};

use crate::{process::Process, wait};

/// kinesis-local starts a large JavaScript program; on a busy machine that takes a while.
const START: Duration = Duration::from_secs(60);

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Most of AWS, in Python.
    Moto,
    /// Kinesis, in JavaScript.
    Kinesalite,
    /// Kinesis, in Scala compiled to JavaScript.
    KinesisLocal,
}

/// A running server on a free loopback port; dropped, it is killed.
#[derive(Debug)]
pub struct Server {
    endpoint: String,
    _process: Process,
    _folder: TempDir,
}

impl Server {
    /// Starts a server, or says that it is skipped because it is not installed.
    ///
    /// # Errors
    /// When it is missing and `WEIR_REQUIRE_SERVERS` is set, or does not start.
    pub async fn start(kind: Kind) -> Result<Option<Self>> {
        let Some(program) = kind.program() else { return missing(kind.name()) };
        let folder = tempfile::tempdir()?;
        let port = free_port()?;
        let process = Process::start(kind.name(), kind.command(&program, port, folder.path()), folder.path())?;
        let address = format!("127.0.0.1:{port}");
        let is_open = || async { TcpStream::connect(&address).await.ok() };
        wait::until(&format!("{} to listen", kind.name()), START, is_open).await.with_context(|| process.output())?;
        Ok(Some(Self { endpoint: format!("http://{address}"), _process: process, _folder: folder }))
    }

    /// The URL it answers on.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Moto => "moto",
            Self::Kinesalite => "kinesalite",
            Self::KinesisLocal => "kinesis-local",
        }
    }

    /// Its program, if it is installed.
    fn program(self) -> Option<PathBuf> {
        let place = match self {
            Self::Moto => "venv/bin/moto_server",
            Self::Kinesalite => "node_modules/kinesalite/cli.js",
            Self::KinesisLocal => "node_modules/kinesis-local/main.js",
        };
        let program = folder()?.join(place);
        program.is_file().then_some(program)
    }

    fn command(self, program: &Path, port: u16, folder: &Path) -> Command {
        let number = port.to_string();
        let mut command = match self {
            Self::Moto => Command::new(program),
            Self::Kinesalite | Self::KinesisLocal => Command::new("node"),
        };
        match self {
            Self::Moto => command.args(["-H", "127.0.0.1", "-p", &number]).current_dir(folder),
            Self::Kinesalite => command.arg(program).args(["--port", &number, "--createStreamMs", "20", "--shardLimit", "100"]),
            // It reads server.json from its working directory.
            Self::KinesisLocal => command
                .arg(program)
                .current_dir(program.parent().unwrap_or(folder))
                .env("KINESIS_MOCK_PLAIN_PORT", &number)
                .env("KINESIS_MOCK_TLS_PORT", free_port().unwrap_or_default().to_string())
                .env("CREATE_STREAM_DURATION", "20ms")
                .env("SHARD_LIMIT", "100"),
        };
        command
    }
}

/// A Python that has this package, or says that the test is skipped because there is none.
///
/// # Errors
/// When it is missing and `WEIR_REQUIRE_SERVERS` is set.
pub fn python_with(package: &str) -> Result<Option<PathBuf>> {
    let python = folder().map(|folder| folder.join("venv/bin/python"));
    let has_package = |python: &PathBuf| {
        let import = std::process::Command::new(python).arg("-c").arg(format!("import {package}")).output();
        import.is_ok_and(|output| output.status.success())
    };
    match python.filter(has_package) {
        Some(python) => Ok(Some(python)),
        None => missing(package),
    }
}

/// Says that a test is skipped.
fn missing<T>(name: &str) -> Result<Option<T>> {
    if std::env::var_os("WEIR_REQUIRE_SERVERS").is_some_and(|value| value == "1") {
        bail!("{name} is not installed; run tests/install-servers");
    }
    skip(name);
    Ok(None)
}

/// Where `tests/install-servers` puts them.
fn folder() -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
    Some(cache?.join("weir/servers"))
}

/// A port that was free a moment ago: these programs cannot choose one themselves and tell.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

#[expect(clippy::print_stderr, reason = "a test that proves nothing must say so")]
fn skip(name: &str) {
    eprintln!("SKIPPED: {name} is not installed; run tests/install-servers");
}
