//! The engine, driven as the pipeline drives it.

mod streaming;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use arrow::array::AsArray;
use arrow::datatypes::{Int64Type, SchemaRef, TimestampMillisecondType};
use bytes::Bytes;

use super::*;
use crate::chunk::{Chunk, Payload, StreamRecord};
use crate::decode::Decoder;
use crate::decode::tests::text_plan;
use crate::keys::{Dictionaries, Room};
use crate::program;

/// Columns of `request_counts` per client.
pub(crate) static REQUEST_COUNTS_SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let program = program();
    let counts = program.streams.iter().find(|stream| stream.name == program::REQUEST_COUNTS);
    stream_schema(counts.unwrap())
});

/// An engine that counts per client in windows of 10 s, for sinks' tests too.
pub(crate) fn request_counts() -> Engine {
    engine(None, usize::MAX)
}

/// Feeds rows and ends the input.
pub(crate) fn counted(engine: &mut Engine, rows: &[(i64, &str)]) -> Vec<StreamRows> {
    let mut closed = feed(engine, 0, rows);
    closed.extend(engine.finish(0).unwrap().rows);
    closed
}

fn program() -> Program {
    let Ok(program) = program::request_counts(10_000, &["client_ip".to_owned()]) else { panic!("refused") };
    program
}

fn engine(allowed_lateness_ms: Option<i64>, max_groups: usize) -> Engine {
    let options =
        EngineOptions { row_time: RowTime::Arrival, allowed_lateness_ms, idle_after_ms: 5_000, max_groups, keeps_results: true };
    Engine::new(&program(), vec![decoder().schema()], options).unwrap()
}

fn decoder() -> Decoder {
    Decoder::new(text_plan(&["client_ip"], RowTime::Arrival))
}

pub(super) fn feed(engine: &mut Engine, shard: u32, rows: &[(i64, &str)]) -> Vec<StreamRows> {
    send(engine, shard, records(rows), 0)
}

/// Feeds rows by way of a decoder that may code texts.
fn feed_by(decoder: &mut Decoder, engine: &mut Engine, shard: u32, rows: &[(i64, &str)]) -> Vec<StreamRows> {
    engine.handle(decoder.decode(Chunk::new(ShardId(shard), records(rows)), 0), 0).unwrap().rows
}

/// Two decoders, as two threads have them, with dictionaries of so many texts.
fn coding_decoders(texts: usize) -> [Decoder; 2] {
    let dictionaries = Dictionaries::new(Room { texts, bytes: usize::MAX });
    let columns = engine(None, usize::MAX).coded_columns()[0].clone();
    assert_eq!(columns, [1], "the counts per client are grouped by the client's code");
    [(); 2].map(|()| decoder().code(&columns, &dictionaries))
}

fn records(rows: &[(i64, &str)]) -> Payload {
    let record = |(arrival_ms, client): &(i64, &str)| StreamRecord {
        data: Bytes::from(format!("{{ \"client_ip\":\"{client}\" }}\n")),
        arrival_ms: *arrival_ms,
        partition_key: "key".to_owned(),
        sequence_number: "1".to_owned(),
        shard_name: "shard".into(),
    };
    Payload::Records(rows.iter().map(record).collect())
}

fn send(engine: &mut Engine, shard: u32, payload: Payload, now_ms: i64) -> Vec<StreamRows> {
    engine.handle(decoder().decode(Chunk::new(ShardId(shard), payload), now_ms), now_ms).unwrap().rows
}

/// (window start, client) -> count. Panics when a window closed twice.
fn counts(closed: &[StreamRows]) -> BTreeMap<(i64, String), i64> {
    let mut counts = BTreeMap::new();
    for (start, result) in starts(closed).into_iter().zip(closed) {
        let clients = result.rows.column(3).as_string_view();
        let numbers = result.rows.column(4).as_primitive::<Int64Type>();
        for row in 0..result.rows.num_rows() {
            let twice = counts.insert((start, clients.value(row).to_owned()), numbers.value(row));
            assert_eq!(twice, None, "window {start} closed twice");
        }
    }
    counts
}

fn starts(closed: &[StreamRows]) -> Vec<i64> {
    closed.iter().map(start).collect()
}

/// No window closed.
const NONE: [i64; 0] = [];

fn start(result: &StreamRows) -> i64 {
    result.rows.column(1).as_primitive::<TimestampMillisecondType>().value(0)
}

