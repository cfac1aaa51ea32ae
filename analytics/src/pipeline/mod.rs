//! Wires the parts together and runs them until the input ends or `stop`.
//!
//! ```text
//! source ─chunks─▶ dispatch ─▶ decoder threads ─▶ engine thread ─reports─▶ output thread
//!  (task)           (task)      in turn             one owner      ▲         stdout, bad lines
//!                                                   of all state   └─ snapshots ◀─ live readers
//! ```
//!
//! Chunks go to the decoders in turn and are taken from them in the same turn, so the engine sees every shard's
//! rows in order without sorting. A chunk of a file is a turn to read it, which the decoder takes itself. Every channel is
//! bounded: a full one makes its sender wait, back to the source.

mod checkpoints;
mod engine_task;
mod output;
mod pace;
mod workers;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::num::NonZero;
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result, anyhow};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use crate::bad_lines::BadLines;
use crate::checkpoint::{CheckpointStore, Saved, SinkMarks};
use crate::chunk::{Mark, ShardId};
use crate::clock::now_ms;
use crate::decode::Decoder;
use crate::engine::{Engine, EngineOptions, Stats};
use crate::keys::{Dictionaries, Room};
use crate::live::{self, Behind, Health, LiveTables, Phase, Told};
use crate::progress::Progress;
use crate::service;
use crate::settings::{InputSettings, Settings};
use crate::sinks::{Network, Sinks};
use crate::source::kinesis::{KinesisSource, StreamSettings};
use crate::source::{Input, Replay, Source, Tail};
use checkpoints::Checkpoints;
use engine_task::EngineTask;
use output::Output;
use pace::Pace;
pub(crate) use pace::parse_speed;

/// Chunks between source and decoders. One of a stream has up to 10 MiB, one of standard input about 1 MiB.
const CHUNKS: usize = 4;
/// Reports between engine and output.
const REPORTS: usize = 64;
/// Snapshot requests of live readers.
const SNAPSHOTS: usize = 16;

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Summary {
    pub(crate) stats: Stats,
    /// False when it was stopped before its end; then open windows were not written.
    pub(crate) is_complete: bool,
    pub(crate) open_windows: usize,
    /// Whether a checkpoint has them.
    pub(crate) is_kept: bool,
}

/// Runs the program of `settings`.
pub(crate) async fn run(settings: Settings, stop: CancellationToken) -> Result<Summary> {
    let progress = progress(&settings);
    let decoders = || settings.inputs.iter().map(|input| Decoder::new(input.plan.clone())).collect::<Vec<_>>();
    let schemas = decoders().iter().map(Decoder::schema).collect();
    let engine = Engine::new(&settings.program, schemas, options(&settings));
    let mut engine = engine.map_err(|error| anyhow!("{}", settings.source.render(&error)))?;
    debug!("plans\n{}", engine.describe().join("\n"));
    let (told, health) = Told::new(settings.checkpoint.is_some());
    let (snapshots, requests) = mpsc::channel(SNAPSHOTS);
    let tables = LiveTables::new(settings.shown.clone(), snapshots, health.clone());
    let servers = serve_live(settings.listen, tables, health.clone()).await?;
    let Some(start) = start(&settings, &mut engine, &told.phase, &stop).await? else {
        return Ok(Summary { stats: engine.stats(), is_complete: false, open_windows: 0, is_kept: false });
    };
    let bad_lines = BadLines::open(settings.bad_lines.as_deref(), &start.sinks)?;
    let network = Network::new(Handle::current(), stop.clone(), told.blocked);
    let (plans, known) = (settings.sinks.clone(), start.sinks);
    let sinks = tokio::task::spawn_blocking(move || Sinks::open(plans, &known, &network)).await??;
    let sources = sources(&settings, &start.marks, &progress, &health.behind).await?;
    state_bound(&settings);

    let (chunks, incoming) = mpsc::channel(CHUNKS);
    let (reports, outgoing) = mpsc::channel(REPORTS);
    let decoders = coded(&engine, decoders);
    let workers = workers::start(decoders, &stop)?;
    let (number, store) = (start.number, start.store);
    told.saved.send_replace(Saved { number, tried: number, ..Saved::default() });
    let checkpoints = Checkpoints {
        is_kept: store.is_some(),
        interval: settings.checkpoint_interval,
        number,
        marks: start.marks,
        saved: health.saved,
        last_at: Instant::now(),
        is_due: false,
    };
    let output = spawn("output", {
        let (stop, output) = (stop.clone(), Output { sinks, bad_lines, store, saved: told.saved });
        move || output.run(outgoing, &stop)
    })?;
    let (decoded, until_idle, totals) = (workers.decoded, settings.until_idle, told.totals);
    let (pace, early) = (settings.speed.map(Pace::new), VecDeque::new());
    let stopped = stop.clone();
    let task = EngineTask { engine, decoded, requests, reports, until_idle, checkpoints, totals, pace, early, stop: stopped };
    let engine = spawn("engine", move || task.run())?;

    let mut tasks = JoinSet::new();
    tasks.spawn(workers::dispatch(incoming, workers.chunks));
    workers.parts.into_iter().for_each(|part| drop(tasks.spawn(join(part))));
    for source in sources {
        tasks.spawn(source.run(chunks.clone(), stop.clone()));
    }
    drop(chunks); // the end of the last source is the end of all
    told.phase.send_replace(Phase::Running);

    let summary = supervise(tasks, engine, &stop, &told.phase).await;
    let written = join(output).await; // the listener answers until the last row is written
    servers.stop().await;
    progress.clear();
    written.and(summary)
}

