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

pub(crate) mod blocked;
mod changes;
mod convert;
mod copies;
mod directory;
mod discovery;
mod file;
pub(crate) mod framing;
mod hand_on;
mod handles;
pub(crate) mod line_buffer;
mod local;
mod look;
mod multi_line;
pub(crate) mod names;
mod pace;
mod packed;
mod read_buffer;
pub(crate) mod survey;
#[cfg(test)]
mod tests;
pub(crate) mod thread;
mod watch;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use tracing::{debug, info, warn};

use self::{
    convert::Misses,
    copies::VerifiedCopy,
    directory::{Directory, node_of},
    file::{Outcome, TailedFile},
    handles::allowed_handles,
    read_buffer::ReadBuffer,
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
    record::{FileFacts, FileId, FromTailer, Node},
    settings::{DEFAULT_REFRESH, FlowSettings},
};

/// Records handed on at once: bounds the memory of a chunk of very short lines.
pub(crate) const CHUNK_RECORDS: usize = 1024;

/// Causes of trouble that are told apart; beyond, they share one line.
const MAX_CAUSES: usize = 100;

/// Files that are gone and still remembered.
const MAX_REMEMBERED: usize = 1000;

/// Soonest look after a hint. Appending to a known file hints too and needs no look.
const HINTED_LOOK: Duration = Duration::from_secs(1);

/// Longest time without a look while nothing happens.
const REST: Duration = Duration::from_secs(30);

/// Time between two looks at the time stamp of one directory; many directories take turns.
const CHECK_INTERVAL: Duration = Duration::from_millis(10);

/// Reads the files of one flow. `S` takes what it finds and returns false when nobody wants more.
pub(crate) struct Tailer<S> {
    settings: FlowSettings,
    recipe: Recipe,
    directory: Directory,
    files: BTreeMap<FileId, TailedFile>,
    /// Those that are open; some may have been closed since.
    open: BTreeSet<FileId>,
    /// Those that had no name at the last look and are not let go of yet.
    gone: BTreeSet<FileId>,
    /// Those that have more to read than handles allow.
    waiting: VecDeque<FileId>,
    /// Files that may be open at once.
    handles: usize,
    /// The last look at every file; in between, only what changed is looked at.
    last_full_look: Option<Instant>,
    next_id: u32,
    /// Files known to repeat another one, and how much of each was compared.
    copies: HashMap<Node, VerifiedCopy>,
    /// Whether the first look ever was taken, in this run or an earlier one.
    has_baseline: bool,
    last_look: Option<Instant>,
    /// The look that was told by [`Tailer::has_looked`].
    told_look: Option<Instant>,
    /// When the state was saved that this run began with.
    saved_at: Option<SystemTime>,
    /// A read found a file displaced; only a look can tell what happened.
    must_look: bool,
    /// Something in the directory changed since the last look.
    hinted: bool,
    /// The last look met what it must not read. Rights can change on the way there, unseen.
    has_unreadable: bool,
    buffer: ReadBuffer,
    lines: Vec<Line>,
    counters: Arc<Counters>,
    troubles: RateLimit,
    /// What keeps files from being read, by the file or directory in the way.
    blocks: HashMap<PathBuf, RateLimit>,
    misses: Misses,
    /// The last round found something to read.
    has_read: bool,
    is_closed: bool,
    sink: S,
}

impl<S: FnMut(FromTailer) -> bool> Tailer<S> {
    /// A tailer that goes on where `state` ends, or takes a baseline when there is none.
    pub(crate) fn new(settings: FlowSettings, state: Option<&FlowState>, counters: Arc<Counters>, now: Instant, sink: S) -> Self {
        let mut tailer = Self {
            directory: Directory::new(settings.files.clone(), &settings.tracking),
            recipe: Recipe::of(&settings),
            settings,
            files: BTreeMap::new(),
            open: BTreeSet::new(),
            gone: BTreeSet::new(),
            waiting: VecDeque::new(),
            handles: allowed_handles(),
            last_full_look: None,
            next_id: 0,
            copies: HashMap::new(),
            has_baseline: state.is_some(),
            last_look: None,
            told_look: None,
            saved_at: state.and_then(|state| state.saved_at),
            must_look: false,
            hinted: false,
            has_unreadable: false,
            buffer: ReadBuffer::default(),
            lines: Vec::new(),
            counters,
            troubles: RateLimit::default(),
            blocks: HashMap::new(),
            misses: Misses::default(),
            has_read: false,
            is_closed: false,
            sink,
        };
        // A file known only as empty is as good as unknown, and its inode may be another file's by now.
        let is_blank = |file: &&FileState| file.offset == 0 && file.fingerprint.length == 0;
        for file in state.iter().flat_map(|state| &state.files).filter(|file| !is_blank(file)) {
            let node = Node { device: file.device, inode: file.inode };
            let (name, fingerprint, rotated, gone) = (file.path.clone(), file.fingerprint, file.rotated, file.gone);
            tailer.add(FileFacts { name, node, fingerprint, rotated, copied_to: None, gone }, file.offset, now);
        }
        tailer
    }

