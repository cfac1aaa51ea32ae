//! Wires the flows and runs them until the stop token is cancelled.

use std::{
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

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
    destination::{AROUND_RECORD, AnyDestination, Clients},
    import,
    instance::InstanceFacts,
    memory,
    observe::{Flows, Observed, Observer},
    recipe::Recipe,
    record::Record,
    service::{notify, reload::Reload, supervisor::Supervisor},
    settings::{FlowSettings, Settings},
    ship::{DeadLetters, Shipper},
    tail::{
        self, CHUNK_RECORDS, READ_BYTES,
        survey::{Reach, reach},
    },
};

/// Chunks that may wait between a tailer and its shipper. Enough to read while requests are built; the files are
/// the real buffer, so a larger `publishQueueCapacity` would only use memory.
const MAX_QUEUED_CHUNKS: usize = 8;

/// What was done, for the last line and for tests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Lines read.
    pub records_parsed: u64,
    /// Bytes of those lines.
    pub bytes_parsed: u64,
    /// Lines cut to the record limit.
    pub records_truncated: u64,
    /// Records that were converted.
    pub records_transformed: u64,
    /// Lines that were not sent because no converter could read them.
    pub records_skipped: u64,
    /// Records the destination accepted.
    pub records_sent: u64,
    /// Records sent once more after a failure.
    pub records_retried: u64,
    /// Records the destination refused for ever; they are in the dead-letter file.
    pub records_refused: u64,
}

/// Runs all flows until `stop` is cancelled, then finishes what was read within the shutdown time-out.
///
/// # Errors
/// When another agent has the state directory, a checkpoint is damaged or cannot be saved at the end, no region is
/// known, or a flow fails.
pub async fn run(settings: Settings, stop: CancellationToken) -> Result<Summary> {
    run_reloadable(settings, stop, mpsc::channel(1).1).await
}

/// [`run()`] that changes to other settings when it is asked to.
pub(crate) async fn run_reloadable(
    mut settings: Settings,
    stop: CancellationToken,
    reloads: mpsc::Receiver<Reload>,
) -> Result<Summary> {
    let started = Instant::now();
    let directory = StateDirectory::open(&settings.state_directory)?;
    state_memory(&mut settings);
    let (observed, grace) = (Flows::default(), settings.shutdown_timeout);
    let mut runner = Runner::new(&settings, directory, observed.clone(), stop.clone()).await;
    let flows = runner.prepare(settings.flows.iter().cloned()).await?;
    info!(flows = flows.len(), state = %settings.state_directory.display(), "Found {} configured flow(s)", flows.len());

    let observer = Observer::start(&settings, &observed, started, stop.clone()).await;
    let mut supervisor = Supervisor::new(runner, stop.clone());
    supervisor.start(flows).await;
    info!("Startup completed in {} ms.", started.elapsed().as_millis());
    notify::ready(&notify::text(&observed));
    let ended = CancellationToken::new();
    let keeping_alive = tokio::spawn(notify::keep_alive(observed.clone(), ended.clone()));
    let signal = stop.clone();
    let stopped = tokio::spawn(async move {
        signal.cancelled().await;
        notify::stopping(grace);
        Instant::now()
    });
    let outcome = supervisor.run(settings, reloads).await;
    observer.finish().await?;
    ended.cancel();
    keeping_alive.await.context("the keep-alives failed")?;
    stop.cancel(); // also where every flow ended on its own
    supervisor.finish().await?;
    outcome?;
    let stopped = stopped.await.context("cannot tell when the stop began")?;
    let summary = summarize(supervisor.counters());
    info!(
        records_refused = summary.records_refused,
        records_retried = summary.records_retried,
        "Shut down completed in {} ms. Uptime: {} ms",
        stopped.elapsed().as_millis(),
        started.elapsed().as_millis()
    );
    Ok(summary)
}

