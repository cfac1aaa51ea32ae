//! Carries out what discovery decided: opens, renames, continues and forgets files.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs::{self, File},
    io,
    os::unix::fs::FileExt as _,
    path::Path,
    time::{Instant, SystemTime},
};

use bytes::Bytes;
use memchr::memrchr;
use tracing::{debug, info};

use super::{
    IDLE_HANDLES, MAX_REMEMBERED, Tailer,
    directory::{Interest, Look, Snapshot, node_of, read_full, read_head},
    discovery::{self, Decision, Known, Seen},
    file::{READ_BYTES, TailedFile},
    names::{self, Kin},
    packed::Packed,
};
use crate::{
    record::{FileFacts, FileId, Fingerprint, FromTailer, Node},
    settings::InitialPosition,
};

/// A file that repeats another one.
#[derive(Debug, Clone)]
pub(super) struct VerifiedCopy {
    /// The original.
    of: FileId,
    /// Its own name.
    name: String,
    /// Its own first bytes; fewer than the original's when it is shorter.
    head: Bytes,
    /// The first so many bytes are the original's.
    size: u64,
}

/// How a copy compares with its original.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Likeness {
    /// Byte for byte.
    Equal,
    /// They differ.
    Different,
    /// One of them was changed or replaced meanwhile.
    Unknown,
}

/// A snapshot and what it means.
struct Judged {
    seen: Vec<Seen>,
    packed: Vec<String>,
    decisions: Vec<Decision>,
}

impl Judged {
    fn has_ended(&self) -> bool {
        self.decisions.iter().any(|decision| matches!(decision, Decision::Ended { .. }))
    }
}

impl<S: FnMut(FromTailer) -> bool> Tailer<S> {
    /// Looks at the directories and acts on it.
    pub(super) fn look(&mut self, now: Instant) {
        if self.last_look.is_none() {
            // What an earlier run left; the shipper must hear of it before any line.
            let ids: Vec<FileId> = self.files.keys().copied().collect();
            ids.into_iter().for_each(|id| self.announce(id));
            if self.has_baseline {
                // Not before the last of them: a save in between would forget those still to come.
                self.is_closed |= !(self.sink)(FromTailer::Baseline);
            }
        }
        let is_full = self.is_full_look_due(now);
        let is_first = self.last_look.replace(now).is_none();
        if is_full {
            self.last_full_look = Some(now);
        }
        self.must_look = false;
        self.hinted = false;
        match self.snapshot(is_full) {
            Look::Files(mut found) => {
                self.tell_unreadable(&mut found, now);
                match self.has_baseline {
                    true => self.apply(found, is_first, now),
                    false => self.take_baseline(&found.seen, now),
                }
            }
            Look::NoDirectory if self.has_baseline => self.keep_only_open(now),
            Look::NoDirectory => self.take_baseline(&[], now),
            Look::Unreadable(error) => {
                let base = self.settings.files.directory().to_owned();
                self.trouble_at(&base, &error, now);
            }
        }
    }

    fn snapshot(&mut self, is_full: bool) -> Look {
        let (files, by_node) = (&self.files, self.by_node());
        self.directory.look(is_full, |name, node, size| interest(files, &by_node, name, node, size))
    }

    fn by_node(&self) -> HashMap<Node, FileId> {
        // One that is gone and only remembered must not hide another with the inode.
        let remembered = self.files.values().filter(|file| file.facts.gone.is_some());
        let there = self.files.values().filter(|file| file.facts.gone.is_none());
        remembered.chain(there).map(|file| (file.facts.node, file.id)).collect()
    }

    fn tell_unreadable(&mut self, found: &mut Snapshot, now: Instant) {
        for (path, error) in found.unreadable.drain(..) {
            self.trouble_at(&path, &error, now);
        }
        for (directory, error) in &found.blind {
            self.trouble(directory, error, now);
        }
    }

