//! `agent status`: what the running agent says, or what the checkpoints say when there is none.

use std::{net::SocketAddr, path::Path};

use anyhow::{Context as _, Result, anyhow, bail};
use clap::Args;
use config::exit::Failure;
use serde_json::json;

use super::{address::Found, client, health, report::Report, running, saved, table};
use crate::{cli, settings::Settings};

/// Flags of `agent status`.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes:
  0  every flow delivers, or waits for a destination that throttles it
  1  something is wrong: no agent runs, or a flow is misconfigured, its destination does not answer, or its checkpoint
     cannot be saved; the reasons are on stderr
  2  wrong usage or settings")]
pub(crate) struct StatusOptions {
    #[command(flatten)]
    settings: cli::Options,
    /// Print JSON: what /status serves, or the checkpoints with "running": false
    #[arg(long)]
    json: bool,
}

/// Where a running agent can be asked.
#[derive(Debug)]
pub(super) enum Place {
    /// Nobody runs with this state directory.
    Nowhere,
    /// Here, and with this token if it may be read.
    At(SocketAddr, Option<String>),
}

/// Runs the command.
///
/// # Errors
/// When something is wrong with the agent; the text says what.
pub(crate) fn run(options: &StatusOptions) -> Result<(), Failure> {
    let settings = options.settings.settings()?;
    let Place::At(address, _) = place(&settings)? else {
        print_saved(&settings, options.json);
        return Err(Failure::Run(anyhow!("no agent is running with state directory {}", settings.state_directory.display())));
    };
    let text = fetch(address)?;
    let report: Report = serde_json::from_str(&text).context("the agent is another version; ask with its own program")?;
    print!("{}", if options.json { format!("{text}\n") } else { table::running(&report) });
    match health::wrong(&report).as_slice() {
        [] => Ok(()),
        reasons => Err(Failure::Run(anyhow!("{}", reasons.join("\n       ")))),
    }
}

/// The JSON of `/status`.
pub(super) fn fetch(address: SocketAddr) -> Result<String> {
    let answer = client::get(address, "/status", None)?;
    let status = answer.status;
    if status != 200 {
        bail!("the agent on {address} answers with HTTP status {status}: {}", answer.text()?);
    }
    answer.text()
}

/// Where to ask.
///
/// # Errors
/// When an agent runs that cannot be asked.
pub(super) fn place(settings: &Settings) -> Result<Place> {
    match (running(&settings.state_directory), settings.observe.listen) {
        (None, _) => Ok(Place::Nowhere),
        (Some(Found::Running(content)), _) => match content.address {
            Some(address) => Ok(Place::At(address, Some(content.token))),
            None => bail!("agent process {} runs, but does not listen; see status.listen and its log", content.pid),
        },
        (Some(Found::Unreadable(_)), Some(address)) if address.port() != 0 => Ok(Place::At(address, None)),
        (Some(Found::Unreadable(path)), _) => Err(unreadable(&path)),
    }
}

/// What to do when only others may read the address.
pub(super) fn unreadable(path: &Path) -> anyhow::Error {
    anyhow!("cannot read {}; run this as the agent's user or as root", path.display())
}

fn print_saved(settings: &Settings, is_json: bool) {
    let flows = saved::read(settings);
    if is_json {
        println!("{}", json!({"running": false, "flows": flows}));
    } else {
        print!("{}", table::saved(&flows));
    }
}
