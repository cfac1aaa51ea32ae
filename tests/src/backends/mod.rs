//! Servers a site stands on, as Debian packages them: MariaDB, memcached, Redis and its cluster, HAProxy.
//!
//! Each listens on a free loopback port, keeps its files in a temporary folder, and is killed by its process id when it is
//! dropped. Each can be hung (SIGSTOP), so that it accepts connections and answers nothing, and most can die and come back
//! on the same port.
//!
//! A server that is not installed is a visible skip, which `WEIR_REQUIRE_SERVERS=1` turns into a failure.

mod certificates;
mod haproxy;
mod mariadb;
mod memcached;
mod redis;

use std::{net::TcpListener, path::PathBuf, time::Duration};

use anyhow::{Context, Result, bail};
use tokio::net::TcpStream;

pub use self::{
    certificates::Certificates,
    haproxy::Haproxy,
    mariadb::MariaDb,
    memcached::Memcached,
    redis::{Redis, RedisCluster},
};
use crate::{process::Process, wait};

/// On a busy machine, the slowest of them.
const START: Duration = Duration::from_secs(60);

/// Where Debian puts servers, besides the ordinary places.
const FOLDERS: [&str; 4] = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"];

/// A program's path. None, and a word about it, when it is not installed.
///
/// # Errors
/// When it is missing and `WEIR_REQUIRE_SERVERS` is set.
fn program(name: &str, package: &str) -> Result<Option<PathBuf>> {
    let found = FOLDERS.iter().map(|folder| PathBuf::from(folder).join(name)).find(|path| path.is_file());
    if found.is_none() {
        if std::env::var_os("WEIR_REQUIRE_SERVERS").is_some_and(|value| value == "1") {
            bail!("{name} is not installed; install the package {package}, or run ./test, which does");
        }
        skip(name, package);
    }
    Ok(found)
}

#[expect(clippy::print_stderr, reason = "a test that proves nothing must say so")]
fn skip(name: &str, package: &str) {
    eprintln!("SKIPPED: {name} is not installed; install the package {package}, or run ./test");
}

/// A port that was free a moment ago, with `port + 10000` free too: Redis' cluster bus.
fn free_port() -> Result<u16> {
    for _ in 0..100 {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        if let Some(bus) = port.checked_add(10_000)
            && TcpListener::bind(("127.0.0.1", bus)).is_ok()
        {
            return Ok(port);
        }
    }
    bail!("no free pair of ports, 10000 apart")
}

/// Waits until somebody listens.
async fn listens(process: &Process, name: &str, port: u16) -> Result<()> {
    let is_open = || async { TcpStream::connect(("127.0.0.1", port)).await.ok().map(drop) };
    wait::until(&format!("{name} to listen"), START, is_open).await.with_context(|| process.output())
}

/// Whether this test runs as root: some servers want to be told that this is meant.
fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
