//! The tailer: the only code that touches log files.
//!
//! ```text
//! directory ─▶ discovery ─▶ changes ─▶ file ─▶ framing ─▶ records, by the flow's recipe
//!  (look)       (decide)     (apply)   (read)   (split)
//! ```
//!
//! [`Tailer`] is driven from outside, one [`Tailer::round`] after another with the time as an argument, by the
//! flow's thread ([`thread`]) or by a test. All files are read in parallel, a piece of each in every round. A file
//! that was renamed or deleted is read on through its open handle. What follows from a look at the directory is
//! decided by [`discovery`], which is pure, and carried out in [`changes`].

mod changes;
mod convert;
mod directory;
mod discovery;
mod file;
mod framing;
mod line_buffer;
mod multi_line;
pub(crate) mod names;
mod pace;
#[cfg(test)]
mod tests;
pub(crate) mod thread;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use tracing::{debug, info, warn};

use self::{
    changes::VerifiedCopy,
    convert::Misses,
    directory::Directory,
    file::{Outcome, TailedFile},
};
pub(crate) use self::{
    convert::unix_ms,
    file::{READ_BYTES, read_piece},
    framing::{Framing, Reading},
    line_buffer::{Line, ended},
};
use crate::{
    checkpoint::state::{FileState, FlowState},
    counters::Counters,
    rate_limit::RateLimit,
    recipe::Recipe,
    record::{FileFacts, FileId, FromTailer, Node, PartitionKey, Record},
    settings::{FlowSettings, PartitionKeyOption},
};

/// Records handed on at once: bounds the memory of a chunk of very short lines.
pub(crate) const CHUNK_RECORDS: usize = 1024;

/// After this time without a new byte, the last line of a rotated file is taken as it is and a deleted file is
/// closed. Long enough for a server that finishes its requests after rotation.
const GRACE: Duration = Duration::from_secs(30);

/// Files kept open although they are quiet. Beyond, only those with something to read are.
const IDLE_HANDLES: usize = 64;

/// After this time without a new byte a file may be closed if there are many.
const IDLE_PERIOD: Duration = Duration::from_secs(600);

/// Soonest look after a hint. Appending to a known file hints too and needs no look.
const HINTED_LOOK: Duration = Duration::from_secs(1);

/// Reads the files of one flow. `S` takes what it finds and returns false when nobody wants more.
pub(crate) struct Tailer<S> {
    settings: FlowSettings,
    recipe: Recipe,
    directory: Directory,
    files: BTreeMap<FileId, TailedFile>,
    next_id: u32,
    /// Files known to repeat another one, and how much of each was compared.
    copies: HashMap<Node, VerifiedCopy>,
    /// Whether the first look ever was taken, in this run or an earlier one.
    has_baseline: bool,
    last_look: Option<Instant>,
    /// A read found a file displaced; only a look can tell what happened.
    must_look: bool,
    /// Something in the directory changed since the last look.
    hinted: bool,
    buffer: Vec<u8>,
    lines: Vec<Line>,
    counters: Arc<Counters>,
    troubles: RateLimit,
    misses: Misses,
    is_closed: bool,
    sink: S,
}

impl<S: FnMut(FromTailer) -> bool> Tailer<S> {
    /// A tailer that goes on where `state` ends, or takes a baseline when there is none.
    pub(crate) fn new(settings: FlowSettings, state: Option<&FlowState>, counters: Arc<Counters>, now: Instant, sink: S) -> Self {
        let mut tailer = Self {
            directory: Directory::new(settings.files.clone()),
            recipe: Recipe::of(&settings),
            settings,
            files: BTreeMap::new(),
            next_id: 0,
            copies: HashMap::new(),
            has_baseline: state.is_some(),
            last_look: None,
            must_look: false,
            hinted: false,
            buffer: Vec::new(),
            lines: Vec::new(),
            counters,
            troubles: RateLimit::default(),
            misses: Misses::default(),
            is_closed: false,
            sink,
        };
        // A file known only as empty is as good as unknown, and its inode may be another file's by now.
        let is_blank = |file: &&FileState| file.offset == 0 && file.fingerprint.length == 0;
        for file in state.iter().flat_map(|state| &state.files).filter(|file| !is_blank(file)) {
            let node = Node { device: file.device, inode: file.inode };
            let (name, fingerprint, rotated) = (file.path.clone(), file.fingerprint, file.rotated);
            tailer.add(FileFacts { name, node, fingerprint, rotated, copied_to: None }, file.offset, now);
        }
        tailer
    }

    /// Looks at the directory if it is time, and reads a piece of every file that has more.
    ///
    /// `hinted` says that something in the directory changed. Returns whether there may be more to read at once.
    pub(crate) fn round(&mut self, now: Instant, hinted: bool) -> bool {
        self.hinted |= hinted;
        if self.is_look_due(now) {
            self.look(now);
        }
        let ids: Vec<FileId> = self.files.values().filter(|file| file.is_open()).map(|file| file.id).collect();
        let mut progressed = false;
        for id in ids {
            progressed |= self.read(id, now);
            if self.is_closed {
                return false;
            }
        }
        self.tidy(now);
        progressed
    }