/// Gives each flow its share of the memory, and says what all may hold.
fn state_memory(settings: &mut Settings) {
    let (budget, bound) = (settings.max_memory_bytes, memory::fit(&mut settings.flows, settings.max_memory_bytes));
    let mib = |bytes: usize| bytes.div_ceil(1024 * 1024);
    info!(
        flows = settings.flows.len(),
        "memory: at most {} MiB for all flows, of maxMemoryBytes {} MiB",
        mib(bound),
        mib(budget)
    );
    if bound > budget {
        let (count, budget) = (settings.flows.len(), mib(budget));
        warn!("{count} flows cannot do with {budget} MiB: raise maxMemoryBytes to {bound}, or spread them over more agents");
    }
}

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
    async fn new(settings: &Settings, directory: StateDirectory, observed: Flows, stop: CancellationToken) -> Self {
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

fn queued_chunks(flow: &FlowSettings) -> usize {
    flow.queue_capacity.clamp(1, MAX_QUEUED_CHUNKS)
}

/// Bytes a flow may hold at most, when every line has the size that makes it worst.
pub(crate) fn memory_bound(flow: &FlowSettings) -> usize {
    let line = flow.records.limit;
    // A chunk of made records closes with the one that takes it past a read's size.
    let data = if Recipe::of(flow).is_plain() { READ_BYTES.max(line) } else { READ_BYTES + line };
    let chunk = data + CHUNK_RECORDS * size_of::<Record>();
    // One chunk more is being filled, and one taken apart.
    let chunks = (queued_chunks(flow) + 2) * chunk;
    // The open batch and the one that waits for a place.
    let waiting = 2 * flow.batch.max_bytes;
    // The records, and the body with their base64 and the JSON around it.
    let sending = flow.max_requests * (flow.batch.max_bytes * (3 + 4) / 3 + flow.batch.max_records * AROUND_RECORD);
    let packing = flow.records.packing.map_or(0, |packing| packing.memory_bytes(flow.max_requests + 2));
    chunks + waiting + sending + packing + READ_BYTES.max(line)
}

fn summarize(flows: &[Arc<Counters>]) -> Summary {
    let sum = |value: fn(&Counters) -> u64| flows.iter().map(|flow| value(flow)).sum();
    Summary {
        records_parsed: sum(|flow| flow.records_parsed.get()),
        bytes_parsed: sum(|flow| flow.bytes_parsed.get()),
        records_truncated: sum(|flow| flow.records_truncated.get()),
        records_transformed: sum(|flow| flow.records_transformed.get()),
        records_skipped: sum(|flow| flow.records_skipped.get()),
        records_sent: sum(|flow| flow.records_sent.get()),
        records_retried: sum(|flow| flow.records_retried.get()),
        records_refused: sum(|flow| flow.records_refused.get()),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write as _, path::Path};

    use super::*;
    use crate::testing::{FakeKinesis, flow};

    fn settings(folder: &Path, server: &FakeKinesis) -> Settings {
        let text = format!(
            r#"{{"kinesis.endpoint": "{1}", "awsAccessKeyId": "id", "awsSecretAccessKey": "secret", "stateDirectory": "{0}/state",
                "status.listen": "", "cloudwatch.emitMetrics": false, "flows": [{{"filePattern": "{0}/a.log", "kinesisStream": "s",
                "initialPosition": "START_OF_FILE", "minTimeBetweenFilePollsMillis": 1, "maxBufferAgeMillis": 1000}}]}}"#,
            folder.display(),
            server.endpoint()
        );
        Settings::parse(text.as_bytes(), Path::new("test")).unwrap()
    }

    fn append(folder: &Path, lines: std::ops::Range<u32>) {
        let mut file = fs::OpenOptions::new().create(true).append(true).open(folder.join("a.log")).unwrap();
        for line in lines {
            writeln!(file, "line {line:06}").unwrap();
        }
    }

    fn lines(count: u32) -> Vec<Vec<u8>> {
        (0..count).map(|line| format!("line {line:06}\n").into_bytes()).collect()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_stop_sends_what_was_written_and_the_next_start_repeats_nothing() {
        let (folder, server) = (tempfile::tempdir().unwrap(), FakeKinesis::accepting().await);
        append(folder.path(), 0..1200);
        let stop = CancellationToken::new();
        let running = tokio::spawn(run(settings(folder.path(), &server), stop.clone()));
        server.wait_for(1000).await; // two full batches; the rest waits for its age
        append(folder.path(), 1200..1300);
        stop.cancel();
        let summary = running.await.unwrap().unwrap();
        assert_eq!((summary.records_parsed, summary.records_sent), (1300, 1300));

        append(folder.path(), 1300..1400);
        fs::rename(folder.path().join("a.log"), folder.path().join("a.log.1")).unwrap();
        append(folder.path(), 1400..1500);
        let stop = CancellationToken::new();
        let running = tokio::spawn(run(settings(folder.path(), &server), stop.clone()));
        server.wait_for(1500).await; // sent by age alone
        stop.cancel();
        running.await.unwrap().unwrap();
        assert_eq!(server.accepted_lines(), lines(1500));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_second_agent_on_the_same_state_is_refused() {
        let (folder, server) = (tempfile::tempdir().unwrap(), FakeKinesis::accepting().await);
        append(folder.path(), 0..500);
        let stop = CancellationToken::new();
        let running = tokio::spawn(run(settings(folder.path(), &server), stop.clone()));
        server.wait_for(500).await;
        let second = run(settings(folder.path(), &server), CancellationToken::new()).await;
        assert!(second.unwrap_err().to_string().contains("another agent is running"));
        stop.cancel();
        running.await.unwrap().unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_flow_with_converters_sends_each_good_line_once_over_a_restart() {
        let (folder, server) = (tempfile::tempdir().unwrap(), FakeKinesis::accepting().await);
        let mut settings = settings(folder.path(), &server);
        let options = r#", "dataProcessingOptions": [{"optionName": "LOGTOJSON", "logFormat": "SYSLOG", "onParseError":
            "deadletter", "matchPattern": "line (\\d*[02468])", "customFieldNames": ["n"]}]"#;
        settings.flows[0].transform = flow(folder.path(), "a.log", options).transform;
        let mut summary = Summary::default();
        for lines in [0_u32..600, 600..601, 601..1000] {
            let good = lines.end.div_ceil(2) as usize;
            append(folder.path(), lines);
            let stop = CancellationToken::new();
            let running = tokio::spawn(run(settings.clone(), stop.clone()));
            server.wait_for(good).await;
            stop.cancel();
            summary = running.await.unwrap().unwrap();
        }
        assert_eq!((summary.records_parsed, summary.records_transformed, summary.records_skipped), (399, 199, 200));
        let expected: Vec<Vec<u8>> = (0..1000).step_by(2).map(|line| format!("{{\"n\":\"{line:06}\"}}\n").into_bytes()).collect();
        assert_eq!(server.accepted_lines(), expected);
        let letters = fs::read_to_string(folder.path().join("state/dead-letter.jsonl")).unwrap();
        assert_eq!(letters.lines().count(), 500);
    }

    #[test]
    fn the_memory_bound_follows_the_settings() {
        let mut flow = flow(Path::new("/l"), "a.log", "");
        let most = memory_bound(&flow);
        flow.queue_capacity = 1;
        flow.batch.max_bytes = 100_000;
        assert!(memory_bound(&flow) < most / 5);
    }
}
