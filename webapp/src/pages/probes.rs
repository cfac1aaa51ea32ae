//! What balancers and operators ask: is the process there, and can it do its work?

use std::{
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::{
    dependencies::{self, Check},
    site::Site,
};

/// `ok` while the process serves. Says nothing about the stores: restarting this process would not mend them.
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// Every dependency with its state, its time and the reason; 503 while one that pages need is missing, or while stopping.
pub(super) async fn readyz(State(site): State<Arc<Site>>) -> Response {
    let began = Instant::now();
    let checks = dependencies::check(&site).await;
    let is_stopping = site.is_stopping.load(Ordering::Relaxed);
    let is_ready = !is_stopping && checks.iter().all(|check| check.outcome.is_ok() || !check.is_needed);
    let described: Vec<Value> = checks.iter().map(Check::described).collect();
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = json!({
        "ready": is_ready,
        "stopping": is_stopping,
        "dependencies": described,
        "took_ms": began.elapsed().as_millis() as u64,
    });
    (status, Json(body)).into_response()
}
