//! Looks at a flow's directory: which files there are, and how each begins.
//!
//! The first bytes of a file that did not change since the last look are not read again.

use std::{
    collections::{HashMap, HashSet},
    fs::{self, File, Metadata},
    io,
    os::unix::fs::{FileExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use tracing::warn;

use super::discovery::Seen;
use crate::{
    rate_limit::RateLimit,
    record::{Fingerprint, Node},
    settings::FilePattern,
};

/// A directory's time stamp is only as fine as the kernel's tick, so a change just after a look may leave it the
/// same. A stamp this young is not trusted.
const STAMP_SETTLES: Duration = Duration::from_secs(2);

/// The directory of one flow.
#[derive(Debug)]
pub(super) struct Directory {
    pattern: FilePattern,
    heads: HashMap<Node, (Stamp, Bytes)>,
    stamp: Option<SystemTime>,
    unreadable: RateLimit,
}

/// What a look at the directory found.
#[derive(Debug)]
pub(super) enum Look {
    /// The flow's files, sorted by name, each inode once.
    Files(Vec<Seen>),
    /// There is no such directory; perhaps it is not mounted.
    NoDirectory,
    /// It cannot be listed: nothing can be concluded.
    Unreadable,
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

impl Directory {
    pub(super) fn new(pattern: FilePattern) -> Self {
        Self { pattern, heads: HashMap::new(), stamp: None, unreadable: RateLimit::default() }
    }

    /// Where a file of this name is.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.pattern.directory().join(name)
    }

    /// Makes the next look read how every file begins.
    pub(super) fn forget_heads(&mut self) {
        self.heads.clear();
    }

    /// Whether names may have come or gone since the last look.
    pub(super) fn may_have_changed(&self) -> bool {
        let Ok(modified) = fs::metadata(self.pattern.directory()).and_then(|metadata| metadata.modified()) else { return true };
        let is_young = SystemTime::now().duration_since(modified).is_ok_and(|age| age < STAMP_SETTLES);
        is_young || self.stamp != Some(modified)
    }

    /// Lists the flow's files and reads how the changed ones begin.
    pub(super) fn look(&mut self, now: Instant) -> Look {
        let directory = self.pattern.directory().to_owned();
        self.stamp = fs::metadata(&directory).and_then(|metadata| metadata.modified()).ok();
        let names = match self.names() {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Look::NoDirectory,
            Err(error) => {
                self.warn_unreadable(&directory, &error, now);
                return Look::Unreadable;
            }
        };
        let mut seen: Vec<Seen> = names.into_iter().filter_map(|name| self.see(name, now)).collect();
        seen.sort_by(|one, other| one.name.cmp(&other.name));
        let mut nodes = HashSet::new();
        seen.retain(|file| nodes.insert(file.node)); // two names of one file: hard or symbolic links
        self.heads.retain(|node, _| nodes.contains(node));
        Look::Files(seen)
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.pattern.directory())? {
            // A name that is not UTF-8 cannot match: patterns come from JSON.
            let Ok(name) = entry?.file_name().into_string() else { continue };
            if self.pattern.matches(&name) || self.pattern.is_rotation(&name) {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn see(&mut self, name: String, now: Instant) -> Option<Seen> {
        let path = self.path(&name);
        // Gone since the listing, or a link that leads nowhere; a pipe must not even be opened.
        let metadata = fs::metadata(&path).ok().filter(Metadata::is_file)?;
        let cached = self.heads.get(&node_of(&metadata)).filter(|(stamp, _)| *stamp == Stamp::of(&metadata));
        if let Some((stamp, head)) = cached {
            return Some(Seen { name, node: node_of(&metadata), size: stamp.size, head: Some(head.clone()) });
        }
        match read_beginning(&path) {
            Ok((metadata, head)) => {
                let (node, stamp) = (node_of(&metadata), Stamp::of(&metadata));
                self.heads.insert(node, (stamp, head.clone()));
                Some(Seen { name, node, size: stamp.size, head: Some(head) })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                self.warn_unreadable(&path, &error, now);
                Some(Seen { name, node: node_of(&metadata), size: metadata.len(), head: None })
            }
        }
    }

    fn warn_unreadable(&mut self, path: &Path, error: &io::Error, now: Instant) {
        if let Some(suppressed) = self.unreadable.allow(now) {
            warn!(path = %path.display(), %error, suppressed, "cannot read; trying again, let the agent's user read it and enter its directories");
        }
    }
}

/// Size, inode and first bytes of one and the same file, whatever its name stands for a moment later.
fn read_beginning(path: &Path) -> io::Result<(Metadata, Bytes)> {
    let file = File::open(path)?;
    // First the stamp: should the file change now, the head is newer than its stamp and is read again next time.
    let metadata = file.metadata()?;
    Ok((metadata, read_head(&file)?))
}
