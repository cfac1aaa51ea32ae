//! What every address answers.
//!
//! | address | method | answer |
//! |---|---|---|
//! | `/web-demo/index.php` | GET | the newest photos; `before` and `after` page through the others |
//! | | POST `username` | signs in, then the page |
//! | | POST `logout` | signs out, then the page |
//! | | POST multipart `fileToUpload` | adds photos, then the page |
//! | `/web-demo/sign-in`, `/web-demo/register` | GET, POST | the forms for accounts |
//! | `/web-demo/photos/<id>` | GET | one photo with its neighbours |
//! | `/web-demo/photos/<id>/delete`, `/restore` | POST | by its owner |
//! | `/web-demo/uploads/<key>` | GET | a stored picture |
//! | `/web-demo/assets/<name>` | GET | style, script, icon |
//! | `/healthz` | GET | `ok` while the process serves |
//! | `/readyz` | GET | every dependency with its state and the reason |
//! | `/`, `/web-demo`, `/web-demo/` | GET | redirects to the page |
//!
//! After a POST that worked comes a redirect (303), so that reloading repeats nothing.
//!
//! | module | what it is |
//! |---|---|
//! | `guard`, `observe` | before and around every page: hosts and allowances; counting |
//! | `index`, `photo`, `sign_in` | pages and what their forms do |
//! | `forms`, `upload` | reading forms, small and large |
//! | `layout`, `grid`, `card`, `refusal`, `visitor` | what pages are made of |
//! | `files`, `probes` | everything that is no page |

mod card;
mod files;
mod forms;
pub(crate) mod grid;
mod guard;
mod index;
mod layout;
mod observe;
mod photo;
mod probes;
mod refusal;
mod sign_in;
mod upload;
mod visitor;

use std::sync::Arc;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use tower_http::timeout::RequestBodyTimeoutLayer;

use crate::{
    access_log::{self, AccessLog},
    site::Site,
};

/// The page's address, the original's.
pub(crate) const PAGE: &str = "/web-demo/index.php";

/// Addresses of single photos begin like this.
const PHOTOS: &str = "/web-demo/photos/";

/// Addresses of stored pictures begin like this.
const UPLOADS: &str = "/web-demo/uploads/";

/// Addresses of what belongs to the program begin like this.
const ASSETS: &str = "/web-demo/assets/";

/// Where people with an account sign in.
const SIGN_IN: &str = "/web-demo/sign-in";

/// Where accounts are made.
const REGISTER: &str = "/web-demo/register";

/// Balancers ask these by address, and often.
const PROBES: [&str; 2] = ["/healthz", "/readyz"];

/// Room for what a form says around its files.
const FORM_OVERHEAD_BYTES: u64 = 64 * 1024;

/// On every answer that does not say otherwise. `same-origin`: with less, browsers hide the origin of our own forms.
const SECURITY_HEADERS: [(HeaderName, &str); 5] = [
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
        .route(PAGE, get(index::show).post(forms::act))
        .route(SIGN_IN, get(sign_in::show).post(sign_in::act))
        .route(REGISTER, post(sign_in::register))
        .route("/web-demo/photos/{id}", get(photo::show))
        .route("/web-demo/photos/{id}/describe", post(photo::describe))
        .route("/web-demo/photos/{id}/delete", post(photo::delete))
        .route("/web-demo/photos/{id}/restore", post(photo::restore))
        .route("/web-demo/uploads/{key}", get(files::picture))
        .route("/web-demo/assets/{name}", get(files::asset))
        .route("/", get(to_page))
        .route("/web-demo", get(to_page))
        .route("/web-demo/", get(to_page))
        .fallback(not_found)
        .with_state(site.clone())
        .merge(probes(site.clone()))
        .layer(DefaultBodyLimit::max(body_limit))
        .layer(RequestBodyTimeoutLayer::new(body_timeout))
        .layer(from_fn_with_state(site.clone(), observe::observe))
        .layer(from_fn_with_state(site.clone(), guard::guard))
        .layer(from_fn_with_state(Shield::new(&site), with_security_headers))
        .layer(from_fn_with_state(log, access_log::record))
}

/// What balancers ask, here and on the admin listener.
pub(crate) fn probes(site: Arc<Site>) -> Router {
    Router::new().route("/healthz", get(probes::healthz)).route("/readyz", get(probes::readyz)).with_state(site)
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

/// Headers that depend on the settings.
#[derive(Clone)]
struct Shield {
    policy: HeaderValue,
    is_https: bool,
}

impl Shield {
    fn new(site: &Site) -> Self {
        let origins: String = site.picture_origins.iter().map(|origin| format!(" {origin}")).collect();
        let policy = format!(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:{origins}; connect-src 'self'; \
             form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        );
        let strictest = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
        let policy = HeaderValue::from_str(&policy).unwrap_or(strictest);
        Self { policy, is_https: site.settings.sessions.secure_cookie }
    }
}

async fn with_security_headers(State(shield): State<Shield>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(shield.policy);
    for (name, value) in SECURITY_HEADERS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if shield.is_https {
        // Browsers that came by https once come by https for half a year.
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=15768000"));
    }
    response
}
