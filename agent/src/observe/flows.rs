//! The flows that run now. A reload may add and remove some.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use crate::{
    counters::Counters,
    settings::{FlowSettings, Kind},
};

/// One flow, as far as others may see it.
#[derive(Debug)]
pub(crate) struct Observed {
    /// Its id.
    pub(crate) id: String,
    /// `KinesisStream:<name>` or `DeliveryStream:<name>`, as the Java agent's CloudWatch dimension has it.
    pub(crate) destination: String,
    /// Where file names are relative to.
    pub(crate) directory: PathBuf,
    /// Whether its counters are logged too.
    pub(crate) internal_metrics: bool,
    /// What it does.
    pub(crate) counters: Arc<Counters>,
    /// Lines truncated and skipped that were told to CloudWatch already.
    told: Mutex<(u64, u64)>,
}

impl Observed {
    /// A flow that is about to start.
    pub(crate) fn new(settings: &FlowSettings, counters: Arc<Counters>) -> Self {
        Self {
            id: settings.id.clone(),
            destination: format!("{}:{}", dimension(settings.target.kind), settings.target.name),
            directory: settings.files.directory().to_owned(),
            internal_metrics: settings.internal_metrics,
            counters,
            told: Mutex::default(),
        }
    }

    /// Lines truncated and skipped since the last call.
    pub(crate) fn take_growth(&self) -> (u64, u64) {
        let now = (self.counters.records_truncated.get(), self.counters.records_skipped.get());
        let before = std::mem::replace(&mut *self.told.lock().unwrap_or_else(PoisonError::into_inner), now);
        (now.0.saturating_sub(before.0), now.1.saturating_sub(before.1))
    }
}

/// Source: the Java agent.
fn dimension(kind: Kind) -> &'static str {
    match kind {
        Kind::Kinesis => "KinesisStream",
        Kind::Firehose => "DeliveryStream",
    }
}

/// All of them. A copy is the same list.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flows(Arc<RwLock<Vec<Arc<Observed>>>>);

impl Flows {
    /// Adds a flow. One with the same id is replaced.
    pub(crate) fn add(&self, flow: Observed) {
        let mut flows = self.0.write().unwrap_or_else(PoisonError::into_inner);
        flows.retain(|known| known.id != flow.id);
        flows.push(Arc::new(flow));
    }

    /// Removes a flow that ended.
    pub(crate) fn remove(&self, id: &str) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).retain(|flow| flow.id != id);
    }

    /// All that run now.
    pub(crate) fn all(&self) -> Vec<Arc<Observed>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::testing;

    #[test]
    fn a_flow_that_changed_takes_the_place_of_the_old_one() {
        let (flows, settings) = (Flows::default(), testing::flow(Path::new("/l"), "a.log", ""));
        flows.add(Observed::new(&settings, Arc::default()));
        let counters = Arc::new(Counters::default());
        counters.records_truncated.add(3);
        flows.add(Observed::new(&settings, counters));
        let all = flows.all();
        assert_eq!(all.len(), 1);
        assert_eq!((all[0].take_growth(), all[0].take_growth()), ((3, 0), (0, 0)));
        flows.remove(&settings.id);
        assert!(flows.all().is_empty());
    }
}
