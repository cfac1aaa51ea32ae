//! A Redis server with a password, and a Redis Cluster of three masters, each with a replica.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;
use tokio::process::Command;

use super::{Certificates, START, free_port, listens, program};
use crate::{process::Process, wait};

/// A running server.
#[derive(Debug)]
pub struct Redis {
    port: u16,
    scheme: &'static str,
    process: Option<Process>,
    _folder: TempDir,
}

/// Six running servers that share the keys.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<Redis>,
}

impl Redis {
    /// The password of the default user.
    pub const PASSWORD: &str = "sesame";

    /// Starts a server that keeps nothing on the disk.
    ///
    /// # Errors
    /// When it is missing and must not be, or does not start.
    pub async fn start() -> Result<Option<Self>> {
        Self::start_with(&["--requirepass", Self::PASSWORD]).await
    }

    /// As [`Redis::start`], reached over TLS only.
    ///
    /// # Errors
    /// As [`Redis::start`].
    pub async fn start_with_tls(certificates: &Certificates) -> Result<Option<Self>> {
        let port = free_port()?;
        let [certificate, key, authority] =
            [certificates.certificate(), certificates.key(), certificates.authority()].map(|file| file.display().to_string());
        let password = ["--requirepass", Self::PASSWORD];
        let tls = ["--tls-auth-clients", "no", "--tls-cert-file", &certificate, "--tls-key-file", &key];
        let ports = ["--port", "0", "--tls-port", &port.to_string(), "--tls-ca-cert-file", &authority];
        Self::start_on(port, "rediss", &[&password[..], &tls, &ports].concat()).await
    }

    /// Its URL, without the password.
    pub fn url(&self) -> String {
        format!("{}://127.0.0.1:{}", self.scheme, self.port)
    }

    /// Its process, to be hung.
    ///
    /// # Panics
    /// When it was killed.
    pub fn process(&self) -> &Process {
        self.process.as_ref().expect("the server runs")
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

    async fn start_with(options: &[&str]) -> Result<Option<Self>> {
        let port = free_port()?;
        let number = port.to_string();
        Self::start_on(port, "redis", &[&["--port", number.as_str()], options].concat()).await
    }

    async fn start_on(port: u16, scheme: &'static str, options: &[&str]) -> Result<Option<Self>> {
        let Some(program) = program("redis-server", "redis-server")? else { return Ok(None) };
        let folder = tempfile::tempdir()?;
        let mut command = Command::new(program);
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        command.arg("--dir").arg(folder.path()).args(options);
        let process = Process::start("redis-server", command, folder.path())?;
        listens(&process, "redis-server", port).await?;
        Ok(Some(Self { port, scheme, process: Some(process), _folder: folder }))
    }
}

impl RedisCluster {
    /// Starts three masters and three replicas, and waits until all slots are served.
    ///
    /// # Errors
    /// When something is missing and must not be, or does not start.
    pub async fn start() -> Result<Option<Self>> {
        let Some(cli) = program("redis-cli", "redis-tools")? else { return Ok(None) };
        let mut nodes = Vec::new();
        for _ in 0..6 {
            // A master is given up after a second, so that a test need not wait long for its replica to take over.
            let options =
                ["--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--cluster-replica-validity-factor", "0"];
            let Some(node) = Redis::start_with(&options).await? else { return Ok(None) };
            nodes.push(node);
        }
        let mut create = Command::new(&cli);
        create.args(["--cluster", "create"]);
        create.args(nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)));
        create.args(["--cluster-replicas", "1", "--cluster-yes"]);
        run("redis-cli-create", create).await?;
        let cluster = Self { nodes };
        wait::until("the Redis Cluster to serve all slots", START, || async {
            let info = cluster.ask(&cli, &["cluster", "info"]).await.ok()?;
            let nodes = cluster.ask(&cli, &["cluster", "nodes"]).await.ok()?;
            (info.contains("cluster_state:ok") && nodes.matches("slave").count() == 3).then_some(())
        })
        .await?;
        Ok(Some(cluster))
    }

    /// URLs of all nodes.
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(Redis::url).collect()
    }

    /// Kills the first master. Its replica takes over after a while.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn kill_a_master(&mut self) -> Result<()> {
        self.nodes.first_mut().context("a cluster has nodes")?.kill().await
    }

    /// Asks every node that is there, until one answers.
    async fn ask(&self, cli: &Path, question: &[&str]) -> Result<String> {
        let port = self.nodes.iter().find(|node| node.process.is_some()).context("a node runs")?.port;
        let mut command = Command::new(cli);
        command.args(["-p", &port.to_string()]).args(question);
        run("redis-cli", command).await
    }
}

async fn run(name: &str, mut command: Command) -> Result<String> {
    let output = command.kill_on_drop(true).output().await.with_context(|| format!("cannot run {name}"))?;
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{name} failed: {text}");
    Ok(text)
}
