//! Carries out what discovery decided: opens, renames, continues and forgets files.

use std::{
    collections::{HashMap, HashSet},
    fs::{self, File},
    io,
    os::unix::fs::FileExt as _,
    path::Path,
    time::{Instant, SystemTime},
};

use memchr::memrchr;
use tracing::info;

use super::{
    MAX_REMEMBERED, Tailer,
    directory::{Look, Snapshot, node_of},
    discovery::{Decision, Seen},
    file::READ_BYTES,
    handles::IDLE_HANDLES,
    look::Judged,
    names,
    packed::Packed,
};
use crate::record::{FileFacts, FileId, Fingerprint, FromTailer, Node};

impl<S: FnMut(FromTailer) -> bool> Tailer<S> {
    /// Acts on a snapshot.
    pub(super) fn apply(&mut self, found: Snapshot, is_first: bool, now: Instant) {
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

    /// Forgets a file for good.
    pub(super) fn drop_file(&mut self, id: FileId) {
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
    pub(super) fn keep_only_open(&mut self, now: Instant) {
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
        let (known, fingerprint, position) = (file.facts.name.clone(), file.facts.fingerprint, file.position);
        let is_related =
            |name: &&String| names::unpacked(name).is_some_and(|plain| plain == known || names::is_more_rotated(plain, &known));
        let candidates: Vec<String> = packed.iter().filter(is_related).cloned().collect();
        for name in candidates {
            match open_packed(&self.directory.path(&name), fingerprint) {
                Ok(Some((mut packed, node))) => {
                    // A copy of another file begins as it does; what that one's compressed rotation holds is its affair.
                    if !self.is_another_s(id, position, &mut packed, node) {
                        self.read_on_packed(id, &name, node, packed, now);
                        return true;
                    }
                }
                Ok(None) => {}
                Err(error) => self.trouble(&name, &error, now),
            }
        }
        false
    }

    /// Whether a compressed file is known by inode and content as another file, of which no less was read.
    fn is_another_s(&self, id: FileId, position: u64, packed: &mut Packed, node: Node) -> bool {
        let mut others =
            self.files.values().filter(|other| other.id != id && other.facts.node == node && other.position >= position);
        others.any(|other| packed.begins_with(other.facts.fingerprint).unwrap_or(false))
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

    /// Starts to read a new file; of one that was a copy for a while, what differs.
    pub(super) fn begin(&mut self, at: &Seen, all: &HashSet<&str>, now: Instant) {
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

    /// Takes a file for known, read up to a position.
    pub(super) fn adopt(&mut self, at: &Seen, position: u64, rotated: bool, now: Instant) {
        let fingerprint = at.head.as_deref().map(Fingerprint::of).unwrap_or_default();
        let facts = FileFacts { name: at.name.clone(), node: at.node, fingerprint, rotated, copied_to: None, gone: None };
        let id = self.add(facts, position, now);
        self.announce(id);
        self.open_if_needed(id, at, now);
    }

    /// Keeps what is known of a file that is gone, so that it is not sent again should it return.
    pub(super) fn remember(&mut self, id: FileId) {
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
    pub(super) fn is_rotated(&self, name: &str, all: &HashSet<&str>) -> bool {
        let has_successor = || names::bases(name).iter().any(|base| all.contains(base.as_str()));
        !self.settings.files.matches(name) || names::is_numbered(name) || has_successor()
    }

    /// Where the last complete line of a file ends.
    pub(super) fn end_of_last_line(&self, name: &str, size: u64) -> u64 {
        let limit = self.settings.records.limit as u64;
        find_last_line_end(&self.directory.path(name), size, limit).unwrap_or(size)
    }
}

pub(super) fn unix_seconds(time: SystemTime) -> u64 {
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
