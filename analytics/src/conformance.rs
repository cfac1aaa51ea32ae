//! Runs the programs of `tests/programs`, each a folder with `program.sql` and either
//!
//! - `input.jsonl` and `expected.csv` (or `expected.STREAM.csv` for several streams), or
//! - `expected.txt`, what is said of a program that is refused.
//!
//! A file `range-start-excluded` stands for the flag of that name, `reference.csv` for a reference table REFERENCE.
//!
//! Event time is the field `t` of the input. Expected rows follow from the specification, never from this program.
//! Each program runs several times: its input cut into batches of every kind, waiting to the end and not waiting at
//! all. The rows must be the same: what a stream gives is what the query over the whole log gives.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use clap::Parser;
use tokio_util::sync::CancellationToken;

use crate::checkpoint::{Draft, round_trip};
use crate::chunk::{Chunk, Payload, ShardId};
use crate::cli::{Arguments, Command};
use crate::decode::{Decoder, Missing};
use crate::engine::{ERROR_SCHEMA, ERROR_STREAM, Engine, EngineOptions, StreamRows, stream_schema};
use crate::keys::{Dictionaries, Room};
use crate::lines::Lines;
use crate::program::{self, Program, RowTime, StreamId};
use crate::references;
use crate::settings::{Settings, input_plan};
use crate::sinks::{Format, Layout, SinkPlan, csv_text};

