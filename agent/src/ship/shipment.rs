//! One batch on its way, until each of its records is settled.
//!
//! Pure logic. A record is settled when it was accepted, or refused for ever and put aside. A request that is
//! refused as a whole is halved until the record at fault is alone.

use crate::{
    checkpoint::positions::Tickets,
    destination::{Cause, Failure},
    record::Record,
};

/// A batch and what is known about its records.
#[derive(Debug)]
pub(super) struct Shipment {
    /// Grows from batch to batch.
    pub(super) sequence: u64,
    /// The parts of files it covers; given back when nothing is left.
    pub(super) tickets: Tickets,
    /// Not settled yet, in order.
    records: Vec<Record>,
    /// How many of them the next request holds.
    next: usize,
    /// Requests in a row of which nothing was accepted.
    failures: u32,
    /// Some of it was sent before.
    is_repeated: bool,
}

/// What became of a request.
#[derive(Debug, Default)]
pub(super) struct Settled {
    /// Lines accepted.
    pub(super) accepted: usize,
    /// Records accepted; one may hold several lines.
    pub(super) accepted_records: usize,
    /// Bytes of those, keys included.
    pub(super) accepted_bytes: usize,
    /// Records, and bytes with their keys, that were sent for the first time.
    pub(super) asked: (usize, usize),
    /// Records to send again.
    pub(super) failed: usize,
    /// A record that was refused alone.
    pub(super) refused: Option<(Record, String)>,
    /// Why something failed: the first reason.
    pub(super) failure: Option<Failure>,
}

impl Shipment {
    pub(super) fn new(sequence: u64, tickets: Tickets, records: Vec<Record>) -> Self {
        Self { sequence, tickets, next: records.len(), records, failures: 0, is_repeated: false }
    }

    /// The records of the next request.
    pub(super) fn request(&self) -> &[Record] {
        &self.records[..self.next]
    }

    /// Whether every record is settled.
    pub(super) fn is_settled(&self) -> bool {
        self.records.is_empty()
    }

    /// Records not settled.
    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// Requests in a row of which nothing was accepted; 0 when the last one moved something and may be followed soon.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// Takes back a record that could not be put aside.
    pub(super) fn restore(&mut self, record: Record) {
        self.records.insert(0, record);
        self.next = self.records.len();
        self.failures += 1;
    }

    /// Notes what became of the last request. `trust_refusals` says whether the destination has accepted anything
    /// yet: until then a refusal more likely means wrong settings, and must not empty the log into the dead letters.
    pub(super) fn settle(&mut self, outcome: Result<Vec<Option<Failure>>, Failure>, trust_refusals: bool) -> Settled {
        let is_repeated = std::mem::replace(&mut self.is_repeated, true);
        let asked = if is_repeated { (0, 0) } else { (self.next, self.request().iter().map(|record| record.size()).sum()) };
        let settled = match outcome {
            Ok(outcomes) => self.settle_each(outcomes),
            Err(failure) => self.settle_failed(failure, trust_refusals),
        };
        Settled { asked, ..settled }
    }

    fn settle_each(&mut self, outcomes: Vec<Option<Failure>>) -> Settled {
        let mut settled = Settled::default();
        let mut outcomes = outcomes.into_iter();
        self.records.retain(|record| match outcomes.next() {
            Some(None) => {
                settled.accepted += record.lines();
                settled.accepted_records += 1;
                settled.accepted_bytes += record.size();
                false
            }
            Some(Some(failure)) => {
                settled.failed += 1;
                settled.failure.get_or_insert(failure);
                true
            }
            None => true, // it was not in the request
        });
        self.next = self.records.len();
        self.failures = if settled.accepted > 0 { 0 } else { self.failures + 1 };
        settled
    }

    fn settle_failed(&mut self, failure: Failure, trust_refusals: bool) -> Settled {
        let is_refused = failure.cause == Cause::Refused;
        let mut settled = Settled { failed: self.next, ..Settled::default() };
        if is_refused && self.next == 1 && trust_refusals {
            settled.failed = 0;
            settled.refused = Some((self.records.remove(0), failure.message.clone()));
            self.failures = 0;
            self.next = self.records.len();
        } else {
            self.failures += 1;
            // Half of what was refused; all of it again after any other failure.
            self.next = if is_refused { (self.next / 2).max(1) } else { self.records.len() };
        }
        settled.failure = Some(failure);
        settled
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::{
        destination::Reason,
        record::{FileId, PartitionKey},
    };

    fn shipment(count: u64) -> Shipment {
        let record = |end| Record {
            data: Bytes::from_static(b"x\n"),
            key: PartitionKey::Random(1),
            file: FileId(0),
            end,
            line_bytes: 2,
            packed: None,
        };
        Shipment::new(0, Tickets::default(), (1..=count).map(record).collect())
    }

    fn failure(cause: Cause) -> Failure {
        let reason = Reason::ALL.into_iter().find(|reason| reason.cause() == cause).unwrap();
        Failure::new(reason, "m")
    }

    fn ends(shipment: &Shipment) -> Vec<u64> {
        shipment.request().iter().map(|record| record.end).collect()
    }

    #[test]
    fn only_failed_records_are_sent_again() {
        let mut shipment = shipment(4);
        let outcome = vec![None, Some(failure(Cause::Throttled)), None, Some(failure(Cause::Throttled))];
        let settled = shipment.settle(Ok(outcome), true);
        assert_eq!((settled.accepted, settled.failed), (2, 2));
        assert_eq!(ends(&shipment), [2, 4]);
        shipment.settle(Ok(vec![None, None]), true);
        assert!(shipment.is_settled());
    }

    #[test]
    fn a_failed_request_is_repeated_whole() {
        let mut shipment = shipment(3);
        shipment.settle(Err(failure(Cause::Unavailable)), true);
        assert_eq!(ends(&shipment), [1, 2, 3]);
        assert_eq!(shipment.failures(), 1);
    }

    #[test]
    fn a_record_that_is_refused_is_found_and_the_others_are_sent() {
        let mut shipment = shipment(5);
        let (mut accepted, mut refused) = (Vec::new(), Vec::new());
        while !shipment.is_settled() {
            let request = ends(&shipment);
            let outcome = if request.contains(&3) { Err(failure(Cause::Refused)) } else { Ok(vec![None; request.len()]) };
            accepted.extend(if outcome.is_ok() { request } else { Vec::new() });
            refused.extend(shipment.settle(outcome, true).refused.map(|(record, _)| record.end));
        }
        assert_eq!((accepted, refused), (vec![1, 2, 4, 5], vec![3]));
    }

    #[test]
    fn nothing_is_put_aside_while_the_destination_has_accepted_nothing() {
        let mut shipment = shipment(1);
        assert!(shipment.settle(Err(failure(Cause::Refused)), false).refused.is_none());
        assert_eq!(ends(&shipment), [1]);
    }
}