#[test]
fn a_window_closes_when_the_watermark_passes_its_end_and_the_lateness() {
    let mut engine = engine(Some(2_000), usize::MAX);
    assert_eq!(starts(&feed(&mut engine, 0, &[(1_000, "a"), (11_999, "a")])), NONE);
    assert_eq!(starts(&feed(&mut engine, 0, &[(12_000, "a")])), [0]);
    assert_eq!(engine.stats().late_rows, 0);
}

#[test]
fn a_row_of_a_closed_window_is_late_and_counted() {
    let mut engine = engine(Some(0), usize::MAX);
    feed(&mut engine, 0, &[(1_000, "a"), (10_000, "a")]);
    assert_eq!(starts(&feed(&mut engine, 0, &[(2_000, "b")])), NONE);
    assert_eq!((engine.stats().late_rows, engine.stats().rows), (1, 2));
}

#[test]
fn a_shard_that_has_begun_holds_windows_open() {
    let mut engine = engine(Some(0), usize::MAX);
    send(&mut engine, 1, Payload::Begin, 0);
    assert_eq!(starts(&feed(&mut engine, 0, &[(1_000, "a"), (50_000, "a")])), NONE);
    assert_eq!(starts(&feed(&mut engine, 1, &[(30_000, "a")])), [0]);
}

#[test]
fn the_clock_closes_windows_of_arrival_time_when_nothing_comes() {
    let mut engine = engine(Some(0), usize::MAX);
    feed(&mut engine, 0, &[(1_000, "a")]);
    assert_eq!(starts(&send(&mut engine, 0, Payload::CaughtUp { at_ms: 10_900 }, 10_900)), NONE);
    assert_eq!(starts(&send(&mut engine, 0, Payload::CaughtUp { at_ms: 11_000 }, 11_000)), [0]);
}

#[test]
fn a_snapshot_shows_open_and_closed_windows_and_changes_nothing() {
    let mut engine = engine(Some(0), usize::MAX);
    let mut closed = feed(&mut engine, 0, &[(1_000, "a"), (10_000, "a"), (10_500, "b")]);
    let shown = engine.snapshot().unwrap();
    assert_eq!(
        shown.streams.values().flatten().map(|window| (start(window), window.is_closed)).collect::<Vec<_>>(),
        [(10_000, false), (0, true)]
    );
    closed.extend(feed(&mut engine, 0, &[(10_600, "a")]));
    closed.extend(engine.finish(0).unwrap().rows);
    let expected = [((0, "a"), 1), ((10_000, "a"), 2), ((10_000, "b"), 1)];
    assert_eq!(counts(&closed), expected.map(|((start, client), count)| ((start, client.to_owned()), count)).into());
}

#[test]
fn too_many_groups_close_the_oldest_windows_first() {
    let mut engine = engine(None, 10);
    let clients: Vec<String> = (0..200).map(|client| format!("client-{client}")).collect();
    let mut closed = Vec::new();
    for window in 0..10 {
        let rows: Vec<(i64, &str)> = clients.iter().map(|client| (window * 10_000, client.as_str())).collect();
        closed.extend(feed(&mut engine, 0, &rows));
    }
    assert_eq!(starts(&closed)[..2], [0, 10_000]);
    assert!(engine.stats().closed_early >= 2);
}

/// Rows of one window, so many clients.
fn clients(count: usize) -> Vec<String> {
    (0..count).map(|client| format!("client-{client}")).collect()
}

/// What the error stream tells.
pub(super) fn messages(rows: &[StreamRows]) -> Vec<String> {
    let errors = rows.iter().filter(|rows| rows.stream == ERROR_STREAM);
    errors.flat_map(|rows| rows.rows.column(4).as_string_view().iter().flatten().map(str::to_owned).collect::<Vec<_>>()).collect()
}

#[test]
fn the_only_window_takes_no_new_groups_when_it_is_full_and_counts_the_others_right() {
    let [coding, _] = coding_decoders(usize::MAX);
    for mut decoder in [decoder(), coding] {
        let mut engine = engine(None, 16);
        let clients = clients(20);
        let rows: Vec<(i64, &str)> = clients.iter().map(|client| (0, client.as_str())).collect();
        assert_eq!(messages(&feed_by(&mut decoder, &mut engine, 0, &rows)), Vec::<String>::new());
        let more = feed_by(&mut decoder, &mut engine, 0, &[(1, "client-3"), (2, "new"), (3, "new"), (4, "newer")]);
        let told = messages(&more);
        assert!(told.len() == 1 && told[0].contains("as many groups as --max-groups allows"), "{told:?}");
        assert_eq!(engine.stats().failed_rows, 3);
        let closed = engine.finish(0).unwrap().rows;
        let counts = counts(&closed);
        assert_eq!((counts.len(), counts[&(0, "client-3".to_owned())], counts[&(0, "client-4".to_owned())]), (20, 2, 1));
    }
}

