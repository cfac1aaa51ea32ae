//! What one flow has done since the start; written by its thread and its task, read by the status lines.
//!
//! Added to once for each chunk or request, never for each record.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::observe::Live;

/// Totals of one flow since the start.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Lines read.
    pub(crate) records_parsed: Counter,
    /// Bytes of those lines, before any conversion.
    pub(crate) bytes_parsed: Counter,
    /// Lines cut to the record limit.
    pub(crate) records_truncated: Counter,
    /// Records that were converted.
    pub(crate) records_transformed: Counter,
    /// Lines that were not sent because no converter could read them; some are in the dead-letter file.
    pub(crate) records_skipped: Counter,
    /// Lines that were not sent because privacy could not be applied to them; some are in the dead-letter file.
    pub(crate) records_unreadable: Counter,
    /// Lines longer than a record may be that went to the dead-letter file.
    pub(crate) records_oversized: Counter,
    /// Records whose key is random because they have nothing that `partitionKey` asks for.
    pub(crate) records_keyless: Counter,
    /// Header lines, footers, and what stood behind a footer.
    pub(crate) lines_discarded: Counter,
    /// Lines the destination accepted.
    pub(crate) records_sent: Counter,
    /// Records the destination refused for ever, now in the dead-letter file.
    pub(crate) records_refused: Counter,
    /// Records sent once more.
    pub(crate) records_retried: Counter,
    /// What else can be seen of it while it runs.
    pub(crate) live: Live,
}

/// A number that one side changes and another reads.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Relaxed);
    }

    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}
