//! Groups records into batches the destination will accept.
//!
//! Pure logic: the caller passes the time and does the sending. Where several lines travel as one record, the lines
//! that wait for more belong to the open batch: they leave with it, and have its age.
//!
//! Invariant: records leave in the order they came, each exactly once.

use std::time::Instant;

use crate::{
    pack::{MAX_BATCH_LINES, Packer, Packing},
    record::Record,
    settings::BatchLimits,
};

/// Records that leave in one request.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// Never empty.
    pub(crate) records: Vec<Record>,
}

/// The open batch of one flow.
#[derive(Debug)]
pub(crate) struct Batcher {
    limits: BatchLimits,
    records: Vec<Record>,
    bytes: usize,
    packer: Option<Packer>,
    /// Lines in the packed records.
    packed_lines: usize,
    /// Set exactly while something waits here.
    deadline: Option<Instant>,
}

impl Batcher {
    pub(crate) fn new(limits: BatchLimits) -> Self {
        Self { limits, records: Vec::new(), bytes: 0, packer: None, packed_lines: 0, deadline: None }
    }

    /// Several lines travel as one record from now on.
    pub(crate) fn packed(self, packing: Option<Packing>) -> Self {
        Self { packer: packing.map(Packer::new), ..self }
    }

    /// Adds a line. Returns the batch that had to close to make room for it, or that it filled.
    pub(crate) fn push(&mut self, record: Record, now: Instant) -> Option<Batch> {
        let Some(packer) = &mut self.packer else { return self.add(record, now) };
        self.deadline.get_or_insert(now + self.limits.max_age);
        let full = packer.push(record)?;
        let lines = full.lines();
        let mut closed = self.add(full, now);
        // What was there before left if it had to; the record is in the open batch unless that is full with it.
        self.packed_lines += if self.records.is_empty() { 0 } else { lines };
        if closed.is_none() && self.packed_lines >= MAX_BATCH_LINES {
            closed = self.close();
        }
        // What was pushed is in the open pack, whether the batch left or not.
        self.deadline.get_or_insert(now + self.limits.max_age);
        closed
    }

    fn add(&mut self, record: Record, now: Instant) -> Option<Batch> {
        let closed = if self.has_room_for(&record) { None } else { self.close() };
        self.deadline.get_or_insert(now + self.limits.max_age);
        self.bytes += record.size();
        self.records.push(record);
        // A full batch need not wait for the record after it. Both at once cannot be: a batch that was just
        // opened is full only when the limit is one record, and then it was never left open before.
        closed.or_else(|| self.is_full().then(|| self.close()).flatten())
    }

    /// When the open batch must leave even if it is not full.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Closes the open batch, if it holds anything. To be called until it returns nothing: the lines that waited to be
    /// packed may need a batch of their own.
    pub(crate) fn take(&mut self) -> Option<Batch> {
        if let Some(packed) = self.packer.as_mut().and_then(Packer::take) {
            let deadline = self.deadline;
            let closed = if self.has_room_for(&packed) { None } else { self.close() };
            self.bytes += packed.size();
            self.records.push(packed);
            if closed.is_some() {
                self.deadline = deadline;
                return closed;
            }
        }
        self.close()
    }

    fn close(&mut self) -> Option<Batch> {
        self.deadline = None;
        self.packed_lines = 0;
        self.bytes = 0;
        // The next batch will be about as large: room for it at once spares it growing step by step.
        let room = Vec::with_capacity(self.records.len());
        let records = std::mem::replace(&mut self.records, room);
        (!records.is_empty()).then_some(Batch { records })
    }

    /// A single record larger than the byte limit still travels, alone.
    fn has_room_for(&self, record: &Record) -> bool {
        self.records.is_empty() || self.bytes + record.size() <= self.limits.max_bytes
    }

