//! What shipping costs: `cargo bench -p agent --bench shipping -- [catch-up] [latency] [idle] [--full]`.
//!
//! - `catch-up`: a log of 1 M and 5 M lines from its start to a sink on loopback, plain and over TLS, beside the floor (one
//!   thread that does only what cannot be left out) and a script of thirty lines with boto3. `--full` adds 20 M lines.
//! - `latency`: 1,000 lines a second for 30 seconds, from the append to the arrival.
//! - `idle`: 100 files that nobody writes to.
//!
//! Programs run in turn, round by round, so that a busy neighbour is shared; CPU seconds (user and system, of the whole
//! process, its start included) are the figure to trust. The sink takes apart every record and compares the count
//! and a hash with the file's. What is missing is named: python3 with boto3 (`BENCH_PYTHON` names another interpreter), openssl.
//!
//! Without cargo's `--bench`, as `cargo test` starts it, everything runs in seconds: that checks the benches, not the agent.

#![expect(clippy::disallowed_methods, reason = "no runtime here whose worker could be blocked: other processes are watched")]

mod catch_up;
mod child;
mod contender;
mod floor;
mod idle;
mod latency;
mod lines;
mod sink;
mod tls;

use std::time::Duration;

use anyhow::{Result, bail};
use tests::table;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
struct Scale {
    /// Sizes of the logs to catch up with.
    logs: &'static [u64],
    /// Lines the script gets: it is slow.
    script_lines: u64,
    rounds: usize,
    lines_per_second: u64,
    latency_time: Duration,
    idle_files: usize,
    idle_time: Duration,
    /// Until the runtime's spare threads of the start have ended.
    settle_time: Duration,
}

const ORDINARY: Scale = Scale {
    logs: &[1_000_000, 5_000_000],
    script_lines: 100_000,
    rounds: 3,
    lines_per_second: 1_000,
    latency_time: Duration::from_secs(30),
    idle_files: 100,
    idle_time: Duration::from_secs(60),
    settle_time: Duration::from_secs(12),
};

const FULL: Scale = Scale { logs: &[1_000_000, 5_000_000, 20_000_000], ..ORDINARY };

const QUICK: Scale = Scale {
    logs: &[3_000],
    script_lines: 500,
    rounds: 1,
    lines_per_second: 200,
    latency_time: Duration::from_millis(500),
    idle_files: 3,
    idle_time: Duration::from_millis(300),
    settle_time: Duration::from_millis(100),
};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(floor) = arguments.strip_prefix(&[floor::COMMAND.to_owned()]) {
        return floor::main(floor);
    }
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let scale = match (has("--quick") || !has("--bench"), has("--full")) {
        (true, _) => QUICK,
        (false, true) => FULL,
        (false, false) => ORDINARY,
    };
    let topics: Vec<&str> = arguments.iter().map(String::as_str).filter(|argument| !argument.starts_with("--")).collect();
    if let Some(unknown) = topics.iter().find(|topic| !["catch-up", "latency", "idle"].contains(topic)) {
        bail!("there is no bench {unknown:?}; choose from catch-up, latency, idle");
    }
    let is_asked = |topic: &str| topics.is_empty() || topics.contains(&topic);
    if is_asked("catch-up") {
        catch_up::run(scale)?;
    }
    if is_asked("latency") {
        latency::run(scale)?;
    }
    if is_asked("idle") {
        idle::run(scale)?;
    }
    Ok(())
}
