//! Hands lines on by the recipe of a flow.
//!
//! Every line of a read is accounted for when the read is: sent, put aside before any line behind it is sent, or
//! covered by a [`FromTailer::Passed`] behind the last record. So a line that is not sent never holds the position.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use tracing::warn;

use super::{CHUNK_RECORDS, Line, READ_BYTES, Tailer};
use crate::{
    rate_limit::RateLimit,
    recipe::{Made, Recipe, Tally},
    record::{FileId, FromTailer, Record, Rejection},
};

/// What is said about lines that are not sent as they should be, and how often.
#[derive(Debug, Default)]
pub(super) struct Misses {
    mismatched: RateLimit,
    failed: RateLimit,
    unreadable: RateLimit,
    unnamed: RateLimit,
    oversized: RateLimit,
    keyless: RateLimit,
}

impl<S: FnMut(FromTailer) -> bool> Tailer<S> {
    /// Makes records of the lines of one file and sends them, in their order. What needs no sending behind the last of
    /// them ends at `passed`.
    pub(super) fn convert(
        &mut self,
        id: FileId,
        lines: impl Iterator<Item = Line>,
        recipe: &Recipe,
        passed: Option<u64>,
        now: Instant,
    ) {
        let mut session = recipe.at(unix_ms()); // once for the read
        let mut outbox = Outbox::default();
        let (mut end, mut sent_to) = (None, None);
        for line in lines {
            end = Some(line.end);
            match session.make(line, id) {
                Made::Record(record) => {
                    sent_to = Some(record.end);
                    outbox.push(record);
                    if outbox.is_full() {
                        self.send_all(&mut outbox);
                    }
                }
                Made::Rejected(reason, record) => outbox.reject(reason, record),
                Made::Dropped { .. } => {}
            }
        }
        self.send_all(&mut outbox);
        if let Some(end) = passed.or(end).filter(|end| Some(*end) != sent_to) {
            self.is_closed |= !(self.sink)(FromTailer::Passed { id, end });
        }
        self.note(id, &session.tally, now);
    }

    /// What is put aside goes first: the position may pass it once a record behind it is accepted.
    fn send_all(&mut self, outbox: &mut Outbox) {
        let Outbox { records, rejected, .. } = std::mem::take(outbox);
        for (reason, records) in rejected {
            self.is_closed |= !(self.sink)(FromTailer::Rejected { reason, records });
        }
        if !records.is_empty() {
            self.is_closed |= !(self.sink)(FromTailer::Records(records));
        }
    }

    /// Counts, and says what an operator must know; never what stands in a line.
    fn note(&mut self, id: FileId, tally: &Tally, now: Instant) {
        self.counters.records_transformed.add(tally.transformed);
        self.counters.records_skipped.add(tally.skipped);
        self.counters.records_truncated.add(tally.truncated);
        self.counters.records_unreadable.add(tally.unreadable.lines);
        self.counters.records_oversized.add(tally.oversized.lines);
        self.counters.records_keyless.add(tally.keyless);
        let (flow, file) = (&self.settings.id, self.files.get(&id).map_or("", |file| file.facts.name.as_str()));
        let (skipped, limit, misses) = (tally.skipped, self.settings.records.limit, &mut self.misses);
        if let Some((offset, lines, suppressed)) = misses.mismatched.due(&tally.mismatched, now) {
            warn!(flow, file, offset, lines, skipped, suppressed, "lines are not in the format of LOGTOJSON; see onParseError");
        }
        if let Some((offset, lines, suppressed)) = misses.failed.due(&tally.failed, now) {
            let reason = tally.reason;
            warn!(flow, file, offset, lines, reason, suppressed, "Cannot process input data, falling back to raw data");
        }
        if let Some((offset, lines, suppressed)) = misses.unreadable.due(&tally.unreadable, now) {
            let says = "lines are neither JSON objects nor in an access log's format, so privacy keeps them; see onPrivacyError";
            warn!(flow, file, offset, lines, suppressed, "{says}");
        }
        if let Some((offset, lines, suppressed)) = misses.unnamed.due(&tally.unnamed, now) {
            let says = "lines have none of privacy's addressFields and hashFields and are sent as they are; are the names right?";
            warn!(flow, file, offset, lines, suppressed, "{says}");
        }
        if let Some((offset, lines, suppressed)) = misses.oversized.due(&tally.oversized, now) {
            warn!(
                flow,
                file, offset, lines, limit, suppressed, "lines are longer than a record may be; see the dead-letter file"
            );
        }
        if tally.keyless > 0
            && let Some(suppressed) = misses.keyless.allow(now)
        {
            let records = tally.keyless;
            warn!(flow, file, records, suppressed, "records have nothing that partitionKey asks for; their keys are random");
        }
        if tally.truncated > 0
            && let Some(suppressed) = self.troubles.allow(now)
        {
            let truncated = tally.truncated;
            warn!(flow, file, truncated, limit, suppressed, "cut converted records to the record limit");
        }
    }
}

impl RateLimit {
    /// Where, how many, and how often it was not said, when there is something to say.
    fn due(&mut self, spot: &crate::recipe::Spot, now: Instant) -> Option<(u64, u64, u64)> {
        if spot.lines == 0 {
            return None;
        }
        self.allow(now).map(|suppressed| (spot.offset, spot.lines, suppressed))
    }
}

/// Records that travel together, and those that must be put aside before them. A recipe may make records larger than
/// what was read, so bytes close it too.
#[derive(Default)]
struct Outbox {
    records: Vec<Record>,
    bytes: usize,
    /// In their order, neighbours with one reason together.
    rejected: Vec<(Rejection, Vec<Record>)>,
}

impl Outbox {
    fn push(&mut self, record: Record) {
        self.bytes += record.data.len();
        self.records.push(record);
    }

    fn reject(&mut self, reason: Rejection, record: Record) {
        match self.rejected.last_mut() {
            Some((last, records)) if *last == reason => records.push(record),
            _ => self.rejected.push((reason, vec![record])),
        }
    }

    fn is_full(&self) -> bool {
        self.records.len() >= CHUNK_RECORDS || self.bytes >= READ_BYTES
    }
}

/// Milliseconds since the Unix epoch.
pub(crate) fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
