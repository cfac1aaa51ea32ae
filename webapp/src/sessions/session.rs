//! One person's login, and when it is over.
//!
//! Pure logic: the caller passes the time, in seconds since 1970.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{random::RandomId, user_name::UserName};

/// The secret in the cookie.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SessionId(pub(crate) RandomId);

/// The secret in the session's forms: another site can send a form, but cannot know this.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct FormToken(pub(crate) RandomId);

/// One person's login.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) user: UserName,
    pub(crate) token: FormToken,
    /// Said once, on the next page.
    pub(crate) notice: Option<String>,
    pub(super) signed_in: i64,
    /// When its idle time was last counted from the start.
    pub(super) renewed: i64,
}

/// How long a login lasts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lifetime {
    /// From the sign-in, whatever happens.
    pub(crate) total: Duration,
    /// Without a request.
    pub(crate) idle: Duration,
}

/// As it is stored. The id is not in it: who can read the store cannot use what is there.
#[derive(Serialize, Deserialize)]
struct Written {
    user: String,
    token: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    notice: Option<String>,
    signed_in: i64,
    renewed: i64,
}

impl Session {
    /// A new login: always with a new id, so that nobody can have chosen it.
    pub(crate) fn new(user: UserName, now: i64) -> Self {
        let [id, token] = [RandomId::new(), RandomId::new()];
        Self { id: SessionId(id), user, token: FormToken(token), notice: None, signed_in: now, renewed: now }
    }

    /// Whether the login is over.
    pub(crate) fn is_over(&self, now: i64, lifetime: Lifetime) -> bool {
        self.seconds_left(now, lifetime) == 0
    }

    /// How long it lasts from now on if nothing happens.
    pub(crate) fn seconds_left(&self, now: i64, lifetime: Lifetime) -> u64 {
        let left = |since: i64, time: Duration| time.as_secs().saturating_sub(u64::try_from(now - since).unwrap_or(0));
        left(self.signed_in, lifetime.total).min(left(self.renewed, lifetime.idle))
    }

    /// Whether enough of the idle time has passed to count it anew: not on every request, because it costs a write.
    pub(crate) fn is_renewal_due(&self, now: i64, lifetime: Lifetime) -> bool {
        now - self.renewed >= i64::try_from(lifetime.idle.as_secs() / 4).unwrap_or(i64::MAX).max(1)
    }

    /// Counts the idle time anew.
    pub(crate) fn renew(&mut self, now: i64) {
        self.renewed = now;
    }

    /// As text, for a store.
    pub(crate) fn to_text(&self) -> String {
        let written = Written {
            user: self.user.as_str().to_owned(),
            token: self.token.0.to_string(),
            notice: self.notice.clone(),
            signed_in: self.signed_in,
            renewed: self.renewed,
        };
        serde_json::to_string(&written).expect("text and numbers are always JSON")
    }

    /// Reads what [`Session::to_text`] writes. None for anything else, as after a change of the format.
    pub(crate) fn parse(id: SessionId, text: &[u8]) -> Option<Self> {
        let written: Written = serde_json::from_slice(text).ok()?;
        Some(Self {
            id,
            user: UserName::parse(&written.user).ok()?,
            token: FormToken(RandomId::parse(&written.token)?),
            notice: written.notice,
            signed_in: written.signed_in,
            renewed: written.renewed,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIME: Lifetime = Lifetime { total: Duration::from_secs(1000), idle: Duration::from_secs(100) };

    fn session() -> Session {
        Session::new(UserName::parse("Ann").unwrap(), 5000)
    }

    #[test]
    fn a_login_ends_when_it_is_not_used() {
        let mut session = session();
        assert!(!session.is_over(5099, LIFETIME));
        assert!(session.is_over(5100, LIFETIME));
        assert!(!session.is_renewal_due(5024, LIFETIME) && session.is_renewal_due(5025, LIFETIME));
        session.renew(5025);
        assert!(!session.is_over(5124, LIFETIME) && session.is_over(5125, LIFETIME));
    }

    #[test]
    fn a_login_ends_after_its_lifetime_however_it_is_used() {
        let mut session = session();
        session.renew(5990);
        assert_eq!(session.seconds_left(5990, LIFETIME), 10);
        assert!(session.is_over(6000, LIFETIME));
    }

    #[test]
    fn a_session_reads_back_and_its_text_does_not_hold_its_id() {
        let session = Session { notice: Some("1 photo added.".to_owned()), ..session() };
        let text = session.to_text();
        assert!(!text.contains(&session.id.0.to_string()));
        let read = Session::parse(session.id, text.as_bytes()).unwrap();
        assert_eq!(read.user, session.user);
        assert!(read.token == session.token && read.notice == session.notice && !read.is_over(5099, LIFETIME));
        assert!(Session::parse(session.id, b"{}").is_none());
    }
}
