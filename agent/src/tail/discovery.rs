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

use bytes::Bytes;

use super::names;
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
    let unknown = (0..seen.len()).filter(|index| free[*index]);
    decisions.extend(unknown.filter_map(|index| classify(index, seen, known, &places)));
    decisions
}

/// Finds each known file by its inode; failing that, by its inode number on a device that was renumbered.
fn claim(seen: &[Seen], known: &[Known], free: &mut [bool]) -> Vec<Place> {
    let mut places = vec![Place::Gone; known.len()];
    let mut order: Vec<usize> = (0..known.len()).collect();
    // Two known files have one inode when it was re-used before the first was forgotten: the better match gets it.
    order.sort_by_key(|index| std::cmp::Reverse(known[*index].fingerprint.length));
    for &index in &order {
        let Some(at) = seen.iter().position(|seen| seen.node == known[index].node) else { continue };
        let is_same = free[at] && is_intact(&seen[at], &known[index]);
        free[at] &= !is_same;
        places[index] = if is_same { Place::At(at) } else { Place::Displaced };
    }
    for &index in order.iter().filter(|index| known[**index].fingerprint.length >= TELLING) {
        let (file, place) = (&known[index], places[index]);
        let is_renumbered = |seen: &Seen| seen.node.inode == file.node.inode && seen.head.is_some() && is_intact(seen, file);
        let found = (0..seen.len()).find(|at| free[*at] && is_renumbered(&seen[*at]));
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

/// What a file is that no known file claimed.
fn classify(index: usize, seen: &[Seen], known: &[Known], places: &[Place]) -> Option<Decision> {
    let file = &seen[index];
    file.head.as_ref()?; // may not be read: the caller says so and looks again later
    for (original, place) in known.iter().zip(places) {
        let (name, head) = match place {
            Place::At(at) => (&seen[*at].name, seen[*at].head.as_deref()),
            Place::Gone if original.is_open => (&original.name, original.head.as_deref()),
            Place::Gone | Place::Displaced => continue, // there is nothing to compare with
        };
        if !names::is_more_rotated(&file.name, name) {
            continue;
        }
        // Also when it is shorter, and even empty: it may be being copied just now.
        if beginning(file, original, head) != Beginning::Other {
            return Some(Decision::Copy { of: original.id, seen: index });
        }
    }
    Some(Decision::New { seen: index })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LONG: &str = "a first line that is long enough to tell one log from another one, with its time\n";

    fn node(inode: u64) -> Node {
        Node { device: 1, inode }
    }

    fn seen(name: &str, inode: u64, content: &str) -> Seen {
        let head = Bytes::copy_from_slice(&content.as_bytes()[..content.len().min(Fingerprint::FULL)]);
        Seen { name: name.to_owned(), node: node(inode), size: content.len() as u64, head: Some(head) }
    }

    /// A file known from an earlier run and read to its end.
    fn known(id: u32, name: &str, inode: u64, content: &str) -> Known {
        let fingerprint = Fingerprint::of(content.as_bytes());
        let position = content.len() as u64;
        Known { id: FileId(id), name: name.to_owned(), node: node(inode), fingerprint, head: None, position, is_open: false }
    }

    /// A file that is being read in this run.
    fn open(id: u32, name: &str, inode: u64, content: &str) -> Known {
        Known { head: Some(Bytes::copy_from_slice(content.as_bytes())), is_open: true, ..known(id, name, inode, content) }
    }

    use Decision::{Continue, Copy, Ended, Gone, New, Same};
    const A: FileId = FileId(1);

    #[test]
    fn a_renamed_file_is_found_and_its_successor_is_new() {
        let files = [seen("a.log", 2, "x\n"), seen("a.log.1", 1, "one\ntwo\n")];
        assert_eq!(decide(&files, &[open(1, "a.log", 1, "one\n")]), [Same { id: A, seen: 1 }, New { seen: 0 }]);
    }

    #[test]
    fn a_file_created_and_rotated_away_while_the_agent_was_down_is_new() {
        let files = [seen("a.log", 3, "z\n"), seen("a.log.1", 2, "one\n"), seen("a.log.2", 1, "one\n")];
        assert_eq!(decide(&files, &[known(1, "a.log", 1, "one\n")]), [Same { id: A, seen: 2 }, New { seen: 0 }, New { seen: 1 }]);
    }

    #[test]
    fn a_file_that_shrank_starts_again() {
        let files = [seen("a.log", 1, "")];
        assert_eq!(decide(&files, &[open(1, "a.log", 1, "one\n")]), [Ended { id: A }, New { seen: 0 }]);
    }

    #[test]
    fn a_file_that_was_truncated_and_refilled_starts_again() {
        let files = [seen("a.log", 1, "other content, longer\n")];
        assert_eq!(decide(&files, &[open(1, "a.log", 1, "one\n")]), [Ended { id: A }, New { seen: 0 }]);
    }

    #[test]
    fn after_copy_and_truncate_reading_goes_on_in_the_copy() {
        let files = [seen("a.log", 1, "new\n"), seen("a.log.1", 2, "one\ntwo\n")];
        assert_eq!(decide(&files, &[known(1, "a.log", 1, "one\n")]), [Continue { id: A, seen: 1 }, New { seen: 0 }]);
    }

    #[test]
    fn content_is_not_continued_in_an_empty_file() {
        let files = [seen("a.log", 1, ""), seen("a.log.1", 2, "")];
        let decisions = decide(&files, &[open(1, "a.log", 1, "one\n")]);
        assert_eq!(decisions, [Ended { id: A }, New { seen: 0 }, New { seen: 1 }]);
    }

    #[test]
    fn a_copy_of_a_file_that_still_exists_is_not_new() {
        let files = [seen("a.log", 1, "one\ntwo\n"), seen("a.log.1", 2, "one\n")];
        assert_eq!(decide(&files, &[open(1, "a.log", 1, "one\n")]), [Same { id: A, seen: 0 }, Copy { of: A, seen: 1 }]);
    }

    #[test]
    fn a_copy_that_has_only_begun_is_one_already() {
        let files = [seen("a.log", 1, "one\n"), seen("a.log.1", 2, "")];
        assert_eq!(decide(&files, &[open(1, "a.log", 1, "one\n")]), [Same { id: A, seen: 0 }, Copy { of: A, seen: 1 }]);
    }

    #[test]
    fn a_new_log_that_begins_like_the_old_one_is_not_its_copy() {
        let files = [seen("a.log", 2, "start\n"), seen("a.log.1", 1, "start\n")];
        assert_eq!(decide(&files, &[open(1, "a.log", 1, "start\n")]), [Same { id: A, seen: 1 }, New { seen: 0 }]);
        let rotated_away = [seen("a.log", 2, "start\nmore\n")];
        assert_eq!(decide(&rotated_away, &[known(1, "a.log", 1, "start\n")]), [Gone { id: A }, New { seen: 0 }]);
    }

    #[test]
    fn two_live_logs_that_begin_alike_are_both_read() {
        let files = [seen("a.log", 1, LONG), seen("b.log", 2, LONG)];
        assert_eq!(decide(&files, &[open(1, "a.log", 1, LONG)]), [Same { id: A, seen: 0 }, New { seen: 1 }]);
    }

    #[test]
    fn a_file_copied_and_deleted_while_the_agent_was_down_is_continued() {
        let files = [seen("a.log.1", 2, LONG)];
        assert_eq!(decide(&files, &[known(1, "a.log", 1, LONG)]), [Continue { id: A, seen: 0 }]);
    }

    #[test]
    fn a_deleted_file_that_is_open_is_drained_and_its_copy_left_alone() {
        let files = [seen("a.log.1", 2, LONG)];
        assert_eq!(decide(&files, &[open(1, "a.log", 1, LONG)]), [Gone { id: A }, Copy { of: A, seen: 0 }]);
    }

    #[test]
    fn a_reused_inode_is_a_new_file() {
        let files = [seen("a.log", 1, "tomorrow\n")];
        assert_eq!(decide(&files, &[known(1, "a.log", 1, "today\n")]), [Ended { id: A }, New { seen: 0 }]);
    }

    #[test]
    fn a_renumbered_device_does_not_hide_a_file() {
        let moved = Known { node: Node { device: 9, inode: 1 }, ..known(1, "a.log", 1, LONG) };
        assert_eq!(decide(&[seen("a.log.1", 1, LONG)], &[moved]), [Same { id: A, seen: 0 }]);
    }

    #[test]
    fn a_file_that_may_not_be_read_is_neither_gone_nor_new() {
        let hidden = |inode| Seen { head: None, ..seen("a.log", inode, "one\ntwo\n") };
        assert_eq!(decide(&[hidden(1)], &[known(1, "a.log", 1, "one\n")]), [Same { id: A, seen: 0 }]);
        assert_eq!(decide(&[hidden(2)], &[]), []);
    }

    fn any_seen() -> impl Strategy<Value = Seen> {
        let name = prop::sample::select(vec!["a.log", "a.log.1", "a.log.2", "a.log-20260101", "b.log"]);
        let content = prop::sample::select(vec!["", "one\n", "one\ntwo\n", "other\n", LONG]);
        (name, 1u64..6, content).prop_map(|(name, inode, content)| seen(name, inode, content))
    }

    fn any_known() -> impl Strategy<Value = Known> {
        (any_seen(), any::<bool>(), 0u32..1000).prop_map(|(seen, is_open, id)| Known {
            id: FileId(id),
            name: seen.name,
            node: seen.node,
            fingerprint: Fingerprint::of(seen.head.as_deref().unwrap()),
            head: seen.head.filter(|_| is_open),
            position: seen.size,
            is_open,
        })
    }

    proptest! {
        #[test]
        fn every_file_gets_exactly_one_decision(
            mut files in prop::collection::vec(any_seen(), 0..6),
            mut known in prop::collection::vec(any_known(), 0..6),
        ) {
            files.sort_by_key(|file| file.node);
            files.dedup_by_key(|file| file.node);
            known.sort_by_key(|file| file.id);
            known.dedup_by_key(|file| file.id);
            let decisions = decide(&files, &known);
            let mut about_files: Vec<usize> = decisions.iter().filter_map(|decision| match decision {
                Same { seen, .. } | Continue { seen, .. } | Copy { seen, .. } | New { seen } => Some(*seen),
                Gone { .. } | Ended { .. } => None,
            }).collect();
            about_files.sort_unstable();
            prop_assert_eq!(about_files, (0..files.len()).collect::<Vec<_>>());
            let about_known: Vec<FileId> = decisions.iter().filter_map(|decision| match decision {
                Same { id, .. } | Continue { id, .. } | Gone { id } | Ended { id } => Some(*id),
                Copy { .. } | New { .. } => None,
            }).collect();
            prop_assert_eq!(about_known, known.iter().map(|file| file.id).collect::<Vec<_>>());
        }

        #[test]
        fn a_file_that_is_not_more_rotated_is_never_taken_for_a_copy(
            files in prop::collection::vec(any_seen(), 1..2),
            known in prop::collection::vec(any_known(), 0..4),
        ) {
            for decision in decide(&files, &known) {
                if let Copy { of, seen } = decision {
                    let original = known.iter().find(|file| file.id == of).unwrap();
                    prop_assert!(names::is_more_rotated(&files[seen].name, &original.name));
                }
            }
        }
    }
}
