//! Walks the directories of a flow and remembers what it read: a directory is listed again only when its time stamp
//! says that names came or went.

use std::{
    collections::{HashMap, HashSet},
    fs::{self, Metadata},
    io,
    os::unix::fs::DirEntryExt as _,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use tracing::warn;

use super::{links::Links, node_of};
use crate::{
    record::Node,
    settings::{FilePattern, Places, Tracking},
    tail::names,
};

/// A directory's time stamp is only as fine as the kernel's tick, so a change just after a look may leave it the
/// same. A stamp this young is not trusted.
const STAMP_SETTLES: Duration = Duration::from_secs(2);

/// Directories below the base that are entered; more than any tree of logs has.
const MAX_DEPTH: usize = 32;

/// Directories looked at.
const MAX_DIRECTORIES: usize = 10_000;

/// Names of the flow's files that are kept.
const MAX_NAMES: usize = 1_000_000;

/// The directories of a flow as they were last listed.
#[derive(Debug)]
pub(super) struct Tree {
    pattern: FilePattern,
    archives: Vec<PathBuf>,
    links: Links,
    listings: HashMap<String, Listing>,
    is_limit_told: bool,
}

/// A name in a directory that may be one of the flow's files.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// Relative to the base directory; absolute in a directory for rotated files.
    pub(super) name: String,
    /// The inode the name stands for, or that of the link.
    pub(super) inode: u64,
    /// Whether it is a symbolic link that may be followed.
    pub(super) is_link: bool,
    /// Whether it is a compressed rotation.
    pub(super) is_packed: bool,
}

/// What a walk found.
#[derive(Debug, Default)]
pub(super) struct Walk {
    /// The files, each name once.
    pub(super) entries: Vec<Entry>,
    /// Directories nothing can be said about, and why.
    pub(super) blind: Vec<(String, io::Error)>,
}

/// One directory as it was listed.
#[derive(Debug)]
struct Listing {
    node: Node,
    modified: SystemTime,
    /// Whether the time stamp was old enough to be trusted.
    is_settled: bool,
    /// Whether there are links of interest: what they lead to may change without the directory's stamp.
    has_links: bool,
    entries: Vec<Entry>,
    directories: Vec<(String, Places)>,
}

/// A directory to be listed: its name and what may match in it; none in a directory for rotated files.
type Step = (String, Option<Places>, usize);

impl Tree {
    pub(super) fn new(pattern: FilePattern, tracking: &Tracking) -> Self {
        let links = Links::new(&pattern, tracking);
        let archives = tracking.rotated_directories.clone();
        Self { pattern, archives, links, listings: HashMap::new(), is_limit_told: false }
    }

