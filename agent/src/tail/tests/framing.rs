//! Records of several lines, headers and footers, in real files.

use std::time::Duration;

use super::{GRACE, World};

fn multi_line(more: &str) -> World {
    World::with("a.log", "START_OF_FILE", &format!(r#", "multiLineStartPattern": "\\d{{4}} "{more}"#))
}

fn saved(world: &World) -> u64 {
    world.saved.as_ref().unwrap().files[0].offset
}

impl World {
    fn wait(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.poll();
    }

    fn discarded(&self) -> u64 {
        self.running.as_ref().unwrap().tailer.counters.lines_discarded.get()
    }
}

#[test]
fn a_stack_trace_written_in_two_pieces_is_one_record() {
    let mut world = multi_line("");
    world.append("a.log", "2026 one\n at a\n");
    world.start();
    world.poll();
    world.wait(3);
    world.append("a.log", " at b\n2026 two\n");
    world.poll();
    assert_eq!(world.delivered, ["2026 one\n at a\n at b\n"]);
    world.wait(4);
    assert_eq!(world.delivered.len(), 1, "the last record may still grow");
    world.wait(1);
    assert_eq!(world.delivered, ["2026 one\n at a\n at b\n", "2026 two\n"]);
}

#[test]
fn the_position_does_not_pass_an_open_record_and_a_restart_finds_all_of_it() {
    let mut world = multi_line("");
    world.append("a.log", "2026 one\n2026 two\n at a\n");
    world.start();
    world.poll();
    assert_eq!((world.delivered.len(), saved(&world)), (1, 9));
    world.stop();
    assert_eq!(world.delivered.len(), 1, "a live file's last record is not taken at a stop");
    world.append("a.log", " at b\n");
    world.start();
    world.poll();
    world.wait(5);
    assert_eq!(world.delivered, ["2026 one\n", "2026 two\n at a\n at b\n"]);
}

#[test]
fn with_a_flush_time_of_0_a_record_is_taken_as_soon_as_it_ends_with_a_newline() {
    let mut world = multi_line(r#", "multiLineFlushMillis": 0"#);
    world.append("a.log", "2026 one\n at a\n at");
    world.start();
    world.poll();
    assert!(world.delivered.is_empty());
    world.append("a.log", " b\n");
    world.poll();
    world.append("a.log", " at c\n");
    world.poll();
    assert_eq!(world.delivered, ["2026 one\n at a\n at b\n", " at c\n"]);
}

#[test]
fn a_rotated_file_s_last_record_is_taken_with_its_unfinished_line() {
    let mut world = multi_line("");
    world.append("a.log", "2026 one\n at a\n at");
    world.start();
    world.poll();
    world.rename("a.log", "a.log.1");
    world.append("a.log", "2026 two\n");
    world.poll();
    world.now += GRACE + Duration::from_secs(1);
    world.poll();
    world.poll();
    assert_eq!(world.sorted(), ["2026 one\n at a\n at", "2026 two\n"]);
}

#[test]
fn a_record_far_longer_than_a_read_is_whole_up_to_the_limit() {
    let mut world = multi_line("");
    let body = " at somewhere in the code\n".repeat(26_000); // 676,000 bytes: three reads
    world.append("a.log", &format!("2026 one\n{body}2026 two\n{body}{body}2026 three\n"));
    world.start();
    world.poll();
    world.wait(5);
    let limit = world.settings.records.limit;
    let lengths: Vec<usize> = world.delivered.iter().map(String::len).collect();
    assert_eq!(lengths, [9 + body.len(), limit, 11]);
    assert_eq!(saved(&world), 20 + 9 + 3 * body.len() as u64 - 9 + 9);
}

fn with_header(position: &str) -> World {
    World::with("a.log*", position, r#", "skipHeaderLines": 2"#)
}

#[test]
fn the_header_of_every_new_file_is_skipped() {
    let mut world = with_header("START_OF_FILE");
    world.append("a.log", "h1\nh2\none\n");
    world.start();
    world.poll();
    world.rename("a.log", "a.log.1");
    world.append("a.log", "h1 again\nh2\ntwo\n");
    world.poll();
    world.copy("a.log", "a.log.2");
    world.truncate("a.log");
    world.append("a.log", "h1 once more\nh2\nthree, after a truncation\n");
    world.poll();
    assert_eq!(world.delivered, ["one\n", "two\n", "three, after a truncation\n"]);
    assert_eq!(world.discarded(), 6);
}

// The Java agent gave up after ten seconds and sent what came later of the header.
#[test]
fn an_incomplete_header_waits_however_long_and_over_a_restart() {
    let mut world = with_header("START_OF_FILE");
    world.append("a.log", "h1\nh");
    world.start();
    world.poll();
    world.wait(100);
    assert_eq!(saved(&world), 0);
    world.stop();
    world.start();
    world.poll();
    world.append("a.log", "2\n");
    world.poll();
    assert_eq!(saved(&world), 6, "a header alone is passed");
    world.stop();
    world.start();
    world.append("a.log", "one\n");
    world.poll();
    assert_eq!(world.delivered, ["one\n"]);
}

#[test]
fn a_header_longer_than_a_read_is_skipped() {
    let mut world = with_header("START_OF_FILE");
    world.append("a.log", &format!("{}\nh2\none\n", "h".repeat(700_000)));
    world.start();
    world.poll();
    assert_eq!(world.delivered, ["one\n"]);
}

#[test]
fn a_file_that_is_begun_at_its_end_has_no_header_any_more() {
    let mut world = with_header("END_OF_FILE");
    world.append("a.log", "h1\n");
    world.append("a.log.9", "");
    world.start();
    world.poll();
    world.append("a.log", "h2\none\n");
    world.poll();
    assert_eq!(world.delivered, ["h2\n", "one\n"]);
}

#[test]
fn what_stands_behind_a_footer_is_discarded_and_what_comes_later_is_read() {
    let mut world = World::with("a.log", "START_OF_FILE", r##", "fileFooterPattern": "#END.*""##);
    world.append("a.log", "one\n  #END of it \nrest\nhal");
    world.start();
    world.poll();
    world.append("a.log", "f\ntwo\n");
    world.poll();
    assert_eq!(world.delivered, ["one\n", "two\n"]);
    assert_eq!((saved(&world), world.discarded()), (32, 3));
    world.append("a.log", "no #END\n#END\n");
    world.poll();
    assert_eq!(world.delivered, ["one\n", "two\n", "no #END\n"], "all of the record must match");
    assert_eq!(saved(&world), 45, "a footer alone is passed");
}

#[test]
fn multi_line_records_have_footers_too() {
    let mut world = multi_line(r#", "fileFooterPattern": "(?s)2026 END.*", "multiLineFlushMillis": 0"#);
    world.append("a.log", "2026 one\n at a\n2026 END\n of file\n2026 two\n");
    world.start();
    world.poll();
    assert_eq!(world.delivered, ["2026 one\n at a\n"]);
}

#[test]
fn a_record_of_several_lines_becomes_one_line() {
    let mut world = multi_line(r#", "dataProcessingOptions": [{"optionName": "SINGLELINE"}], "multiLineFlushMillis": 0"#);
    world.append("a.log", "2026 one\r\n  at a\r\n2026 two\r\n");
    world.start();
    world.poll();
    assert_eq!(world.delivered, ["2026 oneat a\n", "2026 two\n"]);
}