    /// The first look ever: `initialPosition` applies to the files that are there now, and never again.
    fn take_baseline(&mut self, seen: &[Seen], now: Instant) {
        let names: HashSet<&str> = seen.iter().map(|file| file.name.as_str()).collect();
        for file in seen {
            let rotated = self.is_rotated(&file.name, &names);
            let is_wanted = self.settings.files.matches(&file.name);
            let position = match self.settings.initial_position {
                InitialPosition::StartOfFile if is_wanted => 0,
                _ if rotated || file.head.is_none() => file.size,
                // A last line without an end is sent when it is complete.
                _ => self.end_of_last_line(&file.name, file.size),
            };
            self.adopt(file, position, rotated, now);
        }
        self.has_baseline = true;
        self.is_closed |= !(self.sink)(FromTailer::Baseline);
        info!(flow = self.settings.id, files = seen.len(), "first start of this flow");
        self.note_behind(seen);
    }

    fn apply(&mut self, found: Snapshot, is_first: bool, now: Instant) {
        let mut judged = self.judge(found);
        // A snapshot takes time: a copy that was made after the names were listed, of a file that was truncated before it
        // was opened, is not in it. So that content is nowhere is believed when a later snapshot says so too.
        if judged.has_ended() {
            self.directory.forget_heads();
            let Look::Files(again) = self.snapshot(false) else {
                self.must_look = true;
                return;
            };
            judged = self.judge(again);
        }
        let Judged { seen, packed, decisions } = judged;
        let names: HashSet<&str> = seen.iter().map(|file| file.name.as_str()).collect();
        // By inode and content: a deleted copy's inode may be another file's by now.
        let by_node: HashMap<Node, &Seen> = seen.iter().map(|file| (file.node, file)).collect();
        let begins_with = |file: &Seen, head: &[u8]| file.head.as_ref().is_some_and(|own| own.starts_with(head));
        self.copies.retain(|node, copy| by_node.get(node).is_some_and(|file| begins_with(file, &copy.head)));
        for decision in decisions {
            match decision {
                Decision::Same { id, seen: at } => self.keep(id, &seen[at], &names, now),
                Decision::Gone { id } => self.mark_gone(id, &packed, now),
                Decision::Ended { id } if self.unpack(id, &packed, now) => {}
                Decision::Ended { id } => self.end(id),
                Decision::Continue { id, seen: at } => self.move_to(id, &seen[at], now),
                Decision::Copy { of, seen: at } => self.compare(of, &seen[at], &names, now),
                Decision::New { seen: at } | Decision::Later { seen: at } if is_first && self.is_old_archive(&seen[at]) => {
                    self.pass_over(&seen[at], now);
                }
                Decision::New { seen: at } => self.begin(&seen[at], &names, now),
                Decision::Later { .. } => self.must_look = true,
            }
        }
        self.let_go_of_remembered();
    }

    /// Decides about a snapshot; changes nothing of what is read.
    fn judge(&mut self, found: Snapshot) -> Judged {
        self.forget_reused(&found.seen);
        self.note_behind(&found.seen);
        let (seen, known) = self.changed(found.seen, &found.blind);
        let decisions = discovery::decide(&seen, &known);
        Judged { seen, packed: found.packed, decisions }
    }

