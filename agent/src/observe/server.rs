//! The listener on loopback: `/metrics`, `/status`, `/livez`, `/readyz`, `/tap`.
//!
//! Everything but `/tap` shows names and numbers, never a line of a log. `/tap` wants the token that stands in the
//! state directory, so that only who may read the agent's state can read the records.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use axum::{
    Router,
    body::Body,
    extract::{Query, Request, State},
    http::{
        HeaderMap, StatusCode,
        header::{AUTHORIZATION, CONTENT_TYPE, HOST},
    },
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::{flows::Flows, health, metrics, report, report::Report, tap_stream};

/// Taps that may be open at once: each costs the flows a little.
const TAPS: usize = 4;

/// How long open connections may take to end with the agent.
const LINGER: Duration = Duration::from_secs(1);

/// What all requests share.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    pub(super) flows: Flows,
    pub(super) started: Instant,
    /// Cancelled when the agent begins to stop.
    pub(super) stopping: CancellationToken,
    /// Cancelled when the listener must end.
    pub(super) stop: CancellationToken,
    pub(super) token: String,
}

/// The state of the handlers.
#[derive(Debug, Clone)]
struct Context {
    shared: Shared,
    taps: Arc<Semaphore>,
}

/// A listener that is bound.
#[derive(Debug)]
pub(super) struct Server {
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    /// Binds the address.
    ///
    /// # Errors
    /// When the port is taken.
    pub(super) async fn bind(address: SocketAddr) -> Result<Self> {
        let listener = config::listen::on_loopback(address, "status.listen").await?;
        let address = listener.local_addr().context("cannot see the listener's own address")?;
        info!("status and metrics on http://{address}");
        Ok(Self { listener, address })
    }

    /// Where it listens; the port is a real one.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until the end.
    pub(super) async fn run(self, shared: Shared) {
        let stop = shared.stop.clone();
        let context = Context { shared, taps: Arc::new(Semaphore::new(TAPS)) };
        let served = axum::serve(self.listener, router(context)).with_graceful_shutdown(stop.clone().cancelled_owned());
        let end = async {
            stop.cancelled().await;
            tokio::time::sleep(LINGER).await;
        };
        tokio::select! {
            _ = served => {} // it never fails: accept is tried again
            () = end => {}
        }
    }
}

fn router(context: Context) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/metrics", get(serve_metrics))
        .route("/status", get(serve_status))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/tap", get(tap))
        .layer(middleware::from_fn(only_local_names))
        .with_state(context)
}

/// A web page elsewhere could point its own name at 127.0.0.1 and read the answers through the browser.
async fn only_local_names(request: Request, next: Next) -> Response {
    let host = request.headers().get(HOST).map(|host| host.to_str().unwrap_or_default());
    if host.is_some_and(|host| !is_local(host)) {
        return (StatusCode::FORBIDDEN, "ask for localhost or a loopback address\n").into_response();
    }
    next.run(request).await
}

fn is_local(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    name == "localhost" || name == "[::1]" || name.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

async fn index() -> &'static str {
    "weir agent\n\n/status   the flows and their files (JSON)\n/metrics  for Prometheus\n/livez    whether every loop makes progress\n/readyz   whether lines can be delivered\n/tap      a sample of the records in flight; see agent tap --help\n"
}

/// The report; it asks the file system, so not on a worker.
async fn report(context: Context) -> Result<Report, Response> {
    let Shared { flows, started, stopping, .. } = context.shared;
    let report = tokio::task::spawn_blocking(move || report::of(&flows, started, stopping.is_cancelled())).await;
    report.map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response())
}

async fn serve_metrics(State(context): State<Context>) -> Result<Response, Response> {
    let text = metrics::encode(&report(context).await?);
    Ok(([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response())
}

async fn serve_status(State(context): State<Context>) -> Result<Response, Response> {
    Ok(axum::Json(report(context).await?).into_response())
}

async fn livez(State(context): State<Context>) -> Result<Response, Response> {
    Ok(verdict(&health::not_alive(&report(context).await?)))
}

async fn readyz(State(context): State<Context>) -> Result<Response, Response> {
    Ok(verdict(&health::not_ready(&report(context).await?)))
}

fn verdict(reasons: &[String]) -> Response {
    match reasons {
        [] => "ok\n".into_response(),
        reasons => (StatusCode::SERVICE_UNAVAILABLE, format!("{}\n", reasons.join("\n"))).into_response(),
    }
}

async fn tap(State(context): State<Context>, headers: HeaderMap, Query(wanted): Query<tap_stream::Wanted>) -> Response {
    let token = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    if token != Some(context.shared.token.as_str()) {
        let remedy = "the token in status.json of the state directory is required; `agent tap` sends it\n";
        return (StatusCode::UNAUTHORIZED, remedy).into_response();
    }
    let Ok(permit) = context.taps.try_acquire_owned() else {
        return (StatusCode::SERVICE_UNAVAILABLE, format!("{TAPS} taps are open already; close one\n")).into_response();
    };
    match tap_stream::open(&context.shared.flows, &wanted, context.shared.stop.clone(), permit) {
        Ok(lines) => ([(CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response(),
        Err(unknown) => (StatusCode::NOT_FOUND, format!("{unknown}\n")).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_answered() {
        for local in ["localhost", "localhost:9580", "127.0.0.1:9580", "127.0.0.2", "[::1]:9580"] {
            assert!(is_local(local), "{local}");
        }
        for other in ["evil.example", "127.0.0.1.evil.example:9580", "localhost.evil.example", "10.0.0.1:9580", ""] {
            assert!(!is_local(other), "{other}");
        }
    }
}
