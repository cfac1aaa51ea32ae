//! Which shards may be read now: a child starts only when its parents are drained.
//!
//! Pure logic over what ListShards says. A shard that has left the list (its records expired) counts as drained.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

/// One shard as ListShards tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ListedShard {
    pub(super) name: String,
    /// One after a split, two after a merge, none for a shard the stream was made with.
    pub(super) parents: Vec<String>,
    /// An open shard has no EndingSequenceNumber. ShardFilter is not trusted: emulators ignore it.
    pub(super) is_open: bool,
}

/// Where reading begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Start {
    /// With the oldest record that the stream still has.
    TrimHorizon,
    /// With records that arrive from now on.
    Latest,
    /// With the first record that arrived at this moment or later, milliseconds since 1970.
    At(i64),
    /// Behind the record with this sequence number.
    After(String),
}

impl FromStr for Start {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "latest" => Ok(Self::Latest),
            "trim-horizon" => Ok(Self::TrimHorizon),
            time => match time.parse::<jiff::Timestamp>() {
                Ok(time) => Ok(Self::At(time.as_millisecond())),
                Err(_) => Err("it is latest, trim-horizon, or a time such as 2026-11-21T10:00:00Z".to_owned()),
            },
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Reading,
    Drained,
}

/// The shards of a stream, and how far each has come.
#[derive(Debug, Default)]
pub(super) struct Lineage {
    states: BTreeMap<String, State>,
    parents: BTreeMap<String, Vec<String>>,
}

impl Lineage {
    /// Goes on where another one stood: with these shards, true for those that were read to their end.
    pub(super) fn resumed(shards: impl IntoIterator<Item = (String, bool)>) -> Self {
        let state = |is_drained| if is_drained { State::Drained } else { State::Waiting };
        let states = shards.into_iter().map(|(name, is_drained)| (name, state(is_drained))).collect();
        Self { states, parents: BTreeMap::new() }
    }

    /// Shards that were to be read and are no longer listed: their records have expired.
    pub(super) fn vanished(&self, listed: &[ListedShard]) -> Vec<String> {
        let is_listed = |name: &String| listed.iter().any(|shard| shard.name == *name);
        let waiting = self.states.iter().filter(|(name, state)| **state == State::Waiting && !is_listed(name));
        waiting.map(|(name, _)| name.clone()).collect()
    }

    /// Takes a fresh list and returns the shards to start reading now, each with where to begin.
    ///
    /// Only the shards of the first list begin at `start`; later ones are children, read from their beginning
    /// whatever the initial position, or records between the two lists would be missed.
    pub(super) fn observe(&mut self, listed: &[ListedShard], start: &Start) -> Vec<(String, Start)> {
        let is_first = self.states.is_empty();
        for shard in listed {
            let is_past = is_first && *start == Start::Latest && !shard.is_open;
            let state = if is_past { State::Drained } else { State::Waiting };
            self.states.entry(shard.name.clone()).or_insert(state);
            self.parents.insert(shard.name.clone(), shard.parents.clone());
        }
        let ready = self.take_ready(listed);
        ready.into_iter().map(|name| (name, if is_first { start.clone() } else { Start::TrimHorizon })).collect()
    }

    /// A shard has been read to its end.
    pub(super) fn drained(&mut self, name: &str) {
        self.states.insert(name.to_owned(), State::Drained);
    }

    /// Whether every shard ever listed has been read to its end.
    pub(super) fn is_finished(&self) -> bool {
        !self.states.is_empty() && self.states.values().all(|state| *state == State::Drained)
    }

    fn take_ready(&mut self, listed: &[ListedShard]) -> Vec<String> {
        let existing: BTreeSet<&str> = listed.iter().map(|shard| shard.name.as_str()).collect();
        let is_done = |parent: &String| {
            !existing.contains(parent.as_str()) || self.states.get(parent).is_none_or(|state| *state == State::Drained)
        };
        let waiting = self.states.iter().filter(|(_, state)| **state == State::Waiting);
        let ready: Vec<String> = waiting
            .filter(|(name, _)| self.parents.get(*name).is_some_and(|parents| parents.iter().all(is_done)))
            .map(|(name, _)| name.clone())
            .collect();
        for name in &ready {
            self.states.insert(name.clone(), State::Reading);
        }
        ready
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(name: &str, parents: &[&str], is_open: bool) -> ListedShard {
        ListedShard { name: name.to_owned(), parents: parents.iter().map(|name| (*name).to_owned()).collect(), is_open }
    }

    fn names(ready: &[(String, Start)]) -> Vec<&str> {
        ready.iter().map(|(name, _)| name.as_str()).collect()
    }

    #[test]
    fn children_start_when_the_parent_is_drained() {
        let list = [shard("0", &[], false), shard("1", &["0"], true), shard("2", &["0"], true)];
        let mut lineage = Lineage::default();
        assert_eq!(names(&lineage.observe(&list, &Start::TrimHorizon)), ["0"]);
        assert!(lineage.observe(&list, &Start::TrimHorizon).is_empty());
        lineage.drained("0");
        assert_eq!(names(&lineage.observe(&list, &Start::TrimHorizon)), ["1", "2"]);
    }

    #[test]
    fn a_merged_shard_waits_for_both_parents() {
        let list = [shard("0", &[], false), shard("1", &[], false), shard("2", &["0", "1"], true)];
        let mut lineage = Lineage::default();
        lineage.observe(&list, &Start::TrimHorizon);
        lineage.drained("1");
        assert!(lineage.observe(&list, &Start::TrimHorizon).is_empty());
        lineage.drained("0");
        assert_eq!(names(&lineage.observe(&list, &Start::TrimHorizon)), ["2"]);
    }

    #[test]
    fn latest_begins_with_open_shards_only() {
        let list = [shard("0", &[], false), shard("1", &["0"], true)];
        let mut lineage = Lineage::default();
        assert_eq!(lineage.observe(&list, &Start::Latest), [("1".to_owned(), Start::Latest)]);
    }

    #[test]
    fn a_shard_that_appears_later_is_read_from_its_beginning() {
        let mut lineage = Lineage::default();
        lineage.observe(&[shard("0", &[], true)], &Start::Latest);
        lineage.drained("0");
        let list = [shard("0", &[], false), shard("1", &["0"], true)];
        assert_eq!(lineage.observe(&list, &Start::Latest), [("1".to_owned(), Start::TrimHorizon)]);
    }

    #[test]
    fn an_expired_parent_holds_nobody_back() {
        let list = [shard("1", &["0"], true)];
        assert_eq!(names(&Lineage::default().observe(&list, &Start::TrimHorizon)), ["1"]);
    }

    #[test]
    fn a_resumed_stream_reads_what_was_not_drained_and_new_shards_from_their_beginning() {
        let list = [shard("0", &[], false), shard("1", &["0"], true), shard("2", &["0"], true)];
        let mut lineage = Lineage::resumed([("0".to_owned(), true), ("1".to_owned(), false), ("9".to_owned(), false)]);
        assert_eq!(lineage.vanished(&list), ["9"]);
        lineage.drained("9");
        assert_eq!(names(&lineage.observe(&list, &Start::Latest)), ["1", "2"]);
    }

    #[test]
    fn a_start_is_a_word_or_a_time() {
        assert_eq!("trim-horizon".parse(), Ok(Start::TrimHorizon));
        assert_eq!("1970-01-01T00:00:01Z".parse(), Ok(Start::At(1_000)));
        assert!("yesterday".parse::<Start>().is_err());
    }
}
