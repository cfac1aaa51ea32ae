//! Signing in, out and up.
//!
//! In demo mode a name is enough, as in the tutorial. With accounts, a wrong name and a wrong password get the same
//! answer in the same time. Every sign-in makes a new session; the old one ends.

use std::sync::Arc;

use askama::Template;
use axum::{
    Extension,
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use axum_extra::extract::cookie::CookieJar;
use serde::Deserialize;
use tracing::{error, info};

use super::{
    REGISTER, after_form, forms,
    layout::{Layout, rendered, rendered_refusal},
    refusal::Refusal,
    visitor::{Visitor, no_cookie, session_cookie},
};
use crate::{
    client::Client, metrics::Outcome, password, remote::StoreError, server::Connection, settings::SignInMode, site::Site,
    user_name::UserName,
};

/// What somebody signs in with; the password is empty in demo mode.
#[derive(Deserialize)]
pub(super) struct Credentials {
    #[serde(rename = "username")]
    pub(super) name: String,
    #[serde(default)]
    pub(super) password: String,
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    layout: Layout,
    register_url: &'static str,
    may_register: bool,
    min_password_chars: usize,
}

#[derive(Template)]
#[template(path = "sign_out.html")]
struct SignOutPage {
    layout: Layout,
}

/// GET: the forms to sign in and to register.
pub(super) async fn show(State(site): State<Arc<Site>>, Extension(ends): Extension<Connection>, headers: HeaderMap) -> Response {
    let visitor = Visitor::of(&site, &headers).await.ok().flatten();
    rendered(&page(&site, Layout::new(&site, ends, visitor.as_ref())), StatusCode::OK, visitor.as_ref())
}

/// POST: signs in.
pub(super) async fn act(
    state: State<Arc<Site>>,
    ends: Extension<Connection>,
    client: Extension<Client>,
    request: Request,
) -> Response {
    handle(state, ends, client, request, false).await
}

/// POST: makes an account and signs in.
pub(super) async fn register(
    state: State<Arc<Site>>,
    ends: Extension<Connection>,
    client: Extension<Client>,
    request: Request,
) -> Response {
    handle(state, ends, client, request, true).await
}

async fn handle(
    State(site): State<Arc<Site>>,
    Extension(ends): Extension<Connection>,
    Extension(client): Extension<Client>,
    request: Request,
    is_new: bool,
) -> Response {
    let visitor = match forms::visitor_of_form(&site, request.headers()).await {
        Ok(visitor) => visitor,
        Err(refusal) => {
            forms::discard(&site, request);
            return refused(&site, ends, &refusal);
        }
    };
    let outcome = match forms::read::<Credentials>(request).await {
        Ok(credentials) if is_new => sign_up(&site, visitor.as_ref(), client, credentials).await,
        Ok(credentials) => sign_in(&site, visitor.as_ref(), client, credentials).await,
        Err(refusal) => Err(refusal),
    };
    outcome.unwrap_or_else(|refusal| refused(&site, ends, &refusal))
}

fn refused(site: &Site, ends: Connection, refusal: &Refusal) -> Response {
    rendered_refusal(&page(site, Layout::new(site, ends, None).refusing(refusal)), refusal, None)
}

fn page(site: &Site, layout: Layout) -> SignInPage {
    let accounts = &site.settings.accounts;
    SignInPage {
        layout,
        register_url: REGISTER,
        may_register: accounts.registration && accounts.mode == SignInMode::Accounts,
        min_password_chars: accounts.min_password_chars,
    }
}

/// Asks before signing out: the original's link could be on any page in the world.
pub(super) fn sign_out_page(layout: Layout, visitor: Option<&Visitor>) -> Response {
    rendered(&SignOutPage { layout }, StatusCode::OK, visitor)
}

/// Signs somebody in.
pub(super) async fn sign_in(
    site: &Arc<Site>,
    visitor: Option<&Visitor>,
    client: Client,
    credentials: Credentials,
) -> Result<Response, Refusal> {
    allow(site, client)?;
    let outcome = check(site, credentials).await;
    count(site, client, &outcome);
    start_session(site, visitor, outcome?).await
}

async fn sign_up(
    site: &Arc<Site>,
    visitor: Option<&Visitor>,
    client: Client,
    credentials: Credentials,
) -> Result<Response, Refusal> {
    allow(site, client)?;
    let outcome = make_account(site, credentials).await;
    count(site, client, &outcome);
    start_session(site, visitor, outcome?).await
}

fn allow(site: &Site, client: Client) -> Result<(), Refusal> {
    site.limits.sign_ins.check(client).map_err(|wait| {
        site.metrics.sign_in(Outcome::Limited);
        info!(client = %client.0, "a sign-in was refused: too many from this client");
        Refusal::too_often("attempts to sign in", wait)
    })
}

/// Names are not logged: people type passwords into the wrong field.
fn count<T>(site: &Site, client: Client, outcome: &Result<T, Refusal>) {
    let counted = match outcome {
        Ok(_) => Outcome::Accepted,
        Err(refusal) if refusal.status.is_server_error() => Outcome::Failed,
        Err(_) => Outcome::Refused,
    };
    site.metrics.sign_in(counted);
    if site.settings.accounts.mode == SignInMode::Accounts {
        info!(client = %client.0, outcome = ?counted, "sign-in");
    }
}

/// Whose credentials these are.
async fn check(site: &Arc<Site>, credentials: Credentials) -> Result<UserName, Refusal> {
    let name = parsed(&credentials.name)?;
    if site.settings.accounts.mode == SignInMode::Demo {
        return Ok(name);
    }
    let account = site.records.account(&name).await.map_err(|error| Refusal::no_database(&error))?;
    let (kept, shown) = account.map_or((None, None), |account| (Some(account.password_hash), Some(account.username)));
    let is_correct = hashing(site, move || password::is_correct(&credentials.password, kept.as_deref())).await?;
    match shown.and_then(|shown| UserName::parse(&shown).ok()) {
        Some(name) if is_correct => Ok(name),
        _ => Err(Refusal::new(StatusCode::UNAUTHORIZED, "The name or the password is not right. Please try again.")),
    }
}

async fn make_account(site: &Arc<Site>, credentials: Credentials) -> Result<UserName, Refusal> {
    let accounts = &site.settings.accounts;
    if accounts.mode == SignInMode::Demo || !accounts.registration {
        return Err(Refusal::new(StatusCode::FORBIDDEN, "This site makes no new accounts. Please ask whoever runs it."));
    }
    let name = parsed(&credentials.name)?;
    password::check(&credentials.password, &name, accounts.min_password_chars)
        .map_err(|bad| Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, bad.to_string()))?;
    let hash = hashing(site, move || password::hash(&credentials.password)).await?.map_err(|error| failed(&error))?;
    if site.records.add_account(&name, &hash).await.map_err(|error| Refusal::no_database(&error))? {
        return Ok(name);
    }
    Err(Refusal::new(StatusCode::CONFLICT, "This name is taken. Please choose another."))
}

