//! What the shipper tells about itself, in one place so that its loop stays readable.

use std::time::{Instant, SystemTime};

use super::{Shipper, shipment::Settled};
use crate::{
    checkpoint::store::CheckpointError,
    destination::Destination,
    observe::Answered,
    record::{FileId, FromTailer},
};

impl<D: Destination> Shipper<D> {
    /// The loop has nothing to do until something arrives or is due.
    pub(super) fn note_waiting(&self) {
        let live = &self.counters.live;
        live.requests_in_flight.set(self.requests.len() as u64);
        live.batches_waiting.set((self.ready.len() + self.retries.len()) as u64);
        live.shipper.waiting(Instant::now());
    }

    /// The loop works on something.
    pub(super) fn note_busy(&self) {
        self.counters.live.shipper.busy(Instant::now());
    }

    /// What the tailer told.
    pub(super) fn note_news(&self, news: &FromTailer, now: Instant) {
        let live = &self.counters.live;
        live.shipper.busy(now);
        match news {
            FromTailer::File { id, facts, position } => live.learn(*id, &facts.name, *position),
            FromTailer::Records(records) => {
                live.received(records, now);
                live.tap.offer(records.first().map_or("", |record| self.positions.name(record.file)), records, now);
            }
            FromTailer::Baseline | FromTailer::Done(_) | FromTailer::Rejected { .. } | FromTailer::Passed { .. } => {}
        }
    }

    /// How far these files were accepted.
    pub(super) fn note_accepted(&self, files: &[FileId]) {
        files.iter().for_each(|file| self.counters.live.accepted(*file, self.positions.accepted(*file)));
    }

    /// What became of a request.
    pub(super) fn note_answer(&self, attempted: usize, failed_whole: bool, settled: &Settled) {
        let (accepted, bytes, failure) = (settled.accepted, settled.accepted_bytes, settled.failure.as_ref());
        self.counters.live.answered(&Answered { attempted, accepted, bytes, failed_whole, failure }, SystemTime::now());
    }

    /// Whether a checkpoint was saved.
    pub(super) fn note_saved(&self, failed: Option<&CheckpointError>) {
        let trouble = failed.map(|error| match std::error::Error::source(error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        });
        self.counters.live.saved(trouble, SystemTime::now());
    }
}
