//! One rule each: what happens to a log, and which lines must have arrived.

use std::{fs, fs::OpenOptions, io::Write as _};

use super::World;

#[test]
fn the_first_start_sends_only_what_comes_after_it() {
    let mut world = World::new("a.log", "END_OF_FILE");
    world.append("a.log", "old\n");
    world.append("a.log.1", "older\n");
    world.start();
    world.poll();
    world.append("a.log", "new\n");
    world.poll();
    assert_eq!(world.delivered, ["new\n"]);
}

#[test]
fn the_first_start_from_the_start_sends_matching_files_only() {
    let mut world = World::new("a.log", "START_OF_FILE");
    world.append("a.log", "old\n");
    world.append("a.log.1", "older\n");
    world.start();
    world.poll();
    assert_eq!(world.delivered, ["old\n"]);
}

/// A save between two announcements wrote a checkpoint without the second file, which then counted as new.
#[test]
fn a_crash_while_the_files_of_an_earlier_run_are_announced_forgets_none() {
    let mut world = World::new("a.log*", "START_OF_FILE");
    world.append("a.log", "one\n");
    world.append("a.log.1", "two\n");
    world.start();
    world.poll();
    world.stop();
    world.start();
    world.crash_after_the_first_news();
    world.start();
    world.poll();
    assert_eq!(world.sorted(), ["one\n", "two\n"]);
}

#[test]
fn a_last_line_that_was_open_at_the_first_start_is_sent_whole() {
    let mut world = World::new("a.log", "END_OF_FILE");
    world.append("a.log", "old\nha");
    world.start();
    world.poll();
    world.append("a.log", "lf\n");
    world.poll();
    assert_eq!(world.delivered, ["half\n"]);
}

#[test]
fn a_file_that_appears_later_is_read_from_its_start() {
    let mut world = World::new("*.log", "END_OF_FILE");
    world.start();
    world.poll();
    world.append("b.log", "one\n");
    world.poll();
    world.stop();
    world.append("c.log", "two\n");
    world.start();
    world.poll();
    assert_eq!(world.delivered, ["one\n", "two\n"]);
}

#[test]
fn lines_written_after_the_rename_are_read_from_the_old_file() {
    let mut world = World::new("a.log", "START_OF_FILE");
    world.append("a.log", "one\n");
    world.start();
    world.poll();
    world.rename("a.log", "a.log.1");
    world.append("a.log", "three\n");
    world.append("a.log.1", "two\n");
    world.poll();
    assert_eq!(world.sorted(), ["one\n", "three\n", "two\n"]);
}

#[test]
fn two_rotations_while_the_agent_is_down_lose_and_repeat_nothing() {
    let mut world = World::new("a.log", "END_OF_FILE");
    world.start();
    world.poll();
    world.append("a.log", "1\n");
    world.poll();
    world.stop();
    world.append("a.log", "2\n");
    world.rename("a.log", "a.log.1");
    world.append("a.log", "3\n");
    world.rename("a.log.1", "a.log.2");
    world.rename("a.log", "a.log.1");
    world.append("a.log", "4\n");
    world.start();
    world.poll();
    assert_eq!(world.sorted(), ["1\n", "2\n", "3\n", "4\n"]);
}

#[test]
fn copies_are_not_sent_again_even_after_the_original_is_gone_and_a_restart() {
    let mut world = World::new("a.log*", "START_OF_FILE");
    world.append("a.log", "one\ntwo\n");
    world.start();
    world.poll();
    world.copy("a.log", "a.log.1");
    world.poll();
    fs::remove_file(world.path("a.log")).unwrap();
    world.pass_grace();
    world.stop();
    world.start();
    world.poll();
    world.append("a.log", "three\n");
    world.poll();
    assert_eq!(world.delivered, ["one\n", "two\n", "three\n"]);
}

#[test]
fn a_copy_made_and_truncated_while_the_agent_is_down_is_read_on() {
    let mut world = World::new("a.log", "START_OF_FILE");
    world.append("a.log", "one\n");
    world.start();
    world.poll();
    world.stop();
    world.append("a.log", "two\n");
    world.copy("a.log", "a.log.1");
    world.truncate("a.log");
    world.append("a.log", "three, which is longer than both before\n");
    world.start();
    world.poll();
    assert_eq!(world.sorted(), ["one\n", "three, which is longer than both before\n", "two\n"]);
}

#[test]
fn what_looks_like_a_copy_and_then_differs_is_read_on() {
    let mut world = World::new("w.log*", "START_OF_FILE");
    world.append("w.log", "banner\nfirst\n");
    world.start();
    world.poll();
    world.append("w.log.2", "banner\nfirst\n");
    world.poll();
    world.append("w.log.2", "second\n");
    world.poll();
    assert_eq!(world.delivered, ["banner\n", "first\n", "second\n"]);
}

