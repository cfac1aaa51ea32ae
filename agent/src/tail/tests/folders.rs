//! Files in several directories, links, compressed rotations, and files that come back.

use std::{fs, io::Write as _, os::unix::fs::symlink};

use flate2::{Compression, write::GzEncoder};

use super::World;

impl World {
    fn mkdir(&self, name: &str) {
        fs::create_dir_all(self.path(name)).unwrap();
    }

    /// As gzip does: the compressed file is complete before the plain one goes.
    pub(super) fn gzip(&self, from: &str, to: &str) {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&fs::read(self.path(from)).unwrap()).unwrap();
        fs::write(self.path(to), encoder.finish().unwrap()).unwrap();
        fs::remove_file(self.path(from)).unwrap();
    }

    fn started(pattern: &str, more: &str) -> Self {
        let mut world = Self::with(pattern, "START_OF_FILE", more);
        world.start();
        world.poll();
        world
    }
}

#[test]
fn files_of_several_directories_are_read_and_rotate_by_themselves() {
    let mut world = World::with("*/logs/a.log", "START_OF_FILE", "");
    ["x/logs", "y/logs", "z/other"].iter().for_each(|name| world.mkdir(name));
    world.append("x/logs/a.log", "x1\n");
    world.append("y/logs/a.log", "y1\n");
    world.append("z/other/a.log", "no\n");
    world.start();
    world.poll();
    world.append("x/logs/a.log", "x2\n");
    world.rename("x/logs/a.log", "x/logs/a.log.1");
    world.append("x/logs/a.log", "x3\n");
    world.mkdir("new/logs");
    world.append("new/logs/a.log", "n1\n");
    world.poll();
    assert_eq!(world.sorted(), ["n1\n", "x1\n", "x2\n", "x3\n", "y1\n"]);
}

#[test]
fn two_stars_reach_any_depth() {
    let mut world = World::started("**/*.log", "");
    world.mkdir("a/b/c");
    world.append("top.log", "1\n");
    world.append("a/b/c/deep.log", "2\n");
    world.poll();
    assert_eq!(world.sorted(), ["1\n", "2\n"]);
}

#[test]
fn a_file_moved_to_another_watched_directory_is_read_on() {
    let mut world = World::with("*/a.log", "START_OF_FILE", "");
    world.mkdir("live");
    world.mkdir("done");
    world.append("live/a.log", "1\n");
    world.start();
    world.poll();
    world.stop();
    world.append("live/a.log", "2\n");
    world.rename("live/a.log", "done/a.log");
    world.start();
    world.poll();
    assert_eq!(world.delivered, ["1\n", "2\n"]);
}

#[test]
fn a_file_moved_out_of_sight_is_drained_through_its_handle() {
    let mut world = World::started("a.log", "");
    world.mkdir("old");
    world.append("a.log", "1\n");
    world.poll();
    world.append("a.log", "2\n");
    world.rename("a.log", "old/a.log.1");
    world.append("a.log", "new\n");
    world.append("old/a.log.1", "late\n");
    world.poll();
    assert_eq!(world.sorted(), ["1\n", "2\n", "late\n", "new\n"]);
}

