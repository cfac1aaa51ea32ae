//! What all pages have around them: the server's name, who is signed in, what is to be said.

use askama::Template;
use axum::{
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use tracing::error;

use super::{PAGE, SIGN_IN, files, guard::retry_after, refusal::Refusal, visitor::Visitor};
use crate::{server::Connection, settings::SignInMode, site::Site, user_name::UserName};

/// The part of a page that is the same on all; templates extend `layout.html`, which reads it.
pub(super) struct Layout {
    pub(super) page_url: &'static str,
    pub(super) sign_in_url: &'static str,
    pub(super) style_url: String,
    pub(super) script_url: String,
    pub(super) icon_url: String,
    /// The server that answered, as in the original.
    pub(super) node: String,
    pub(super) visitor: Option<SignedIn>,
    pub(super) is_demo: bool,
    pub(super) notice: Option<String>,
    pub(super) problems: Vec<String>,
    pub(super) max_name_chars: usize,
    pub(super) version: &'static str,
}

/// Who is signed in, and what their forms carry.
pub(super) struct SignedIn {
    pub(super) name: String,
    pub(super) form_token: String,
}

impl Layout {
    pub(super) fn new(site: &Site, ends: Connection, visitor: Option<&Visitor>) -> Self {
        let own = &site.settings.server.node;
        Self {
            page_url: PAGE,
            sign_in_url: SIGN_IN,
            style_url: files::STYLE.url(),
            script_url: files::SCRIPT.url(),
            icon_url: files::ICON.url(),
            node: if own.is_empty() { ends.local.ip().to_canonical().to_string() } else { own.clone() },
            visitor: visitor
                .map(|visitor| SignedIn { name: visitor.user().as_str().to_owned(), form_token: visitor.form_token() }),
            is_demo: site.settings.accounts.mode == SignInMode::Demo,
            notice: None,
            problems: Vec::new(),
            max_name_chars: UserName::MAX_CHARS,
            version: env!("CARGO_PKG_VERSION"),
        }
    }

    /// With what went wrong, and what worked all the same.
    pub(super) fn refusing(mut self, refusal: &Refusal) -> Self {
        self.notice.clone_from(&refusal.notice);
        self.problems.clone_from(&refusal.problems);
        self
    }
}

/// The finished answer.
pub(super) fn rendered(page: &impl Template, status: StatusCode, visitor: Option<&Visitor>) -> Response {
    match page.render() {
        Ok(html) => (status, visitor.map(Visitor::cookies), Html(html)).into_response(),
        Err(error) => {
            error!(%error, "cannot render a page");
            (StatusCode::INTERNAL_SERVER_ERROR, "the page cannot be shown\n").into_response()
        }
    }
}

/// As [`rendered`], for an answer that says when to come back.
pub(super) fn rendered_refusal(page: &impl Template, refusal: &Refusal, visitor: Option<&Visitor>) -> Response {
    let mut response = rendered(page, refusal.status, visitor);
    if let Some(wait) = refusal.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, retry_after(wait));
    }
    response
}
