//! `agent install` and `agent uninstall`: this program as the machine's service, in the place of the Java agent.
//!
//! `plan` (pure) decides from `facts` which steps there are, in what order; a [`step`] knows whether it is done already,
//! how to say what it does, and how to do it. So `--dry-run` prints exactly what would be done, and a second
//! installation does nothing.

mod facts;
mod names;
mod plan;
mod step;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use config::exit::Failure;

use self::{facts::Facts, step::Step};

/// Flags of `install`.
#[derive(Debug, Args)]
pub(crate) struct InstallOptions {
    #[command(flatten)]
    common: CommonOptions,
    /// Start the service too
    #[arg(long)]
    now: bool,
    /// Leave out what a package brings itself: program, links and unit
    #[arg(long, hide = true)]
    packaged: bool,
}

/// Flags of `uninstall`.
#[derive(Debug, Args)]
pub(crate) struct UninstallOptions {
    #[command(flatten)]
    common: CommonOptions,
    /// Delete configuration, state, logs and the user too. What was not shipped yet will be shipped again or never
    #[arg(long)]
    purge: bool,
}

/// Flags of both.
#[derive(Debug, Args)]
#[group(skip)]
struct CommonOptions {
    /// Print every step and do none
    #[arg(long)]
    dry_run: bool,
    /// Work on the files below this folder instead of on the running system: no users, no services
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
}

/// `agent install`.
///
/// # Errors
/// When it is not run by root, or a step fails; those before it are done then, and a second run continues.
pub(crate) fn install(options: &InstallOptions) -> Result<(), Failure> {
    let facts = Facts::gather(options.common.root.as_deref());
    let steps = plan::install(&facts, options.packaged, options.now);
    perform("install", &steps, &facts, options.common.dry_run)?;
    if !options.now && !options.packaged && options.common.root.is_none() && !options.common.dry_run {
        println!("start it: systemctl start weir-agent");
    }
    Ok(())
}

/// `agent uninstall`.
///
/// # Errors
/// As [`install`].
pub(crate) fn uninstall(options: &UninstallOptions) -> Result<(), Failure> {
    let facts = Facts::gather(options.common.root.as_deref());
    let steps = plan::uninstall(&facts, options.purge);
    perform("uninstall", &steps, &facts, options.common.dry_run)
}

fn perform(what: &str, steps: &[Step], facts: &Facts, is_dry: bool) -> Result<(), Failure> {
    if !is_dry && facts.is_running_system() && !rustix::process::geteuid().is_root() {
        let message = format!("agent {what} needs root: sudo agent {what}, or look first with agent {what} --dry-run");
        return Err(Failure::usage(message));
    }
    let mut count = 0;
    for step in steps {
        if step.is_done(facts) {
            continue;
        }
        count += 1;
        println!("{}{step}", if is_dry { "would " } else { "" });
        if !is_dry {
            step.perform(facts).with_context(|| format!("cannot {step}"))?;
        }
    }
    if count == 0 {
        println!("nothing to do");
    }
    Ok(())
}