    /// The files that need a decision: those of every log of which any file changed, came or went.
    fn changed(&mut self, mut seen: Vec<Seen>, blind: &[(String, io::Error)]) -> (Vec<Seen>, Vec<Known>) {
        let by_node = self.by_node();
        let unchanged: HashSet<FileId> =
            seen.iter().filter(|file| file.is_unchanged).filter_map(|file| by_node.get(&file.node).copied()).collect();
        let is_blind =
            |name: &str| blind.iter().any(|(directory, _)| directory.is_empty() || name.starts_with(directory.as_str()));
        let mut active: HashSet<String> = HashSet::new();
        active.extend(seen.iter().filter(|file| !file.is_unchanged).map(|file| base_of(&file.name)));
        let there = self.files.values().filter(|file| file.facts.gone.is_none());
        // One that is only drained any more changes nothing as long as nothing else does.
        let moved = there.filter(|file| !(unchanged.contains(&file.id) || file.gone_since.is_some() && file.is_open()));
        active.extend(moved.map(|file| base_of(&file.facts.name)));
        if active.is_empty() {
            return (Vec::new(), Vec::new());
        }
        let nodes: HashSet<Node> = seen.iter().filter(|file| !file.is_unchanged).map(|file| file.node).collect();
        let is_active =
            |file: &&super::file::TailedFile| nodes.contains(&file.facts.node) || active.contains(&base_of(&file.facts.name));
        let wanted: Vec<Known> = self.files.values().filter(is_active).map(super::file::TailedFile::known).collect();
        let seen_nodes: HashSet<Node> = seen.iter().map(|file| file.node).collect();
        let known: Vec<Known> =
            wanted.into_iter().filter(|file| seen_nodes.contains(&file.node) || !is_blind(&file.name)).collect();
        let known_nodes: HashSet<Node> = known.iter().map(|file| file.node).collect();
        seen.retain(|file| known_nodes.contains(&file.node) || active.contains(&base_of(&file.name)));
        seen.iter_mut().for_each(|file| self.directory.load(file));
        (seen, known)
    }

    /// Forgets a file that is gone when its inode is another file's, as far as that can be told.
    fn forget_reused(&mut self, seen: &[Seen]) {
        let remembered: HashMap<Node, (FileId, u64)> =
            self.files.values().filter_map(|file| Some((file.facts.node, (file.id, file.facts.gone?)))).collect();
        if remembered.is_empty() {
            return;
        }
        for file in seen {
            let Some(&(id, gone)) = remembered.get(&file.node) else { continue };
            let born =
                fs::metadata(self.directory.path(&file.name)).and_then(|metadata| metadata.created()).ok().map(unix_seconds);
            let is_full = self.files.get(&id).is_some_and(|known| known.facts.fingerprint.length >= Fingerprint::FULL as u64);
            if born.map_or(!is_full, |born| born > gone) {
                self.drop_file(id);
            }
        }
    }

    /// Lets go of files that have been gone for longer than they are to be remembered, and of the oldest of too many.
    fn let_go_of_remembered(&mut self) {
        let now = unix_seconds(SystemTime::now());
        let mut gone: Vec<(u64, FileId)> = self.files.values().filter_map(|file| Some((file.facts.gone?, file.id))).collect();
        gone.sort_unstable();
        let surplus = gone.len().saturating_sub(MAX_REMEMBERED);
        let remember = self.settings.tracking.remember.as_secs();
        for (_, id) in gone
            .into_iter()
            .enumerate()
            .filter(|(at, (since, _))| *at < surplus || now.saturating_sub(*since) > remember)
            .map(|(_, gone)| gone)
        {
            self.drop_file(id);
        }
    }

    fn drop_file(&mut self, id: FileId) {
        self.files.remove(&id);
        self.is_closed |= !(self.sink)(FromTailer::Done(id));
    }

    /// Whether a file in a directory for rotated files was there before this flow's state was saved last: then it was
    /// sent under its earlier name, or is older than the flow.
    fn is_old_archive(&self, file: &Seen) -> bool {
        let modified = || fs::metadata(self.directory.path(&file.name)).and_then(|metadata| metadata.modified()).ok();
        file.name.starts_with('/') && self.saved_at.is_none_or(|saved| modified().is_none_or(|modified| modified <= saved))
    }

    /// Takes a file for one that was sent.
    fn pass_over(&mut self, file: &Seen, now: Instant) {
        self.adopt(file, file.size, true, now);
    }

    /// Without its directory nothing can be said about a file, except that an open one has no name any more.
    fn keep_only_open(&mut self, now: Instant) {
        let open: Vec<FileId> = self.files.values().filter(|file| file.is_open()).map(|file| file.id).collect();
        open.into_iter().for_each(|id| self.mark_gone(id, &[], now));
    }

