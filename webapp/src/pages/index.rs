//! The page, and the forms on it: login, logout, upload.

use std::{net::IpAddr, sync::Arc, time::Instant};

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
use crate::{forgery, records::Record, server::Connection, site::Site, user_name::UserName};

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
    let visitor = Visitor::of(&site, &headers);
    let notice = visitor.as_ref().and_then(|visitor| site.sessions().get_mut(visitor.session, Instant::now())?.notice.take());
    page(&site, ends, visitor.as_ref(), StatusCode::OK, notice, Vec::new()).await
}

pub(super) async fn act(State(site): State<Arc<Site>>, Extension(ends): Extension<Connection>, request: Request) -> Response {
    let visitor = Visitor::of(&site, request.headers());
    match dispatch(&site, visitor.as_ref(), request).await {
        Ok(response) => response,
        Err(refusal) => page(&site, ends, visitor.as_ref(), refusal.status, refusal.notice, refusal.problems).await,
    }
}

/// One address takes three forms, as the original's: told apart by type and fields.
async fn dispatch(site: &Arc<Site>, visitor: Option<&Visitor>, request: Request) -> Result<Response, Refusal> {
    if forgery::is_cross_site(request.headers()) {
        discard(site, request);
        return Err(Refusal::foreign_form());
    }
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match content_type.split(';').next().unwrap_or_default().trim() {
        "application/x-www-form-urlencoded" => small_form(site, visitor, request).await,
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
        site.sessions().remove(visitor.session);
        return Ok((jar.add(no_cookie(site)), after_form()).into_response());
    }
    let Some(typed) = form.username else {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "The form was empty. Please type a name and press login."));
    };
    let user = UserName::parse(&typed).map_err(|bad| Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, bad.to_string()))?;
    let session = {
        let mut sessions = site.sessions();
        if let Some(visitor) = visitor {
            sessions.remove(visitor.session); // a new login, a new id
        }
        sessions.create(user, Instant::now())
    };
    Ok((jar.add(session_cookie(site, session)), after_form()).into_response())
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
    let newest = site.settings.page.pictures;
    let (status, pictures) = match site.records.newest(newest).await {
        Ok(records) => (status, Some(records.into_iter().map(Card::from).collect())),
        Err(error) => {
            error!(%error, "cannot read the pictures from the database; check its file and disk");
            problems.push("The database does not answer, so no pictures are shown. Please try again in a moment.".to_owned());
            (if status.is_success() { StatusCode::SERVICE_UNAVAILABLE } else { status }, None)
        }
    };
    let page = Page {
        page_url: PAGE,
        style_url: files::STYLE.url(),
        script_url: files::SCRIPT.url(),
        icon_url: files::ICON.url(),
        node: ends.local.ip().to_canonical(),
        visitor: visitor.map(|visitor| SignedIn { name: visitor.user.as_str().to_owned(), form_token: visitor.form_token() }),
        notice,
        problems,
        pictures,
        newest,
        max_name_chars: UserName::MAX_CHARS,
        max_upload_mib: site.settings.upload.max_mib,
        max_upload_bytes: site.settings.upload.max_bytes(),
        version: env!("CARGO_PKG_VERSION"),
    };
    match page.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(error) => {
            error!(%error, "cannot render the page");
            (StatusCode::INTERNAL_SERVER_ERROR, "the page cannot be shown\n").into_response()
        }
    }
}

impl From<Record> for Card {
    fn from(record: Record) -> Self {
        let title = record.filename.rsplit_once('.').map_or(record.filename.as_str(), |(stem, _extension)| stem);
        let described = if title.is_empty() { String::new() } else { format!(": {title}") };
        Self {
            full_url: files::picture_url(record.key),
            thumbnail_url: files::picture_url(record.key.thumbnail()),
            description: format!("Photo by {}{described}", record.username),
            datetime: record.uploaded.to_string(),
            time: record.uploaded.strftime("%-d %b %Y, %H:%M UTC").to_string(),
            owner: record.username,
        }
    }
}
