//! Lines that are not sent, on their way to the dead-letter file.

use std::time::Instant;

use tracing::error;

use super::{Shipper, backoff};
use crate::{
    destination::Destination,
    rate_limit::RateLimit,
    record::{Record, Rejection},
};

/// Lines of one file, until they are written.
#[derive(Debug)]
pub(super) struct Rejected {
    reason: Rejection,
    records: Vec<Record>,
    /// When to try to write them.
    pub(super) attempt_at: Instant,
    failures: u32,
    complaints: RateLimit,
}

impl Rejected {
    pub(super) fn new(reason: Rejection, records: Vec<Record>, now: Instant) -> Self {
        Self { reason, records, attempt_at: now, failures: 0, complaints: RateLimit::default() }
    }
}

impl<D: Destination> Shipper<D> {
    /// Writes what was rejected, if it is time. A failure is tried again: the tailer waits meanwhile.
    pub(super) async fn put_rejected_aside(&mut self, now: Instant) {
        let Some(mut rejected) = self.rejected.take_if(|rejected| rejected.attempt_at <= now) else { return };
        let Some(file) = rejected.records.first().map(|record| record.file) else { return };
        let (letters, flow, name) = (self.dead_letters.clone(), self.settings.id.clone(), self.positions.name(file).to_owned());
        let records = rejected.records.clone(); // slices of the chunk that was read
        let reason = rejected.reason.to_string();
        let write = move || letters.write(&flow, &name, &records, &reason);
        let written = tokio::task::spawn_blocking(write).await;
        let Err(error) = written.unwrap_or_else(|failed| Err(std::io::Error::other(failed))) else {
            self.counters.live.dead_letters.add(rejected.records.len() as u64);
            return;
        };
        rejected.failures += 1;
        rejected.attempt_at = now + backoff::delay(self.settings.retry, rejected.failures, rand::random());
        if let Some(suppressed) = rejected.complaints.allow(now) {
            let (flow, records) = (&self.settings.id, rejected.records.len());
            error!(flow, records, %error, suppressed, "cannot write the dead-letter file; reading waits, trying again");
        }
        self.rejected = Some(rejected);
    }
}
