//! What a look at a folder means, case by case and for random folders.

use proptest::prelude::*;

use super::*;

const LONG: &str = "a first line that is long enough to tell one log from another one, with its time\n";

fn node(inode: u64) -> Node {
    Node { device: 1, inode }
}

fn seen(name: &str, inode: u64, content: &str) -> Seen {
    let head = Bytes::copy_from_slice(&content.as_bytes()[..content.len().min(Fingerprint::FULL)]);
    Seen { name: name.to_owned(), node: node(inode), size: content.len() as u64, head: Some(head), is_unchanged: false }
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

use Decision::{Continue, Copy, Ended, Gone, Later, New, Same};
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
fn a_new_file_that_begins_as_another_new_one_waits_until_that_is_known() {
    let files = [seen("a.log", 2, "two\n"), seen("a.log.1", 3, "two\n"), seen("b.log.1", 4, "two\n")];
    assert_eq!(decide(&files, &[]), [New { seen: 0 }, Later { seen: 1 }, New { seen: 2 }]);
    let is_known = [open(1, "a.log", 2, "two\n")];
    assert_eq!(decide(&files[..2], &is_known), [Same { id: A, seen: 0 }, Copy { of: A, seen: 1 }]);
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
            Same { seen, .. } | Continue { seen, .. } | Copy { seen, .. } | New { seen } | Later { seen } => Some(*seen),
            Gone { .. } | Ended { .. } => None,
        }).collect();
        about_files.sort_unstable();
        prop_assert_eq!(about_files, (0..files.len()).collect::<Vec<_>>());
        let about_known: Vec<FileId> = decisions.iter().filter_map(|decision| match decision {
            Same { id, .. } | Continue { id, .. } | Gone { id } | Ended { id } => Some(*id),
            Copy { .. } | New { .. } | Later { .. } => None,
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
