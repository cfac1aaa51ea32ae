//! Cached rows: when they are new, when they are better than nothing.
//!
//! Pure logic: the caller passes the time, in milliseconds since 1970.
//!
//! Rows carry the *generation* they were read in. Every change of the table makes a new generation, after the change. A
//! reader takes the generation first and the rows second; so rows that were read before a change can be stored after it,
//! but they carry the old generation and are not taken for new. That is the race the original had.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use crate::records::Record;

/// Rows as they were read at some moment.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Rows {
    /// In which generation; a random text.
    pub(super) generation: String,
    pub(super) read_ms: i64,
    pub(super) records: Arc<Vec<Record>>,
}

impl Rows {
    /// Whether they are as good as what the database would say.
    pub(super) fn is_new(&self, generation: Option<&str>, now_ms: i64, expiry: Duration) -> bool {
        generation == Some(self.generation.as_str()) && self.age(now_ms) < expiry
    }

    /// Whether they are better than nothing.
    pub(super) fn is_useful(&self, now_ms: i64, stale: Duration) -> bool {
        self.age(now_ms) < stale
    }

    /// A clock that goes back makes them new, not old.
    fn age(&self, now_ms: i64) -> Duration {
        Duration::from_millis(u64::try_from(now_ms - self.read_ms).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn rows_are_new_within_their_generation_and_time() {
        let rows = Rows { generation: "a".to_owned(), read_ms: 1_000_000, records: Arc::default() };
        assert!(rows.is_new(Some("a"), 1_059_999, MINUTE));
        assert!(!rows.is_new(Some("a"), 1_060_000, MINUTE), "too old");
        assert!(!rows.is_new(Some("b"), 1_000_000, MINUTE), "something changed");
        assert!(!rows.is_new(None, 1_000_000, MINUTE), "nobody knows whether something changed");
        assert!(rows.is_useful(1_059_999, MINUTE) && !rows.is_useful(1_060_000, MINUTE));
        assert!(rows.is_new(Some("a"), 0, MINUTE), "the clock went back");
    }
}
