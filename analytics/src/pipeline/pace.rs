//! A replay at the pace at which its rows happened, or so many times faster.
//!
//! Rows become due in the order they stand in; a row that is older than one before it is due with that one.

use std::time::Duration;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::TimestampMillisecondType;
use tokio::time::Instant;

use crate::decode::{Decoded, LineCounts, Rows, ShardEvent};

/// Rows that are due within this time go on together.
const TOGETHER_MS: i64 = 100;

/// When rows are due.
#[derive(Debug)]
pub(super) struct Pace {
    speed: f64,
    /// The time of the first row, and when it went on.
    first: Option<(i64, Instant)>,
    latest_ms: i64,
}

impl Pace {
    pub(super) fn new(speed: f64) -> Self {
        Self { speed, first: None, latest_ms: i64::MIN }
    }

    /// Cuts what was decoded into parts, each with the moment when it is due.
    pub(super) fn cut(&mut self, decoded: Decoded, now: Instant) -> Vec<(Instant, Decoded)> {
        let Decoded { shard, event, mark } = decoded;
        let Rows { batch, keys, bad_lines, counts } = match event {
            ShardEvent::Rows(rows) if rows.batch.num_rows() > 0 => rows,
            event => return vec![(self.due(now), Decoded { shard, event, mark })],
        };
        let first_ms = batch.column(0).as_primitive::<TimestampMillisecondType>().value(0);
        self.first.get_or_insert((first_ms, now));
        let mut parts: Vec<(Instant, Decoded)> = Vec::new();
        for part in self.slices(&batch) {
            let times = part.column(0).as_primitive::<TimestampMillisecondType>().values();
            self.latest_ms = self.latest_ms.max(times[0]);
            let due = self.due(now);
            self.latest_ms = times.iter().copied().fold(self.latest_ms, i64::max);
            let rows = Rows { batch: part, keys: keys.clone(), bad_lines: vec![], counts: LineCounts::default() };
            parts.push((due, Decoded { shard, event: ShardEvent::Rows(rows), mark: None }));
        }
        if let Some((_, Decoded { event: ShardEvent::Rows(rows), .. })) = parts.first_mut() {
            (rows.bad_lines, rows.counts) = (bad_lines, counts);
        }
        if let Some((_, last)) = parts.last_mut() {
            last.mark = mark;
        }
        parts
    }

    /// When what stands behind the latest row is due.
    fn due(&self, now: Instant) -> Instant {
        let Some((first_ms, began)) = self.first else { return now };
        let passed_ms = u64::try_from(self.latest_ms.saturating_sub(first_ms)).unwrap_or(0);
        began + Duration::from_millis(passed_ms).div_f64(self.speed)
    }

    fn slices(&self, batch: &RecordBatch) -> Vec<RecordBatch> {
        let times = batch.column(0).as_primitive::<TimestampMillisecondType>().values();
        let (mut slices, mut start, mut latest_ms) = (Vec::new(), 0, self.latest_ms);
        let mut until_ms = times[0].max(latest_ms).saturating_add(TOGETHER_MS);
        for (row, ms) in times.iter().enumerate() {
            latest_ms = latest_ms.max(*ms);
            if latest_ms >= until_ms && row > start {
                slices.push(batch.slice(start, row - start));
                start = row;
                until_ms = latest_ms.saturating_add(TOGETHER_MS);
            }
        }
        slices.push(batch.slice(start, batch.num_rows() - start));
        slices
    }
}

/// `2x` as 2.
///
/// # Errors
/// When it is no number above 0.
pub(crate) fn parse_speed(text: &str) -> Result<f64, String> {
    let number: Option<f64> = text.strip_suffix('x').unwrap_or(text).parse().ok();
    number
        .filter(|speed| speed.is_finite() && *speed >= 0.001)
        .ok_or_else(|| "it is a number above 0, such as 1x or 10x".to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::TimestampMillisecondArray;

    use super::*;
    use crate::chunk::{FileMark, Mark, ShardId};

    fn decoded(times: &[i64]) -> Decoded {
        let batch = RecordBatch::try_from_iter([("ROWTIME", Arc::new(TimestampMillisecondArray::from(times.to_vec())) as _)]);
        let counts = LineCounts { lines: times.len() as u64, ..LineCounts::default() };
        let rows = Rows { batch: batch.unwrap(), keys: None, bad_lines: vec![], counts };
        Decoded { shard: ShardId(0), event: ShardEvent::Rows(rows), mark: Some(Mark::File(FileMark::default())) }
    }

    #[test]
    fn rows_are_due_when_they_happened_and_none_before_one_that_stands_before_it() {
        let (mut pace, now) = (Pace::new(2.0), Instant::now());
        let mut parts = pace.cut(decoded(&[1_000, 1_050, 3_000, 2_000, 3_000]), now);
        parts.extend(pace.cut(decoded(&[2_500, 5_000]), now));
        let due: Vec<u128> = parts.iter().map(|(due, _)| (*due - now).as_millis()).collect();
        assert_eq!(due, [0, 1_000, 1_000, 2_000]);
        let rows: Vec<usize> = parts
            .iter()
            .map(|(_, part)| match &part.event {
                ShardEvent::Rows(rows) => rows.batch.num_rows(),
                _ => 0,
            })
            .collect();
        assert_eq!(rows, [2, 3, 1, 1]);
        let marks: Vec<bool> = parts.iter().map(|(_, part)| part.mark.is_some()).collect();
        assert_eq!(marks, [false, true, false, true]);
    }

    #[test]
    fn a_speed_is_a_number_above_zero() {
        assert_eq!((parse_speed("1x"), parse_speed("0.5")), (Ok(1.0), Ok(0.5)));
        assert!(["0x", "-1x", "fast", "infx"].iter().all(|text| parse_speed(text).is_err()));
    }
}
