//! Looks at a flow's directories: which files there are, and how each begins.
//!
//! A directory whose time stamp did not change is not listed again ([`walk`]), and the first bytes of a file that did
//! not change since the last look are not read again. Which links are followed is decided in [`links`].

mod links;
mod walk;

use std::{
    collections::{HashMap, HashSet},
    fs::{self, File, Metadata, OpenOptions},
    io,
    os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use bytes::Bytes;

use self::walk::{Entry, Tree, is_absent};
use super::discovery::Seen;
use crate::{
    record::{Fingerprint, Node},
    settings::{FilePattern, Tracking},
};

/// The directories of one flow.
#[derive(Debug)]
pub(super) struct Directory {
    tree: Tree,
    cache: HashMap<String, Cached>,
}

/// A file as it was last looked at.
#[derive(Debug)]
struct Cached {
    node: Node,
    stamp: Stamp,
    /// How it begins; let go of when the file is idle.
    head: Option<Bytes>,
}

/// What a look at the directories found.
#[derive(Debug)]
pub(super) enum Look {
    /// The flow's files.
    Files(Snapshot),
    /// There is no such directory; perhaps it is not mounted.
    NoDirectory,
    /// It cannot be listed: nothing can be concluded.
    Unreadable(io::Error),
}

/// The files of a flow at one moment.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    /// Sorted by name, each inode once.
    pub(super) seen: Vec<Seen>,
    /// Names of compressed rotations.
    pub(super) packed: Vec<String>,
    /// Directories nothing is known about now, by name; the base directory's is empty.
    pub(super) blind: Vec<(String, io::Error)>,
    /// Files that may not be read.
    pub(super) unreadable: Vec<(PathBuf, io::Error)>,
}

/// What the tailer knows of a file, so that one that did not change costs nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Interest {
    /// Its size and beginning are wanted.
    Full,
    /// It is read through its handle, and needs a second look only if its stamp changed.
    Reading,
    /// It was read to its end and is closed.
    Idle,
}

/// Tells whether a file changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    size: u64,
    modified: (i64, i64),
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self { size: metadata.len(), modified: (metadata.mtime(), metadata.mtime_nsec()) }
    }
}

/// The inode of a file.
pub(super) fn node_of(metadata: &Metadata) -> Node {
    Node { device: metadata.dev(), inode: metadata.ino() }
}

/// The first bytes of a file, as many as a fingerprint takes.
pub(super) fn read_head(file: &File) -> io::Result<Bytes> {
    let mut head = vec![0; Fingerprint::FULL];
    let length = read_full(file, &mut head, 0)?;
    head.truncate(length);
    Ok(head.into())
}

