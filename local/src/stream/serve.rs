//! Serves the store over HTTP and keeps the journal in step with it.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Request, State},
    http::StatusCode,
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::get,
};
use ferrokinesis::store::StoreOptions;
use serde_json::json;
use tokio::{
    net::TcpListener,
    sync::Mutex,
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{
    RETENTION_HOURS,
    journal::{Journal, Limits},
    now,
    recorder::{Counts, Recorder},
    restore::Restorer,
};

/// How often the disk is asked to confirm, and old records are looked for.
const UPKEEP: Duration = Duration::from_secs(1);
/// How long open requests may take at a stop. Enhanced fan-out holds a connection for minutes.
const GRACE: Duration = Duration::from_secs(5);
/// PutRecords takes 5 MiB, which base64 and JSON make a third larger.
const MAX_BODY: usize = 16 << 20;
/// More shards than anyone needs on one machine; the emulator's own limit is 10.
const SHARD_LIMIT: u32 = 500;

/// A lock, because it is the turn: one changing request at a time is what makes the journal exact.
type Turn = Arc<Mutex<Recorder>>;

/// The stream, restored and ready to serve.
pub(super) struct EmbeddedStream {
    router: Router,
    turn: Turn,
}

impl EmbeddedStream {
    /// Restores the stream from the journal in `folder`, which may be new.
    pub(super) async fn open(folder: &Path, limits: Limits) -> Result<Self> {
        let options = StoreOptions {
            create_stream_ms: 1,
            delete_stream_ms: 1,
            update_stream_ms: 1,
            shard_limit: SHARD_LIMIT,
            ..StoreOptions::default()
        };
        let (app, store) = ferrokinesis::create_app(options);
        let mut restorer = Restorer::new(store.clone(), now());
        let journal = Journal::open(folder, limits, async |entry| restorer.apply(entry).await).await?;
        let restored = restorer.finish().await?;
        let max_mib = limits.total_bytes >> 20;
        info!(records = restored, max_mib, max_hours = RETENTION_HOURS, folder = %folder.display(), "the stream is open");
        let turn = Arc::new(Mutex::new(Recorder::new(store, journal, restored).await?));
        let router = Router::new().route("/stats", get(stats)).with_state(Arc::clone(&turn)).fallback_service(
            app.layer(from_fn_with_state(Arc::clone(&turn), take_turns)).layer(DefaultBodyLimit::max(MAX_BODY)),
        );
        Ok(Self { router, turn })
    }

    /// Serves until `stop`, then writes what is left.
    pub(super) async fn serve(self, listener: TcpListener, stop: CancellationToken) -> Result<()> {
        let server = axum::serve(listener, self.router).with_graceful_shutdown(stop.clone().cancelled_owned());
        let mut server = std::pin::pin!(server.into_future());
        let served = tokio::select! {
            served = &mut server => served,
            () = upkeep(&self.turn, &stop) => timeout(GRACE, &mut server).await.unwrap_or(Ok(())),
        };
        served.context("the stream's listener failed")?;
        let mut recorder = self.turn.lock().await;
        recorder.record_changes().await?;
        recorder.sync()?;
        let Counts { restored, put, forgotten, bytes } = recorder.counts();
        info!(restored, put, forgotten, bytes, "the stream is closed");
        Ok(())
    }
}

/// Lets one changing request through at a time, and answers it after its records are in the journal.
async fn take_turns(State(turn): State<Turn>, request: Request, next: Next) -> Response {
    if only_reads(&request) {
        return next.run(request).await;
    }
    let mut recorder = turn.lock().await;
    let answer = next.run(request).await;
    match recorder.record_changes().await {
        Ok(()) => answer,
        Err(error) => {
            error!("a put was refused, because the stream cannot keep it: {error:#}");
            let body = json!({"__type": "InternalFailure", "message": format!("{error:#}")});
            (StatusCode::INTERNAL_SERVER_ERROR, Json(body)).into_response()
        }
    }
}

/// Whether the operation, as Kinesis names it, leaves the store as it is. A request without one is a health check.
fn only_reads(request: &Request) -> bool {
    let Some(target) = request.headers().get("x-amz-target").and_then(|target| target.to_str().ok()) else { return true };
    let operation = target.rsplit('.').next().unwrap_or_default();
    ["Get", "List", "Describe", "Subscribe"].iter().any(|verb| operation.starts_with(verb))
}

async fn stats(State(turn): State<Turn>) -> Json<Counts> {
    Json(turn.lock().await.counts())
}

/// Runs until `stop`: what happens without a request, such as a stream becoming active, is written too.
async fn upkeep(turn: &Turn, stop: &CancellationToken) {
    let mut ticks = interval(UPKEEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let mut recorder = turn.lock().await;
        if let Err(error) = keep(&mut recorder).await {
            warn!("the stream's journal is behind: {error:#}");
        }
    }
}

async fn keep(recorder: &mut Recorder) -> Result<()> {
    recorder.record_changes().await?;
    recorder.forget(now()).await?;
    recorder.sync()
}
