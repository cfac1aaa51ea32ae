//! Every rotator, with an exact name and with a glob, with the agent idle or behind, running or stopped meanwhile.

use std::fs;

use super::World;

const ROTATORS: [&str; 8] = ["rename", "create", "copytruncate", "copy", "truncate", "compress", "copycompress", "move"];

/// Rotates `a.log`, of which the last `behind` lines were not read if the agent is stopped, and writes on.
fn rotate(world: &World, rotator: &str) {
    match rotator {
        "rename" => world.rename("a.log", "a.log.1"),
        "create" => {
            world.rename("a.log", "a.log-20260101");
            world.append("a.log", "");
        }
        "copytruncate" => {
            world.copy("a.log", "a.log.1");
            world.truncate("a.log");
        }
        "copy" => world.copy("a.log", "a.log.1"),
        "truncate" => world.truncate("a.log"),
        "compress" => {
            world.rename("a.log", "a.log.1");
            world.gzip("a.log.1", "a.log.1.gz");
        }
        "copycompress" => {
            world.copy("a.log", "a.log.1");
            world.truncate("a.log");
            world.gzip("a.log.1", "a.log.1.gz");
        }
        "move" => world.rename("a.log", "old/a.log.1"),
        other => panic!("{other}"),
    }
}

fn check(rotator: &str, pattern: &str, is_behind: bool, is_stopped: bool) {
    let mut world = World::with(pattern, "START_OF_FILE", r#", "rotatedDirectories": ["old"]"#);
    fs::create_dir(world.path("old")).unwrap();
    let mut expected = vec!["0 the first line, long enough to tell this log from any other one by its beginning\n".to_owned()];
    world.append("a.log", &expected[0]);
    world.start();
    world.poll();
    // What is lost by right: nobody can read what was truncated away before it was read, or compressed from a copy.
    let is_lost = rotator == "truncate" || (rotator == "copycompress" && !is_stopped);
    if is_stopped {
        world.stop();
    }
    if is_behind && !is_lost {
        let more: Vec<String> = (1..3000).map(|line| format!("{line} behind\n")).collect();
        world.append("a.log", &more.concat());
        expected.extend(more);
    }
    rotate(&world, rotator);
    world.append("a.log", "after\n");
    expected.push("after\n".to_owned());
    if is_stopped {
        world.start();
    }
    world.poll();
    world.pass_grace();
    world.stop();
    world.start();
    world.pass_grace();
    expected.sort();
    assert!(
        world.sorted() == expected,
        "{rotator} {pattern} behind {is_behind} stopped {is_stopped}: {} of {}",
        world.delivered.len(),
        expected.len()
    );
}

#[test]
fn no_rotator_loses_or_repeats_a_line() {
    for rotator in ROTATORS {
        for pattern in ["a.log", "a.log*"] {
            for (is_behind, is_stopped) in [(false, false), (false, true), (true, false), (true, true)] {
                check(rotator, pattern, is_behind, is_stopped);
            }
        }
    }
}

#[test]
fn a_compressed_copy_of_a_delayed_rotation_is_not_sent_again() {
    let mut world = World::with("a.log*", "START_OF_FILE", "");
    world.append("a.log", "one\n");
    world.start();
    world.poll();
    world.rename("a.log", "a.log.1");
    world.append("a.log", "two\n");
    world.poll();
    world.gzip("a.log.1", "a.log.2.gz"); // delaycompress
    world.rename("a.log", "a.log.1");
    world.append("a.log", "three\n");
    world.pass_grace();
    world.stop();
    world.start();
    world.pass_grace();
    assert_eq!(world.sorted(), ["one\n", "three\n", "two\n"]);
}
