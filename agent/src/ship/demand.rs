//! How much a flow asks of its destination, and how many shards would take it. Pure.
//!
//! A record counts once as asked for, however often it is repeated: retries would make any stream look too small.

use std::time::{Duration, Instant};

/// What one shard takes in a second. Source: the Kinesis quotas.
const SHARD_RECORDS: f64 = 1000.0;
const SHARD_BYTES: f64 = 1024.0 * 1024.0;

/// Shortest and longest time a rate is measured over.
const SPAN: Duration = Duration::from_secs(10);

/// Records and their bytes.
#[derive(Debug, Clone, Copy, Default)]
struct Amount {
    records: usize,
    bytes: usize,
}

/// What was asked and accepted of late.
#[derive(Debug, Default)]
pub(super) struct Demand {
    /// When the younger of the two spans began.
    since: Option<Instant>,
    older: Span,
    younger: Span,
}

#[derive(Debug, Clone, Copy, Default)]
struct Span {
    length: Duration,
    asked: Amount,
    accepted: Amount,
}

impl Demand {
    /// Notes an answer: records that were sent for the first time, and records that were accepted.
    pub(super) fn note(&mut self, asked: (usize, usize), accepted: (usize, usize), now: Instant) {
        let since = *self.since.get_or_insert(now);
        self.younger.length = now.saturating_duration_since(since);
        if self.younger.length >= SPAN {
            self.older = std::mem::take(&mut self.younger);
            self.since = Some(now);
        }
        self.younger.asked.add(asked);
        self.younger.accepted.add(accepted);
    }

    /// What a person can do about a stream that is too small.
    pub(super) fn remedy(&self, stream: &str) -> String {
        let seconds = (self.older.length + self.younger.length).as_secs_f64();
        let asked = self.rate(seconds, |span| span.asked);
        let accepted = self.rate(seconds, |span| span.accepted);
        if seconds < 1.0 || asked.0 == 0.0 {
            return format!(
                "lines wait in their files; a shard takes 1000 records/s and 1 MiB/s: add shards to stream {stream}, or make it \
                 on-demand"
            );
        }
        // The stream refuses some of what it has room for on paper, so it needs one more than it fills now.
        let needed = shards(asked).max(shards(accepted) + 1);
        format!(
            "lines wait in their files; of {:.0} records/s ({:.2} MiB/s) it took {:.0} records/s ({:.2} MiB/s): at 1000 records/s \
             and 1 MiB/s a shard, stream {stream} needs {needed} shards or more for this flow alone, or on-demand mode",
            asked.0,
            asked.1 / SHARD_BYTES,
            accepted.0,
            accepted.1 / SHARD_BYTES,
        )
    }

    fn rate(&self, seconds: f64, amount: fn(&Span) -> Amount) -> (f64, f64) {
        let (older, younger) = (amount(&self.older), amount(&self.younger));
        let seconds = seconds.max(0.001);
        ((older.records + younger.records) as f64 / seconds, (older.bytes + younger.bytes) as f64 / seconds)
    }
}

impl Amount {
    fn add(&mut self, (records, bytes): (usize, usize)) {
        self.records += records;
        self.bytes += bytes;
    }
}

fn shards((records, bytes): (f64, f64)) -> u64 {
    (records / SHARD_RECORDS).max(bytes / SHARD_BYTES).ceil() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds of answers, one a second, each for `asked` and `accepted` records of `bytes` bytes.
    fn after(seconds: u64, asked: usize, accepted: usize, bytes: usize) -> String {
        let (mut demand, start) = (Demand::default(), Instant::now());
        for second in 0..=seconds {
            let now = start + Duration::from_secs(second);
            // What the first answer brings was asked before the measuring began.
            let share = |records: usize| if second == 0 { (0, 0) } else { (records, records * bytes) };
            demand.note(share(asked), share(accepted), now);
        }
        demand.remedy("web")
    }

    #[test]
    fn the_shards_are_counted_by_records() {
        let remedy = after(9, 2600, 1000, 100);
        assert!(remedy.contains("of 2600 records/s (0.25 MiB/s) it took 1000 records/s (0.10 MiB/s)"), "{remedy}");
        assert!(remedy.contains("stream web needs 3 shards"), "{remedy}");
    }

    #[test]
    fn the_shards_are_counted_by_bytes() {
        assert!(after(9, 500, 100, 10 * 1024).contains("needs 5 shards"));
    }

    #[test]
    fn a_stream_that_throttles_needs_more_than_it_fills() {
        assert!(after(9, 900, 890, 10).contains("needs 2 shards"));
    }

    #[test]
    fn old_rates_are_forgotten() {
        let (mut demand, start) = (Demand::default(), Instant::now());
        for second in 0..60 {
            let records = if second < 10 { 9000 } else { 1500 };
            demand.note((records, 0), (900, 0), start + Duration::from_secs(second));
        }
        assert!(demand.remedy("web").contains("needs 2 shards"), "{}", demand.remedy("web"));
    }

    #[test]
    fn without_figures_there_is_a_rule() {
        assert!(Demand::default().remedy("web").contains("a shard takes 1000 records/s"));
    }
}