/// An engine for a pump over the log's clients.
fn engine_of(pump: &str, max_groups: usize) -> Engine {
    let source = format!("CREATE STREAM d (client VARCHAR(64), c INTEGER); CREATE PUMP p AS INSERT INTO d SELECT STREAM {pump}");
    engine_of_program(&source, max_groups)
}

/// An engine for a program over the log's clients.
pub(super) fn engine_of_program(source: &str, max_groups: usize) -> Engine {
    let source = format!("CREATE STREAM \"access_log\" (\"client_ip\" VARCHAR(65535)); {source}");
    let allowed_lateness_ms = Some(0);
    let options =
        EngineOptions { row_time: RowTime::Arrival, allowed_lateness_ms, idle_after_ms: 5_000, max_groups, keeps_results: true };
    Engine::new(&program::load(&source, vec![]).unwrap(), vec![decoder().schema()], options).unwrap()
}

#[test]
fn windows_of_rows_forget_the_partitions_that_are_quiet_longest() {
    let pump = "\"client_ip\", COUNT(*) OVER (PARTITION BY \"client_ip\" ROWS 5 PRECEDING) FROM \"access_log\"";
    let mut engine = engine_of(pump, 16);
    let clients = clients(100);
    let mut told = Vec::new();
    for (ms, client) in (1i64..).zip(&clients) {
        told.extend(messages(&feed(&mut engine, 0, &[(ms, client.as_str())])));
        assert!(engine.totals().held <= 16 + 3, "{} rows held after {ms}", engine.totals().held);
    }
    assert!(told[0].contains("are forgotten"), "{told:?}");
    let results = feed(&mut engine, 0, &[(200, "client-99"), (201, "client-0"), (300, "x")]);
    let counts: Vec<i32> = results
        .iter()
        .filter(|rows| rows.stream != ERROR_STREAM)
        .flat_map(|rows| rows.rows.column(2).as_primitive::<arrow::datatypes::Int32Type>().values().to_vec())
        .collect();
    assert_eq!(counts, [1, 2, 1], "client-99 of before, then again; client-0, which was forgotten; x still waits for its turn");
}

#[test]
fn a_window_that_is_sorted_comes_in_parts_when_it_is_too_large() {
    let mut engine =
        engine_of("\"client_ip\", 1 FROM \"access_log\" AS s ORDER BY FLOOR(s.ROWTIME TO MINUTE), \"client_ip\"", 16);
    let clients = clients(100);
    let rows: Vec<(i64, &str)> = clients.iter().map(|client| (0, client.as_str())).collect();
    let early: usize = feed(&mut engine, 0, &rows).iter().map(|rows| rows.rows.num_rows()).sum();
    let rest: usize = engine.finish(0).unwrap().rows.iter().map(|rows| rows.rows.num_rows()).sum();
    assert!(early > 0 && engine.stats().closed_early > 0);
    assert_eq!(early + rest, 100);
}

#[test]
fn windows_leave_a_dictionary_when_another_one_follows() {
    let [mut decoder, _] = coding_decoders(2);
    let mut engine = engine(None, usize::MAX);
    let mut feed = |rows: &[(i64, &str)]| {
        let decoded = decoder.decode(Chunk::new(ShardId(0), records(rows)), 0);
        let ShardEvent::Rows(Rows { keys: Some(keys), .. }) = &decoded.event else { panic!("{decoded:?}") };
        let keys = Arc::downgrade(keys);
        engine.handle(decoded, 0).unwrap();
        keys
    };
    let first = feed(&[[(1, "a"), (2, "b")]; 4].concat());
    assert!(first.upgrade().is_some());
    feed(&[(10_000, "a")]); // another window
    assert!(first.upgrade().is_none(), "the first window keeps its dictionary");
    let expected = [((0, "a"), 4), ((0, "b"), 4), ((10_000, "a"), 1)];
    let closed = engine.finish(0).unwrap().rows;
    assert_eq!(counts(&closed), expected.map(|((start, client), count)| ((start, client.to_owned()), count)).into());
}