    /// Looks at the directory if it is time, and reads a piece of every file that has more.
    ///
    /// `hinted` says that something in the directory changed. Returns whether there is more to read at once; what was
    /// appended since a file was read to its end is left for the next round, with what comes until then.
    pub(crate) fn round(&mut self, now: Instant, hinted: bool) -> bool {
        self.hinted |= hinted;
        if self.is_look_due(now) {
            self.look(now);
        }
        let files = &self.files;
        self.open.retain(|id| files.get(id).is_some_and(TailedFile::is_open));
        let ids: Vec<FileId> = self.open.iter().copied().collect();
        let mut has_more = false;
        self.has_read = false;
        for id in ids {
            if self.read(id, now) {
                self.has_read = true;
                has_more |= self.files.get(&id).is_some_and(|file| !file.is_drained());
            }
            if self.is_closed {
                return false;
            }
        }
        if !has_more {
            self.buffer.rest();
        }
        has_more |= self.has_read && !self.waiting.is_empty();
        self.tidy(now);
        has_more
    }

    /// Whether the last round read anything.
    pub(crate) fn has_read(&self) -> bool {
        self.has_read
    }

    /// When the next look is due if nothing happens until then. None when time alone may change something before.
    ///
    /// A look at unchanged files that the kernel watches finds nothing: more of them are skipped than the setting says, unless
    /// it asks for many.
    pub(crate) fn rests_until(&self) -> Option<Instant> {
        let is_resting = self.gone.is_empty() && self.waiting.is_empty() && !self.must_look && !self.hinted;
        let has_flush_time = self.settings.records.framing.start.is_some();
        let last = self.last_full_look.filter(|_| is_resting && !has_flush_time)?;
        let refresh = self.settings.refresh_interval;
        let may_skip = refresh >= DEFAULT_REFRESH && !self.has_unreadable;
        Some(last + if may_skip { refresh.max(REST) } else { refresh })
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

    /// Whether there was a look since this was asked last.
    pub(crate) fn has_looked(&mut self) -> bool {
        std::mem::replace(&mut self.told_look, self.last_look) != self.last_look
    }

    /// The directories to be watched.
    pub(crate) fn directories(&self) -> impl Iterator<Item = PathBuf> {
        self.directory.directories()
    }

    /// Whether nobody wants more.
    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed
    }

    fn is_look_due(&self, now: Instant) -> bool {
        let Some(last) = self.last_look else { return true };
        let age = now.duration_since(last);
        let is_late = self.is_full_look_due(now) || (self.hinted && age >= HINTED_LOOK);
        // Very many directories are not asked for their time stamps in every round.
        let is_asking = || age >= CHECK_INTERVAL * u32::try_from(self.directory.directories().count()).unwrap_or(u32::MAX);
        self.must_look || is_late || (is_asking() && self.directory.may_have_changed())
    }

    fn is_full_look_due(&self, now: Instant) -> bool {
        self.last_full_look.is_none_or(|last| now.duration_since(last) >= self.settings.refresh_interval)
    }

    /// Hears of changes in these files. Those that are open are read anyway; a closed one is opened if it grew.
    pub(crate) fn touch(&mut self, paths: &HashSet<PathBuf>, now: Instant) {
        let mut known = 0;
        let closed: Vec<FileId> = self
            .files
            .values()
            .filter(|file| file.facts.gone.is_none())
            .filter(|file| paths.contains(&self.directory.path(&file.facts.name)))
            .inspect(|_| known += 1)
            .filter(|file| !file.is_open() && !file.is_waiting)
            .map(|file| file.id)
            .collect();
        self.hinted |= known < paths.len();
        for id in closed {
            let Some(file) = self.files.get(&id) else { continue };
            let metadata = std::fs::metadata(self.directory.path(&file.facts.name));
            match metadata {
                Ok(metadata) if node_of(&metadata) == file.facts.node && metadata.len() >= file.position => {
                    if metadata.len() > file.position {
                        self.open_or_wait(id, now);
                    }
                }
                _ => {
                    self.hinted = true;
                    self.last_full_look = None;
                }
            }
        }
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

    /// Ends the unfinished last line of a file, which nobody else will.
    fn flush_rest(&mut self, id: FileId, now: Instant) {
        let Some(file) = self.files.get_mut(&id) else { return };
        let (name, from) = (file.facts.name.clone(), file.position);
        match file.take_rest(self.buffer.block(), &mut self.lines) {
            Ok(true) => {
                let bytes = file.position - from;
                info!(flow = self.settings.id, file = name, bytes, "took what was left at the end of a file");
                self.hand_on(id, now);
            }
            Ok(false) => {}
            Err(error) => debug!(flow = self.settings.id, file = name, %error, "cannot read the last line"),
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
        self.trouble_at(&self.directory.path(name), error, now);
    }

    /// Says what cannot be read, why, and what would help; once in a while for each cause.
    fn trouble_at(&mut self, path: &Path, error: &std::io::Error, now: Instant) {
        self.counters.live.read_errors.add(1);
        let blocked = blocked::explain(path, error);
        let cause = if self.blocks.len() < MAX_CAUSES { blocked.at } else { PathBuf::new() };
        if let Some(suppressed) = self.blocks.entry(cause).or_default().allow(now) {
            let (flow, advice) = (&self.settings.id, blocked.advice);
            warn!(flow, path = %path.display(), %error, suppressed, "cannot read, trying again: {advice}");
        }
    }
}
