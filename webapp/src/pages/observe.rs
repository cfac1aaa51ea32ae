//! Counts every answer, by what was asked for, its status and the time until its head was ready.

use std::{sync::Arc, time::Instant};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};

use super::{ASSETS, PAGE, PHOTOS, PROBES, UPLOADS};
use crate::{metrics::Route, site::Site};

/// The layer around the pages.
pub(super) async fn observe(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let route = route_of(request.uri().path());
    let began = Instant::now();
    if route == Route::Page {
        site.delay.wait().await;
    }
    let response = next.run(request).await;
    site.metrics.answered(route, response.status().as_u16(), began.elapsed());
    response
}

fn route_of(path: &str) -> Route {
    match path {
        _ if path == PAGE || path.starts_with(PHOTOS) => Route::Page,
        _ if path.starts_with(UPLOADS) => Route::Picture,
        _ if path.starts_with(ASSETS) => Route::Asset,
        _ if PROBES.contains(&path) => Route::Probe,
        _ => Route::Other,
    }
}
