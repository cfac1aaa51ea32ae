//! One flow from its settings to its end: what it needs is looked for before anything starts, then its thread and its
//! task run until they are told to stop.

use std::{sync::Arc, thread::JoinHandle, time::Duration};

use anyhow::{Context as _, Result, anyhow};
use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    checkpoint::{
        positions::Positions,
        state::FlowState,
        store::{StateDirectory, Store},
    },
    counters::Counters,
    destination::{AnyDestination, Clients},
    import,
    instance::InstanceFacts,
    memory::{memory_bound, queued_chunks},
    observe::{Flows, Observed},
    settings::{FlowSettings, Settings},
    ship::{DeadLetters, Shipper},
    tail::{
        self,
        survey::{Reach, reach},
    },
};

/// What every flow needs to run, whichever it is.
pub(crate) struct Runner {
    /// Those of the start; a reload changes only the flows.
    settings: Settings,
    directory: StateDirectory,
    clients: Clients,
    observed: Flows,
    /// Keep the instance's facts fresh, until `stop`.
    refreshing: JoinSet<()>,
    stop: CancellationToken,
}

/// One flow that can start: nothing it needs is missing.
pub(crate) struct Prepared {
    flow: Flow,
    destination: AnyDestination,
}

impl Prepared {
    /// The flow's id.
    pub(crate) fn id(&self) -> &str {
        &self.flow.settings.id
    }

    /// What it will count.
    pub(crate) fn counters(&self) -> Arc<Counters> {
        self.flow.counters.clone()
    }
}

impl Runner {
    pub(crate) async fn new(settings: &Settings, directory: StateDirectory, observed: Flows, stop: CancellationToken) -> Self {
        let clients = Clients::load(settings).await;
        Self { settings: settings.clone(), directory, clients, observed, refreshing: JoinSet::new(), stop }
    }

    /// Loads every checkpoint and finds every destination before anything starts: one that is damaged must not stop an
    /// agent half-way.
    ///
    /// # Errors
    /// When a checkpoint cannot be read, or no region is known.
    pub(crate) async fn prepare(&mut self, flows: impl IntoIterator<Item = FlowSettings>) -> Result<Vec<Prepared>> {
        let mut prepared = Vec::new();
        for flow in flows {
            let destination = self.clients.destination(&flow.target).await.with_context(|| format!("flow {}", flow.id))?;
            prepared.push(Prepared { flow: load(flow, &self.settings, &self.directory)?, destination });
        }
        for Prepared { flow, .. } in &prepared {
            self.observed.add(Observed::new(&flow.settings, flow.counters.clone()));
        }
        Ok(prepared)
    }

    /// Asks what this instance is if one of the flows wants to know, and keeps asking.
    pub(crate) async fn learn_instance(&mut self, flows: &[Prepared]) {
        let flows = flows.iter().map(|prepared| prepared.flow.settings.clone()).collect();
        if let Some(instance) = InstanceFacts::start(&Settings { flows, ..self.settings.clone() }).await {
            self.refreshing.spawn(instance.run(self.stop.clone()));
        }
    }

    /// Runs a flow until `stop` is cancelled and what was read is finished.
    pub(crate) fn run(
        &self,
        Prepared { flow, destination }: Prepared,
        stop: CancellationToken,
    ) -> impl Future<Output = Result<()>> + use<> {
        let letters = DeadLetters::new(self.directory.dead_letters());
        run_flow(flow, destination, letters, stop, self.settings.shutdown_timeout)
    }

    /// A flow has ended and is no more to be seen.
    pub(crate) fn forget(&self, id: &str) {
        self.observed.remove(id);
    }

    /// Waits for what runs beside the flows. It ends with `stop`.
    pub(crate) async fn finish(&mut self) -> Result<()> {
        while let Some(ended) = self.refreshing.join_next().await {
            ended.context("the refresh of the instance's facts failed")?;
        }
        Ok(())
    }
}

/// One flow before it starts.
struct Flow {
    settings: FlowSettings,
    store: Store,
    state: Option<FlowState>,
    counters: Arc<Counters>,
}

fn load(flow: FlowSettings, settings: &Settings, directory: &StateDirectory) -> Result<Flow> {
    let store = directory.store(&flow.id);
    let state = match store.load()? {
        Some(state) => Some(state),
        None => import::at_start(settings, &flow, &store)?,
    };
    tell_reach(&flow);
    let bound_mib = memory_bound(&flow).div_ceil(1024 * 1024);
    info!(
        flow = flow.id,
        stream = flow.target.written(),
        known = state.is_some(),
        memory_bound_mib = bound_mib,
        "Starting tailer for file {}",
        flow.id
    );
    Ok(Flow { settings: flow, store, state, counters: Arc::default() })
}

/// Says what a pattern reaches; one that reaches nothing looks like a quiet log otherwise.
fn tell_reach(flow: &FlowSettings) {
    match reach(flow) {
        Reach::Files(0) => info!(flow = flow.id, "the pattern matches no file now"),
        Reach::Files(files) => info!(flow = flow.id, files, "the pattern matches"),
        Reach::Blocked(reason) => warn!(flow = flow.id, "{reason}"),
        Reach::Nothing(reason) => warn!(flow = flow.id, "the pattern matches nothing: {reason}"),
    }
}

async fn run_flow(
    flow: Flow,
    destination: AnyDestination,
    letters: DeadLetters,
    stop: CancellationToken,
    grace: Duration,
) -> Result<()> {
    let Flow { settings, store, state, counters } = flow;
    let id = settings.id.clone();
    // A full channel makes the tailer wait; the file behind it is the buffer.
    let (to_shipper, incoming) = mpsc::channel(queued_chunks(&settings));
    let positions = Positions::new(id.clone());
    let shipper = Shipper::new(settings.clone(), destination, positions, store, letters, counters.clone());
    let thread = tail::thread::spawn(settings, state, counters, to_shipper, stop.clone());
    let thread = thread.with_context(|| format!("cannot start the tailer of flow {id}"))?;
    let shipped = shipper.run(incoming, stop.clone(), grace).await.with_context(|| format!("flow {id}"));
    let tailed = join(thread).await.with_context(|| format!("the tailer of flow {id} panicked"));
    if !stop.is_cancelled() {
        warn!(flow = id, "the flow ended on its own");
    }
    shipped.and(tailed)
}

/// Waits for a thread without blocking a worker. It ends soon: its channel is closed.
async fn join(thread: JoinHandle<()>) -> Result<()> {
    let joined = tokio::task::spawn_blocking(move || thread.join()).await?;
    joined.map_err(|panic| anyhow!("{}", panic.downcast_ref::<&str>().copied().unwrap_or("see the message above")))
}
