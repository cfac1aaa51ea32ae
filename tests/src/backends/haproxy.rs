//! HAProxy as the load balancer: turns between nodes, health checks, no stickiness.

use std::fs;

use anyhow::Result;
use tempfile::TempDir;
use tokio::process::Command;

use super::{free_port, listens, program};
use crate::process::Process;

/// A running load balancer.
#[derive(Debug)]
pub struct Haproxy {
    port: u16,
    _process: Process,
    _folder: TempDir,
}

impl Haproxy {
    /// Starts a load balancer in front of `nodes` (`host:port`), whose `check` path answers 200 when they are fit.
    ///
    /// # Errors
    /// When it is missing and must not be, or does not start.
    pub async fn start(nodes: &[String], check: &str) -> Result<Option<Self>> {
        let Some(program) = program("haproxy", "haproxy")? else { return Ok(None) };
        let folder = tempfile::tempdir()?;
        let port = free_port()?;
        let file = folder.path().join("haproxy.cfg");
        fs::write(&file, configuration(port, nodes, check))?;
        let mut command = Command::new(program);
        command.args(["-db", "-f"]).arg(&file);
        let process = Process::start("haproxy", command, folder.path())?;
        listens(&process, "haproxy", port).await?;
        Ok(Some(Self { port, _process: process, _folder: folder }))
    }

    /// Where browsers go.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

fn configuration(port: u16, nodes: &[String], check: &str) -> String {
    let servers: String = nodes.iter().enumerate().map(|(index, node)| format!("    server node{index} {node}\n")).collect();
    format!(
        "defaults
    mode http
    timeout connect 2s
    timeout client 30s
    timeout server 30s
    option redispatch
    retries 2
frontend site
    bind 127.0.0.1:{port}
    default_backend nodes
backend nodes
    balance roundrobin
    option forwardfor
    option httpchk GET {check}
    http-check expect status 200
    default-server check inter 200ms fall 2 rise 1 on-marked-down shutdown-sessions
{servers}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_is_checked() {
        let text = configuration(80, &["127.0.0.1:1".to_owned(), "127.0.0.1:2".to_owned()], "/healthz");
        assert!(text.contains("server node0 127.0.0.1:1\n") && text.contains("server node1 127.0.0.1:2\n"), "{text}");
        assert!(text.contains("option httpchk GET /healthz\n"), "{text}");
    }
}