    fn keep(&mut self, id: FileId, at: &Seen, all: &HashSet<&str>, now: Instant) {
        let is_rotated = self.is_rotated(&at.name, all);
        let Some(file) = self.files.get_mut(&id) else { return };
        file.gone_since = None;
        let is_back = file.facts.gone.take().is_some();
        let is_renamed = file.facts.name != at.name;
        let rotated = match is_renamed {
            true => is_rotated || !names::bases(&at.name).is_empty(),
            false => is_rotated || file.facts.rotated,
        };
        if is_renamed {
            info!(flow = self.settings.id, from = file.facts.name, to = at.name, "renamed, reading on");
        }
        if is_back || is_renamed || file.facts.node != at.node || file.facts.rotated != rotated {
            file.facts = FileFacts { name: at.name.clone(), node: at.node, rotated, ..file.facts.clone() };
            self.announce(id);
        }
        self.open_if_needed(id, at, now);
    }

    fn mark_gone(&mut self, id: FileId, packed: &[String], now: Instant) {
        let Some(file) = self.files.get_mut(&id).filter(|file| file.facts.gone.is_none()) else { return };
        file.gone_since.get_or_insert(now);
        let is_open = file.is_open();
        self.gone.insert(id);
        if !is_open {
            self.unpack(id, packed, now);
        }
    }

    /// Looks for a compressed rotation of a file whose content is nowhere else, and reads on in it.
    fn unpack(&mut self, id: FileId, packed: &[String], now: Instant) -> bool {
        let Some(file) = self.files.get(&id) else { return false };
        let (known, fingerprint) = (file.facts.name.clone(), file.facts.fingerprint);
        let is_related =
            |name: &&String| names::unpacked(name).is_some_and(|plain| plain == known || names::is_more_rotated(plain, &known));
        let candidates: Vec<String> = packed.iter().filter(is_related).cloned().collect();
        for name in candidates {
            match open_packed(&self.directory.path(&name), fingerprint) {
                Ok(Some((packed, node))) => {
                    self.read_on_packed(id, &name, node, packed, now);
                    return true;
                }
                Ok(None) => {}
                Err(error) => self.trouble(&name, &error, now),
            }
        }
        false
    }

    fn read_on_packed(&mut self, id: FileId, name: &str, node: Node, packed: Packed, now: Instant) {
        let Some(file) = self.files.get_mut(&id) else { return };
        let position = file.position;
        info!(
            flow = self.settings.id,
            from = file.facts.name,
            to = name,
            position,
            "compressed, reading on in the compressed file"
        );
        let plain = names::unpacked(name).unwrap_or(name).to_owned();
        file.open_packed(Box::new(packed), now);
        file.gone_since.get_or_insert(now);
        file.facts = FileFacts { name: plain, node, rotated: true, ..file.facts.clone() };
        self.open.insert(id);
        self.gone.insert(id);
        self.announce(id);
    }

    fn end(&mut self, id: FileId) {
        if let Some(file) = self.files.remove(&id) {
            info!(flow = self.settings.id, file = file.facts.name, position = file.position, "truncated or replaced");
            self.is_closed |= !(self.sink)(FromTailer::Done(id));
        }
    }

    /// Goes on reading a file's content in another file, which may be shorter than what was read already.
    fn move_to(&mut self, id: FileId, to: &Seen, now: Instant) {
        self.copies.remove(&to.node);
        let Some(file) = self.files.get_mut(&id) else { return };
        info!(
            flow = self.settings.id,
            from = file.facts.name,
            to = to.name,
            position = file.position,
            "copied, reading on in the copy"
        );
        file.close();
        file.gone_since = None;
        let copied_to = (to.size < file.position).then_some(to.size);
        file.position = file.position.min(to.size);
        file.begin_again_as(to.head.clone().unwrap_or_default());
        file.facts = FileFacts { name: to.name.clone(), node: to.node, rotated: true, copied_to, ..file.facts.clone() };
        self.announce(id);
        self.open_if_needed(id, to, now);
    }

