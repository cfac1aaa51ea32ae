//! Records of several lines, however a file is cut into reads.

use proptest::prelude::*;

use super::*;

fn splitter(pattern: &str, flush: Duration, limit: usize) -> MultiLine {
    let mut splitter = MultiLine::new(Arc::new(Pattern::prefix(pattern).unwrap()), flush, limit, Arc::from(b"\n".as_slice()));
    splitter.tested_bytes = 6; // short, so that small texts reach it
    splitter
}

/// Reads `text` as the tailer does: each read starts at the end of the last record and sees `step` more bytes.
fn records_of(text: &[u8], steps: &[usize], limit: usize) -> Vec<Line> {
    let (mut splitter, mut records) = (splitter("[A-Z]", Duration::from_secs(5), limit), Vec::new());
    let (mut start, mut visible, now) = (0, 0, Instant::now());
    for step in steps.iter().copied().chain([text.len()]) {
        visible = text.len().min(visible + step);
        let from = start as usize + splitter.held() as usize;
        let reading = Reading { is_end: true, size: visible as u64, now, block: None };
        start = splitter.split(&text[from..visible], start, reading, &mut records);
    }
    splitter.take_rest(&text[start as usize + splitter.held() as usize..], start, &mut records);
    records
}

fn texts(records: &[Line]) -> Vec<&str> {
    records.iter().map(|record| str::from_utf8(&record.data).unwrap()).collect()
}

#[test]
fn a_record_ends_where_the_next_one_begins() {
    let records = records_of(b"first\nA one\n at x\nB two\nC\n", &[3, 4, 5, 6], 100);
    assert_eq!(texts(&records), ["first\n", "A one\n at x\n", "B two\n", "C\n"]);
    assert_eq!(
        records.iter().map(|record| (record.start, record.end)).collect::<Vec<_>>(),
        [(0, 6), (6, 18), (18, 24), (24, 26)]
    );
}

#[test]
fn a_record_over_the_limit_is_cut_and_the_next_one_is_whole() {
    let records = records_of(b"A 123456789\n more\n more\nB\n", &[4, 4, 4, 4], 8);
    assert_eq!(texts(&records), ["A 12345\n", "B\n"]);
    assert_eq!((records[0].start, records[0].end), (0, 24));
}

#[test]
fn an_unfinished_line_at_the_end_of_a_file_may_start_a_record() {
    assert_eq!(texts(&records_of(b"A\n x\nB", &[], 100)), ["A\n x\n", "B"]);
}

/// Splits what is visible of the same file at a time.
fn split(splitter: &mut MultiLine, text: &str, start: u64, now: Instant) -> (Vec<String>, u64) {
    let mut records = Vec::new();
    let reading = Reading { is_end: true, size: text.len() as u64, now, block: None };
    let start = splitter.split(&text.as_bytes()[(start + splitter.held()) as usize..], start, reading, &mut records);
    (texts(&records).into_iter().map(str::to_owned).collect(), start)
}

#[test]
fn the_last_record_is_taken_when_nothing_came_for_the_flush_time() {
    let (mut splitter, now) = (splitter("A", Duration::from_secs(5), 100), Instant::now());
    let later = |seconds| now + Duration::from_secs(seconds);
    assert_eq!(split(&mut splitter, "A\n at x\n", 0, now), (vec![], 0));
    assert!(!splitter.is_due(later(4)));
    assert_eq!(split(&mut splitter, "A\n at x\n at y\n", 0, later(4)), (vec![], 0), "growth starts the time again");
    assert!(!splitter.is_due(later(8)));
    assert!(splitter.is_due(later(9)));
    assert_eq!(split(&mut splitter, "A\n at x\n at y\n", 0, later(9)), (vec!["A\n at x\n at y\n".to_owned()], 14));
    assert!(!splitter.is_due(later(99)), "it is taken once");
}

#[test]
fn a_record_whose_last_line_is_unfinished_is_not_flushed() {
    let (mut splitter, now) = (splitter("A", Duration::from_secs(5), 100), Instant::now());
    split(&mut splitter, "A\n at", 0, now);
    assert!(!splitter.is_due(now + Duration::from_secs(60)));
}

#[test]
fn a_flush_time_of_0_takes_what_ends_with_a_newline_at_once() {
    let mut splitter = splitter("A", Duration::ZERO, 100);
    assert_eq!(split(&mut splitter, "A\n at x\n", 0, Instant::now()), (vec!["A\n at x\n".to_owned()], 8));
}

#[test]
fn a_file_that_is_not_read_to_its_end_is_not_flushed() {
    let (mut splitter, mut records) = (splitter("A", Duration::ZERO, 100), Vec::new());
    let reading = Reading { is_end: false, size: 100, now: Instant::now(), block: None };
    assert_eq!(splitter.split(b"A\n at x\n", 0, reading, &mut records), 0);
    assert!(records.is_empty());
}

proptest! {
    #[test]
    fn any_cut_of_the_bytes_gives_the_same_records(
        text in prop::collection::vec(prop_oneof![2 => Just(b'\n'), 2 => Just(b'A'), 1 => any::<u8>(), 3 => Just(b'x')], 0..300),
        steps in prop::collection::vec(0usize..40, 0..20),
        limit in 2usize..60,
    ) {
        prop_assert_eq!(records_of(&text, &steps, limit), records_of(&text, &[], limit));
    }

    #[test]
    fn records_make_the_file_again(
        text in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'A'), any::<u8>()], 0..300),
        steps in prop::collection::vec(0usize..40, 0..20),
    ) {
        let records = records_of(&text, &steps, 1000);
        let joined: Vec<u8> = records.iter().flat_map(|record| record.data.to_vec()).collect();
        prop_assert_eq!(joined, text);
    }
}
