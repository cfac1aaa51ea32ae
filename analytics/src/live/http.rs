//! Live results over HTTP, as JSON.
//!
//! `GET /STREAM?limit=100` such as `/request_counts`, `/stats`; for operators `/metrics`, `/livez`, `/readyz`.

use anyhow::Result;
use arrow::json::ArrayWriter;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{LiveTables, Shown, rows};
use crate::clock::now_ms;
use crate::engine::Snapshot;

/// Rows in an answer when `limit` is not given, and the most that may be asked for.
const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 10_000;

/// Answers until `stop`.
///
/// # Errors
/// When the listener breaks.
pub(crate) async fn serve(listener: TcpListener, tables: LiveTables, stop: CancellationToken) -> Result<()> {
    let router = Router::new()
        .route("/stats", get(stats))
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/{stream}", get(stream_rows))
        .with_state(tables);
    Ok(axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await?)
}

/// Whether rows flow: 503 while another instance is active, while a sink is blocked, and when it stops.
async fn readyz(State(tables): State<LiveTables>) -> (StatusCode, String) {
    match tables.health.hindrance() {
        None => (StatusCode::OK, "ok\n".to_owned()),
        Some(hindrance) => (StatusCode::SERVICE_UNAVAILABLE, format!("{hindrance}\n")),
    }
}

async fn metrics(State(tables): State<LiveTables>) -> Response {
    let text = super::metrics::encode(&tables.health, now_ms());
    ([(header::CONTENT_TYPE, super::metrics::CONTENT_TYPE)], text).into_response()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RowsQuery {
    limit: Option<usize>,
}

async fn stream_rows(
    State(tables): State<LiveTables>,
    Path(name): Path<String>,
    Query(query): Query<RowsQuery>,
) -> Result<Response, Unavailable> {
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
    if limit > MAX_LIMIT {
        return Ok((StatusCode::BAD_REQUEST, format!("limit is at most {MAX_LIMIT}, not {limit}\n")).into_response());
    }
    let Some(shown) = tables.find(&name) else {
        let known = tables.names().join(", ");
        return Ok((StatusCode::NOT_FOUND, format!("there is no stream {name}; there are {known}\n")).into_response());
    };
    let snapshot = tables.snapshot().await?;
    let body = format!("{{\"rows\":{}}}\n", rows_as_json(&snapshot, shown, limit)?);
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

fn rows_as_json(snapshot: &Snapshot, shown: &Shown, limit: usize) -> Result<String> {
    let mut writer = ArrayWriter::new(Vec::new());
    let rows = snapshot.streams.get(&shown.stream).map(Vec::as_slice).unwrap_or_default();
    for batch in rows::top(rows, &shown.columns, limit)? {
        writer.write(&batch)?;
    }
    writer.finish()?;
    Ok(String::from_utf8(writer.into_inner())?)
}

async fn stats(State(tables): State<LiveTables>) -> Result<Json<Value>, Unavailable> {
    let snapshot = tables.snapshot().await?;
    let stats = snapshot.stats;
    let watermark = snapshot.watermark_ms.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    Ok(Json(json!({
        "records": stats.lines.records,
        "lines": stats.lines.lines,
        "bytes": stats.lines.bytes,
        "rows": stats.rows,
        "bad_lines": stats.lines.bad,
        "illegal_json_lines": stats.lines.illegal_json,
        "late_rows": stats.late_rows,
        "failed_rows": stats.failed_rows,
        "open_windows": snapshot.open_windows,
        "closed_windows": stats.closed_windows,
        "windows_closed_early": stats.closed_early,
        "watermark": watermark.map(|time| time.to_string()),
    })))
}

/// The engine has stopped, or a result could not be written.
struct Unavailable(anyhow::Error);

impl From<anyhow::Error> for Unavailable {
    fn from(error: anyhow::Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for Unavailable {
    fn into_response(self) -> Response {
        (StatusCode::SERVICE_UNAVAILABLE, format!("{:#}\n", self.0)).into_response()
    }
}
