//! Carries out what discovery decided: opens, renames, continues and forgets files.

use std::{fs::File, io, os::unix::fs::FileExt as _, path::Path, time::Instant};

use bytes::Bytes;
use memchr::memrchr;
use tracing::{debug, info};

use super::{
    IDLE_HANDLES, Tailer,
    directory::{Look, read_full},
    discovery::{self, Decision, Seen},
    file::READ_BYTES,
    names,
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

impl<S: FnMut(FromTailer) -> bool> Tailer<S> {
    /// Looks at the directory and acts on it.
    pub(super) fn look(&mut self, now: Instant) {
        if self.last_look.is_none() {
            // What an earlier run left; the shipper must hear of it before any line.
            let ids: Vec<FileId> = self.files.keys().copied().collect();
            ids.into_iter().for_each(|id| self.announce(id));
        }
        self.last_look = Some(now);
        self.must_look = false;
        self.hinted = false;
        match self.directory.look(now) {
            Look::Files(seen) if self.has_baseline => self.apply(&seen, now),
            Look::Files(seen) => self.take_baseline(&seen, now),
            Look::NoDirectory if self.has_baseline => self.keep_only_open(now),
            Look::NoDirectory => self.take_baseline(&[], now),
            Look::Unreadable => {}
        }
    }

    /// The first look ever: `initialPosition` applies to the files that are there now, and never again.
    fn take_baseline(&mut self, seen: &[Seen], now: Instant) {
        for file in seen {
            let rotated = self.is_rotated(&file.name, seen);
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

    fn apply(&mut self, seen: &[Seen], now: Instant) {
        let known: Vec<_> = self.files.values().map(super::file::TailedFile::known).collect();
        // By inode and content: a deleted copy's inode may be another file's by now.
        let begins_with = |file: &Seen, head: &[u8]| file.head.as_ref().is_some_and(|own| own.starts_with(head));
        let is_there = |node, copy: &VerifiedCopy| seen.iter().any(|file| file.node == node && begins_with(file, &copy.head));
        self.copies.retain(|node, copy| is_there(*node, copy));
        for decision in discovery::decide(seen, &known) {
            match decision {
                Decision::Same { id, seen: at } => self.keep(id, &seen[at], seen, now),
                Decision::Gone { id } => self.mark_gone(id, now),
                Decision::Ended { id } => self.end(id),
                Decision::Continue { id, seen: at } => self.move_to(id, &seen[at], now),
                Decision::Copy { of, seen: at } => self.compare(of, &seen[at], seen, now),
                Decision::New { seen: at } => self.begin(&seen[at], seen, now),
            }
        }
        self.note_behind(seen);
    }

    /// Without its directory nothing can be said about a file, except that an open one has no name any more.
    fn keep_only_open(&mut self, now: Instant) {
        let open: Vec<FileId> = self.files.values().filter(|file| file.is_open()).map(|file| file.id).collect();
        open.into_iter().for_each(|id| self.mark_gone(id, now));
    }

    fn keep(&mut self, id: FileId, at: &Seen, all: &[Seen], now: Instant) {
        let is_rotated = self.is_rotated(&at.name, all);
        let Some(file) = self.files.get_mut(&id) else { return };
        file.gone_since = None;
        let is_renamed = file.facts.name != at.name;
        let rotated = match is_renamed {
            true => is_rotated || !names::bases(&at.name).is_empty(),
            false => is_rotated || file.facts.rotated,
        };
        if is_renamed {
            info!(flow = self.settings.id, from = file.facts.name, to = at.name, "renamed, reading on");
        }
        if is_renamed || file.facts.node != at.node || file.facts.rotated != rotated {
            file.facts = FileFacts { name: at.name.clone(), node: at.node, rotated, ..file.facts.clone() };
            self.announce(id);
        }
        self.open_if_needed(id, at, now);
    }

    fn mark_gone(&mut self, id: FileId, now: Instant) {
        if let Some(file) = self.files.get_mut(&id) {
            file.gone_since.get_or_insert(now);
        }
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
    fn compare(&mut self, of: FileId, copy: &Seen, all: &[Seen], now: Instant) {
        let verified = self.copies.get(&copy.node).filter(|known| known.of == of).map_or(0, |known| known.size);
        if verified == copy.size {
            return;
        }
        match self.is_equal(of, copy, verified) {
            Ok(true) => {
                debug!(flow = self.settings.id, file = copy.name, size = copy.size, "a copy, not sent again");
                let (name, head) = (copy.name.clone(), copy.head.clone().unwrap_or_default());
                self.copies.insert(copy.node, VerifiedCopy { of, name, head, size: copy.size });
            }
            Ok(false) => self.begin(copy, all, now),
            Err(error) => self.trouble(&copy.name, &error, now),
        }
    }

    fn is_equal(&self, of: FileId, copy: &Seen, from: u64) -> io::Result<bool> {
        let Some(original) = self.files.get(&of) else { return Ok(false) };
        let other = File::open(self.directory.path(&copy.name))?;
        match original.handle() {
            Some(handle) => have_equal_bytes(handle, &other, from, copy.size),
            None => have_equal_bytes(&File::open(self.directory.path(&original.facts.name))?, &other, from, copy.size),
        }
    }

    /// Starts to read a new file; of one that was a copy for a while, what differs.
    fn begin(&mut self, at: &Seen, all: &[Seen], now: Instant) {
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
        let facts = FileFacts { name: at.name.clone(), node: at.node, fingerprint, rotated, copied_to: None };
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
            if let Some(file) = self.files.remove(&id) {
                info!(flow = self.settings.id, file = file.facts.name, position = file.position, "gone and read to its end");
            }
            self.is_closed |= !(self.sink)(FromTailer::Done(id));
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

    fn open_if_needed(&mut self, id: FileId, at: &Seen, now: Instant) {
        let open = self.files.values().filter(|file| file.is_open()).count();
        let path = self.directory.path(&at.name);
        let Some(file) = self.files.get_mut(&id) else { return };
        let is_wanted = at.size > file.position || (!file.facts.rotated && open < IDLE_HANDLES);
        if file.is_open() || !is_wanted || at.head.is_none() {
            return;
        }
        if let Err(error) = file.open(&path, now) {
            self.trouble(&at.name, &error, now);
        }
    }

    /// Whether a file was moved away from its live name, as far as names tell.
    fn is_rotated(&self, name: &str, all: &[Seen]) -> bool {
        let has_successor = || names::bases(name).iter().any(|base| all.iter().any(|file| file.name == *base));
        !self.settings.files.matches(name) || names::is_numbered(name) || has_successor()
    }

    fn end_of_last_line(&self, name: &str, size: u64) -> u64 {
        let limit = self.settings.records.limit as u64;
        find_last_line_end(&self.directory.path(name), size, limit).unwrap_or(size)
    }

    fn note_behind(&self, seen: &[Seen]) {
        let position = |node: Node| self.files.values().find(|file| file.facts.node == node).map(|file| file.position);
        let behind = |file: &Seen| position(file.node).map_or(0, |position| file.size.saturating_sub(position));
        self.counters.bytes_behind.set(seen.iter().map(behind).sum());
    }
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
