//! Continuous queries over access-log lines, from a Kinesis stream or from files.
//!
//! ```text
//! source/    kinesis (poll) · file, standard input (replay)       IO
//!   ─▶ decode/     lines -> Arrow columns, only those the program reads
//!   ─▶ engine/     one owner of window state: partial aggregates a window, closed by the watermark
//!   ─▶ sinks/      table, CSV, JSON lines                          IO
//!   └▶ live/       open and closed windows over HTTP               IO
//! program/  what to compute · watermark  how far time has come · pipeline/  wires it all
//! ```
//!
//! `decode`, `program`, `watermark`, `engine` and `source::shards` know neither files, sockets nor the clock.
//! Over all closed windows the rows equal those of the same query over the whole log; a line that cannot be read,
//! a row that comes too late is counted and located, never fatal, never silent.

mod bad_lines;
mod chunk;
mod cli;
mod clock;
mod decode;
mod engine;
mod live;
mod pipeline;
mod program;
mod progress;
mod sinks;
mod source;
mod summary;
mod watermark;

use std::{ffi::OsString, process::ExitCode};

use anyhow::Context;
use clap::Parser;
use config::exit::{self, Failure};

/// Runs the command line; `local` calls it too, so that what it starts is the product.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match cli::Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    };
    config::logging::init("info");
    exit::code(run(arguments))
}

fn run(arguments: cli::Arguments) -> Result<(), Failure> {
    let settings = cli::Settings::try_from(arguments)?;
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    let summary = runtime.block_on(async {
        let stop = config::stop::on_signal().context("cannot wait for signals")?;
        pipeline::run(settings, stop).await
    })?;
    report(&summary::text(&summary));
    Ok(())
}

#[expect(clippy::print_stderr, reason = "the summary is for the person who started the program, whatever the log level")]
fn report(summary: &str) {
    eprintln!("{summary}");
}
