//! Decides what a look at the directory means for the files that are known.
//!
//! Pure logic: a snapshot and the known files in, one decision for each of them out. It covers rotation by rename,
//! by copy and truncate, deletion, truncation, re-used inodes, and any of these having happened while the agent
//! was down. Where the signs are ambiguous it decides for reading twice and against losing a line.
//!
//! - A known file is the one with its inode, if its first bytes are still there and it did not shrink.
//! - Content that left its inode is looked for in files that are *more rotated* (`a.log.1` for `a.log`).
//! - A file with the first bytes of a known file that still exists is a copy of it, if it is more rotated.
//! - Any other file is new, and is read from its start.

use std::collections::HashMap;

use bytes::Bytes;

use super::names::{self, Kin, is_more_rotated_kin};
use crate::record::{FileId, Fingerprint, Node};

/// Bytes of fingerprint that make equality more than chance when the original cannot be compared any more.
const TELLING: u64 = 64;

/// One file of the flow in the snapshot: it matches the pattern, or is a rotation of a name that does.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// Its name.
    pub(crate) name: String,
    /// Its inode. No two files of a snapshot have the same.
    pub(crate) node: Node,
    /// Its size in bytes.
    pub(crate) size: u64,
    /// Its first [`Fingerprint::FULL`] bytes, fewer when it is shorter; none when it may not be read.
    pub(crate) head: Option<Bytes>,
    /// Whether it is a known file that did not change since the last look. Its head is read only where it is needed.
    pub(crate) is_unchanged: bool,
}

/// What is known about one file.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    /// Which.
    pub(crate) id: FileId,
    /// Its name when it was last seen.
    pub(crate) name: String,
    /// Its inode when it was last seen.
    pub(crate) node: Node,
    /// Its first bytes.
    pub(crate) fingerprint: Fingerprint,
    /// The bytes themselves, if they were read in this run.
    pub(crate) head: Option<Bytes>,
    /// Everything before it was read.
    pub(crate) position: u64,
    /// Whether it can be read on although its name is gone.
    pub(crate) is_open: bool,
}

/// What to do. `seen` is an index into the snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// The known file is this one, perhaps under another name.
    Same {
        /// The known file.
        id: FileId,
        /// Where it is.
        seen: usize,
    },
    /// The known file has no name in the directory any more.
    Gone {
        /// The known file.
        id: FileId,
    },
    /// The known file's content was removed from under its name, and is nowhere else.
    Ended {
        /// The known file.
        id: FileId,
    },
    /// The known file's content lives on in this other file.
    Continue {
        /// The known file.
        id: FileId,
        /// Where its content is.
        seen: usize,
    },
    /// This file is a copy of a known one, or the beginning of it. To be verified byte for byte.
    Copy {
        /// The original.
        of: FileId,
        /// The copy.
        seen: usize,
    },
    /// This file is new.
    New {
        /// The file.
        seen: usize,
    },
    /// This file begins as another new one does, of which it may be a copy. To be decided once that one is known.
    Later {
        /// The file.
        seen: usize,
    },
}

/// Where a known file's content is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In the snapshot.
    At(usize),
    /// Its inode is in the snapshot with other content.
    Displaced,
    /// Its inode is not in the snapshot.
    Gone,
}

/// Decides about every known file and every file seen, except unknown ones that may not be read.
pub(crate) fn decide(seen: &[Seen], known: &[Known]) -> Vec<Decision> {
    let mut free: Vec<bool> = vec![true; seen.len()];
    let mut places = claim(seen, known, &mut free);
    let mut decisions = Vec::new();
    for (known, place) in known.iter().zip(&mut places) {
        let id = known.id;
        decisions.push(match *place {
            Place::At(seen) => Decision::Same { id, seen },
            Place::Gone if known.is_open => Decision::Gone { id },
            was => match find_continuation(seen, known, was, &mut free) {
                Some(seen) => {
                    *place = Place::At(seen); // older copies of it are compared with this one
                    Decision::Continue { id, seen }
                }
                None if was == Place::Displaced => Decision::Ended { id },
                None => Decision::Gone { id },
            },
        });
    }
    let originals = Originals::new(seen, known, &places);
    let unknown: Vec<(Kin, &Seen, usize)> =
        (0..seen.len()).filter(|index| free[*index]).map(|index| (Kin::of(&seen[index].name), &seen[index], index)).collect();
    let mut twins: HashMap<&str, Vec<(&Kin, &Seen)>> = HashMap::new();
    unknown.iter().for_each(|(kin, file, _)| twins.entry(kin.base()).or_default().push((kin, file)));
    decisions.extend(unknown.iter().filter_map(|(kin, file, index)| classify(*index, file, kin, &twins[kin.base()], &originals)));
    decisions
}

/// Finds each known file by its inode; failing that, by its inode number on a device that was renumbered.
fn claim(seen: &[Seen], known: &[Known], free: &mut [bool]) -> Vec<Place> {
    let mut places = vec![Place::Gone; known.len()];
    let by_node: HashMap<Node, usize> = seen.iter().enumerate().map(|(at, seen)| (seen.node, at)).collect();
    let by_inode: HashMap<u64, Vec<usize>> = seen.iter().enumerate().fold(HashMap::new(), |mut map, (at, seen)| {
        map.entry(seen.node.inode).or_default().push(at);
        map
    });
    let mut order: Vec<usize> = (0..known.len()).collect();
    // Two known files have one inode when it was re-used before the first was forgotten: the better match gets it.
    order.sort_by_key(|index| std::cmp::Reverse(known[*index].fingerprint.length));
    for &index in &order {
        let Some(&at) = by_node.get(&known[index].node) else { continue };
        let is_same = free[at] && is_intact(&seen[at], &known[index]);
        free[at] &= !is_same;
        places[index] = if is_same { Place::At(at) } else { Place::Displaced };
    }
    for &index in order.iter().filter(|index| known[**index].fingerprint.length >= TELLING) {
        let (file, place) = (&known[index], places[index]);
        let is_renumbered = |seen: &Seen| seen.node.inode == file.node.inode && seen.head.is_some() && is_intact(seen, file);
        let same = by_inode.get(&file.node.inode);
        let found = same.into_iter().flatten().copied().find(|at| free[*at] && is_renumbered(&seen[*at]));
        if let (Place::Gone, Some(at), false) = (place, found, file.is_open) {
            free[at] = false;
            places[index] = Place::At(at);
        }
    }
    places
}

