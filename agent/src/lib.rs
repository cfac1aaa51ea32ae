//! Ships log files to Kinesis, line by line, without losing one.
//!
//! ```text
//! one thread per flow                                             one task per flow
//! ┌──────────────────────────────────────────────┐                ┌─────────────────────────────────────────────┐
//! │ tail: directory ─▶ discovery ─▶ line_buffer  │ ═ bounded ══▶  │ ship: batcher ─▶ destination ─▶ ack_tracker │
//! └──────────────────────────────────────────────┘   channel      │       checkpoint ◀── positions ◀──┘         │
//!                                                                 └─────────────────────────────────────────────┘
//! ```
//!
//! - [`settings`] reads `agent.json` into values that cannot be wrong.
//! - `tail` is the only code that touches log files. What a look at the directory means is decided by pure code.
//! - `record` is what travels: lines as they stand in the file, and news about the files.
//! - `recipe` says what is done to a line before it is a record: `privacy`, `transform` (the converters), and the
//!   `partition_key`. It is pure, and runs in the tailer's thread.
//! - `pack` puts several lines into one record where a flow asks for it. It is pure; the batcher works with it.
//! - `batcher`, `ack_tracker`, `checkpoint::positions` and `ship::shipment` are pure; `ship` is the loop around them.
//! - `destination` sends one request and says what became of each record. `aws` is how it gets there, and as whom.
//! - `observe` shows all of it to others: status, metrics, health, samples. It never slows a flow down.
//! - `service` is the agent under systemd: what it is told at the start, reloads, keep-alives, installation.
//! - `runner` prepares and runs one flow, `memory` gives each its share, [`run()`] wires it all.
//! - `cli` and [`main`] are what a shell sees.
//!
//! Invariants: a saved position never passes a line that was not accepted. Nothing is dropped to keep up: a full
//! channel makes the tailer wait, and the log file is the buffer. Whatever is accepted is saved before the next
//! request leaves. No component calls back upstream; acknowledgements stay inside the shipper's task.
//!
//! Deliberately absent: retries by the SDK, a buffer on disk, and any lock shared between flows.

mod ack_tracker;
mod aws;
mod batcher;
mod check;
mod checkpoint;
mod cli;
mod cost;
mod counters;
mod destination;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod import;
mod instance;
mod memory;
mod observe;
mod online;
mod pack;
mod parse;
mod partition_key;
mod privacy;
mod rate_limit;
mod recipe;
mod record;
mod rehearsal;
mod run;
mod runner;
mod service;
pub mod settings;
mod ship;
mod shipped;
mod status;
mod tail;
#[cfg(test)]
mod testing;
mod transform;

use std::{ffi::OsString, path::Path, process::ExitCode};

use anyhow::Context as _;
use config::exit::{self, Failure};
use tracing::warn;

use self::cli::Command;

pub use self::{
    run::{Summary, run},
    settings::Settings,
};

/// Runs the command line; `local` calls it too, so that what it starts is the product.
///
/// Exit codes: 0 done, 1 failed, 2 wrong usage or settings.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let command = cli::parse(arguments).command();
    if !matches!(command, Command::Run(_)) {
        config::logging::init("info");
    }
    exit::code(match command {
        Command::Run(options) => service::run(options),
        Command::Check(options) => options.settings.settings().and_then(|settings| check(settings, options.online)),
        Command::Parse(arguments) => parse::run(&arguments),
        Command::Cost(arguments) => cost::run(&arguments),
        Command::Status(options) => observe::status_command::run(&options),
        Command::Tap(options) => observe::tap_command::run(&options),
        Command::SupportBundle(options) => observe::bundle::command(&options),
        Command::ImportCheckpoints { options, file, dry_run } => {
            options.settings().and_then(|settings| print_import(&settings, file.as_deref(), dry_run))
        }
        Command::Shipped { options, request } => options.settings().and_then(|settings| shipped::run(&settings, &request)),
        Command::Install(options) => service::install::install(&options),
        Command::Uninstall(options) => service::install::uninstall(&options),
        Command::Man(options) => service::generate::man(&options),
        Command::Completions(options) => service::generate::completions(&options),
        Command::Schema => service::generate::schema(),
    })
}

fn print_import(settings: &Settings, file: Option<&Path>, is_dry: bool) -> Result<(), Failure> {
    print!("{}", import::by_hand(settings, file, is_dry)?);
    Ok(())
}

fn check(settings: Settings, is_online: bool) -> Result<(), Failure> {
    settings.notes().for_each(|note| warn!("{note}"));
    print!("{}", check::describe(&settings));
    if !is_online {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start the runtime")?;
    Ok(runtime.block_on(online::check(&settings))?)
}
