//! Who is logged in.
//!
//! Pure logic: the caller passes the time. A session is made only at login, with an id of our making.
//!
//! Invariant: never more than `limit` sessions; the oldest leaves first. All live equally long, so the oldest is also
//! the first to expire.

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};

use crate::{random::RandomId, user_name::UserName};

/// The secret in the cookie.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SessionId(pub(crate) RandomId);

/// The secret in the session's forms: another site can send a form, but cannot know this.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct FormToken(pub(crate) RandomId);

/// One person's login.
pub(crate) struct Session {
    pub(crate) user: UserName,
    pub(crate) token: FormToken,
    /// Said once, on the next page.
    pub(crate) notice: Option<String>,
    expires: Instant,
    age: u64,
}

pub(crate) struct Sessions {
    by_id: HashMap<SessionId, Session>,
    /// The same sessions in the order they were made.
    by_age: BTreeMap<u64, SessionId>,
    next_age: u64,
    limit: usize,
    lifetime: Duration,
}

impl Sessions {
    pub(crate) fn new(limit: usize, lifetime: Duration) -> Self {
        Self { by_id: HashMap::new(), by_age: BTreeMap::new(), next_age: 0, limit, lifetime }
    }

    /// Makes a session. When there is no room, the oldest one ends.
    pub(crate) fn create(&mut self, user: UserName, now: Instant) -> SessionId {
        self.remove_expired(now);
        if self.by_id.len() >= self.limit {
            self.remove_oldest();
        }
        let id = SessionId(RandomId::new());
        let age = self.next_age;
        self.next_age += 1;
        self.by_age.insert(age, id);
        let token = FormToken(RandomId::new());
        self.by_id.insert(id, Session { user, token, notice: None, expires: now + self.lifetime, age });
        id
    }

    /// The session, unless it is over.
    pub(crate) fn get_mut(&mut self, id: SessionId, now: Instant) -> Option<&mut Session> {
        self.by_id.get_mut(&id).filter(|session| now < session.expires)
    }

    pub(crate) fn remove(&mut self, id: SessionId) {
        if let Some(session) = self.by_id.remove(&id) {
            self.by_age.remove(&session.age);
        }
    }

    fn remove_expired(&mut self, now: Instant) {
        while let Some((_, id)) = self.by_age.first_key_value()
            && self.by_id.get(id).is_none_or(|session| session.expires <= now)
        {
            self.remove_oldest();
        }
    }

    fn remove_oldest(&mut self) {
        if let Some((_, id)) = self.by_age.pop_first() {
            self.by_id.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn name(text: &str) -> UserName {
        UserName::parse(text).unwrap()
    }

    #[test]
    fn one_session_too_many_ends_the_oldest() {
        let mut sessions = Sessions::new(2, MINUTE);
        let now = Instant::now();
        let [first, second, third] = ["a", "b", "c"].map(|user| sessions.create(name(user), now));
        assert!(sessions.get_mut(first, now).is_none());
        assert_eq!(sessions.get_mut(second, now).unwrap().user.as_str(), "b");
        assert_eq!(sessions.get_mut(third, now).unwrap().user.as_str(), "c");
    }

    #[test]
    fn a_session_ends_after_its_lifetime() {
        let mut sessions = Sessions::new(2, MINUTE);
        let now = Instant::now();
        let id = sessions.create(name("a"), now);
        assert!(sessions.get_mut(id, now + MINUTE - Duration::from_millis(1)).is_some());
        assert!(sessions.get_mut(id, now + MINUTE).is_none());
    }

    #[test]
    fn expired_and_removed_sessions_take_no_room() {
        let mut sessions = Sessions::new(100, MINUTE);
        let now = Instant::now();
        for _ in 0..50 {
            sessions.create(name("old"), now);
        }
        let removed = sessions.create(name("removed"), now + MINUTE);
        sessions.remove(removed);
        sessions.create(name("new"), now + MINUTE);
        assert_eq!((sessions.by_id.len(), sessions.by_age.len()), (1, 1));
    }
}