#[test]
fn rotated_directories_are_searched_for_what_moved_while_the_agent_was_down() {
    let mut world = World::started("a.log", r#", "rotatedDirectories": ["old"]"#);
    world.mkdir("old");
    world.append("a.log", "1\n");
    world.poll();
    world.stop();
    world.append("a.log", "2\n");
    world.rename("a.log", "old/a.log.1");
    world.append("a.log", "3\n");
    world.start();
    world.poll();
    assert_eq!(world.sorted(), ["1\n", "2\n", "3\n"]);
}

#[test]
fn what_was_in_a_rotated_directory_before_is_not_sent() {
    let mut world = World::with("a.log", "START_OF_FILE", r#", "rotatedDirectories": ["old"]"#);
    world.mkdir("old");
    world.append("old/a.log.7", "ancient\n");
    world.append("a.log", "1\n");
    world.start();
    world.poll();
    assert_eq!(world.delivered, ["1\n"]);
}

#[test]
fn a_swapped_link_is_a_rotation() {
    let mut world = World::started("current.log", "");
    world.mkdir("data");
    world.append("data/1", "one\n");
    symlink("data/1", world.path("current.log")).unwrap();
    world.poll();
    world.append("data/1", "two\n");
    world.append("data/2", "three\n");
    symlink("data/2", world.path("swap")).unwrap();
    world.rename("swap", "current.log");
    world.poll();
    assert_eq!(world.sorted(), ["one\n", "three\n", "two\n"]);
}

#[test]
fn a_link_is_followed_once_its_target_appears() {
    let mut world = World::with("*.log", "START_OF_FILE", "");
    symlink("data/later", world.path("a.log")).unwrap();
    world.start();
    world.poll();
    world.mkdir("data");
    world.append("data/later", "one\n");
    world.poll();
    assert_eq!(world.delivered, ["one\n"]);
}

#[test]
fn a_link_out_of_the_directory_is_followed_only_when_allowed() {
    for (setting, expected) in [("true", 1), ("false", 0), (r#""trusted""#, 1)] {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("x"), "one\n").unwrap();
        let mut world = World::with("*.log", "START_OF_FILE", &format!(r#", "followLinks": {setting}"#));
        symlink(outside.path().join("x"), world.path("a.log")).unwrap();
        world.start();
        world.poll();
        assert_eq!(world.delivered.len(), expected, "{setting}");
    }
}

#[test]
fn links_that_lead_in_a_circle_end() {
    let mut world = World::with("**/*.log", "START_OF_FILE", "");
    world.mkdir("a");
    symlink("..", world.path("a/up")).unwrap();
    world.append("a/x.log", "one\n");
    world.start();
    world.poll();
    assert_eq!(world.delivered, ["one\n"]);
}

#[test]
fn the_rest_of_a_file_compressed_while_the_agent_was_down_is_read_through() {
    let mut world = World::started("a.log", "");
    world.append("a.log", "one\n");
    world.poll();
    world.stop();
    world.append("a.log", "two\nunfini");
    world.gzip("a.log", "a.log.1.gz");
    world.append("a.log", "three\n");
    world.start();
    world.poll();
    assert_eq!(world.sorted(), ["one\n", "three\n", "two\n"]);
    world.pass_grace();
    world.stop();
    world.start();
    world.pass_grace();
    assert_eq!(world.sorted(), ["one\n", "three\n", "two\n", "unfini"], "and it is not unpacked again");
}

#[test]
fn a_copy_compressed_while_the_agent_was_down_is_read_through() {
    let mut world = World::started("a.log", "");
    world.append("a.log", "one\n");
    world.poll();
    world.stop();
    world.append("a.log", "two\n");
    world.copy("a.log", "a.log-20260101");
    world.truncate("a.log");
    world.gzip("a.log-20260101", "a.log-20260101.gz");
    world.append("a.log", "three\n");
    world.start();
    world.poll();
    assert_eq!(world.sorted(), ["one\n", "three\n", "two\n"]);
}

#[test]
fn a_crash_in_the_middle_of_a_compressed_file_resumes_there() {
    let mut world = World::started("a.log", "");
    world.append("a.log", "one\n");
    world.poll();
    world.stop();
    world.append("a.log", "two\n");
    world.gzip("a.log", "a.log.1.gz");
    world.start();
    world.read();
    world.crash();
    world.rename("a.log.1.gz", "a.log.2.gz");
    world.start();
    world.poll();
    assert_eq!(world.delivered, ["one\n", "two\n"]);
}

#[test]
fn a_compressed_file_is_not_read_again_for_a_copy_that_is_gone() {
    let mut world = World::started("a.log", "");
    world.append("a.log", "one\n");
    world.poll();
    world.stop();
    world.copy("a.log", "a.log.2");
    world.append("a.log", "two\n");
    world.gzip("a.log", "a.log.1.gz");
    world.start();
    world.poll();
    assert_eq!(world.sorted(), ["one\n", "one\n", "two\n"], "the copy's original is gone: it is a file of its own");
    fs::remove_file(world.path("a.log.2")).unwrap();
    world.stop();
    world.rename("a.log.1.gz", "a.log.3.gz");
    world.start();
    world.poll();
    assert_eq!(world.sorted(), ["one\n", "one\n", "two\n"]);
}

#[test]
fn a_compressed_file_that_is_not_complete_yet_is_waited_for() {
    let mut world = World::started("a.log", "");
    world.append("a.log", "one\n");
    world.poll();
    world.stop();
    let lines: String = (0..20_000).map(|line| format!("line {line}\n")).collect();
    world.append("a.log", &lines);
    world.gzip("a.log", "a.log.1.gz");
    let whole = fs::read(world.path("a.log.1.gz")).unwrap();
    fs::write(world.path("a.log.1.gz"), &whole[..whole.len() / 2]).unwrap();
    world.start();
    world.poll();
    assert!((1..20_000).contains(&world.delivered.len()));
    fs::write(world.path("a.log.1.gz"), &whole).unwrap();
    world.poll();
    assert_eq!(world.delivered.len(), 20_001);
}

#[test]
fn other_compressed_files_are_not_read() {
    let mut world = World::with("*", "START_OF_FILE", "");
    world.append("b.log", "other\n");
    world.gzip("b.log", "b.log.1.gz");
    world.append("a.log", "one\n");
    world.start();
    world.poll();
    assert_eq!(world.delivered, ["one\n"]);
}

#[test]
fn a_file_that_returns_is_not_sent_again() {
    let mut world = World::started("a.log", "");
    world.append("a.log", "one\n");
    world.poll();
    let away = world.folder.path().with_extension("away");
    fs::rename(world.path("a.log"), &away).unwrap();
    world.pass_grace();
    world.pass_grace();
    world.stop();
    world.start();
    world.poll();
    fs::rename(&away, world.path("a.log")).unwrap();
    world.append("a.log", "two\n");
    world.poll();
    assert_eq!(world.delivered, ["one\n", "two\n"]);
}

// File systems that use inodes again at once give the new log the inode of the old one.
#[test]
fn a_new_log_that_begins_like_one_that_is_gone_is_read_from_its_start() {
    let mut world = World::started("a.log", "");
    world.append("a.log", "banner\n");
    world.poll();
    fs::remove_file(world.path("a.log")).unwrap();
    world.pass_grace();
    world.pass_grace();
    world.stop();
    let gone = &mut world.saved.as_mut().unwrap().files[0].gone;
    *gone = gone.map(|since| since - 10); // as if it had been gone for longer: times of birth are compared in seconds
    world.start();
    world.append("a.log", "banner\nnew\n");
    world.poll();
    assert_eq!(world.delivered, ["banner\n", "banner\n", "new\n"]);
}

#[test]
fn a_directory_that_goes_and_comes_back_is_read_on() {
    let mut world = World::with("*/a.log", "START_OF_FILE", "");
    world.mkdir("x");
    world.append("x/a.log", "one\n");
    world.start();
    world.poll();
    let away = world.folder.path().with_extension("away");
    fs::rename(world.path("x"), &away).unwrap();
    world.pass_grace();
    fs::rename(&away, world.path("x")).unwrap();
    world.append("x/a.log", "two\n");
    world.poll();
    assert_eq!(world.delivered, ["one\n", "two\n"]);
}