// The copy took the original's longer fingerprint, was not recognised at the next look, and was sent.
#[test]
fn a_copy_shorter_than_the_original_stays_known_after_the_original_was_truncated() {
    let mut world = World::new("a.log", "START_OF_FILE");
    world.append("a.log", "one\n");
    world.start();
    world.poll();
    world.copy("a.log", "a.log.1");
    world.poll();
    world.append("a.log", "two\n");
    world.poll();
    world.truncate("a.log");
    world.poll();
    world.stop();
    world.start();
    world.poll();
    assert_eq!(world.delivered, ["one\n", "two\n"]);
}

// Where inodes are re-used at once, the new log had the inode of the deleted copy and lost its first line.
#[test]
fn a_new_file_with_the_inode_of_a_deleted_copy_is_read_from_its_start() {
    let mut world = World::new("a.log", "START_OF_FILE");
    world.append("a.log", "one\n");
    world.start();
    world.poll();
    world.copy("a.log", "a.log.1");
    world.poll();
    world.rename("a.log", "a.log.2");
    fs::remove_file(world.path("a.log.1")).unwrap();
    world.append("a.log", "two, longer\n");
    world.poll();
    assert_eq!(world.delivered, ["one\n", "two, longer\n"]);
}

#[test]
fn a_truncated_file_starts_again() {
    let mut world = World::new("a.log", "START_OF_FILE");
    world.append("a.log", "one\n");
    world.start();
    world.poll();
    world.truncate("a.log");
    world.append("a.log", "two is longer\n");
    world.poll();
    assert_eq!(world.delivered, ["one\n", "two is longer\n"]);
}

#[test]
fn a_deleted_file_is_read_to_its_end_with_its_unfinished_line() {
    let mut world = World::new("a.log", "START_OF_FILE");
    world.append("a.log", "one\n");
    world.start();
    world.poll();
    let mut late = OpenOptions::new().append(true).open(world.path("a.log")).unwrap();
    fs::remove_file(world.path("a.log")).unwrap();
    late.write_all(b"two\nunfini").unwrap();
    world.poll();
    assert_eq!(world.delivered, ["one\n", "two\n"]);
    world.pass_grace();
    assert_eq!(world.delivered, ["one\n", "two\n", "unfini"]);
    let files = world.saved.unwrap().files;
    assert!(files.len() == 1 && files[0].gone.is_some() && files[0].offset == 14, "remembered as sent: {files:?}");
}

#[test]
fn the_unfinished_line_of_a_live_file_is_held() {
    let mut world = World::new("a.log", "START_OF_FILE");
    world.append("a.log", "unfini");
    world.start();
    world.pass_grace();
    world.stop();
    assert!(world.delivered.is_empty());
    world.start();
    world.append("a.log", "shed\n");
    world.poll();
    assert_eq!(world.delivered, ["unfinished\n"]);
}

#[test]
fn an_over_long_line_is_cut_and_the_next_one_is_whole() {
    let mut world = World::new("a.log", "START_OF_FILE");
    world.append("a.log", &"x".repeat(3 << 20));
    world.start();
    world.poll();
    world.append("a.log", "\nnext\n");
    world.poll();
    let lengths: Vec<usize> = world.delivered.iter().map(String::len).collect();
    assert_eq!(lengths, [(1 << 20) - 10, 5]);
    assert!(world.delivered[0].ends_with("x\n"));
}

#[test]
fn what_is_not_a_file_is_left_alone() {
    let mut world = World::new("a.log*", "START_OF_FILE");
    fs::create_dir(world.path("a.log.d")).unwrap();
    std::os::unix::fs::symlink("nowhere", world.path("a.log.link")).unwrap();
    world.append("a.log", "one\n");
    fs::hard_link(world.path("a.log"), world.path("a.log.hard")).unwrap();
    world.append("a.log.gz", "packed\n");
    world.start();
    world.poll();
    assert_eq!(world.delivered, ["one\n"]);
}

#[test]
fn a_missing_directory_forgets_nothing() {
    let mut world = World::new("a.log", "START_OF_FILE");
    world.append("a.log", "one\n");
    world.start();
    world.poll();
    world.stop();
    let (away, here) = (world.folder.path().with_extension("away"), world.folder.path().to_owned());
    fs::rename(&here, &away).unwrap();
    world.start();
    world.pass_grace();
    fs::rename(&away, &here).unwrap();
    world.poll();
    assert_eq!(world.delivered, ["one\n"]);
}
