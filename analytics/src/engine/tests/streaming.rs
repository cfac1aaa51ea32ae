//! Invariant 3: what comes from the stream, over all closed windows, is what the query over the whole log gives.

use proptest::prelude::*;

use super::*;
use crate::checkpoint::{Draft, round_trip};
use crate::program::Window;

/// A generated log: rows of several shards, each shard's times disordered by up to `DISORDER_MS`.
#[derive(Debug, Clone)]
struct Log {
    shards: u32,
    /// (shard, time, client)
    rows: Vec<(u32, i64, u8)>,
    /// Sizes of the batches that the rows come in.
    cuts: Vec<usize>,
    /// Batches after which readers look.
    looks: Vec<bool>,
    /// Batches after which the engine is dropped, and another one goes on from its checkpoint.
    restarts: Vec<bool>,
    /// Texts that a dictionary takes; None: rows come with texts.
    room: Option<usize>,
}

const DISORDER_MS: i64 = 15_000;

fn log() -> impl Strategy<Value = Log> {
    (1u32..5).prop_flat_map(|shards| {
        let row = (0..shards, 0i64..DISORDER_MS, 0u8..6, 0i64..900);
        let rows = proptest::collection::vec(row, 0..400).prop_map(|rows| {
            let mut now_ms = 0;
            let place = |(shard, delay_ms, client, step_ms)| {
                now_ms += step_ms;
                (shard, now_ms + DISORDER_MS - delay_ms, client)
            };
            rows.into_iter().map(place).collect()
        });
        let flags = || proptest::collection::vec(any::<bool>(), 20);
        let room = proptest::option::of(1usize..8);
        (Just(shards), rows, proptest::collection::vec(1usize..40, 1..20), flags(), flags(), room)
            .prop_map(|(shards, rows, cuts, looks, restarts, room)| Log { shards, rows, cuts, looks, restarts, room })
    })
}

/// The query over the whole log at once, in plain Rust.
fn batch(log: &Log) -> BTreeMap<(i64, String), i64> {
    let mut counts = BTreeMap::new();
    for (_, ms, client) in &log.rows {
        *counts.entry((Window::tumbling(10_000).start_of(*ms), client.to_string())).or_insert(0) += 1;
    }
    counts
}

fn stream(log: &Log) -> (Engine, Vec<StreamRows>) {
    let mut engine = engine(Some(DISORDER_MS), usize::MAX);
    let mut decoders = log.room.map_or_else(|| [decoder(), decoder()], coding_decoders);
    let mut closed = Vec::new();
    for shard in 0..log.shards {
        closed.extend(send(&mut engine, shard, Payload::Begin, 0));
    }
    let mut rest = log.rows.as_slice();
    let flags = log.looks.iter().zip(&log.restarts).cycle();
    for (size, (look, restart)) in log.cuts.iter().cycle().zip(flags) {
        if rest.is_empty() {
            break;
        }
        let (batch, after) = rest.split_at((*size).min(rest.len()));
        rest = after;
        for shard in 0..log.shards {
            let rows: Vec<(i64, String)> =
                batch.iter().filter(|row| row.0 == shard).map(|row| (row.1, row.2.to_string())).collect();
            let rows: Vec<(i64, &str)> = rows.iter().map(|(ms, client)| (*ms, client.as_str())).collect();
            closed.extend(feed_by(&mut decoders[shard as usize % 2], &mut engine, shard, &rows));
        }
        if *look {
            engine.snapshot().unwrap();
        }
        if *restart {
            let draft = Draft { number: 1, marks: BTreeMap::new(), image: engine.image().unwrap() };
            engine = super::engine(Some(DISORDER_MS), usize::MAX);
            engine.restore(round_trip(draft).image, 0).unwrap();
        }
    }
    closed.extend(engine.finish(0).unwrap().rows);
    (engine, closed)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Invariant 3: rows from the stream, over all closed windows, equal the rows of the query over the whole log.
    #[test]
    fn streaming_equals_batch(log in log()) {
        let (engine, closed) = stream(&log);
        prop_assert_eq!(engine.stats().late_rows, 0);
        prop_assert_eq!(counts(&closed), batch(&log));
        let starts = starts(&closed);
        prop_assert!(starts.is_sorted(), "{:?}", starts);
    }
}
