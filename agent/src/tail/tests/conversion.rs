//! Flows with converters: what is sent, and that a line which is not sent never holds the position.

use super::World;
use crate::{record::PartitionKey, settings::PartitionKeyOption};

const GOOD: &str = "Mar 12 12:00:08 h p: m\n";
const CONVERTED: &str =
    "{\"timestamp\":\"Mar 12 12:00:08\",\"hostname\":\"h\",\"program\":\"p\",\"processid\":null,\"message\":\"m\"}\n";

fn world(policy: &str) -> World {
    let more = format!(
        r#", "partitionKeyOption": "DETERMINISTIC", "dataProcessingOptions":
            [{{"optionName": "LOGTOJSON", "logFormat": "SYSLOG", "onParseError": "{policy}"}}]"#
    );
    World::with("a.log", "START_OF_FILE", &more)
}

fn saved(world: &World) -> u64 {
    world.saved.as_ref().unwrap().files[0].offset
}

#[test]
fn the_position_reaches_the_end_of_a_file_whose_every_second_line_is_dropped() {
    let mut world = world("drop");
    let text = format!("{GOOD}bad\n").repeat(3);
    world.append("a.log", &text);
    world.start();
    world.poll();
    assert_eq!(world.delivered, [CONVERTED; 3]);
    assert_eq!(saved(&world), text.len() as u64);
    world.crash();
    world.start();
    world.poll();
    world.append("a.log", GOOD);
    world.poll();
    assert_eq!(world.delivered, [CONVERTED; 4], "a restart repeats nothing that was saved");
}

#[test]
fn a_dropped_line_is_not_passed_before_the_records_in_front_of_it_are_accepted() {
    let mut world = world("drop");
    world.append("a.log", &format!("bad\n{GOOD}bad\n"));
    world.start();
    world.read();
    world.crash();
    assert_eq!(saved(&world), 0);
    world.start();
    world.poll();
    assert_eq!(world.delivered, [CONVERTED]);
    assert_eq!(saved(&world), 8 + GOOD.len() as u64);
}

#[test]
fn a_file_of_which_nothing_is_sent_is_passed_all_the_same() {
    let mut world = world("drop");
    world.append("a.log", "bad\nworse\n");
    world.start();
    world.poll();
    assert_eq!(saved(&world), 10);
    let tailer = &world.running.as_ref().unwrap().tailer;
    assert_eq!((tailer.counters.records_parsed.get(), tailer.counters.records_skipped.get()), (2, 2));
}

#[test]
fn raw_lines_are_sent_in_their_place() {
    let mut world = world("raw");
    world.append("a.log", &format!("bad\n{GOOD}"));
    world.start();
    world.poll();
    assert_eq!(world.delivered, ["bad\n", CONVERTED]);
    let counters = &world.running.as_ref().unwrap().tailer.counters;
    assert_eq!((counters.records_transformed.get(), counters.records_skipped.get()), (1, 0));
}

#[test]
fn dead_letters_hold_the_line_as_it_stands_and_its_place() {
    let mut world = world("deadletter");
    world.append("a.log", &format!("{GOOD}bad\n{GOOD}"));
    world.start();
    world.poll();
    let put_aside = &world.running.as_ref().unwrap().put_aside;
    assert_eq!((&put_aside[0].data[..], put_aside[0].start()), (&b"bad\n"[..], GOOD.len() as u64));
    assert_eq!(world.delivered, [CONVERTED; 2]);
    assert_eq!(saved(&world), 2 * GOOD.len() as u64 + 4);
}

#[test]
fn the_key_is_that_of_the_bytes_that_are_sent_and_the_place_that_of_the_line() {
    let mut world = world("drop");
    world.append("a.log", GOOD);
    world.start();
    world.read();
    let record = &world.running.as_ref().unwrap().waiting[0];
    assert_eq!(record.key, PartitionKey::of(CONVERTED.as_bytes(), PartitionKeyOption::Deterministic));
    assert_eq!((record.start(), record.end), (0, GOOD.len() as u64));
}

#[test]
fn a_record_that_outgrows_the_limit_is_cut_as_a_line_is() {
    let options = r#", "dataProcessingOptions": [{"optionName": "ADDMETADATA"}]"#;
    let mut world = World::with("a.log", "START_OF_FILE", options);
    let limit = world.settings.records.limit;
    world.append("a.log", &format!("{}\n", "x".repeat(limit - 1)));
    world.start();
    world.poll();
    assert_eq!((world.delivered[0].len(), &world.delivered[0][limit - 2..]), (limit, "x\n"));
    assert_eq!(saved(&world), limit as u64);
    assert_eq!(world.running.as_ref().unwrap().tailer.counters.records_truncated.get(), 1);
}

