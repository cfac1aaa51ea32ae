//! Writes into the journal whatever changed in the store since the last look.
//!
//! Looking at the store instead of at requests makes this independent of the operation and of its wire format. It is
//! exact because changing requests take turns (`serve`): within a shard, sequence numbers appear in their order.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use ferrokinesis::{sequence, store::Store, types::Stream};
use tracing::info;

use super::{
    entry::{Entry, RecordEntry, StreamState},
    journal::Journal,
    restore::explain,
};

/// Records forgotten at once.
const BATCH: usize = 1_000;

/// Follows one store with one journal.
pub(crate) struct Recorder {
    store: Store,
    journal: Journal,
    streams: BTreeMap<String, Known>,
    counts: Counts,
}

/// What is known to be in the journal of one stream.
#[derive(Debug, Default)]
struct Known {
    /// The stream as JSON, without its counters.
    shape: Vec<u8>,
    /// For each shard, the key from which on records are new.
    next_keys: Vec<String>,
}

/// What the stream took and holds.
#[derive(Debug, Clone, Copy, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct Counts {
    /// Records that were in the journal at the start.
    pub(crate) restored: u64,
    /// Records accepted since the start.
    pub(crate) put: u64,
    /// Records forgotten since the start, too old or too many.
    pub(crate) forgotten: u64,
    /// Bytes of the journal.
    pub(crate) bytes: u64,
}

impl Recorder {
    /// Follows a store that was just restored from `journal`.
    pub(crate) async fn new(store: Store, journal: Journal, restored: u64) -> Result<Self> {
        let counts = Counts { restored, ..Counts::default() };
        let mut recorder = Self { store, journal, streams: BTreeMap::new(), counts };
        for name in recorder.store.list_stream_names().await {
            let stream = recorder.stream(&name).await?;
            let mut known = Known { shape: shape(&stream)?, next_keys: Vec::new() };
            for shard in 0..stream.shards.len() {
                known.next_keys.push(recorder.next_key(&stream, shard).await);
            }
            recorder.streams.insert(name, known);
        }
        Ok(recorder)
    }

    /// Appends what is new in the store. After an error, the next call tries the same again.
    pub(crate) async fn record_changes(&mut self) -> Result<()> {
        let names = self.store.list_stream_names().await;
        let gone: Vec<String> = self.streams.keys().filter(|name| !names.contains(name)).cloned().collect();
        for stream in gone {
            self.journal.append(&[Entry::Deleted { stream: stream.clone() }])?;
            self.streams.remove(&stream);
        }
        for name in names {
            self.record_stream(&name).await?;
        }
        Ok(())
    }

    /// Begins a new file when the newest is full, and forgets files that are too old or too many.
    pub(crate) async fn forget(&mut self, now: f64) -> Result<()> {
        if self.journal.is_full() {
            let head = self.states().await?;
            self.journal.begin_segment(&head)?;
        }
        let cutoff = now - self.retention_seconds().await?;
        while let Some(segment) = self.journal.forget_oldest(cutoff)? {
            let mut forgotten = 0;
            for ((stream, shard), last) in &segment.last_keys {
                forgotten += self.delete_until(stream, shard, last).await;
            }
            self.counts.forgotten += forgotten;
            info!(records = forgotten, "forgot the oldest records of the stream");
        }
        Ok(())
    }

    /// Waits until the disk has everything.
    pub(crate) fn sync(&mut self) -> Result<()> {
        self.journal.sync()
    }

    /// What the stream took and holds.
    pub(crate) fn counts(&self) -> Counts {
        Counts { bytes: self.journal.bytes(), ..self.counts }
    }

    async fn record_stream(&mut self, name: &str) -> Result<()> {
        let stream = self.stream(name).await?;
        let shape = shape(&stream)?;
        let known = self.streams.entry(name.to_owned()).or_default();
        let mut next_keys = known.next_keys.clone();
        next_keys.extend((next_keys.len()..stream.shards.len()).map(first_key));
        let mut entries = Vec::new();
        if known.shape != shape {
            entries.push(self.state(stream).await);
        }
        let mut put = 0;
        for next_key in &mut next_keys {
            let records = self.store.get_records_range(name, next_key, &end_of_shard(next_key)).await;
            put += records.len() as u64;
            if let Some((key, _)) = records.last() {
                *next_key = just_after(key);
            }
            let entry = |(key, record)| Entry::Record(RecordEntry { stream: name.to_owned(), key, record });
            entries.extend(records.into_iter().map(entry));
        }
        if !entries.is_empty() {
            self.journal.append(&entries)?;
            self.counts.put += put;
            self.streams.insert(name.to_owned(), Known { shape, next_keys });
        }
        Ok(())
    }

    async fn stream(&self, name: &str) -> Result<Stream> {
        self.store.get_stream(name).await.map_err(|error| explain(&error))
    }

    async fn state(&self, stream: Stream) -> Entry {
        let mut next_indexes = Vec::new();
        for shard in 0..stream.shards.len() {
            next_indexes.push(self.store.current_shard_seq(&stream.stream_name, shard as i64).await);
        }
        Entry::Stream(Box::new(StreamState::new(stream, next_indexes)))
    }

    async fn states(&self) -> Result<Vec<Entry>> {
        let mut states = Vec::new();
        for name in self.store.list_stream_names().await {
            let stream = self.stream(&name).await?;
            states.push(self.state(stream).await);
        }
        Ok(states)
    }

    /// The longest retention of any stream.
    async fn retention_seconds(&self) -> Result<f64> {
        let mut hours = super::RETENTION_HOURS;
        for name in self.store.list_stream_names().await {
            hours = hours.max(self.stream(&name).await?.retention_period_hours);
        }
        Ok(f64::from(hours) * 3_600.0)
    }

    /// The smallest key that the next record of a restored shard can get.
    async fn next_key(&self, stream: &Stream, shard: usize) -> String {
        let next = self.store.current_shard_seq(&stream.stream_name, shard as i64).await;
        let start = sequence::parse_sequence(&stream.shards[shard].sequence_number_range.starting_sequence_number);
        let shard_create_time = start.map_or(0, |start| start.shard_create_time);
        let number = sequence::SeqObj {
            shard_create_time,
            seq_ix: Some(next),
            seq_time: Some(0),
            shard_ix: shard as i64,
            byte1: None,
            seq_rand: None,
            version: 2,
        };
        first_key(shard) + &sequence::stringify_sequence(&number)
    }

    async fn delete_until(&self, stream: &str, shard: &str, last: &str) -> u64 {
        let mut deleted = 0;
        loop {
            let range = self.store.get_records_range_limited(stream, &format!("{shard}/"), &just_after(last), BATCH).await;
            if range.is_empty() {
                return deleted;
            }
            deleted += range.len() as u64;
            let keys: Vec<String> = range.into_iter().map(|(key, _)| key).collect();
            self.store.delete_record_keys(stream, &keys).await;
        }
    }
}

/// What must be written again when it changes: all of a stream but its counters.
fn shape(stream: &Stream) -> Result<Vec<u8>> {
    serde_json::to_vec(&StreamState::new(stream.clone(), Vec::new())).context("a stream cannot be written as JSON")
}

/// Before every record of a shard.
fn first_key(shard: usize) -> String {
    format!("{}/", sequence::shard_ix_to_hex(shard as i64))
}

/// After every record of the shard that `key` belongs to: keys continue with digits, which sort before `~`.
fn end_of_shard(key: &str) -> String {
    format!("{}/~", key.split('/').next().unwrap_or_default())
}

/// The smallest key greater than `key`.
fn just_after(key: &str) -> String {
    format!("{key}\0")
}
