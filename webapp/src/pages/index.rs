//! The page, and the forms on it: login, logout, upload.

use std::{net::IpAddr, sync::Arc};

use askama::Template;
use axum::{
    Extension, Form,
    body::{Body, to_bytes},
    extract::{FromRequest, Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use axum_extra::extract::cookie::CookieJar;
use serde::Deserialize;
use tracing::error;

use super::{
    PAGE, after_form, files,
    upload::upload,
    visitor::{Visitor, no_cookie, session_cookie},
};
use crate::{forgery, newest::Source, records::Record, remote::StoreError, server::Connection, site::Site, user_name::UserName};

/// A login or logout form has a name and a token.
const MAX_FORM_BYTES: usize = 16 * 1024;

/// What a person is told instead of what they asked for, on the page.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    /// What went wrong and what to do; one sentence or two for each problem.
    pub(super) problems: Vec<String>,
    /// What worked all the same.
    pub(super) notice: Option<String>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, problem: impl Into<String>) -> Self {
        Self { status, problems: vec![problem.into()], notice: None }
    }

    pub(super) fn foreign_form() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "This form did not come from this page, or the page is old. Please reload the page and try again.",
        )
    }

    /// The sessions cannot be asked, so nobody can sign in, sign out or upload.
    pub(super) fn no_sessions() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "Logging in and uploading are not possible at the moment, because the logins cannot be looked up. Photos can \
             still be seen. Please try again in a moment.",
        )
    }
}

#[derive(Template)]
#[template(path = "index.html")]
struct Page {
    page_url: &'static str,
    style_url: String,
    script_url: String,
    icon_url: String,
    node: IpAddr,
    visitor: Option<SignedIn>,
    notice: Option<String>,
    problems: Vec<String>,
    /// None: the database could not be asked.
    pictures: Option<Vec<Card>>,
    newest: u32,
    is_from_database: bool,
    source: &'static str,
    max_name_chars: usize,
    max_upload_mib: u64,
    max_upload_bytes: u64,
    version: &'static str,
}

struct SignedIn {
    name: String,
    form_token: String,
}

/// One picture of the grid.
struct Card {
    full_url: String,
    thumbnail_url: String,
    description: String,
    owner: String,
    /// For programs, then for people.
    datetime: String,
    time: String,
}

#[derive(Deserialize)]
struct SmallForm {
    username: Option<String>,
    logout: Option<String>,
    csrf: Option<String>,
}

pub(super) async fn show(State(site): State<Arc<Site>>, Extension(ends): Extension<Connection>, headers: HeaderMap) -> Response {
    match Visitor::of(&site, &headers).await {
        Ok(None) => page(&site, ends, None, StatusCode::OK, None, Vec::new()).await,
        Ok(Some(mut visitor)) => {
            let notice = visitor.take_notice(&site).await;
            page(&site, ends, Some(&visitor), StatusCode::OK, notice, Vec::new()).await
        }
        Err(_) => page(&site, ends, None, StatusCode::OK, None, Refusal::no_sessions().problems).await,
    }
}

pub(super) async fn act(State(site): State<Arc<Site>>, Extension(ends): Extension<Connection>, request: Request) -> Response {
    let mut visitor = match Visitor::of(&site, request.headers()).await {
        Ok(visitor) => visitor,
        Err(_) => {
            discard(&site, request);
            let Refusal { status, problems, .. } = Refusal::no_sessions();
            return page(&site, ends, None, status, None, problems).await;
        }
    };
    match dispatch(&site, visitor.as_mut(), request).await {
        Ok(response) => response,
        Err(refusal) => page(&site, ends, visitor.as_ref(), refusal.status, refusal.notice, refusal.problems).await,
    }
}

/// One address takes three forms, as the original's: told apart by type and fields.
async fn dispatch(site: &Arc<Site>, visitor: Option<&mut Visitor>, request: Request) -> Result<Response, Refusal> {
    if forgery::is_cross_site(request.headers()) {
        discard(site, request);
        return Err(Refusal::foreign_form());
    }
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match content_type.split(';').next().unwrap_or_default().trim() {
        "application/x-www-form-urlencoded" => small_form(site, visitor.as_deref(), request).await,
        "multipart/form-data" => upload(site, visitor, request).await,
        _ => {
            discard(site, request);
            Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "This is not a form of this page. Please use the forms here."))
        }
    }
}

/// Lets the client finish sending, unless it waits for our word before it begins.
pub(super) fn discard(site: &Site, request: Request) {
    if !request.headers().contains_key(header::EXPECT) {
        site.discard(request.into_body());
    }
}