    /// Compares a copy with its original byte for byte; one that differs is a file of its own.
    fn compare(&mut self, of: FileId, copy: &Seen, all: &HashSet<&str>, now: Instant) {
        let verified = self.copies.get(&copy.node).filter(|known| known.of == of).map_or(0, |known| known.size);
        if verified == copy.size {
            return;
        }
        match self.likeness(of, copy, verified) {
            Ok(Likeness::Equal) => {
                debug!(flow = self.settings.id, file = copy.name, size = copy.size, "a copy, not sent again");
                let (name, head) = (copy.name.clone(), copy.head.clone().unwrap_or_default());
                self.copies.insert(copy.node, VerifiedCopy { of, name, head, size: copy.size });
            }
            Ok(Likeness::Different) => self.begin(copy, all, now),
            Ok(Likeness::Unknown) => self.must_look = true,
            Err(error) => self.trouble(&copy.name, &error, now),
        }
    }

    fn likeness(&self, of: FileId, copy: &Seen, from: u64) -> io::Result<Likeness> {
        let Some(known) = self.files.get(&of) else { return Ok(Likeness::Different) };
        let other = File::open(self.directory.path(&copy.name))?;
        let opened;
        let original = match known.handle() {
            Some(handle) => handle,
            None => {
                opened = File::open(self.directory.path(&known.facts.name))?;
                &opened
            }
        };
        if have_equal_bytes(original, &other, from, copy.size)? {
            return Ok(Likeness::Equal);
        }
        // It may have been truncated since the snapshot, and be filled again.
        let (metadata, head) = (original.metadata()?, read_head(original)?);
        let is_intact = node_of(&metadata) == known.facts.node
            && metadata.len() >= known.position
            && known.facts.fingerprint.matches(&head)
            && node_of(&other.metadata()?) == copy.node;
        Ok(if is_intact { Likeness::Different } else { Likeness::Unknown })
    }

    /// Starts to read a new file; of one that was a copy for a while, what differs.
    fn begin(&mut self, at: &Seen, all: &HashSet<&str>, now: Instant) {
        let position = match self.copies.remove(&at.node) {
            Some(copy) => self.end_of_last_line(&at.name, copy.size),
            None => 0,
        };
        let rotated = self.is_rotated(&at.name, all);
        if rotated && at.size == 0 {
            return; // nothing to know: should it grow, it is new then
        }
        info!(flow = self.settings.id, file = at.name, position, "found a new file");
        self.adopt(at, position, rotated, now);
    }

    fn adopt(&mut self, at: &Seen, position: u64, rotated: bool, now: Instant) {
        let fingerprint = at.head.as_deref().map(Fingerprint::of).unwrap_or_default();
        let facts = FileFacts { name: at.name.clone(), node: at.node, fingerprint, rotated, copied_to: None, gone: None };
        let id = self.add(facts, position, now);
        self.announce(id);
        self.open_if_needed(id, at, now);
    }

    /// Lets go of a file that is gone and read to its end. If it has a copy, the copy takes its place, so that
    /// it is still known when the original is forgotten.
    pub(super) fn retire(&mut self, id: FileId) {
        let copies = self.copies.iter().filter(|(_, copy)| copy.of == id);
        let is_better =
            |one: &VerifiedCopy, other: &VerifiedCopy| names::is_better_copy((&one.name, one.size), (&other.name, other.size));
        let best = copies.reduce(|best, next| if is_better(next.1, best.1) { next } else { best });
        let copy = best.map(|(node, copy)| (*node, copy.clone()));
        let (Some((node, copy)), Some(file)) = (copy, self.files.get_mut(&id)) else {
            self.remember(id);
            return;
        };
        self.copies.remove(&node);
        file.close();
        file.gone_since = None;
        file.position = copy.size;
        file.begin_again_as(copy.head);
        file.facts = FileFacts { name: copy.name, node, rotated: true, copied_to: Some(copy.size), ..file.facts.clone() };
        self.announce(id);
    }

    /// Keeps what is known of a file that is gone, so that it is not sent again should it return.
    fn remember(&mut self, id: FileId) {
        let Some(file) = self.files.get_mut(&id) else { return };
        info!(flow = self.settings.id, file = file.facts.name, position = file.position, "gone and read to its end");
        file.close();
        file.gone_since = None;
        if file.is_blank() {
            return self.drop_file(id);
        }
        file.facts.gone = Some(unix_seconds(SystemTime::now()));
        self.announce(id);
    }

