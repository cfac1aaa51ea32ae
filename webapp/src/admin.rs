//! The second listener, for the people who run the site: metrics, and the latency knob.
//!
//! | address | method | answer |
//! |---|---|---|
//! | `/metrics` | GET | what the site counts, for Prometheus |
//! | `/latency` | GET | where the latency knob stands, as JSON |
//! | `/latency?delay_ms=500&jitter_ms=100&share=0.5` | PUT | turns it; what is not given stays |
//! | `/healthz`, `/readyz` | GET | as on the site |
//!
//! It is on loopback and asks for no password. So that no web page can use it through somebody's browser, it answers
//! only to loopback names (a foreign name may point here), and changes come by PUT, which browsers do not send across
//! sites unasked.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Query, Request, State},
    http::{StatusCode, header},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::{access_log::AccessLog, pages, settings::LatencySettings, site::Site};

#[derive(Clone)]
struct Shared {
    site: Arc<Site>,
    log: AccessLog,
}

/// Serves until `stop`.
pub(crate) async fn serve(listener: TcpListener, site: Arc<Site>, log: AccessLog, stop: CancellationToken) {
    let serving = axum::serve(listener, router(site, log)).with_graceful_shutdown(stop.cancelled_owned());
    if let Err(error) = serving.await {
        error!(%error, "the admin listener failed; metrics and the latency knob are gone until a restart");
    }
}

fn router(site: Arc<Site>, log: AccessLog) -> Router {
    let probes = pages::probes(site.clone());
    Router::new()
        .route("/metrics", get(metrics))
        .route("/latency", get(latency).put(set_latency))
        .with_state(Shared { site, log })
        .merge(probes)
        .layer(from_fn(loopback_names_only))
}

async fn loopback_names_only(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, port)| if port.contains(']') { host } else { name });
    let is_loopback = name.eq_ignore_ascii_case("localhost") || name == "127.0.0.1" || name == "[::1]";
    let is_loopback = is_loopback || name.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback());
    if !is_loopback {
        return (StatusCode::FORBIDDEN, "use this address as localhost or 127.0.0.1\n").into_response();
    }
    next.run(request).await
}

async fn metrics(State(shared): State<Shared>) -> Response {
    let content_type = [(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")];
    match shared.site.metrics.text(shared.log.lost()) {
        Ok(text) => (content_type, text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("cannot write the metrics: {error}\n")).into_response(),
    }
}

async fn latency(State(shared): State<Shared>) -> Json<Value> {
    Json(described(shared.site.delay.get()))
}

/// What of the knob is to change.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    delay_ms: Option<u32>,
    jitter_ms: Option<u32>,
    share: Option<f64>,
}

async fn set_latency(
    State(shared): State<Shared>,
    change: Result<Query<Change>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let refused = |problem: String| (StatusCode::UNPROCESSABLE_ENTITY, format!("{problem}\n")).into_response();
    let change = match change {
        Ok(Query(change)) => change,
        Err(error) => return refused(format!("{}; allowed: delay_ms, jitter_ms, share", error.body_text())),
    };
    let old = shared.site.delay.get();
    let new = LatencySettings {
        delay_ms: change.delay_ms.unwrap_or(old.delay_ms),
        jitter_ms: change.jitter_ms.unwrap_or(old.jitter_ms),
        share: change.share.unwrap_or(old.share),
    };
    if let Err(problems) = new.checked() {
        return refused(problems.to_string());
    }
    shared.site.delay.set(new);
    info!(delay_ms = new.delay_ms, jitter_ms = new.jitter_ms, share = new.share, "the latency knob was turned");
    Json(described(new)).into_response()
}

fn described(settings: LatencySettings) -> Value {
    json!({ "delay_ms": settings.delay_ms, "jitter_ms": settings.jitter_ms, "share": settings.share })
}