fn recipe(more: &str) -> World {
    World::with("a.log", "START_OF_FILE", more)
}

#[test]
fn privacy_comes_before_converters_and_a_line_it_cannot_read_is_not_sent() {
    let mut world = recipe(r#", "privacy": {"maskAddresses": 1}, "dataProcessingOptions": [{"optionName": "ADDMETADATA"}]"#);
    world.append("a.log", "{\"client_ip\":\"1.2.3.4\"}\n1.2.3.4 in a line of its own\n");
    world.start();
    world.poll();
    assert_eq!(world.delivered, ["{\"metadata\":null,\"data\":\"{\\\"client_ip\\\":\\\"1.2.3.0\\\"}\"}\n"]);
    let counters = &world.running.as_ref().unwrap().tailer.counters;
    assert_eq!((counters.records_unreadable.get(), counters.records_skipped.get()), (1, 0));
    assert_eq!(saved(&world), 53);
}

#[test]
fn the_dead_letter_of_a_line_without_privacy_says_where_it_stands_and_not_what_is_in_it() {
    for (more, content) in [("", &b""[..]), (r#", "deadLetterContent": true"#, b"1.2.3.4\n")] {
        let mut world = recipe(&format!(r#", "privacy": {{"maskAddresses": 1, "onPrivacyError": "deadletter"{more}}}"#));
        world.append("a.log", "\n1.2.3.4\n");
        world.start();
        world.poll();
        let letter = &world.running.as_ref().unwrap().put_aside[0];
        assert_eq!((&letter.data[..], letter.start(), letter.line_bytes), (content, 1, 8));
    }
}

#[test]
fn the_dead_letters_of_a_converter_hold_lines_as_privacy_left_them() {
    let mut world = recipe(
        r#", "privacy": {"maskAddresses": 1}, "dataProcessingOptions": [{"optionName": "LOGTOJSON", "logFormat": "SYSLOG",
            "onParseError": "deadletter"}]"#,
    );
    world.append("a.log", "{\"client_ip\":\"1.2.3.4\"}\n");
    world.start();
    world.poll();
    assert_eq!(&world.running.as_ref().unwrap().put_aside[0].data[..], b"{\"client_ip\":\"1.2.3.0\"}\n");
}

#[test]
fn a_line_longer_than_a_record_may_be_goes_to_the_dead_letters_when_asked() {
    let mut world = recipe(r#", "onOversizedRecord": "deadletter""#);
    let limit = world.settings.records.limit;
    world.append("a.log", &format!("one\n{}\ntwo\n", "x".repeat(2 << 20)));
    world.start();
    world.poll();
    assert_eq!(world.delivered, ["one\n", "two\n"]);
    let letter = &world.running.as_ref().unwrap().put_aside[0];
    assert_eq!((letter.data.len(), letter.start(), letter.line_bytes), (limit, 4, (2 << 20) + 1));
    assert_eq!(world.running.as_ref().unwrap().tailer.counters.records_oversized.get(), 1);
}

#[test]
fn a_truncated_line_ends_with_the_terminator() {
    let mut world = recipe(r#", "truncatedRecordTerminator": "...\n""#);
    let limit = world.settings.records.limit;
    world.append("a.log", &format!("{}\n", "x".repeat(2 << 20)));
    world.start();
    world.poll();
    assert_eq!((world.delivered[0].len(), &world.delivered[0][limit - 6..]), (limit, "xx...\n"));
}

#[test]
fn apache_s_lines_are_repaired_before_a_key_is_taken_from_them() {
    let mut world = recipe(r#", "repairApacheJson": true, "partitionKey": {"field": "a"}"#);
    world.append("a.log", "{\"a\":\"caf\\xc3\\xa9\"}\n{\"b\":1}\n");
    world.start();
    world.read();
    let records = &world.running.as_ref().unwrap().waiting;
    assert_eq!(str::from_utf8(&records[0].data).unwrap(), "{\"a\":\"café\"}\n");
    assert_eq!(records[0].key.to_string(), "café");
    assert!(matches!(records[1].key, PartitionKey::Random(_)));
    assert_eq!(world.running.as_ref().unwrap().tailer.counters.records_keyless.get(), 1);
}
