//! What every address answers.
//!
//! | address | method | answer |
//! |---|---|---|
//! | `/web-demo/index.php` | GET | the page |
//! | | POST `username` | logs in, then the page |
//! | | POST `logout` | logs out, then the page |
//! | | POST multipart `fileToUpload` | adds photos, then the page |
//! | `/web-demo/uploads/<key>` | GET | a stored picture |
//! | `/web-demo/assets/<name>` | GET | style, script, icon |
//! | `/healthz` | GET | `ok` while the process serves |
//! | `/`, `/web-demo`, `/web-demo/` | GET | redirects to the page |
//!
//! After a POST that worked comes a redirect (303), so that reloading repeats nothing.

mod files;
mod index;
mod upload;
mod visitor;

use std::sync::Arc;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware::{from_fn_with_state, map_response},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use tower_http::timeout::RequestBodyTimeoutLayer;

use crate::{
    access_log::{self, AccessLog},
    site::Site,
};

/// The page's address, the original's.
pub(crate) const PAGE: &str = "/web-demo/index.php";

/// Room for what a form says around its files.
const FORM_OVERHEAD_BYTES: u64 = 64 * 1024;

/// On every answer that does not say otherwise. `same-origin`: with less, browsers hide the origin of our own forms.
const SECURITY_HEADERS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "same-origin"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
];

/// The whole site, with the access log around everything.
pub(crate) fn router(site: Arc<Site>, log: AccessLog) -> Router {
    let upload = &site.settings.upload;
    let body_limit = usize::try_from(upload.max_bytes() + FORM_OVERHEAD_BYTES).unwrap_or(usize::MAX);
    let body_timeout = site.settings.server.body_timeout;
    Router::new()
        .route(PAGE, get(index::show).post(index::act))
        .route("/web-demo/uploads/{key}", get(files::picture))
        .route("/web-demo/assets/{name}", get(files::asset))
        .route("/healthz", get(async || "ok\n"))
        .route("/", get(to_page))
        .route("/web-demo", get(to_page))
        .route("/web-demo/", get(to_page))
        .fallback(not_found)
        .layer(DefaultBodyLimit::max(body_limit))
        .layer(RequestBodyTimeoutLayer::new(body_timeout))
        .layer(map_response(with_security_headers))
        .layer(from_fn_with_state(log, access_log::record))
        .with_state(site)
}

async fn to_page() -> Response {
    (StatusCode::FOUND, [(header::LOCATION, PAGE)]).into_response()
}

async fn not_found() -> Response {
    (StatusCode::NOT_FOUND, format!("nothing here; the site is at {PAGE}\n")).into_response()
}

/// To the page after a form that worked; the browser comes with GET.
fn after_form() -> Redirect {
    Redirect::to(PAGE)
}

async fn with_security_headers(mut response: Response) -> Response {
    for (name, value) in SECURITY_HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}