/// Where a run begins.
struct Start {
    store: Option<CheckpointStore>,
    /// The number of the last checkpoint; 0: there is none.
    number: u64,
    marks: BTreeMap<ShardId, Mark>,
    sinks: SinkMarks,
}

/// Takes the checkpoint's place and puts its state into the engine. None when `stop` came before another instance ended.
async fn start(
    settings: &Settings,
    engine: &mut Engine,
    phase: &watch::Sender<Phase>,
    stop: &CancellationToken,
) -> Result<Option<Start>> {
    let mut start = Start { store: None, number: 0, marks: BTreeMap::new(), sinks: SinkMarks::new() };
    let Some(checkpoint) = &settings.checkpoint else { return Ok(Some(start)) };
    let stand_by = || {
        phase.send_replace(Phase::StandingBy);
    };
    let store = CheckpointStore::take(&checkpoint.place, settings.identity(), stand_by, stop).await?;
    let Some(mut store) = store else { return Ok(None) };
    if checkpoint.is_fresh {
        store.forget().await?;
    }
    if let Some(known) = store.load().await? {
        engine.restore(known.image, now_ms())?;
        let (number, open_windows) = (known.number, engine.open_windows());
        info!(number, open_windows, place = %checkpoint.place, "going on from the checkpoint");
        start = Start { store: None, number, marks: known.marks, sinks: known.sinks };
    }
    Ok(Some(Start { store: Some(store), ..start }))
}

/// Waits for the engine, which ends when its input does or on `stop`; a failed part stops the others.
async fn supervise(
    mut tasks: JoinSet<Result<()>>,
    engine: Part<Summary>,
    stop: &CancellationToken,
    phase: &watch::Sender<Phase>,
) -> Result<Summary> {
    let mut failure = Ok(());
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended.context("a part panicked").flatten() {
            stop.cancel();
            failure = failure.and(Err(error)); // the first failure is the one to report
        }
    }
    phase.send_replace(Phase::Stopping);
    let summary = join(engine).await;
    failure.and(summary)
}

/// The source of each input; it begins where the marks say.
async fn sources(
    settings: &Settings,
    marks: &BTreeMap<ShardId, Mark>,
    progress: &Arc<Progress>,
    behind: &Behind,
) -> Result<Vec<Source>> {
    let mut sources = Vec::with_capacity(settings.inputs.len());
    for (input, InputSettings { name, sources: texts, .. }) in settings.inputs.iter().enumerate() {
        if let [Input::Kinesis(stream)] = texts.as_slice() {
            let (start, efo, aws) = (settings.start.clone(), settings.efo.clone(), settings.aws.clone());
            let behind = if settings.inputs.len() > 1 { behind.of_input(name) } else { behind.clone() };
            let stream = StreamSettings { input, stream: stream.clone(), start, efo, aws };
            sources.push(Source::Kinesis(Box::new(KinesisSource::connect(stream, marks, behind).await?)));
            continue;
        }
        let shard = ShardId::of_input(input, 0);
        let from = marks.get(&shard).and_then(|mark| if let Mark::File(mark) = mark { Some(mark.clone()) } else { None });
        if let ([Input::File(path)], true) = (texts.as_slice(), settings.follow) {
            sources.push(Source::Tail(Tail::new(path.clone(), shard, from)));
            continue;
        }
        let (inputs, arrivals) = (texts.clone(), settings.arrivals.clone());
        let (progress, is_alone) = (progress.clone(), settings.inputs.len() == 1);
        sources.push(Source::Replay(Replay { inputs, shard, arrivals, from, progress, is_alone }));
    }
    Ok(sources)
}

