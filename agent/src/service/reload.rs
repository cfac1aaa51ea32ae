//! SIGHUP: opens the log anew and changes to the settings as they are now, if all of them are right.

use config::exit::Failure;
use tokio::signal::unix::Signal;
use tokio::sync::{mpsc, oneshot};
use tracing::{error, info, warn};

use super::{changes::Changes, log_file, notify};
use crate::{cli, settings::Settings};

/// New settings that are right, and where to say what became of them.
#[derive(Debug)]
pub(crate) struct Reload {
    /// The settings.
    pub(crate) settings: Settings,
    /// Answered once every flow that changed has been replaced.
    pub(crate) done: oneshot::Sender<anyhow::Result<Changes>>,
}

/// Reloads at each SIGHUP until the agent takes no more.
pub(crate) async fn at_each_hangup(mut hangups: Signal, options: cli::Options, reloads: mpsc::Sender<Reload>) {
    while hangups.recv().await.is_some() {
        log_file::reopen();
        notify::reloading();
        info!("reloading the configuration");
        let status = match reload(&options, &reloads).await {
            Ok(Some(changes)) => {
                info!("reloaded: {changes}");
                changes.to_string()
            }
            Ok(None) => return,
            Err(Failure::Usage(reason) | Failure::Run(reason)) => {
                error!("cannot reload, the old configuration stays: {reason:#}");
                "the last reload failed, see the log; the old configuration runs".to_owned()
            }
        };
        notify::ready(&status);
    }
}

/// Changes to the new settings. None when the agent stops.
async fn reload(options: &cli::Options, reloads: &mpsc::Sender<Reload>) -> Result<Option<Changes>, Failure> {
    let options = options.clone();
    let loaded = tokio::task::spawn_blocking(move || options.settings()).await;
    let settings = loaded.map_err(|failed| Failure::Run(failed.into()))??;
    if let Some(skipped) = settings.skipped_files.first() {
        // At the start such a file is skipped, as in the Java agent. Now its flows run, and a typing error must not end them.
        return Err(Failure::usage(skipped.clone()));
    }
    settings.warnings.iter().for_each(|warning| warn!("{warning}"));
    let (done, answer) = oneshot::channel();
    if reloads.send(Reload { settings, done }).await.is_err() {
        return Ok(None);
    }
    match answer.await {
        Ok(changes) => Ok(Some(changes?)),
        Err(_) => Ok(None),
    }
}
