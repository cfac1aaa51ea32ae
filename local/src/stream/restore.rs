//! The journal's entries become the store's contents: same sequence numbers, same arrival times.

use std::{collections::BTreeMap, mem};

use anyhow::{Result, anyhow};
use ferrokinesis::{
    error::KinesisErrorResponse,
    sequence,
    store::Store,
    types::{StoredRecord, StreamStatus},
};

use super::{
    RETENTION_HOURS,
    entry::{Entry, RecordEntry, StreamState},
};

/// Records handed to the store at once, and sequence numbers taken at once.
const BATCH: usize = 1_000;

/// Collects entries in their order and puts them into the store.
pub(crate) struct Restorer {
    store: Store,
    /// Seconds since the Unix epoch: records older than their stream's retention are left out.
    now: f64,
    streams: BTreeMap<String, StreamState>,
    pending: Vec<RecordEntry>,
    records: u64,
}

impl Restorer {
    pub(crate) fn new(store: Store, now: f64) -> Self {
        Self { store, now, streams: BTreeMap::new(), pending: Vec::new(), records: 0 }
    }

    /// Takes the next entry.
    pub(crate) async fn apply(&mut self, entry: Entry) -> Result<()> {
        match entry {
            Entry::Stream(state) => self.merge(*state),
            Entry::Deleted { stream } => {
                self.flush().await?;
                self.streams.remove(&stream);
                self.store.delete_stream(&stream).await.map_err(|error| explain(&error))?;
            }
            Entry::Record(entry) => {
                self.note_index(&entry);
                if !self.has_expired(&entry) {
                    self.pending.push(entry);
                }
                if self.pending.len() >= BATCH {
                    self.flush().await?;
                }
            }
        }
        Ok(())
    }

    /// Makes the streams writable again. Gives the number of records the store holds.
    pub(crate) async fn finish(mut self) -> Result<u64> {
        self.flush().await?;
        for (name, state) in mem::take(&mut self.streams) {
            self.revive(&name, &state).await?;
        }
        Ok(self.records)
    }

    /// A newer state of a stream never lowers its counters.
    fn merge(&mut self, mut state: StreamState) {
        let name = state.stream.stream_name.clone();
        if let Some(before) = self.streams.get(&name) {
            for (index, before) in state.next_indexes.iter_mut().zip(&before.next_indexes) {
                *index = (*index).max(*before);
            }
        }
        self.streams.insert(name, state);
    }

    /// A record's own sequence number says which index comes next, even when the record has expired.
    fn note_index(&mut self, entry: &RecordEntry) {
        let Some(state) = self.streams.get_mut(&entry.stream) else { return };
        let number = entry.key.split('/').nth(1).and_then(|number| sequence::parse_sequence(number).ok());
        let Some((shard, index)) = number.and_then(|number| Some((number.shard_ix, number.seq_ix?))) else { return };
        if let Some(next) = usize::try_from(shard).ok().and_then(|shard| state.next_indexes.get_mut(shard)) {
            *next = (*next).max(index + 1);
        }
    }

    fn has_expired(&self, entry: &RecordEntry) -> bool {
        let hours = self.streams.get(&entry.stream).map_or(RETENTION_HOURS, |state| state.stream.retention_period_hours);
        entry.record.approximate_arrival_timestamp < self.now - f64::from(hours) * 3_600.0
    }

    async fn flush(&mut self) -> Result<()> {
        let mut by_stream: BTreeMap<String, Vec<(String, StoredRecord)>> = BTreeMap::new();
        for entry in self.pending.drain(..) {
            by_stream.entry(entry.stream).or_default().push((entry.key, entry.record));
        }
        for (stream, records) in by_stream {
            self.records += records.len() as u64;
            self.store.put_records_batch(&stream, &records).await.map_err(|error| explain(&error))?;
        }
        Ok(())
    }

    async fn revive(&self, name: &str, state: &StreamState) -> Result<()> {
        let mut stream = state.to_stream();
        if stream.shards.is_empty() || stream.stream_status == StreamStatus::Deleting {
            return Ok(()); // was being created or deleted; whoever asked for it asks again
        }
        stream.stream_status = StreamStatus::Active;
        self.store.put_stream(name, stream).await.map_err(|error| explain(&error))?;
        for shard in 0..state.next_indexes.len() {
            self.advance(name, state, shard).await?;
        }
        Ok(())
    }

    /// Takes sequence numbers until the shard's counter is where it was. The store has no setter for it; a number
    /// costs about a microsecond, so a stream that took ten million records starts nine seconds later.
    async fn advance(&self, name: &str, state: &StreamState, shard: usize) -> Result<()> {
        let Some(description) = state.stream.shards.get(shard) else { return Ok(()) };
        if description.sequence_number_range.ending_sequence_number.is_some() {
            return Ok(()); // closed: it takes no more records
        }
        let hash_key = description.hash_key_range.start_u128();
        loop {
            let next = self.store.current_shard_seq(name, shard as i64).await;
            let missing = state.next_indexes[shard].saturating_sub(next);
            if missing == 0 {
                return Ok(());
            }
            let hash_keys = vec![hash_key; BATCH.min(missing as usize)];
            self.store.allocate_sequences_batch(name, &hash_keys).await.map_err(|error| explain(&error))?;
        }
    }
}

/// The store's error in words.
pub(crate) fn explain(error: &KinesisErrorResponse) -> anyhow::Error {
    anyhow!("the stream's store refused: {} {}", error.body.error_type, error.body.message.as_deref().unwrap_or_default())
}