    fn is_full(&self) -> bool {
        self.records.len() >= self.limits.max_records
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::record::{FileId, PartitionKey};

    fn limits(max_records: usize, max_bytes: usize) -> BatchLimits {
        BatchLimits { max_records, max_bytes, max_age: Duration::from_secs(60) }
    }

    /// A record of `size` bytes with its key, which is one byte.
    fn record(end: u64, size: usize) -> Record {
        Record {
            data: Bytes::from(vec![b'x'; size - 1]),
            key: PartitionKey::Random(1),
            file: FileId(0),
            end,
            line_bytes: 1,
            packed: None,
        }
    }

    #[test]
    fn a_batch_leaves_when_it_is_full() {
        let mut batcher = Batcher::new(limits(2, 1000));
        assert!(batcher.push(record(1, 10), Instant::now()).is_none());
        assert_eq!(batcher.push(record(2, 10), Instant::now()).unwrap().records.len(), 2);
        assert!(batcher.take().is_none());
    }

    #[test]
    fn a_record_that_does_not_fit_closes_the_batch_before_it() {
        let mut batcher = Batcher::new(limits(10, 25));
        let now = Instant::now();
        assert!(batcher.push(record(1, 20), now).is_none());
        assert_eq!(batcher.push(record(2, 6), now).unwrap().records[0].end, 1);
        assert_eq!(batcher.take().unwrap().records[0].end, 2);
    }

    #[test]
    fn the_oldest_record_sets_the_deadline() {
        let mut batcher = Batcher::new(limits(10, 1000));
        let start = Instant::now();
        batcher.push(record(1, 10), start);
        batcher.push(record(2, 10), start + Duration::from_secs(5));
        assert_eq!(batcher.deadline(), Some(start + Duration::from_secs(60)));
        batcher.take();
        assert_eq!(batcher.deadline(), None);
    }

    #[test]
    fn lines_that_wait_to_be_packed_set_the_deadline_and_leave_with_the_batch() {
        let mut batcher = Batcher::new(limits(10, 1000)).packed(Some(Packing::Joined { bytes: 25 }));
        let start = Instant::now();
        for end in 1..=4 {
            assert!(batcher.push(record(end, 11), start + Duration::from_secs(end)).is_none());
        }
        assert_eq!(batcher.deadline(), Some(start + Duration::from_secs(61)));
        let lines: Vec<usize> = batcher.take().unwrap().records.iter().map(Record::lines).collect();
        assert_eq!(lines, [2, 2]);
        assert!(batcher.take().is_none() && batcher.deadline().is_none());
    }

    #[test]
    fn a_batch_that_leaves_does_not_take_the_line_that_filled_it() {
        let mut batcher = Batcher::new(limits(1, 1000)).packed(Some(Packing::Joined { bytes: 25 }));
        let start = Instant::now();
        batcher.push(record(1, 11), start);
        batcher.push(record(2, 11), start);
        let later = start + Duration::from_secs(9);
        assert_eq!(batcher.push(record(3, 11), later).unwrap().records[0].end, 2);
        assert_eq!(batcher.deadline(), Some(later + Duration::from_secs(60)));
        assert_eq!(batcher.take().unwrap().records[0].end, 3);
    }

    #[test]
    fn a_batch_of_very_many_short_lines_is_full() {
        let mut batcher = Batcher::new(limits(500, 10_000_000)).packed(Some(Packing::Joined { bytes: 1_000_000 }));
        let now = Instant::now();
        let batch = (0..200_000).find_map(|end| batcher.push(record(end, 2), now)).unwrap();
        assert_eq!(batch.records.iter().map(Record::lines).sum::<usize>(), MAX_BATCH_LINES);
        assert!(batcher.deadline().is_some(), "the line that filled it waits");
    }

    #[test]
    fn packed_lines_that_do_not_fit_the_open_batch_get_one_of_their_own() {
        let mut batcher = Batcher::new(limits(10, 25)).packed(Some(Packing::Joined { bytes: 15 }));
        let now = Instant::now();
        batcher.push(record(1, 16), now);
        batcher.push(record(2, 16), now);
        assert_eq!(batcher.take().unwrap().records[0].end, 1);
        assert!(batcher.deadline().is_some());
        assert_eq!(batcher.take().unwrap().records[0].end, 2);
        assert!(batcher.take().is_none());
    }

    proptest! {
        #[test]
        fn records_leave_in_order_each_once_and_within_the_limits(
            sizes in prop::collection::vec(2usize..60, 0..200),
            max_records in 1usize..20,
            max_bytes in 10usize..200,
        ) {
            let mut batcher = Batcher::new(limits(max_records, max_bytes));
            let mut batches = Vec::new();
            for (end, size) in sizes.iter().enumerate() {
                batches.extend(batcher.push(record(end as u64, *size), Instant::now()));
            }
            batches.extend(batcher.take());
            let ends: Vec<u64> = batches.iter().flat_map(|batch| batch.records.iter().map(|record| record.end)).collect();
            prop_assert_eq!(ends, (0..sizes.len() as u64).collect::<Vec<_>>());
            for batch in &batches {
                let bytes: usize = batch.records.iter().map(Record::size).sum();
                prop_assert!(batch.records.len() <= max_records);
                prop_assert!(bytes <= max_bytes || batch.records.len() == 1);
            }
        }
    }
}
