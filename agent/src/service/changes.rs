//! What a reload changes. Pure: compares two settings as they are written.

use std::{collections::BTreeMap, fmt};

use crate::settings::Written;

/// The difference between the settings that run and those that shall.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    /// Ids of flows that start.
    pub(crate) added: Vec<String>,
    /// Ids of flows that end.
    pub(crate) removed: Vec<String>,
    /// Ids of flows that end and start again with other settings.
    pub(crate) changed: Vec<String>,
    /// Flows that go on undisturbed.
    pub(crate) unchanged: usize,
    /// Keys of the whole agent that differ. They take effect at the next start.
    pub(crate) agent_keys: Vec<String>,
}

/// What is to be done to get from `old` to `new`.
pub(crate) fn between(old: &Written, new: &Written) -> Changes {
    let (flows, keys) = (compare(&old.flows, &new.flows), compare(&old.agent, &new.agent));
    let mut agent_keys = [keys.added, keys.removed, keys.changed].concat();
    agent_keys.sort();
    Changes { agent_keys, ..flows }
}

fn compare(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Changes {
    let mut changes = Changes::default();
    for (key, text) in new {
        match old.get(key) {
            None => changes.added.push(key.clone()),
            Some(before) if before != text => changes.changed.push(key.clone()),
            Some(_) => changes.unchanged += 1,
        }
    }
    changes.removed = old.keys().filter(|key| !new.contains_key(*key)).cloned().collect();
    changes
}

impl fmt::Display for Changes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (added, removed, changed) = (self.added.len(), self.removed.len(), self.changed.len());
        write!(out, "{added} flow(s) added, {removed} removed, {changed} changed, {} unchanged", self.unchanged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn flows_are_compared_by_their_id_and_their_text() {
        let old = Written { agent: map(&[]), flows: map(&[("a", "1"), ("b", "1"), ("c", "1")]) };
        let new = Written { agent: map(&[]), flows: map(&[("b", "1"), ("c", "2"), ("d", "1")]) };
        let changes = between(&old, &new);
        assert_eq!((changes.added, changes.removed, changes.changed), (vec!["d".into()], vec!["a".into()], vec!["c".into()]));
        assert_eq!(changes.unchanged, 1);
    }

    #[test]
    fn every_key_of_the_agent_that_differs_is_named() {
        let old = Written { agent: map(&[("gone", "1"), ("kept", "1"), ("other", "1")]), flows: map(&[]) };
        let new = Written { agent: map(&[("new", "1"), ("kept", "1"), ("other", "2")]), flows: map(&[]) };
        assert_eq!(between(&old, &new).agent_keys, ["gone", "new", "other"]);
        assert_eq!(between(&old, &old).agent_keys, Vec::<String>::new());
    }
}
