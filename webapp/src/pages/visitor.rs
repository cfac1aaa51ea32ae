//! Who sent a request, as far as its session cookie says.

use axum::http::HeaderMap;
use axum_extra::extract::cookie::{Cookie, CookieJar, SameSite};
use tracing::error;

use crate::{
    random::RandomId,
    remote::StoreError,
    sessions::{FormToken, Session},
    site::Site,
    user_name::UserName,
};

/// Someone who is logged in.
pub(super) struct Visitor {
    pub(super) session: Session,
    /// To be set with the answer, when something in it changed.
    cookie: Option<Cookie<'static>>,
}

impl Visitor {
    /// The visitor whose session the cookie names, with its idle time counted anew.
    ///
    /// # Errors
    /// When the session store does not answer: then the visitor may be anyone, and can only look.
    pub(super) async fn of(site: &Site, headers: &HeaderMap) -> Result<Option<Self>, StoreError> {
        let jar = CookieJar::from_headers(headers);
        let Some(sent) = jar.get(cookie_name(site)) else { return Ok(None) };
        let Some(mut session) = site.sessions.find(sent.value()).await.inspect_err(report)? else { return Ok(None) };
        let renewed = site.sessions.renew(&mut session).await.inspect_err(report)?;
        Ok(Some(Self { session, cookie: renewed.map(|value| session_cookie(site, value)) }))
    }

    pub(super) fn user(&self) -> &UserName {
        &self.session.user
    }

    /// What the visitor's forms must carry.
    pub(super) fn form_token(&self) -> String {
        self.session.token.0.to_string()
    }

    /// Whether a form carries the visitor's token.
    pub(super) fn owns(&self, token: Option<&str>) -> bool {
        token.and_then(RandomId::parse).is_some_and(|token| FormToken(token) == self.session.token)
    }

    /// What to set with the answer.
    pub(super) fn cookies(&self) -> CookieJar {
        self.cookie.clone().into_iter().fold(CookieJar::new(), CookieJar::add)
    }

    /// What is to be said once; it is forgotten with this.
    pub(super) async fn take_notice(&mut self, site: &Site) -> Option<String> {
        let notice = self.session.notice.take()?;
        self.save(site).await;
        Some(notice)
    }

    /// Leaves a sentence for the next page.
    pub(super) async fn leave_notice(&mut self, site: &Site, notice: Option<String>) {
        if notice.is_some() {
            self.session.notice = notice;
            self.save(site).await;
        }
    }

    /// A sentence that gets lost with its store is not worth an error page.
    async fn save(&mut self, site: &Site) {
        if let Ok(value) = site.sessions.save(&self.session).await.inspect_err(report) {
            self.cookie = Some(session_cookie(site, value));
        }
    }
}

/// Makes the browser forget its session.
pub(super) fn no_cookie(site: &Site) -> Cookie<'static> {
    let mut cookie = session_cookie(site, String::new());
    cookie.make_removal();
    cookie
}

fn report(error: &StoreError) {
    error!(error = error.chain(), "the session store does not answer; pages are shown as to a stranger");
}

/// Carries a session to the browser, until the browser closes or the session is over.
pub(super) fn session_cookie(site: &Site, value: String) -> Cookie<'static> {
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
