//! The agent as a service, in the place of the Java agent: started by its flags, variables and scripts, watched and
//! reloaded by systemd.
//!
//! - `arguments` and `log` translate what the Java agent's users have set.
//! - `log_file` is a log that is reopened and kept small.
//! - `reload` answers SIGHUP, `changes` (pure) says what is different, `supervisor` starts and ends flows.
//! - `notify` tells systemd how the agent is.
//! - `install` makes it the machine's service; `generate` writes what packages bring beside the program.

pub(crate) mod arguments;
mod changes;
pub(crate) mod generate;
pub(crate) mod install;
pub(crate) mod log;
mod log_file;
pub(crate) mod notify;
pub(crate) mod reload;
pub(crate) mod supervisor;

use anyhow::Context as _;
use config::exit::Failure;
use tokio::sync::mpsc;
use tracing::warn;

use crate::{cli::RunOptions, run::run_reloadable};

/// `agent run`: ships until a signal ends it.
///
/// # Errors
/// When the settings are wrong, or the agent fails.
pub(crate) fn run(options: RunOptions) -> Result<(), Failure> {
    let options = if options.service { options.with_environment()? } else { options };
    let settings = options.settings.settings()?;
    log::start(&options, &settings)?;
    if options.service {
        arguments::warnings().iter().for_each(|warning| warn!("{warning}"));
    }
    settings.notes().for_each(|note| warn!("{note}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start the runtime")?;
    runtime.block_on(async {
        let stop = config::stop::on_signal().context("cannot wait for signals")?;
        let hangups = config::stop::on_hangup().context("cannot wait for SIGHUP")?;
        let (reloads, incoming) = mpsc::channel(1); // one at a time; later signals wait in the kernel
        let reloading = tokio::spawn(reload::at_each_hangup(hangups, options.settings, reloads));
        let outcome = run_reloadable(settings, stop, incoming).await;
        reloading.abort(); // it only waits now, and nobody listens
        outcome?;
        Ok(())
    })
}
