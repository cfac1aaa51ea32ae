//! A sample of the records in flight, for whoever asks to see some (`agent tap`).
//!
//! Costs one atomic look a chunk while nobody asks. A reader never slows a flow: what does not fit its channel is lost
//! to that reader and counted, and the count travels with the next sample.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Instant,
};

use tokio::sync::mpsc;

use crate::record::Record;

/// Samples that may wait for one reader: a second's worth at the highest useful rate.
pub(crate) const WAITING: usize = 256;

/// The taps of one flow.
#[derive(Debug, Default)]
pub(crate) struct Tap {
    /// Whether there is a reader; looked at once a chunk.
    is_open: AtomicBool,
    readers: Mutex<Vec<Reader>>,
}

/// One record as a reader gets it.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    /// The file's name in the flow's directory.
    pub(crate) file: String,
    /// Where the line begins in the file.
    pub(crate) offset: u64,
    /// What is sent, converters and privacy rules applied. A slice of the chunk.
    pub(crate) data: bytes::Bytes,
    /// Samples this reader lost before this one because it was too slow.
    pub(crate) lost: u64,
}

#[derive(Debug)]
struct Reader {
    to_reader: mpsc::Sender<(usize, Sample)>,
    /// Which of the reader's flows this is.
    flow: usize,
    budget: Budget,
    lost: u64,
}

impl Tap {
    /// Adds a reader that wants at most `rate` samples a second of this flow, marked with `flow`. It is forgotten
    /// once its receiver is gone.
    pub(crate) fn open(&self, to_reader: mpsc::Sender<(usize, Sample)>, flow: usize, rate: u32, now: Instant) {
        let reader = Reader { to_reader, flow, budget: Budget::new(rate, now), lost: 0 };
        self.readers.lock().unwrap_or_else(PoisonError::into_inner).push(reader);
        self.is_open.store(true, Relaxed);
    }

    /// Offers the records of one chunk, which are of one file.
    pub(crate) fn offer(&self, file: &str, records: &[Record], now: Instant) {
        if self.is_open.load(Relaxed) {
            self.offer_to_readers(file, records, now);
        }
    }

    fn offer_to_readers(&self, file: &str, records: &[Record], now: Instant) {
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        readers.retain_mut(|reader| {
            let wanted = reader.budget.take(records.len(), now);
            for record in spread(records, wanted) {
                reader.send(file, record);
            }
            !reader.to_reader.is_closed()
        });
        self.is_open.store(!readers.is_empty(), Relaxed);
    }
}

impl Reader {
    fn send(&mut self, file: &str, record: &Record) {
        let sample = Sample { file: file.to_owned(), offset: record.start(), data: record.data.clone(), lost: self.lost };
        match self.to_reader.try_send((self.flow, sample)) {
            Ok(()) => self.lost = 0,
            Err(_) => self.lost += 1,
        }
    }
}

/// So many of the records, evenly spread over the chunk.
fn spread(records: &[Record], wanted: usize) -> impl Iterator<Item = &Record> {
    let step = records.len().checked_div(wanted).unwrap_or(usize::MAX).max(1);
    records.iter().step_by(step).take(wanted)
}

/// How many samples a reader may still have: `rate` a second, a second's worth saved up at most.
#[derive(Debug)]
struct Budget {
    rate: u32,
    left: f64,
    filled: Instant,
}

impl Budget {
    fn new(rate: u32, now: Instant) -> Self {
        Self { rate, left: f64::from(rate), filled: now }
    }

    /// Takes what is left of `offered`.
    fn take(&mut self, offered: usize, now: Instant) -> usize {
        let passed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.filled = now;
        self.left = (self.left + passed * f64::from(self.rate)).min(f64::from(self.rate));
        let taken = offered.min(self.left as usize);
        self.left -= taken as f64;
        taken
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;
    use crate::record::{FileId, PartitionKey};

    fn records(count: u64) -> Vec<Record> {
        let record = |at| Record {
            data: Bytes::from_static(b"x\n"),
            key: PartitionKey::Random(1),
            file: FileId(0),
            end: at * 2 + 2,
            line_bytes: 2,
            packed: None,
        };
        (0..count).map(record).collect()
    }

    fn taken(receiver: &mut mpsc::Receiver<(usize, Sample)>) -> Vec<(u64, u64)> {
        std::iter::from_fn(|| receiver.try_recv().ok()).map(|(_, sample)| (sample.offset, sample.lost)).collect()
    }

    #[test]
    fn nobody_is_offered_anything_before_a_tap_is_open_and_after_its_reader_left() {
        let (tap, now) = (Tap::default(), Instant::now());
        tap.offer("a", &records(3), now);
        let (sender, receiver) = mpsc::channel(8);
        tap.open(sender, 0, 10, now);
        assert!(tap.is_open.load(Relaxed));
        drop(receiver);
        tap.offer("a", &records(3), now);
        assert!(!tap.is_open.load(Relaxed));
    }

    #[test]
    fn a_sample_is_spread_over_the_chunk_and_kept_to_the_rate() {
        let (tap, now) = (Tap::default(), Instant::now());
        let (sender, mut receiver) = mpsc::channel(100);
        tap.open(sender, 0, 4, now);
        tap.offer("a", &records(8), now);
        assert_eq!(taken(&mut receiver), [(0, 0), (4, 0), (8, 0), (12, 0)]);
        tap.offer("a", &records(8), now);
        assert_eq!(taken(&mut receiver), []);
        tap.offer("a", &records(8), now + Duration::from_millis(500));
        assert_eq!(taken(&mut receiver).len(), 2);
    }

    #[test]
    fn a_slow_reader_is_told_what_it_lost() {
        let (tap, now) = (Tap::default(), Instant::now());
        let (sender, mut receiver) = mpsc::channel(2);
        tap.open(sender, 0, 100, now);
        tap.offer("a", &records(5), now);
        assert_eq!(taken(&mut receiver), [(0, 0), (2, 0)]);
        tap.offer("a", &records(1), now);
        assert_eq!(taken(&mut receiver), [(0, 3)]);
    }
}
