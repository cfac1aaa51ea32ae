//! What counting costs: `cargo bench --bench counting -- [replay] [stream] [latency] [LINES] [ROUNDS]`.
//!
//! - `replay`: a log of 5 M lines, or LINES, beside the floor (one thread that does only what cannot be left out), DuckDB,
//!   chDB, gawk and Flink SQL. Every program counts requests per client in 10-second windows of the same file and writes CSV.
//! - `stream`: the same from a stream of four shards that holds the lines, over HTTP on loopback.
//! - `latency`: 10,000 rows a second through the stream, from a record's arrival to the row of its closed window.
//!
//! Programs run in turn, round by round, so that a busy neighbour is shared; CPU seconds (user and system, of the whole
//! process, its start included) are the figure to trust. What is not installed is left out and named; `BENCH_PYTHON`
//! names another interpreter than python3.

mod contender;
mod cost;
mod floor;
mod latency;
mod replay;
mod stream;

use anyhow::Result;

const DEFAULT_LINES: u64 = 5_000_000;
const DEFAULT_ROUNDS: usize = 3;
/// A stream in memory takes more room than a file.
const MOST_IN_STREAM: u64 = 1_000_000;

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [first, log] = &words[..]
        && first == "floor"
    {
        return floor::run(log);
    }
    let numbers: Vec<u64> = words.iter().filter_map(|word| word.parse().ok()).collect();
    let lines = numbers.first().copied().unwrap_or(DEFAULT_LINES);
    let rounds = numbers.get(1).map_or(Ok(DEFAULT_ROUNDS), |rounds| usize::try_from(*rounds))?;
    // `cargo bench` itself passes flags; words are ours.
    let is_named = |name: &str| words.iter().any(|word| word == name);
    let is_wanted = |name: &str| is_named(name) || !["replay", "stream", "latency"].into_iter().any(is_named);
    if is_wanted("replay") {
        replay::run(lines, rounds)?;
    }
    if is_wanted("stream") {
        stream::run(lines.min(MOST_IN_STREAM), rounds)?;
    }
    if is_wanted("latency") {
        latency::run()?;
    }
    Ok(())
}
