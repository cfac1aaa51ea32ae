//! Continuous queries over access-log lines, from a Kinesis stream or from files.
//!
//! ```text
//! source/    kinesis (poll, enhanced fan-out) · files (replay, tail), stdin IO
//!   ─▶ decode/     lines -> Arrow columns, only those the program reads
//!   ─▶ engine/     one owner of all state: pumps in the order of flow, windows closed by the watermark
//!   ─▶ sinks/      text, files, Parquet, Kinesis, Firehose, webhook IO
//!   ├▶ checkpoint/ state and positions of one instant in one file  IO
//!   ├▶ live/       windows, metrics and health over HTTP           IO
//!   └▶ service     how it goes, told to systemd                    IO
//! sql/  text to syntax trees · program/  streams, pumps and their operators · watermark  how far time has come
//! lines  where they end in bytes · keys  texts of groups as numbers · references  tables that streams are joined with · discover  columns of an unknown source · bucket  S3 · settings  what the flags mean · pipeline/  wires it all
//! ```
//!
//! `decode`, `sql`, `program`, `watermark`, `engine` and `source::shards` know neither files, sockets nor the clock.
//! Over all closed windows the rows equal those of the same query over the whole log; a line that cannot be read,
//! a row that comes too late is counted and located, never fatal, never silent.

mod allocator;
mod bad_lines;
mod bucket;
mod checkpoint;
mod chunk;
mod cli;
mod clock;
#[cfg(test)]
mod conformance;
mod decode;
mod discover;
mod engine;
mod keys;
mod lines;
mod live;
#[cfg(test)]
mod packaged;
mod pipeline;
mod program;
mod progress;
mod references;
mod report;
mod service;
mod settings;
mod sinks;
mod source;
mod sql;
mod summary;
mod watermark;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::{CommandFactory, Parser};
use config::exit::{self, Failure};
use config::generate;

use cli::Command;
use settings::Settings;

/// The name of the installed program; `analytics` alone would be anybody's.
const PROGRAM: &str = "weir-analytics";

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
    let settings = match arguments.command {
        None => Settings::counting(arguments.counts)?,
        Some(Command::Run(run)) => Settings::running(*run)?,
        Some(Command::Check(program)) => return check(&program),
        Some(Command::Explain(program)) => return print(&report::explain(&program)?),
        Some(Command::Deregister(consumer)) => return deregister(&consumer),
        Some(Command::Discover(arguments)) => return print(&discover::discover(&arguments)?),
        Some(Command::Man(options)) => return Ok(generate::man(&options, PROGRAM, cli::Arguments::command())?),
        Some(Command::Completions(options)) => {
            generate::completions(&options, PROGRAM, cli::Arguments::command(), &mut std::io::stdout());
            return Ok(());
        }
    };
    allocator::keep_freed_memory();
    let runtime = runtime()?;
    let summary = runtime.block_on(async {
        let stop = config::stop::on_signal().context("cannot wait for signals")?;
        pipeline::run(settings, stop).await
    })?;
    config::say::line(&summary::text(&summary));
    Ok(())
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    Ok(tokio::runtime::Runtime::new().context("cannot start the runtime")?)
}

fn deregister(consumer: &cli::DeregisterArguments) -> Result<(), Failure> {
    let aws = config::aws::AwsSettings { endpoint: consumer.endpoint.clone(), region: consumer.region.clone() };
    runtime()?.block_on(source::kinesis::deregister(&consumer.stream, &consumer.efo, &aws))?;
    config::say::line(&format!("consumer {} of stream {} is deregistered", consumer.efo, consumer.stream));
    Ok(())
}

fn check(program: &cli::ProgramArguments) -> Result<(), Failure> {
    let (text, is_good) = report::check(program)?;
    print(&text)?;
    if is_good { Ok(()) } else { Err(Failure::usage("this program does not run; the reasons stand above")) }
}

fn print(text: &str) -> Result<(), Failure> {
    let written = std::io::stdout().write_all(text.as_bytes());
    written.map_err(|error| Failure::Run(anyhow::Error::new(error).context("cannot write to standard output")))
}