fn parsed(name: &str) -> Result<UserName, Refusal> {
    UserName::parse(name).map_err(|bad| Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, bad.to_string()))
}

/// Runs password work where it may block, a few at a time: each takes 19 MiB and a processor.
async fn hashing<T: Send + 'static>(site: &Arc<Site>, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Refusal> {
    let _permit = site.hashers.acquire().await.map_err(|error| failed(&error))?;
    site.on_blocking_thread(move |_| work()).await.map_err(|error| failed(&error))
}

fn failed(error: &dyn std::fmt::Display) -> Refusal {
    error!(%error, "a password could not be checked");
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "Signing in failed on our side. Please try again later.")
}

async fn start_session(site: &Site, visitor: Option<&Visitor>, name: UserName) -> Result<Response, Refusal> {
    if let Some(visitor) = visitor {
        site.sessions.remove(&visitor.session).await.map_err(no_sessions)?; // a new sign-in, a new id
    }
    let (_, cookie) = site.sessions.create(name).await.map_err(no_sessions)?;
    Ok((CookieJar::new().add(session_cookie(site, cookie)), after_form()).into_response())
}

/// Ends the visitor's session, if the form was theirs.
pub(super) async fn sign_out(site: &Site, visitor: Option<&Visitor>, token: Option<&str>) -> Result<Response, Refusal> {
    let Some(visitor) = visitor else { return Ok(after_form().into_response()) };
    if !visitor.owns(token) {
        return Err(Refusal::foreign_form());
    }
    site.sessions.remove(&visitor.session).await.map_err(no_sessions)?;
    Ok((CookieJar::new().add(no_cookie(site)), after_form()).into_response())
}

fn no_sessions(error: StoreError) -> Refusal {
    error!(error = error.chain(), "the session store does not answer; nobody can sign in");
    Refusal::no_sessions()
}
