//! The tailer: the only code that touches log files.
//!
//! ```text
//! directory ─▶ discovery ─▶ changes ─▶ file ─▶ line_buffer ─▶ records, through the flow's converters if it has any
//!  (look)       (decide)     (apply)   (read)     (split)
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
mod line_buffer;
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

pub(crate) use self::file::READ_BYTES;
use self::{
    changes::VerifiedCopy,
    convert::Misses,
    directory::Directory,
    file::{Outcome, TailedFile},
    line_buffer::Line,
};
use crate::{
    checkpoint::state::{FileState, FlowState},
    counters::Counters,
    rate_limit::RateLimit,
    record::{self, FileFacts, FileId, FromTailer, Node, PartitionKey, Record},
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

    /// Sends the lines that were split off a file.
    fn hand_on(&mut self, id: FileId, now: Instant) {
        self.note_truncated(id, now);
        let option = self.settings.partition_key;
        let bytes: usize = self.lines.iter().map(|line| line.data.len()).sum();
        self.counters.records_parsed.add(self.lines.len() as u64);
        self.counters.bytes_parsed.add(bytes as u64);
        let mut lines = std::mem::take(&mut self.lines);
        if let Some(transform) = self.settings.transform.clone() {
            self.convert(id, lines.drain(..), &transform, now);
        } else {
            let mut left = lines.drain(..).map(|line| record_of(line, id, option));
            loop {
                let chunk: Vec<Record> = left.by_ref().take(CHUNK_RECORDS).collect();
                if chunk.is_empty() {
                    break;
                }
                self.is_closed |= !(self.sink)(FromTailer::Records(chunk));
            }
        }
        self.lines = lines; // keeps its capacity
    }

    fn note_truncated(&mut self, id: FileId, now: Instant) {
        let Some(file) = self.files.get_mut(&id) else { return };
        let truncated = file.take_truncated();
        if truncated == 0 {
            return;
        }
        self.counters.records_truncated.add(truncated);
        if let Some(suppressed) = self.troubles.allow(now) {
            let limit = record::max_line_bytes(self.settings.partition_key);
            warn!(flow = self.settings.id, file = file.facts.name, truncated, limit, suppressed, "cut lines to the record limit");
        }
    }

    /// Ends the unfinished last line of a file, which nobody else will.
    fn flush_rest(&mut self, id: FileId, now: Instant) {
        let Some(file) = self.files.get_mut(&id) else { return };
        match file.take_rest(&mut self.buffer) {
            Ok(Some(rest)) => {
                info!(flow = self.settings.id, file = file.facts.name, bytes = rest.data.len(), "sent an unfinished last line");
                self.lines.push(rest);
                self.hand_on(id, now);
            }
            Ok(None) => {}
            Err(error) => debug!(flow = self.settings.id, file = file.facts.name, %error, "cannot read the last line"),
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
        let limit = record::max_line_bytes(self.settings.partition_key);
        self.files.insert(id, TailedFile::new(id, facts, position, limit, now));
        id
    }

    fn trouble(&mut self, name: &str, error: &std::io::Error, now: Instant) {
        if let Some(suppressed) = self.troubles.allow(now) {
            let path = self.directory.path(name);
            warn!(flow = self.settings.id, path = %path.display(), %error, suppressed, "cannot read; trying again");
        }
    }
}

/// A line as it is sent when nothing converts it.
fn record_of(Line { data, end }: Line, file: FileId, option: PartitionKeyOption) -> Record {
    let line_bytes = u32::try_from(data.len()).unwrap_or(u32::MAX);
    Record { key: PartitionKey::of(&data, option), data, file, end, line_bytes }
}