    /// Reads everything that is in the files now, and the unfinished last lines of those that cannot be found again.
    pub(crate) fn finish(&mut self, now: Instant) {
        // Twice without progress: the first such round may have found a file displaced, which takes a look.
        for _ in 0..2 {
            self.must_look = true;
            while self.round(now, false) {}
        }
        let gone: Vec<FileId> = self.files.values().filter(|file| file.gone_since.is_some()).map(|file| file.id).collect();
        for id in gone {
            self.flush_rest(id, now);
        }
    }

    /// Whether nobody wants more.
    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed
    }

    fn is_look_due(&self, now: Instant) -> bool {
        let Some(last) = self.last_look else { return true };
        let age = now.duration_since(last);
        let is_late = age >= self.settings.refresh_interval || (self.hinted && age >= HINTED_LOOK);
        self.must_look || is_late || self.directory.may_have_changed()
    }

    fn read(&mut self, id: FileId, now: Instant) -> bool {
        let Some(file) = self.files.get_mut(&id) else { return false };
        match file.read(&mut self.buffer, &mut self.lines, now) {
            Ok(Outcome::Idle) => false,
            Ok(Outcome::Read { grown }) => {
                self.counters.live.read_errors.set(0);
                if grown {
                    self.announce(id); // before the lines, so that no saved position is without its fingerprint
                }
                self.hand_on(id, now);
                true
            }
            Ok(Outcome::Displaced) => {
                self.directory.forget_heads(); // what is remembered of its beginning may be as old as its time stamp
                self.must_look = true;
                false
            }
            Err(error) => {
                file.close();
                let name = file.facts.name.clone();
                self.trouble(&name, &error, now);
                false
            }
        }
    }

    /// Sends the records that were split off a file.
    fn hand_on(&mut self, id: FileId, now: Instant) {
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

    /// Ends the unfinished last line of a file, which nobody else will.
    fn flush_rest(&mut self, id: FileId, now: Instant) {
        let Some(file) = self.files.get_mut(&id) else { return };
        let (name, from) = (file.facts.name.clone(), file.position);
        match file.take_rest(&mut self.buffer, &mut self.lines) {
            Ok(true) => {
                let bytes = file.position - from;
                info!(flow = self.settings.id, file = name, bytes, "took what was left at the end of a file");
                self.hand_on(id, now);
            }
            Ok(false) => {}
            Err(error) => debug!(flow = self.settings.id, file = name, %error, "cannot read the last line"),
        }
    }

    /// Closes what need not stay open and lets go of what is gone.
    fn tidy(&mut self, now: Instant) {
        let mut open = self.files.values().filter(|file| file.is_open()).count();
        let (mut expired, mut rotated) = (Vec::new(), Vec::new());
        for file in self.files.values_mut() {
            let is_quiet = file.is_quiet(GRACE, now);
            match file.gone_since {
                Some(since) if is_quiet && now.duration_since(since) >= GRACE => expired.push(file.id),
                None if is_quiet && file.is_open() && file.facts.rotated => rotated.push(file.id),
                None if open > IDLE_HANDLES && file.is_open() && file.is_quiet(IDLE_PERIOD, now) => {
                    file.close();
                    open -= 1;
                }
                _ => {}
            }
        }
        for id in rotated {
            self.flush_rest(id, now);
            let Some(file) = self.files.get_mut(&id) else { continue };
            file.close();
            if file.is_blank() {
                self.retire(id); // once closed, its inode may become another file's
            }
        }
        for id in expired {
            self.flush_rest(id, now);
            self.retire(id);
        }
    }

    /// Tells what is known about a file.
    fn announce(&mut self, id: FileId) {
        let Some(file) = self.files.get(&id) else { return };
        let news = FromTailer::File { id, facts: file.facts.clone(), position: file.position };
        self.is_closed |= !(self.sink)(news);
    }

    fn add(&mut self, facts: FileFacts, position: u64, now: Instant) -> FileId {
        let id = FileId(self.next_id);
        self.next_id += 1;
        let records = &self.settings.records;
        let framing = Framing::new(&records.framing, records.limit, position);
        self.files.insert(id, TailedFile::new(id, facts, position, framing, now));
        id
    }

    fn trouble(&mut self, name: &str, error: &std::io::Error, now: Instant) {
        self.counters.live.read_errors.add(1);
        if let Some(suppressed) = self.troubles.allow(now) {
            let path = self.directory.path(name);
            warn!(flow = self.settings.id, path = %path.display(), %error, suppressed, "cannot read; trying again");
        }
    }
}

/// A line as it is sent when nothing is to be done with it.
fn record_of(Line { data, start, end }: Line, file: FileId, option: PartitionKeyOption) -> Record {
    let line_bytes = u32::try_from(end - start).unwrap_or(u32::MAX);
    Record { key: PartitionKey::of(&data, option), data, file, end, line_bytes, packed: None }
}