/// Fills the buffer from a position; less only at the end of the file.
pub(super) fn read_full(file: &File, buffer: &mut [u8], position: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], position + filled as u64) {
            Ok(0) => break,
            Ok(length) => filled += length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Opens a file to read it. Never waits, whatever the name stands for by now.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

impl Directory {
    pub(super) fn new(pattern: FilePattern, tracking: &Tracking) -> Self {
        Self { tree: Tree::new(pattern, tracking), cache: HashMap::new() }
    }

    /// Where a file of this name is.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.tree.path(name)
    }

    /// The directories that were looked at.
    pub(super) fn directories(&self) -> impl Iterator<Item = PathBuf> {
        self.tree.directories()
    }

    /// Makes the next look read how every file begins.
    pub(super) fn forget_heads(&mut self) {
        self.cache.clear();
    }

    /// Whether names may have come or gone since the last look.
    pub(super) fn may_have_changed(&self) -> bool {
        self.tree.may_have_changed()
    }

    /// Lists the flow's files and reads how the changed ones begin. Unless it is a full look, a file that is idle and has
    /// the name and inode it had is taken to be as it was.
    pub(super) fn look(&mut self, is_full: bool, interest: impl Fn(&str, Node, u64) -> Interest) -> Look {
        let walk = match self.tree.walk(is_full) {
            Ok(walk) => walk,
            Err(error) if is_absent(&error) => return Look::NoDirectory,
            Err(error) => return Look::Unreadable(error),
        };
        let mut found = Snapshot { blind: walk.blind, ..Snapshot::default() };
        let mut cache = HashMap::with_capacity(walk.entries.len());
        for entry in walk.entries {
            if entry.is_packed {
                found.packed.push(entry.name);
            } else if let Some(seen) = self.see(entry, is_full, &interest, &mut found.unreadable, &mut cache) {
                found.seen.push(seen);
            }
        }
        self.cache = cache;
        found.seen.sort_by(|one, other| one.name.cmp(&other.name));
        let mut nodes = HashSet::with_capacity(found.seen.len());
        found.seen.retain(|file| nodes.insert(file.node)); // two names of one file: hard or symbolic links
        Look::Files(found)
    }

    /// The names of the flow's files and their rotations, without a look at each.
    pub(super) fn names(&mut self) -> io::Result<Vec<String>> {
        Ok(self.tree.walk(true)?.entries.into_iter().filter(|entry| !entry.is_packed).map(|entry| entry.name).collect())
    }

    /// Reads how a file begins that was taken to be as it was.
    pub(super) fn load(&mut self, file: &mut Seen) {
        if file.is_unchanged && file.head.is_none() {
            file.head = read_beginning(&self.path(&file.name), file.node).ok().flatten().map(|(_, head)| head);
        }
    }

    fn see(
        &mut self,
        Entry { name, inode, is_link, .. }: Entry,
        is_full: bool,
        interest: &impl Fn(&str, Node, u64) -> Interest,
        unreadable: &mut Vec<(PathBuf, io::Error)>,
        cache: &mut HashMap<String, Cached>,
    ) -> Option<Seen> {
        let path = self.path(&name);
        let old = self.cache.remove(&name);
        if let Some(old) = old.as_ref().filter(|old| !is_full && !is_link && old.node.inode == inode)
            && interest(&name, old.node, old.stamp.size) == Interest::Idle
        {
            return Some(keep(name, Cached { head: None, ..*old }, None, cache));
        }
        // Gone since the listing, or a link that leads nowhere; a pipe must not even be opened.
        let metadata = fs::metadata(&path).ok().filter(Metadata::is_file)?;
        let (node, stamp) = (node_of(&metadata), Stamp::of(&metadata));
        if let Some(old) = old.filter(|old| old.node == node && old.stamp == stamp) {
            match interest(&name, node, stamp.size) {
                Interest::Idle => return Some(keep(name, Cached { head: None, ..old }, None, cache)),
                Interest::Reading => return Some(keep(name, Cached { head: None, ..old }, None, cache)),
                Interest::Full if old.head.is_some() => {
                    let head = old.head.clone();
                    return Some(Seen { is_unchanged: false, ..keep(name, old, head, cache) });
                }
                Interest::Full => {}
            }
        }
        match read_beginning(&path, node) {
            Ok(None) => None, // the name stands for another file by now
            Ok(Some((stamp, head))) => {
                let cached = Cached { node, stamp, head: Some(head.clone()) };
                Some(Seen { is_unchanged: false, ..keep(name, cached, Some(head), cache) })
            }
            Err(error) if is_absent(&error) => None,
            Err(error) => {
                unreadable.push((path, error));
                Some(Seen { name, node, size: metadata.len(), head: None, is_unchanged: false })
            }
        }
    }
}

/// Remembers a file as it was seen.
fn keep(name: String, cached: Cached, head: Option<Bytes>, cache: &mut HashMap<String, Cached>) -> Seen {
    let seen = Seen { name: name.clone(), node: cached.node, size: cached.stamp.size, head, is_unchanged: true };
    cache.insert(name, cached);
    seen
}

/// Stamp and first bytes of the file with this inode; none when the name does not stand for it any more.
fn read_beginning(path: &Path, node: Node) -> io::Result<Option<(Stamp, Bytes)>> {
    let file = open(path)?;
    // First the stamp: should the file change now, the head is newer than its stamp and is read again next time.
    let metadata = file.metadata()?;
    if node_of(&metadata) != node {
        return Ok(None);
    }
    Ok(Some((Stamp::of(&metadata), read_head(&file)?)))
}
