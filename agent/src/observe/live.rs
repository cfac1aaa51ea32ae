//! What one flow tells about itself while it runs.
//!
//! Written by the flow's tailer and shipper once a round, a chunk or an answer, never once a record; read by the
//! listener, the status lines and CloudWatch. The locks are the flow's own and held for moments.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Instant, SystemTime},
};

use super::{beat::Beat, cloudwatch::Calls, progress::Progress, tap::Tap};
use crate::{
    counters::Counter,
    destination::{Cause, Failure},
    record::{FileId, Record},
};

/// The live state of one flow.
#[derive(Debug, Default)]
pub(crate) struct Live {
    /// The tailer's thread.
    pub(crate) tailer: Beat,
    /// The shipper's task.
    pub(crate) shipper: Beat,
    /// Requests on their way.
    pub(crate) requests_in_flight: Counter,
    /// Closed batches that wait for a place or for their next attempt.
    pub(crate) batches_waiting: Counter,
    /// Requests answered or failed.
    pub(crate) requests: Counter,
    /// Bytes of records that were accepted, partition keys included.
    pub(crate) bytes_sent: Counter,
    /// Records in the dead-letter file.
    pub(crate) dead_letters: Counter,
    /// Failed attempts to read a file since the last one that succeeded.
    pub(crate) read_errors: Counter,
    /// Checkpoints that could not be saved.
    pub(crate) checkpoint_failures: Counter,
    /// Answers with a failure in them, by cause, in the order of [`Cause::ALL`].
    failures: [Counter; Cause::ALL.len()],
    /// Samples of the records, if somebody asked.
    pub(crate) tap: Tap,
    files: Mutex<BTreeMap<FileId, Progress>>,
    delivery: Mutex<Delivery>,
    checkpoint: Mutex<Checkpoint>,
}

/// What became of the last requests.
#[derive(Debug, Clone, Default)]
pub(crate) struct Delivery {
    /// Whether the youngest answer had a failure in it.
    pub(crate) is_failing: bool,
    /// The last failure; kept when things are well again.
    pub(crate) last_failure: Option<(Failure, SystemTime)>,
    /// When something was accepted last.
    pub(crate) last_accepted: Option<SystemTime>,
    calls: Calls,
}

/// What became of the last checkpoints.
#[derive(Debug, Clone, Default)]
pub(crate) struct Checkpoint {
    /// When one was saved last.
    pub(crate) saved: Option<SystemTime>,
    /// Why the last one could not be saved.
    pub(crate) trouble: Option<String>,
}

/// One answer, or the failure to get one.
#[derive(Debug)]
pub(crate) struct Answered<'a> {
    /// Records in the request.
    pub(crate) attempted: usize,
    /// Of them accepted.
    pub(crate) accepted: usize,
    /// Bytes of those.
    pub(crate) bytes: usize,
    /// Whether there was no answer for the single records.
    pub(crate) failed_whole: bool,
    /// Why something was not accepted.
    pub(crate) failure: Option<&'a Failure>,
}

impl Live {
    /// Learns a file, or its new name. The position counts only the first time.
    pub(crate) fn learn(&self, id: FileId, name: &str, position: u64) {
        let mut files = locked(&self.files);
        let file = files.entry(id).or_insert_with(|| Progress::new(name.to_owned(), position));
        if file.name != name {
            name.clone_into(&mut file.name);
        }
    }

    /// Notes that lines arrived; all are from one file.
    pub(crate) fn received(&self, records: &[Record], now: Instant) {
        let Some(last) = records.last() else { return };
        if let Some(file) = locked(&self.files).get_mut(&last.file) {
            file.received(last.end, now);
        }
    }

    /// Notes how far a file was accepted; a file without a position is forgotten.
    pub(crate) fn accepted(&self, id: FileId, position: Option<u64>) {
        let mut files = locked(&self.files);
        match position {
            Some(position) => files.get_mut(&id).into_iter().for_each(|file| file.accepted(position)),
            None => drop(files.remove(&id)),
        }
    }

    /// Notes what became of a request.
    pub(crate) fn answered(&self, answer: &Answered<'_>, now: SystemTime) {
        self.requests.add(1);
        self.bytes_sent.add(answer.bytes as u64);
        let mut delivery = locked(&self.delivery);
        delivery.calls.add(answer);
        delivery.is_failing = answer.failure.is_some();
        if answer.accepted > 0 {
            delivery.last_accepted = Some(now);
        }
        if let Some(failure) = answer.failure {
            delivery.last_failure = Some((failure.clone(), now));
            if let Some(count) = self.failures_of(failure.cause) {
                count.add(1);
            }
        }
    }

    /// Notes whether a checkpoint was saved.
    pub(crate) fn saved(&self, trouble: Option<String>, now: SystemTime) {
        let mut checkpoint = locked(&self.checkpoint);
        match &trouble {
            Some(_) => self.checkpoint_failures.add(1),
            None => checkpoint.saved = Some(now),
        }
        checkpoint.trouble = trouble;
    }

    /// Answers with a failure of this kind.
    pub(crate) fn failures_of(&self, cause: Cause) -> Option<&Counter> {
        Cause::ALL.iter().position(|other| *other == cause).and_then(|index| self.failures.get(index))
    }

    /// What became of the last requests.
    pub(crate) fn delivery(&self) -> Delivery {
        locked(&self.delivery).clone()
    }

    /// The requests since the last call, for CloudWatch.
    pub(crate) fn take_calls(&self) -> Calls {
        std::mem::take(&mut locked(&self.delivery).calls)
    }

    /// What became of the last checkpoints.
    pub(crate) fn checkpoint(&self) -> Checkpoint {
        locked(&self.checkpoint).clone()
    }

    /// Shows every file to `look`.
    pub(crate) fn each_file(&self, look: impl FnMut(&Progress)) {
        locked(&self.files).values().for_each(look);
    }
}

/// A thread that panicked while it held the lock has left numbers that are still worth showing.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
