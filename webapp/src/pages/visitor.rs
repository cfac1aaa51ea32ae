//! Who sent a request, as far as its session cookie says.

use std::time::Instant;

use axum::http::HeaderMap;
use axum_extra::extract::cookie::{Cookie, CookieJar, SameSite};

use crate::{
    random::RandomId,
    sessions::{FormToken, SessionId},
    site::Site,
    user_name::UserName,
};

/// Someone who is logged in.
pub(super) struct Visitor {
    pub(super) session: SessionId,
    pub(super) user: UserName,
    token: FormToken,
}

impl Visitor {
    /// The visitor whose session the cookie names. Ids we did not make are nobody's.
    pub(super) fn of(site: &Site, headers: &HeaderMap) -> Option<Self> {
        let jar = CookieJar::from_headers(headers);
        let session = SessionId(RandomId::parse(jar.get(cookie_name(site))?.value())?);
        let mut sessions = site.sessions();
        let found = sessions.get_mut(session, Instant::now())?;
        Some(Self { session, user: found.user.clone(), token: found.token })
    }

    /// What the visitor's forms must carry.
    pub(super) fn form_token(&self) -> String {
        self.token.0.to_string()
    }

    /// Whether a form carries the visitor's token.
    pub(super) fn owns(&self, token: Option<&str>) -> bool {
        token.and_then(RandomId::parse).is_some_and(|token| FormToken(token) == self.token)
    }
}

/// Carries a new session to the browser, until the browser closes or the session's lifetime is over.
pub(super) fn session_cookie(site: &Site, session: SessionId) -> Cookie<'static> {
    cookie(site, session.0.to_string())
}

/// Makes the browser forget its session.
pub(super) fn no_cookie(site: &Site) -> Cookie<'static> {
    let mut cookie = cookie(site, String::new());
    cookie.make_removal();
    cookie
}

fn cookie(site: &Site, value: String) -> Cookie<'static> {
    Cookie::build((cookie_name(site), value))
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(site.settings.sessions.secure_cookie)
        .build()
}

/// Browsers take a `__Host-` cookie only from this very host, over https.
fn cookie_name(site: &Site) -> &'static str {
    if site.settings.sessions.secure_cookie { "__Host-session" } else { "session" }
}
