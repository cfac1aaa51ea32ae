//! The embedded Kinesis stream: ferrokinesis on loopback, with a journal, so that a restart keeps the stream.
//!
//! ferrokinesis can save its state itself, but writes all of it again at every put; that is quadratic, so an hour of
//! traffic would stand still. Here it works in memory, and each accepted record is appended to a file before the
//! sender gets its answer. The disk is asked to confirm once a second: a power failure can lose the last second, a
//! crash of the program nothing.
//!
//! ```text
//! request ─▶ serve (changes take turns) ─▶ ferrokinesis ─▶ store (memory)
//!                 └─ recorder: what is new in the store ─▶ journal: 0000000001.journal …
//! start:  journal ─▶ restore ─▶ store
//! ```
//!
//! Kept: streams, shards, tags, records. Not kept: registered consumers, resource policies. Bounded: records older
//! than the retention, or beyond `--max-bytes`, are forgotten, oldest first.

mod entry;
mod journal;
mod recorder;
mod restore;
mod segment;
mod serve;

use std::{
    ffi::OsString,
    io::Write,
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result};
use clap::Parser;
use config::exit::Failure;

pub(crate) use recorder::Counts;

/// How long AWS and this stream keep a record by default.
const RETENTION_HOURS: u32 = 24;
/// Default bound of the stream, in memory and on disk each.
pub(crate) const DEFAULT_MAX_BYTES: u64 = 512 << 20;

/// Flags of the component; `local` sets them.
#[derive(Debug, Parser)]
#[command(name = "stream")]
struct Arguments {
    /// Loopback address to serve on.
    #[arg(long)]
    listen: SocketAddr,
    /// Folder of the journal.
    #[arg(long)]
    dir: PathBuf,
    /// Bytes of the journal; memory use is close to it.
    #[arg(long, default_value_t = DEFAULT_MAX_BYTES)]
    max_bytes: u64,
}

/// Runs the stream until it is told to stop.
pub(crate) fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    config::logging::init("info");
    let outcome = Arguments::try_parse_from(arguments).map_err(|error| Failure::usage(error.to_string())).and_then(run);
    config::exit::code(outcome)
}

#[tokio::main]
async fn run(arguments: Arguments) -> Result<(), Failure> {
    let stop = config::stop::on_signal().context("cannot listen for signals")?;
    let listener = config::listen::on_loopback(arguments.listen, "--stream-port").await?;
    let limits = journal::Limits::of_total(arguments.max_bytes);
    let stream = serve::EmbeddedStream::open(&arguments.dir, limits).await?;
    let address = listener.local_addr().context("the listener has no address")?;
    announce(&format!("listening on http://{address}")).context("stdout is closed")?;
    Ok(stream.serve(listener, stop).await?)
}

fn announce(line: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// Seconds since the Unix epoch.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

#[cfg(test)]
mod tests;