async fn small_form(site: &Site, visitor: Option<&Visitor>, request: Request) -> Result<Response, Refusal> {
    let jar = CookieJar::from_headers(request.headers());
    let form = read_small_form(request).await?;
    if form.logout.is_some() {
        let Some(visitor) = visitor else { return Ok(after_form().into_response()) };
        if !visitor.owns(form.csrf.as_deref()) {
            return Err(Refusal::foreign_form());
        }
        site.sessions.remove(&visitor.session).await.map_err(no_sessions)?;
        return Ok((jar.add(no_cookie(site)), after_form()).into_response());
    }
    let Some(typed) = form.username else {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "The form was empty. Please type a name and press login."));
    };
    let user = UserName::parse(&typed).map_err(|bad| Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, bad.to_string()))?;
    if let Some(visitor) = visitor {
        site.sessions.remove(&visitor.session).await.map_err(no_sessions)?; // a new login, a new id
    }
    let (_, cookie) = site.sessions.create(user).await.map_err(no_sessions)?;
    Ok((jar.add(session_cookie(site, cookie)), after_form()).into_response())
}

fn no_sessions(error: StoreError) -> Refusal {
    error!(error = error.chain(), "the session store does not answer; nobody can log in");
    Refusal::no_sessions()
}

async fn read_small_form(request: Request) -> Result<SmallForm, Refusal> {
    let bad = || Refusal::new(StatusCode::BAD_REQUEST, "The form could not be read. Please reload the page and try again.");
    let (parts, body) = request.into_parts();
    let bytes = to_bytes(body, MAX_FORM_BYTES).await.map_err(|_| bad())?;
    let Form(form) = Form::from_request(Request::from_parts(parts, Body::from(bytes)), &()).await.map_err(|_| bad())?;
    Ok(form)
}

async fn page(
    site: &Site,
    ends: Connection,
    visitor: Option<&Visitor>,
    status: StatusCode,
    notice: Option<String>,
    mut problems: Vec<String>,
) -> Response {
    let (status, source, pictures) = match site.newest().await {
        Ok(newest) => {
            if newest.source == Source::Stale {
                problems.push(
                    "The database does not answer. These photos are from a moment ago, and uploading has to wait.".to_owned(),
                );
            }
            (status, Some(newest.source), Some(cards(site, &newest.records).await))
        }
        Err(error) => {
            error!(error = error.chain(), "cannot read the pictures from the database");
            problems.push("The database does not answer, so no pictures are shown. Please try again in a moment.".to_owned());
            (if status.is_success() { StatusCode::SERVICE_UNAVAILABLE } else { status }, None, None)
        }
    };
    let page = Page {
        page_url: PAGE,
        style_url: files::STYLE.url(),
        script_url: files::SCRIPT.url(),
        icon_url: files::ICON.url(),
        node: ends.local.ip().to_canonical(),
        visitor: visitor.map(|visitor| SignedIn { name: visitor.user().as_str().to_owned(), form_token: visitor.form_token() }),
        notice,
        problems,
        pictures,
        newest: site.settings.page.pictures,
        is_from_database: source == Some(Source::Database),
        source: source.map_or("none", Source::as_str),
        max_name_chars: UserName::MAX_CHARS,
        max_upload_mib: site.settings.upload.max_mib,
        max_upload_bytes: site.settings.upload.max_bytes(),
        version: env!("CARGO_PKG_VERSION"),
    };
    match page.render() {
        Ok(html) => (status, visitor.map(Visitor::cookies), Html(html)).into_response(),
        Err(error) => {
            error!(%error, "cannot render the page");
            (StatusCode::INTERNAL_SERVER_ERROR, "the page cannot be shown\n").into_response()
        }
    }
}

async fn cards(site: &Site, records: &[Record]) -> Vec<Card> {
    let mut cards = Vec::with_capacity(records.len());
    for record in records {
        cards.push(Card::new(site, record).await);
    }
    cards
}

impl Card {
    async fn new(site: &Site, record: &Record) -> Self {
        let title = record.filename.rsplit_once('.').map_or(record.filename.as_str(), |(stem, _extension)| stem);
        let described = if title.is_empty() { String::new() } else { format!(": {title}") };
        Self {
            full_url: site.storage.url(record.storage, record.key).await,
            thumbnail_url: site.storage.url(record.storage, record.key.thumbnail()).await,
            description: format!("Photo by {}{described}", record.username),
            datetime: record.uploaded.to_string(),
            time: record.uploaded.strftime("%-d %b %Y, %H:%M UTC").to_string(),
            owner: record.username.clone(),
        }
    }
}
