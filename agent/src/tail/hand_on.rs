//! Hands on what was read: records, and the counts that belong to them.

use std::time::Instant;

use tracing::{info, warn};

use super::{CHUNK_RECORDS, Line, Tailer};
use crate::{
    record::{FileId, FromTailer, PartitionKey, Record},
    settings::PartitionKeyOption,
};

impl<S: FnMut(FromTailer) -> bool> Tailer<S> {
    /// Sends the records that were split off a file.
    pub(super) fn hand_on(&mut self, id: FileId, now: Instant) {
        self.note_truncated(id, now);
        let passed = self.note_discarded(id, now);
        let bytes: usize = self.lines.iter().map(|line| line.data.len()).sum();
        self.counters.records_parsed.add(self.lines.len() as u64);
        self.counters.bytes_parsed.add(bytes as u64);
        let mut lines = std::mem::take(&mut self.lines);
        if self.recipe.is_plain() {
            let option = self.settings.partition_key;
            let mut left = lines.drain(..).map(|line| record_of(line, id, option));
            loop {
                let chunk: Vec<Record> = left.by_ref().take(CHUNK_RECORDS).collect();
                if chunk.is_empty() {
                    break;
                }
                self.is_closed |= !(self.sink)(FromTailer::Records(chunk));
            }
            drop(left);
            if let Some(end) = passed {
                self.is_closed |= !(self.sink)(FromTailer::Passed { id, end });
            }
        } else {
            let recipe = self.recipe.clone();
            self.convert(id, lines.drain(..), &recipe, passed, now);
        }
        self.lines = lines; // keeps its capacity
    }

    /// Where header lines and footers end that stand behind the last record, if there were any.
    fn note_discarded(&mut self, id: FileId, now: Instant) -> Option<u64> {
        let file = self.files.get_mut(&id)?;
        let discarded = file.take_discarded();
        if discarded == 0 {
            return None;
        }
        self.counters.lines_discarded.add(discarded);
        let position = file.position;
        if self.settings.records.framing.footer.is_some()
            && let Some(suppressed) = self.troubles.allow(now)
        {
            let file = &file.facts.name;
            info!(
                flow = self.settings.id,
                file, discarded, position, suppressed, "left out a header or a footer and what followed"
            );
        }
        self.lines.last().is_none_or(|line| line.end < position).then_some(position)
    }

    fn note_truncated(&mut self, id: FileId, now: Instant) {
        let Some(file) = self.files.get_mut(&id) else { return };
        let truncated = file.take_truncated();
        if truncated == 0 {
            return;
        }
        self.counters.records_truncated.add(truncated);
        if let Some(suppressed) = self.troubles.allow(now) {
            let limit = self.settings.records.limit;
            warn!(flow = self.settings.id, file = file.facts.name, truncated, limit, suppressed, "cut lines to the record limit");
        }
    }
}

/// A line as it is sent when nothing is to be done with it.
fn record_of(Line { data, start, end }: Line, file: FileId, option: PartitionKeyOption) -> Record {
    let line_bytes = u32::try_from(end - start).unwrap_or(u32::MAX);
    Record { key: PartitionKey::of(&data, option), data, file, end, line_bytes, packed: None }
}
