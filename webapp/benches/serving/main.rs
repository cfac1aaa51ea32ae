//! What serving costs: `cargo bench -p webapp --bench serving -- [page] [rows] [memory] [hung]`.
//!
//! - `page`: the front page out of a cache, beside the tutorial's page on Apache with PHP (`original.php`, made again from its
//!   description), on the same MariaDB and memcached.
//! - `rows`: the front page without a cache, from a table of 26 rows and one of a million.
//! - `memory`: what 64 connections need that load pages and pictures.
//! - `hung`: pages at a steady rate while memcached accepts connections and never answers.
//!
//! Contenders run in turn, round by round, so that a busy neighbour is shared; CPU seconds (user and system, of the server
//! with its children and of the stores behind it) are the figure to trust. What is missing is named: MariaDB and memcached,
//! as `./test` installs them; for the original `apache2`, `libapache2-mod-php`, `php-mysql` and `php-memcached`.
//!
//! Without cargo's `--bench`, as `cargo test` starts it, everything runs in seconds: that checks the benches, not the site.

mod contender;
mod cpu;
mod hung;
mod load;
mod memory;
mod original;
mod page;
mod rows;
mod site;

use std::time::Duration;

use anyhow::{Result, bail};
use tests::backends::{MariaDb, Memcached};
use tests::table;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
struct Scale {
    rounds: usize,
    /// Pages of one contender in one round.
    pages: usize,
    /// Rows of the large table.
    many_rows: u32,
    pages_per_second: u32,
    hung_time: Duration,
}

const ORDINARY: Scale =
    Scale { rounds: 5, pages: 3_000, many_rows: 1_000_000, pages_per_second: 200, hung_time: Duration::from_secs(30) };

const QUICK: Scale =
    Scale { rounds: 1, pages: 20, many_rows: 1_000, pages_per_second: 20, hung_time: Duration::from_millis(500) };

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let scale = if has("--quick") || !has("--bench") { QUICK } else { ORDINARY };
    let topics: Vec<&str> = arguments.iter().map(String::as_str).filter(|argument| !argument.starts_with("--")).collect();
    if let Some(unknown) = topics.iter().find(|topic| !["page", "rows", "memory", "hung"].contains(topic)) {
        bail!("there is no bench {unknown:?}; choose from page, rows, memory, hung");
    }
    let is_asked = |topic: &str| topics.is_empty() || topics.contains(&topic);
    if is_asked("rows") {
        rows::run(scale).await?;
    }
    let (Some(server), Some(node)) = (MariaDb::start().await?, Memcached::start().await?) else { return Ok(()) };
    // First, because the pictures of an empty database are in the folder of the first site.
    if is_asked("memory") {
        memory::run(scale, &server, &node).await?;
    }
    if is_asked("page") {
        page::run(scale, &server, &node).await?;
    }
    // Last, because the cache hangs after it.
    if is_asked("hung") {
        hung::run(scale, &server, &node).await?;
    }
    Ok(())
}
