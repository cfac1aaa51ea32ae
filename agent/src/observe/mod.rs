//! Seeing what the agent does, from outside, without slowing it down.
//!
//! ```text
//! tailer, shipper ─▶ Live (one a flow) ─▶ report ─┬▶ server: /metrics /status /livez /readyz    ─▶ agent status
//!   each round, chunk,                            ├▶ status lines, every 30 s                      agent support-bundle
//!   answer                                        └▶ cloudwatch, every 30 s
//!                     Tap  ─▶ server: /tap                                                      ─▶ agent tap
//! ```
//!
//! - `live`, `beat`, `progress`: what is written while the flow runs. `flows` is the list of them.
//! - [`report`]: all of it at one moment, as plain data. `metrics`, `health` and `table` are pure views of it.
//! - `server` is a listener on loopback; `address` tells other programs on this machine where it is.
//! - `bundle` packs what a support case needs, and `redact` takes the secrets out.
//!
//! Nothing here can stop the agent: a listener that cannot start, or a CloudWatch that takes nothing, is a warning.

mod address;
mod beat;
pub(crate) mod bundle;
mod client;
mod cloudwatch;
mod flows;
mod health;
mod host;
mod live;
mod metrics;
mod process;
mod progress;
mod redact;
mod report;
mod saved;
mod server;
pub(crate) mod status_command;
mod table;
mod tap;
pub(crate) mod tap_command;
mod tap_stream;

use std::{path::Path, time::Instant};

use anyhow::{Context as _, Result};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use self::{address::Address, cloudwatch::Publisher, server::Server};
pub(crate) use self::{
    beat::Beat,
    flows::{Flows, Observed},
    live::{Answered, Live},
    report::{FlowReport, of_flow},
};
use crate::{aws::Aws, settings::Settings, status::Status};

/// Everything that watches the flows of a running agent.
#[derive(Debug)]
pub(crate) struct Observer {
    tasks: JoinSet<()>,
    stop: CancellationToken,
    status: Status,
    address: Option<Address>,
}

impl Observer {
    /// Starts to watch. `stopping` is cancelled when the agent begins to stop; watching goes on until
    /// [`Observer::finish`].
    pub(crate) async fn start(settings: &Settings, flows: &Flows, started: Instant, stopping: CancellationToken) -> Self {
        let (mut tasks, stop) = (JoinSet::new(), CancellationToken::new());
        let status = Status::new(flows.clone(), started, settings.observe.internal_metrics);
        tasks.spawn(status.clone().report(settings.status_period, stop.clone()));
        let address = listen(settings, flows, started, stopping, &mut tasks, &stop).await;
        let address = address.inspect_err(|error| warn!("{error:#}; lines are shipped all the same")).ok();
        if let Some(cloudwatch) = settings.observe.cloudwatch.clone() {
            let aws = Aws::load(settings).await;
            tasks.spawn(Publisher::run(cloudwatch, aws, flows.clone(), stop.clone()));
        }
        Self { tasks, stop, status, address }
    }

    /// Says the last status lines and ends.
    ///
    /// # Errors
    /// When something of it panicked.
    pub(crate) async fn finish(mut self) -> Result<()> {
        self.stop.cancel();
        let mut outcome = Ok(());
        while let Some(ended) = self.tasks.join_next().await {
            outcome = outcome.and(ended.context("what watches the flows failed"));
        }
        self.status.log().await;
        if let Some(address) = self.address {
            address.remove();
        }
        outcome
    }
}

/// Starts the listener, if one is wanted, and tells others where it is.
async fn listen(
    settings: &Settings,
    flows: &Flows,
    started: Instant,
    stopping: CancellationToken,
    tasks: &mut JoinSet<()>,
    stop: &CancellationToken,
) -> Result<Address> {
    let token = address::new_token();
    let server = match settings.observe.listen {
        Some(listen) => match Server::bind(listen).await {
            Ok(server) => Some(server),
            Err(error) => {
                warn!("{error:#}; \"\" is none. Lines are shipped all the same, without /metrics and `agent status`");
                None
            }
        },
        None => None,
    };
    let address = Address::write(&settings.state_directory, server.as_ref().map(Server::address), &token)?;
    if let Some(server) = server {
        let shared = server::Shared { flows: flows.clone(), started, stopping, token, stop: stop.clone() };
        tasks.spawn(server.run(shared));
    }
    Ok(address)
}

/// Whether an agent runs with this state directory, and where it listens.
pub(crate) fn running(state_directory: &Path) -> Option<address::Found> {
    address::find(state_directory)
}
