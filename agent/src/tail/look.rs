//! Looks at the directories: takes a snapshot and works out which files need a decision.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs, io,
    time::Instant,
};

use tracing::info;

use super::{
    Tailer,
    changes::unix_seconds,
    directory::{Interest, Look, Snapshot},
    discovery::{self, Decision, Known, Seen},
    file::TailedFile,
    names::Kin,
};
use crate::{
    record::{FileId, Fingerprint, FromTailer, Node},
    settings::InitialPosition,
};

/// A snapshot and what it means.
pub(super) struct Judged {
    pub(super) seen: Vec<Seen>,
    pub(super) packed: Vec<String>,
    pub(super) decisions: Vec<Decision>,
}

impl Judged {
    /// Whether the content of any file is nowhere any more.
    pub(super) fn has_ended(&self) -> bool {
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
        self.has_unreadable = false;
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
                self.has_unreadable = true;
                self.trouble_at(&base, &error, now);
            }
        }
    }

    pub(super) fn snapshot(&mut self, is_full: bool) -> Look {
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
        self.has_unreadable = !found.unreadable.is_empty() || !found.blind.is_empty();
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
    }

    /// Decides about a snapshot; changes nothing of what is read.
    pub(super) fn judge(&mut self, found: Snapshot) -> Judged {
        self.forget_reused(&found.seen);
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