    fn open_if_needed(&mut self, id: FileId, at: &Seen, now: Instant) {
        let Some(file) = self.files.get(&id) else { return };
        let is_wanted = at.size > file.position || (!file.facts.rotated && self.open.len() < IDLE_HANDLES);
        if !file.is_open() && is_wanted && at.head.is_some() {
            self.open_or_wait(id, now);
        }
    }

    /// Whether a file was moved away from its live name, as far as names tell.
    fn is_rotated(&self, name: &str, all: &HashSet<&str>) -> bool {
        let has_successor = || names::bases(name).iter().any(|base| all.contains(base.as_str()));
        !self.settings.files.matches(name) || names::is_numbered(name) || has_successor()
    }

    fn end_of_last_line(&self, name: &str, size: u64) -> u64 {
        let limit = self.settings.records.limit as u64;
        find_last_line_end(&self.directory.path(name), size, limit).unwrap_or(size)
    }

    fn note_behind(&self, seen: &[Seen]) {
        let by_node = self.by_node();
        let position = |node: Node| by_node.get(&node).and_then(|id| self.files.get(id)).map(|file| file.position);
        let behind = |file: &Seen| position(file.node).map_or(0, |position| file.size.saturating_sub(position));
        self.counters.bytes_behind.set(seen.iter().map(behind).sum());
    }
}

/// What a look needs to know about a file.
fn interest(
    files: &BTreeMap<FileId, TailedFile>,
    by_node: &HashMap<Node, FileId>,
    name: &str,
    node: Node,
    size: u64,
) -> Interest {
    let file = by_node.get(&node).and_then(|id| files.get(id));
    match file.filter(|file| file.facts.name == name && file.gone_since.is_none() && file.facts.gone.is_none()) {
        Some(file) if file.is_open() || file.is_waiting => Interest::Reading,
        Some(file) if file.position == size => Interest::Idle,
        _ => Interest::Full,
    }
}

/// The live name of the log a file belongs to, without its directory: a rotated file may be in another one.
fn base_of(name: &str) -> String {
    Kin::of(name).base().to_owned()
}

fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Opens a compressed file if it begins as the known one.
fn open_packed(path: &Path, fingerprint: Fingerprint) -> io::Result<Option<(Packed, Node)>> {
    let mut packed = Packed::open(path)?;
    let node = node_of(&packed.file().metadata()?);
    Ok(packed.begins_with(fingerprint)?.then_some((packed, node)))
}

/// The end of the last line before `size`; `size` itself when no line ends within `limit` bytes.
fn find_last_line_end(path: &Path, size: u64, limit: u64) -> io::Result<u64> {
    let file = File::open(path)?;
    let (mut end, mut block) = (size, vec![0; READ_BYTES]);
    while end > 0 && size - end < limit {
        let start = end.saturating_sub(READ_BYTES as u64);
        let piece = &mut block[..(end - start) as usize];
        file.read_exact_at(piece, start)?;
        if let Some(newline) = memrchr(b'\n', piece) {
            return Ok(start + newline as u64 + 1);
        }
        end = start;
    }
    Ok(if end == 0 { 0 } else { size })
}

/// Whether two files agree in the bytes from `from` to `to`, which both must have.
fn have_equal_bytes(one: &File, other: &File, from: u64, to: u64) -> io::Result<bool> {
    let (mut left, mut right) = (vec![0; READ_BYTES], vec![0; READ_BYTES]);
    let mut at = from;
    while at < to {
        let wanted = usize::try_from(to - at).unwrap_or(READ_BYTES).min(READ_BYTES);
        let lengths = (read_full(one, &mut left[..wanted], at)?, read_full(other, &mut right[..wanted], at)?);
        if lengths != (wanted, wanted) || left[..wanted] != right[..wanted] {
            return Ok(false);
        }
        at += wanted as u64;
    }
    Ok(true)
}