fn is_intact(seen: &Seen, known: &Known) -> bool {
    seen.size >= known.position && seen.head.as_ref().is_none_or(|head| known.fingerprint.matches(head))
}

/// Looks for the content of a file that is displaced, or gone and not open.
fn find_continuation(seen: &[Seen], known: &Known, place: Place, free: &mut [bool]) -> Option<usize> {
    // The name a displaced file has now: it may have been renamed before it was truncated.
    let now = seen.iter().find(|seen| seen.node == known.node && place == Place::Displaced);
    let name = now.map_or(&known.name, |seen| &seen.name);
    let fits = |seen: &Seen| match place {
        // An empty file says nothing about where the content went.
        Place::Displaced => {
            let begins_alike = || beginning(seen, known, known.head.as_deref()) != Beginning::Other;
            seen.size > 0 && names::is_more_rotated(&seen.name, name) && begins_alike()
        }
        _ => is_moved(seen, known),
    };
    let found = (0..seen.len()).filter(|index| free[*index] && fits(&seen[*index]));
    let best = found.reduce(|best, next| if is_better_copy(&seen[next], &seen[best]) { next } else { best })?;
    free[best] = false;
    Some(best)
}

fn is_better_copy(one: &Seen, other: &Seen) -> bool {
    names::is_better_copy((&one.name, one.size), (&other.name, other.size))
}

/// Whether a file is where a known one went whose inode is gone: copied and deleted, or restored.
///
/// Under the same name, a new log may begin with the same banner; only a full fingerprint tells.
fn is_moved(seen: &Seen, known: &Known) -> bool {
    let required = if names::is_more_rotated(&seen.name, &known.name) { TELLING } else { Fingerprint::FULL as u64 };
    let is_family = required == TELLING || seen.name == known.name;
    is_family
        && known.fingerprint.length >= required
        && seen.size >= known.position
        && beginning(seen, known, None) == Beginning::Same
}

/// How a file begins, compared with a known one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beginning {
    /// With all bytes of the fingerprint.
    Same,
    /// With the first of them, and there it ends.
    Shorter,
    /// Otherwise.
    Other,
}

/// `known_head` is how the known file begins, if that can be said now.
fn beginning(seen: &Seen, known: &Known, known_head: Option<&[u8]>) -> Beginning {
    let Some(head) = seen.head.as_deref().filter(|_| known.fingerprint.length > 0) else { return Beginning::Other };
    let is_shorter = (head.len() as u64) < known.fingerprint.length;
    match known_head {
        _ if !is_shorter && known.fingerprint.matches(head) => Beginning::Same,
        Some(known_head) if is_shorter && known_head.starts_with(head) => Beginning::Shorter,
        _ => Beginning::Other,
    }
}

/// The known files that can be compared with, by the live name of their log.
struct Originals<'a>(HashMap<String, Vec<Original<'a>>>);

struct Original<'a> {
    known: &'a Known,
    kin: Kin,
    head: Option<&'a [u8]>,
}

impl<'a> Originals<'a> {
    fn new(seen: &'a [Seen], known: &'a [Known], places: &[Place]) -> Self {
        let mut by_base: HashMap<String, Vec<Original<'a>>> = HashMap::new();
        for (known, place) in known.iter().zip(places) {
            let (name, head) = match place {
                Place::At(at) => (&seen[*at].name, seen[*at].head.as_deref()),
                Place::Gone if known.is_open => (&known.name, known.head.as_deref()),
                Place::Gone | Place::Displaced => continue, // there is nothing to compare with
            };
            let kin = Kin::of(name);
            by_base.entry(kin.base().to_owned()).or_default().push(Original { known, kin, head });
        }
        Self(by_base)
    }
}

/// What a file is that no known file claimed.
fn classify(index: usize, file: &Seen, kin: &Kin, unknown: &[(&Kin, &Seen)], originals: &Originals<'_>) -> Option<Decision> {
    file.head.as_ref()?; // may not be read: the caller says so and looks again later
    let related = originals.0.get(kin.base()).into_iter().flatten();
    // Also when it is shorter, and even empty: it may be being copied just now.
    let is_copy = |original: &&Original<'_>| {
        is_more_rotated_kin(kin, &original.kin) && beginning(file, original.known, original.head) != Beginning::Other
    };
    Some(match related.into_iter().find(is_copy) {
        Some(original) => Decision::Copy { of: original.known.id, seen: index },
        None if unknown.iter().any(|(other_kin, other)| is_twin(file, other) && is_more_rotated_kin(kin, other_kin)) => {
            Decision::Later { seen: index }
        }
        None => Decision::New { seen: index },
    })
}

/// Whether a new file may be a copy of another new one, which was made before either was seen.
fn is_twin(file: &Seen, other: &Seen) -> bool {
    let (Some(head), Some(other_head)) = (&file.head, &other.head) else { return false };
    !head.is_empty() && other_head.starts_with(head)
}

#[cfg(test)]
mod tests;