fn folders() -> Vec<PathBuf> {
    let root = tests::data::repository("tests/programs");
    let mut folders: Vec<PathBuf> = fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// How the input comes.
#[derive(Debug, Clone, Copy)]
struct Way {
    lines_in_a_batch: usize,
    allowed_lateness_ms: Option<i64>,
    /// After so many batches the engine is dropped, and another one goes on from its checkpoint.
    restart_after: Option<usize>,
    /// Of the dictionaries that texts are coded with, where the program only groups by them; None: no codes.
    room: Option<Room>,
}

/// Another dictionary in each batch or so.
const SMALL: Option<Room> = Some(Room { texts: 1, bytes: usize::MAX });
const USUAL: Option<Room> = Some(Room::USUAL);

const WAYS: [Way; 11] = [
    Way { lines_in_a_batch: usize::MAX, allowed_lateness_ms: None, restart_after: None, room: None },
    Way { lines_in_a_batch: 1, allowed_lateness_ms: None, restart_after: None, room: None },
    Way { lines_in_a_batch: 1, allowed_lateness_ms: Some(0), restart_after: None, room: None },
    Way { lines_in_a_batch: 3, allowed_lateness_ms: Some(0), restart_after: None, room: None },
    Way { lines_in_a_batch: 1, allowed_lateness_ms: None, restart_after: Some(1), room: None },
    Way { lines_in_a_batch: 1, allowed_lateness_ms: Some(0), restart_after: Some(2), room: None },
    Way { lines_in_a_batch: 2, allowed_lateness_ms: Some(0), restart_after: Some(3), room: None },
    Way { lines_in_a_batch: usize::MAX, allowed_lateness_ms: None, restart_after: None, room: USUAL },
    Way { lines_in_a_batch: 3, allowed_lateness_ms: Some(0), restart_after: None, room: USUAL },
    Way { lines_in_a_batch: 1, allowed_lateness_ms: None, restart_after: Some(3), room: SMALL },
    Way { lines_in_a_batch: 2, allowed_lateness_ms: Some(0), restart_after: Some(2), room: USUAL },
];

/// The rows of every stream, in the order they came.
fn run(program: &Program, input: &str, way: Way) -> Vec<StreamRows> {
    let options = EngineOptions {
        row_time: RowTime::Event,
        allowed_lateness_ms: way.allowed_lateness_ms,
        idle_after_ms: 0,
        max_groups: 1_000_000,
        keeps_results: false,
    };
    let decoder = || Decoder::new(input_plan(program, program.inputs[0], RowTime::Event, "t", Missing::Null));
    let schema = decoder().schema();
    let new = || Engine::new(program, vec![schema.clone()], options.clone()).unwrap_or_else(|error| panic!("{}", error.message));
    let mut engine = new();
    let mut decoder = match (way.room, &engine.coded_columns()[0]) {
        (Some(room), columns) if !columns.is_empty() => decoder().code(columns, &Dictionaries::new(room)),
        _ => decoder(),
    };
    let lines: Vec<&str> = input.lines().collect();
    let mut rows = Vec::new();
    let mut first_line = 1;
    for (index, batch) in lines.chunks(way.lines_in_a_batch.min(lines.len().max(1))).enumerate() {
        if way.restart_after.is_some_and(|count| index % count == 0) {
            let draft = Draft { number: 1, marks: BTreeMap::new(), image: engine.image().unwrap() };
            engine = new();
            engine.restore(round_trip(draft).image, 0).unwrap();
        }
        let bytes = Bytes::from(batch.join("\n"));
        let payload = Payload::Lines { lines: Lines::new(bytes), file: "input.jsonl".into(), first_line, arrivals_ms: vec![] };
        first_line += batch.len() as u64;
        rows.extend(engine.handle(decoder.decode(Chunk::new(ShardId(0), payload), 0), 0).unwrap().rows);
    }
    rows.extend(engine.finish(0).unwrap().rows);
    rows
}

fn as_csv(rows: &[StreamRows], stream: StreamId, layout: Layout) -> String {
    let batches: Vec<_> = rows.iter().filter(|rows| rows.stream == stream).map(|rows| rows.rows.clone()).collect();
    csv_text(layout, &batches)
}

/// The stream that an expected file is about: `expected.NAME.csv`, or the only one that no pump reads.
fn stream_of(file: &str, program: &Program) -> (StreamId, Layout) {
    let named = file.strip_prefix("expected.").and_then(|rest| rest.strip_suffix(".csv"));
    if named == Some("error_stream") {
        return (ERROR_STREAM, Layout::of_stream("error_stream", &ERROR_SCHEMA));
    }
    let ids = (0..program.streams.len()).map(StreamId);
    let is_meant = |id: &StreamId| match named {
        Some(name) => program.streams[id.0].name == name,
        None => program.nodes.iter().any(|node| node.output == *id) && !program.nodes.iter().any(|node| node.input == *id),
    };
    let found: Vec<StreamId> = ids.filter(is_meant).collect();
    let [stream] = found[..] else { panic!("{file} is about {} streams", found.len()) };
    let schema = stream_schema(&program.streams[stream.0]);
    (stream, Layout::of_stream(&program.streams[stream.0].name, &schema))
}

fn refusals(source: &str) -> String {
    let columns = program::schema_columns(program::LOG_SCHEMA).unwrap();
    let errors = match program::load(source, columns) {
        Ok(program) => {
            let decoder = Decoder::new(input_plan(&program, program.inputs[0], RowTime::Event, "t", Missing::Null));
            let options = EngineOptions {
                row_time: RowTime::Event,
                allowed_lateness_ms: None,
                idle_after_ms: 0,
                max_groups: 1,
                keeps_results: false,
            };
            Engine::new(&program, vec![decoder.schema()], options).err().into_iter().collect()
        }
        Err(errors) => errors,
    };
    errors.iter().map(|error| error.render("program.sql", source) + "\n").collect()
}

/// The tutorial's program over a real log, with the arrival times that the log was written with.
#[tokio::test(flavor = "multi_thread")]
async fn the_tutorials_program_counts_a_real_log_by_arrival() {
    let folder = tempfile::tempdir().unwrap();
    let data = tests::data::apache_json;
    let path = |path: PathBuf| path.display().to_string();
    let flags = [
        "analytics".to_owned(),
        "run".to_owned(),
        path(tests::data::repository("sql/requests_per_client.sql")),
        "--input".to_owned(),
        path(data("access.log.gz")),
        "--arrival".to_owned(),
        path(data("access.arrival-us.txt.gz")),
        "--format".to_owned(),
        "csv".to_owned(),
        "--output".to_owned(),
        path(folder.path().to_owned()),
    ];
    let Some(Command::Run(run)) = Arguments::try_parse_from(flags).unwrap().command else { panic!("another command") };
    let Ok(settings) = Settings::running(*run) else { panic!("refused") };
    let summary = crate::pipeline::run(settings, CancellationToken::new()).await.unwrap();
    assert_eq!((summary.stats.rows, summary.stats.late_rows, summary.stats.lines.bad), (41_294, 0, 0));

    // The program declares VARCHAR(16), which cuts the longest IPv6 address of the log.
    let cut = |((time, client), count): ((i64, String), u64)| ((time, client.chars().take(16).collect::<String>()), count);
    let expected: BTreeMap<_, _> = counts(&read(&data("access.expected-10s-arrival.csv")), 10).into_iter().map(cut).collect();
    let found = counts(&read(&folder.path().join("DESTINATION_SQL_STREAM.csv")), 0);
    let wrong: Vec<_> = found.iter().filter(|(group, count)| expected.get(*group) != Some(*count)).take(5).collect();
    assert!(wrong.is_empty() && found.len() == expected.len(), "{} groups of {}: {wrong:?}", found.len(), expected.len());
    assert_eq!(expected.len(), 1_336);
}

/// The shorthand is a program too, and prints what it always has.
#[tokio::test(flavor = "multi_thread")]
async fn the_shorthand_counts_a_real_log_by_event() {
    let folder = tempfile::tempdir().unwrap();
    let log = tests::data::apache_json("access.log.gz").display().to_string();
    let arguments = Arguments::try_parse_from(["analytics", "--window", "10s", "--input", &log, "--format", "csv"]).unwrap();
    let Ok(settings) = Settings::counting(arguments.counts) else { panic!("refused") };
    let sinks =
        settings.sinks.iter().map(|plan| SinkPlan::in_folder(folder.path(), Format::Csv, plan.stream, plan.layout.clone()));
    let settings = Settings { sinks: sinks.collect(), ..settings };
    crate::pipeline::run(settings, CancellationToken::new()).await.unwrap();
    let expected = read(&tests::data::apache_json("access.expected-10s.csv"));
    assert!(read(&folder.path().join("request_counts.csv")) == expected, "the rows differ from access.expected-10s.csv");
}

/// (ROWTIME in seconds, client) -> requests, from CSV whose first column is `seconds` earlier.
fn counts(csv: &str, seconds: i64) -> BTreeMap<(i64, String), u64> {
    let row = |line: &str| {
        let [time, client, count] = line.split(',').collect::<Vec<_>>()[..] else { panic!("{line}") };
        ((time.parse::<jiff::Timestamp>().unwrap().as_second() + seconds, client.to_owned()), count.parse().unwrap())
    };
    csv.lines().skip(1).map(row).collect()
}

const SLIDING: &str = "CREATE STREAM \"SOURCE_SQL_STREAM_001\" (\"k\" INTEGER, \"v\" INTEGER);
    CREATE STREAM d (t TIMESTAMP, k INTEGER, total BIGINT, least INTEGER, rows_of INTEGER);
    CREATE PUMP p AS INSERT INTO d SELECT STREAM ROWTIME, \"k\", SUM(\"v\") OVER w, MIN(\"v\") OVER w,
    COUNT(*) OVER (PARTITION BY \"k\" ROWS 2 PRECEDING) FROM \"SOURCE_SQL_STREAM_001\"
    WINDOW w AS (PARTITION BY \"k\" RANGE INTERVAL '5' SECOND PRECEDING);";

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(24))]

    /// Rows in any order within the lateness, cut into batches of any size, give what a loop over the sorted rows gives.
    #[test]
    fn sliding_windows_equal_a_loop_over_sorted_rows(
        rows in proptest::collection::vec((0_i64..20, 0_i32..3, -9_i32..9), 0..40), lines_in_a_batch in 1_usize..7,
        restart_after in proptest::option::of(1_usize..5),
    ) {
        let program = program::load(SLIDING, vec![]).unwrap();
        let line = |(index, (second, k, v)): (usize, &(i64, i32, i32))| {
            let ms = second * 1000 + i64::try_from(index).unwrap(); // every row has a moment of its own
            (ms, *k, *v)
        };
        let rows: Vec<(i64, i32, i32)> = rows.iter().enumerate().map(line).collect();
        let text = |(ms, k, v): &(i64, i32, i32)| {
            let time = jiff::Timestamp::from_millisecond(*ms).unwrap();
            serde_json::json!({ "t": time.to_string(), "k": k, "v": v }).to_string()
        };
        let input = rows.iter().map(text).collect::<Vec<_>>().join("\n");
        let found = run(&program, &input, Way { lines_in_a_batch, allowed_lateness_ms: Some(21_000), restart_after, room: None });
        let (stream, layout) = stream_of("expected.csv", &program);

        let mut sorted = rows.clone();
        sorted.sort_unstable();
        let mut expected = String::from("ROWTIME,T,K,TOTAL,LEAST,ROWS_OF\n");
        for (index, (ms, k, _)) in sorted.iter().enumerate() {
            let before: Vec<&(i64, i32, i32)> = sorted[..=index].iter().filter(|row| row.1 == *k).collect();
            let inside = || before.iter().filter(|row| row.0 >= ms - 5_000).map(|row| row.2);
            let (total, least) = (inside().sum::<i32>(), inside().min().unwrap());
            let time = jiff::Timestamp::from_millisecond(*ms).unwrap();
            expected.push_str(&format!("{time},{time},{k},{total},{least},{}\n", before.len().min(3)));
        }
        proptest::prop_assert_eq!(as_csv(&found, stream, layout), expected);
    }
}

