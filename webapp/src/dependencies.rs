//! What the site needs from others, and whether it has it: for `/readyz` and `webapp doctor`.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{remote::StoreError, site::Site};

/// A dependency that takes longer is as good as missing; the stores' own limits are shorter as a rule.
const LIMIT: Duration = Duration::from_secs(5);

/// What the storage calls the folder, which every node needs for what it receives.
const FOLDER: &str = "picture folder";

/// One dependency, asked just now.
pub(crate) struct Check {
    name: String,
    /// Without it, this node's pages are errors; without the others they have less on them.
    pub(crate) is_needed: bool,
    /// How it went, with the reason for people.
    pub(crate) outcome: Result<(), String>,
    took: Duration,
}

impl Check {
    /// As JSON.
    pub(crate) fn described(&self) -> Value {
        json!({
            "name": self.name,
            "needed": self.is_needed,
            "ok": self.outcome.is_ok(),
            "reason": self.outcome.as_ref().err(),
            "took_ms": self.took.as_millis() as u64,
        })
    }
}

/// Asks all dependencies at once.
pub(crate) async fn check(site: &Arc<Site>) -> Vec<Check> {
    let database = async {
        let answer = site.records.ping().await;
        // With the front page's rows in the cache, a node without its database still has something to show.
        let is_needed = answer.is_ok() || site.newest().await.is_err();
        vec![("database".to_owned(), is_needed, answer)]
    };
    let storage = async {
        let answers = site.storage.ping().await.into_iter();
        answers.map(|(name, answer)| (name.to_owned(), name == FOLDER, answer)).collect()
    };
    let sessions = async { named("sessions", site.sessions.ping().await) };
    let cache = async { named("cache", site.newest_pictures.ping().await) };
    let groups = tokio::join!(
        asked("database", true, database),
        asked(FOLDER, true, storage),
        asked("sessions", false, sessions),
        asked("cache", false, cache),
    );
    [groups.0, groups.1, groups.2, groups.3].into_iter().flatten().collect()
}

type Answer = (String, bool, Result<(), StoreError>);

fn named(what: &str, answers: Vec<(String, Result<(), StoreError>)>) -> Vec<Answer> {
    answers.into_iter().map(|(name, answer)| (format!("{what}: {name}"), false, answer)).collect()
}

async fn asked(what: &str, is_needed: bool, asking: impl Future<Output = Vec<Answer>>) -> Vec<Check> {
    let began = Instant::now();
    let answers = timeout(LIMIT, asking).await;
    let took = began.elapsed();
    let Ok(answers) = answers else {
        let reason = format!("no answer within {LIMIT:?}; check that it runs, is reachable, and not overloaded");
        return vec![Check { name: what.to_owned(), is_needed, outcome: Err(reason), took }];
    };
    let check = |(name, is_needed, answer): Answer| {
        let outcome = answer.map_err(|error| error.chain());
        Check { name, is_needed, outcome, took }
    };
    answers.into_iter().map(check).collect()
}
