//! Sessions in this process's memory. Another node does not know them, and a restart forgets them.
//!
//! Pure logic. Invariant: never more than `limit` sessions; the oldest leaves first.

use std::collections::{BTreeMap, HashMap};

use super::session::{Session, SessionId};

/// The sessions of one process.
pub(crate) struct Local {
    by_id: HashMap<SessionId, (u64, Session)>,
    /// The same sessions in the order they were made.
    by_age: BTreeMap<u64, SessionId>,
    next_age: u64,
    limit: usize,
}

impl Local {
    pub(crate) fn new(limit: usize) -> Self {
        Self { by_id: HashMap::new(), by_age: BTreeMap::new(), next_age: 0, limit }
    }

    /// Adds a session. Those that are over leave; when there still is no room, the oldest one ends.
    pub(crate) fn create(&mut self, session: Session, is_over: impl Fn(&Session) -> bool) {
        while let Some((_, id)) = self.by_age.first_key_value()
            && self.by_id.get(id).is_none_or(|(_, session)| is_over(session) || self.by_id.len() >= self.limit)
        {
            self.remove_oldest();
        }
        self.by_age.insert(self.next_age, session.id);
        self.by_id.insert(session.id, (self.next_age, session));
        self.next_age += 1;
    }

    pub(crate) fn get(&self, id: SessionId) -> Option<&Session> {
        self.by_id.get(&id).map(|(_, session)| session)
    }

    /// Changes a session, if it is still there.
    pub(crate) fn save(&mut self, changed: &Session) {
        if let Some((_, session)) = self.by_id.get_mut(&changed.id) {
            *session = changed.clone();
        }
    }

    pub(crate) fn remove(&mut self, id: SessionId) {
        if let Some((age, _)) = self.by_id.remove(&id) {
            self.by_age.remove(&age);
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
    use crate::user_name::UserName;

    fn session(name: &str) -> Session {
        Session::new(UserName::parse(name).unwrap(), 0)
    }

    #[test]
    fn one_session_too_many_ends_the_oldest() {
        let mut local = Local::new(2);
        let [first, second, third] = ["a", "b", "c"].map(session);
        for session in [&first, &second, &third] {
            local.create(session.clone(), |_| false);
        }
        assert!(local.get(first.id).is_none());
        assert_eq!(local.get(second.id).unwrap().user.as_str(), "b");
        assert_eq!(local.get(third.id).unwrap().user.as_str(), "c");
    }

    #[test]
    fn sessions_that_are_over_and_removed_ones_take_no_room() {
        let mut local = Local::new(100);
        for _ in 0..50 {
            local.create(session("old"), |_| false);
        }
        let removed = session("removed");
        local.create(removed.clone(), |_| true);
        local.remove(removed.id);
        local.create(session("new"), |_| true);
        assert_eq!((local.by_id.len(), local.by_age.len()), (1, 1));
    }
}