#[test]
fn every_program_gives_its_rows_however_its_input_comes() {
    let mut failures = BTreeMap::new();
    let mut count = 0;
    for folder in folders() {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let source = read(&folder.join("program.sql"));
        count += 1;
        if folder.join("expected.txt").exists() {
            let (expected, found) = (read(&folder.join("expected.txt")), refusals(&source));
            if expected != found {
                failures.insert(name, format!("expected\n{expected}found\n{found}"));
            }
            continue;
        }
        let table = folder.join("reference.csv");
        let references = if table.exists() { vec![references::named("REFERENCE", &table)] } else { vec![] };
        let program = match program::load_with(&source, program::schema_columns(program::LOG_SCHEMA).unwrap(), references, &[]) {
            Ok(program) => program,
            Err(errors) => {
                failures.insert(name, errors.iter().map(|error| error.render("program.sql", &source) + "\n").collect());
                continue;
            }
        };
        let program = if folder.join("range-start-excluded").exists() {
            let mut program = program;
            program.exclude_range_start();
            program
        } else {
            program
        };
        let input = read(&folder.join("input.jsonl"));
        let files = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
        let expected: Vec<String> = files.filter(|file| file.starts_with("expected")).collect();
        assert!(!expected.is_empty(), "{name} expects nothing");
        for way in WAYS {
            let Ok(rows) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(&program, &input, way))) else {
                failures.insert(name.clone(), "it panicked; the reason stands above".to_owned());
                break;
            };
            for file in &expected {
                let (stream, layout) = stream_of(file, &program);
                let (expected, found) = (read(&folder.join(file)), as_csv(&rows, stream, layout));
                if expected != found {
                    failures.insert(name.clone(), format!("{file}, {way:?}: expected\n{expected}found\n{found}"));
                }
            }
        }
    }
    assert!(count >= 40, "{count} programs");
    assert!(failures.is_empty(), "{}", failures.iter().map(|(name, why)| format!("--- {name}\n{why}\n")).collect::<String>());
}
