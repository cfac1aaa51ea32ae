//! What the site needs from others, and whether it has it: for `/readyz` and `webapp doctor`.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::time::timeout;

use crate::site::Site;

/// A dependency that takes longer is as good as missing; the stores' own limits are shorter as a rule.
const LIMIT: Duration = Duration::from_secs(2);

/// One dependency, asked just now.
pub(crate) struct Check {
    name: &'static str,
    /// Without it, pages are errors; without the others they have less on them.
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
    let database = asked("database", true, async { site.records.ping().await.map_err(|error| error.chain()) });
    let folder = asked("data folder", true, async {
        let made = site.on_blocking_thread(|site| site.storage.new_file()).await;
        made.map_err(|error| format!("{error:#}"))?.map(drop).map_err(|error| format!("cannot make a file: {error}"))
    });
    let (database, folder) = tokio::join!(database, folder);
    vec![database, folder]
}

async fn asked(name: &'static str, is_needed: bool, asking: impl Future<Output = Result<(), String>>) -> Check {
    let began = Instant::now();
    let outcome = match timeout(LIMIT, asking).await {
        Ok(outcome) => outcome,
        Err(_) => Err(format!("no answer within {LIMIT:?}; check that it runs, is reachable, and not overloaded")),
    };
    Check { name, is_needed, outcome, took: began.elapsed() }
}