    /// Where a file of this name is. An absolute name is its own place.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.pattern.directory().join(name)
    }

    /// The directories that were listed.
    pub(super) fn directories(&self) -> impl Iterator<Item = PathBuf> {
        self.listings.keys().map(|name| self.path(name))
    }

    /// Whether names may have come or gone since the last walk.
    pub(super) fn may_have_changed(&self) -> bool {
        self.listings.is_empty() || self.listings.iter().any(|(name, listing)| !self.is_current(name, listing))
    }

    /// Lists what changed; `is_full` when links are to be followed anew.
    ///
    /// # Errors
    /// When the base directory is not there or cannot be listed.
    pub(super) fn walk(&mut self, is_full: bool) -> io::Result<Walk> {
        let mut walk = Walk::default();
        let mut visited: HashSet<(Node, Option<Places>)> = HashSet::new();
        let mut steps: Vec<Step> = self.archives.iter().filter_map(|path| Some((path.to_str()?.to_owned(), None, 0))).collect();
        steps.push((String::new(), Some(self.pattern.start()), 0)); // taken first
        let mut used = HashSet::new();
        while let Some((name, places, depth)) = steps.pop() {
            if used.len() >= MAX_DIRECTORIES || walk.entries.len() >= MAX_NAMES {
                self.tell_limit(&name);
                walk.blind.push((String::new(), io::Error::other("more directories or files than the agent looks at")));
                break;
            }
            match self.list(&name, places.as_ref(), is_full) {
                Ok(listing) if visited.insert((listing.node, places)) => {
                    walk.entries.extend(listing.entries.iter().cloned());
                    let below = listing.directories.iter().filter(|_| depth < MAX_DEPTH);
                    steps.extend(below.map(|(name, places)| (name.clone(), Some(places.clone()), depth + 1)));
                    used.insert(name);
                }
                Ok(_) => {} // a link that leads back
                Err(error) if name.is_empty() => {
                    self.listings.clear();
                    return Err(error);
                }
                Err(error) if is_absent(&error) => {}
                Err(error) => walk.blind.push((name, error)),
            }
        }
        self.listings.retain(|name, _| used.contains(name));
        Ok(walk)
    }

    fn is_current(&self, name: &str, listing: &Listing) -> bool {
        let metadata = fs::metadata(self.path(name));
        let is_same =
            |metadata: Metadata| node_of(&metadata) == listing.node && metadata.modified().ok() == Some(listing.modified);
        listing.is_settled && metadata.is_ok_and(is_same)
    }

    fn list(&mut self, name: &str, places: Option<&Places>, is_full: bool) -> io::Result<&Listing> {
        let is_current =
            self.listings.get(name).is_some_and(|listing| !(is_full && listing.has_links) && self.is_current(name, listing));
        if !is_current {
            let listing = self.read(name, places)?;
            self.listings.insert(name.to_owned(), listing);
        }
        self.listings.get(name).ok_or_else(|| io::Error::other("a listing was lost"))
    }

    fn read(&mut self, directory: &str, places: Option<&Places>) -> io::Result<Listing> {
        let path = self.path(directory);
        let metadata = fs::metadata(&path)?;
        let modified = metadata.modified()?;
        // A stamp from the future is not trusted either: the clock may have been put back.
        let is_settled = SystemTime::now().duration_since(modified).is_ok_and(|age| age >= STAMP_SETTLES);
        let node = node_of(&metadata);
        let mut listing = Listing { node, modified, is_settled, has_links: false, entries: Vec::new(), directories: Vec::new() };
        let named = places.filter(|places| !self.pattern.has_files(places)).and_then(|places| self.pattern.literal_steps(places));
        if let (Some(named), Some(places)) = (named, places) {
            let below = named.iter().filter_map(|step| Some((join(directory, step), self.pattern.enter(places, step)?)));
            listing.has_links = true; // whether they are there is not told by this directory's stamp either
            listing.directories = below.filter(|(name, _)| self.path(name).is_dir()).collect();
            return Ok(listing);
        }
        for entry in fs::read_dir(&path)? {
            let entry = entry?;
            // A name that is not UTF-8 cannot match: patterns come from JSON.
            let Ok(file) = entry.file_name().into_string() else { continue };
            self.sort(&mut listing, directory, places, &file, &entry);
        }
        Ok(listing)
    }

    /// Puts one name where it belongs, if it is of interest.
    fn sort(&mut self, listing: &mut Listing, directory: &str, places: Option<&Places>, file: &str, entry: &fs::DirEntry) {
        let plain = names::unpacked(file).unwrap_or(file);
        let is_file = match places {
            Some(places) => self.pattern.matches_in(places, plain) || self.pattern.is_rotation_in(places, plain),
            None => self.pattern.fits_anywhere(plain),
        };
        let below = places.and_then(|places| self.pattern.enter(places, file));
        if !is_file && below.is_none() {
            return;
        }
        let Ok(kind) = entry.file_type() else { return };
        let name = join(directory, file);
        let is_named = places.is_some_and(|places| self.pattern.is_named(places, file));
        let is_link = kind.is_symlink();
        listing.has_links |= is_link;
        if is_link && !self.links.may_follow(&self.path(&name), is_named) {
            return;
        }
        let is_directory = kind.is_dir() || (is_link && self.path(&name).is_dir());
        match below {
            Some(below) if is_directory => listing.directories.push((name, below)),
            _ if is_file && (kind.is_file() || is_link) => {
                let is_packed = plain != file;
                listing.entries.push(Entry { name, inode: entry.ino(), is_link, is_packed });
            }
            _ => {}
        }
    }

    fn tell_limit(&mut self, at: &str) {
        if !std::mem::replace(&mut self.is_limit_told, true) {
            warn!(
                pattern = self.pattern.full(),
                at,
                directories = MAX_DIRECTORIES,
                files = MAX_NAMES,
                "too many directories or files match; the rest is not read, use a narrower filePattern"
            );
        }
    }
}

/// Whether an error says that there is no such directory, as far as anyone can tell: a handle of a network file system
/// that went stale is one too.
pub(super) fn is_absent(error: &io::Error) -> bool {
    let kinds = [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory, io::ErrorKind::StaleNetworkFileHandle];
    kinds.contains(&error.kind())
}

fn join(directory: &str, name: &str) -> String {
    if directory.is_empty() { name.to_owned() } else { format!("{}/{name}", directory.trim_end_matches('/')) }
}