fn progress(settings: &Settings) -> Arc<Progress> {
    if settings.follow {
        return Progress::hidden(); // there is no end
    }
    let texts = settings.inputs.iter().flat_map(|input| &input.sources);
    let files: Option<Vec<_>> =
        texts.map(|input| if let Input::File(path) = input { Some(path.as_path()) } else { None }).collect();
    files.map_or_else(Progress::hidden, |files| Progress::over(files.into_iter()))
}

fn options(settings: &Settings) -> EngineOptions {
    let ms = |duration: std::time::Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    EngineOptions {
        row_time: settings.row_time(),
        allowed_lateness_ms: settings.allowed_lateness.map(ms),
        idle_after_ms: ms(settings.idle_after),
        max_groups: settings.max_groups,
        keeps_results: settings.listen.is_some(),
    }
}

fn worker_count() -> usize {
    // More decoders than four outrun the one engine thread.
    thread::available_parallelism().map_or(1, NonZero::get).min(4)
}

/// The decoders of each worker. What the program only groups by comes to the engine as codes, the same from all of them.
fn coded(engine: &Engine, decoders: impl Fn() -> Vec<Decoder>) -> Vec<Vec<Decoder>> {
    let inputs: Vec<_> = engine.coded_columns().iter().map(|columns| (columns, Dictionaries::new(Room::USUAL))).collect();
    let code = |(decoder, (columns, dictionaries)): (Decoder, &(&Vec<usize>, Arc<Dictionaries>))| {
        if columns.is_empty() { decoder } else { decoder.code(columns, dictionaries) }
    };
    (0..worker_count()).map(|_| decoders().into_iter().zip(&inputs).map(code).collect()).collect()
}

fn state_bound(settings: &Settings) {
    // An estimate for a key of an address's length and one count, with room to spare; not a measurement.
    const GROUP_BYTES: usize = 200;
    const KEPT_FOR_READERS_MIB: usize = 200;
    let kept_mib = if settings.listen.is_some() { KEPT_FOR_READERS_MIB } else { 0 };
    let mib = settings.max_groups.saturating_mul(GROUP_BYTES) / (1024 * 1024) + kept_mib;
    info!(
        max_groups = settings.max_groups,
        "state is bounded by groups, estimated at {mib} MiB at most; --max-groups changes it"
    );
}

/// What tells others how it goes: listeners for live readers, and the line to systemd.
struct Servers {
    tasks: JoinSet<Result<()>>,
    stop: CancellationToken,
}

impl Servers {
    async fn stop(mut self) {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {} // a reader's error is its own
    }
}

async fn serve_live(address: Option<SocketAddr>, tables: LiveTables, health: Health) -> Result<Servers> {
    let mut servers = Servers { tasks: JoinSet::new(), stop: CancellationToken::new() };
    servers.tasks.spawn(service::tell(health, servers.stop.clone()));
    if let Some(address) = address {
        let listener = config::listen::on_loopback(address, "--listen").await?;
        config::say::listening(listener.local_addr()?);
        servers.tasks.spawn(live::serve(listener, tables, servers.stop.clone()));
    }
    Ok(servers)
}

/// A part that runs on a thread of its own, because it computes or blocks.
type Part<T> = tokio::sync::oneshot::Receiver<thread::Result<Result<T>>>;

/// Starts a part. A panic in it is caught and reported as its failure: a wrong type in a plan panics.
fn spawn<T: Send + 'static>(name: &str, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<Part<T>> {
    let (done, outcome) = tokio::sync::oneshot::channel();
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        let _ = done.send(std::panic::catch_unwind(std::panic::AssertUnwindSafe(work))); // nobody waits after a failure
    })?;
    Ok(outcome)
}

async fn join<T>(part: Part<T>) -> Result<T> {
    part.await.context("a part ended without a word")?.map_err(|_| anyhow!("a part panicked; its message stands above"))?
}
