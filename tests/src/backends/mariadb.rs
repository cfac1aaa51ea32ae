//! MariaDB with one database and one user.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;
use tokio::process::Command;

use super::{Certificates, free_port, is_root, listens, program};
use crate::process::Process;

/// What a fresh server is told when it starts.
const SETUP: &str = "CREATE DATABASE IF NOT EXISTS web_demo CHARACTER SET latin1;
CREATE USER IF NOT EXISTS 'webapp'@'localhost' IDENTIFIED BY 'sesame';
CREATE USER IF NOT EXISTS 'webapp'@'127.0.0.1' IDENTIFIED BY 'sesame';
GRANT ALL ON web_demo.* TO 'webapp'@'localhost';
GRANT ALL ON web_demo.* TO 'webapp'@'127.0.0.1';
";

/// A running server.
#[derive(Debug)]
pub struct MariaDb {
    program: PathBuf,
    port: u16,
    process: Option<Process>,
    folder: TempDir,
    /// Options for TLS; empty without.
    tls: Vec<String>,
}

impl MariaDb {
    /// The password of the user `webapp`.
    pub const PASSWORD: &str = "sesame";

    /// Starts a server with an empty database `web_demo`, whose default is latin1, as the original's.
    ///
    /// # Errors
    /// When it is missing and must not be, or does not start.
    pub async fn start() -> Result<Option<Self>> {
        Self::start_with(Vec::new()).await
    }

    /// As [`MariaDb::start`], with TLS, which it offers and does not demand.
    ///
    /// # Errors
    /// As [`MariaDb::start`].
    pub async fn start_with_tls(certificates: &Certificates) -> Result<Option<Self>> {
        let option = |name: &str, file: PathBuf| format!("--{name}={}", file.display());
        Self::start_with(vec![option("ssl-cert", certificates.certificate()), option("ssl-key", certificates.key())]).await
    }

    async fn start_with(tls: Vec<String>) -> Result<Option<Self>> {
        let (Some(program), Some(install)) =
            (program("mariadbd", "mariadb-server")?, self::program("mariadb-install-db", "mariadb-server")?)
        else {
            return Ok(None);
        };
        let folder = tempfile::tempdir()?;
        let mut command = Command::new(install);
        command.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"]);
        command.arg(format!("--datadir={}", folder.path().join("data").display()));
        command.env("TMPDIR", folder.path()); // servers that share one remove each other's tables
        if is_root() {
            command.arg("--user=root");
        }
        Process::start("mariadb-install-db", command, folder.path())?.wait(super::START).await?.success()?;
        fs::write(folder.path().join("setup.sql"), SETUP)?;
        let mut server = Self { program, port: free_port()?, process: None, folder, tls };
        server.revive().await?;
        Ok(Some(server))
    }

    /// Its URL, without the password.
    pub fn url(&self) -> String {
        format!("mysql://webapp@127.0.0.1:{}/web_demo", self.port)
    }

    /// Runs statements as the user, with the packaged client.
    ///
    /// # Errors
    /// When one of them fails.
    pub async fn run_sql(&self, sql: &str) -> Result<()> {
        let file = self.folder.path().join("statements.sql");
        fs::write(&file, sql)?;
        let client = program("mariadb", "mariadb-client")?.context("the server came with its client")?;
        let mut command = Command::new(client);
        command.args(["--no-defaults", "--protocol=tcp", "--host=127.0.0.1", "--user=webapp", "web_demo"]);
        command.env("MYSQL_PWD", Self::PASSWORD).arg(format!("--port={}", self.port));
        command.arg(format!("--execute=source {}", file.display()));
        Process::start("mariadb", command, self.folder.path())?.wait(super::START).await?.success().map(drop)
    }

    /// Its process, to be hung or killed.
    ///
    /// # Panics
    /// When it was killed.
    pub fn process(&self) -> &Process {
        self.process.as_ref().expect("the server runs")
    }

    /// Ends it at once.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn kill(&mut self) -> Result<()> {
        match self.process.take() {
            Some(process) => process.kill().await.map(drop),
            None => Ok(()),
        }
    }

    /// Starts it again, on the same port and with its data.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn revive(&mut self) -> Result<()> {
        let folder = self.folder.path();
        let mut command = Command::new(&self.program);
        command.env("TMPDIR", folder);
        command.args(["--no-defaults", "--bind-address=127.0.0.1", "--skip-name-resolve", "--innodb-buffer-pool-size=32M"]);
        command.args(["--innodb-flush-log-at-trx-commit=2", "--performance-schema=off"]);
        for (option, file) in [("datadir", "data"), ("socket", "socket"), ("pid-file", "pid"), ("init-file", "setup.sql")] {
            command.arg(format!("--{option}={}", folder.join(file).display()));
        }
        command.arg(format!("--port={}", self.port)).args(&self.tls);
        if is_root() {
            command.arg("--user=root");
        }
        let process = Process::start("mariadbd", command, folder)?;
        listens(&process, "mariadbd", self.port).await?;
        self.process = Some(process);
        Ok(())
    }
}
