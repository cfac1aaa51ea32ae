//! Rows that wait until no earlier one can come, so that they go on in the order of ROWTIME.
//!
//! Shards bring rows at their own pace, and files are not sorted; sorting and sliding need the order.

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::{SchemaRef, TimestampMillisecondType};
use arrow::error::ArrowError;

/// Rows of one stream; their first column is ROWTIME.
pub(super) struct Waiting {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    rows: usize,
    /// Earliest ROWTIME among them.
    earliest_ms: i64,
    /// Every row before this has gone on.
    released_until_ms: i64,
}

impl Waiting {
    pub(super) fn new(schema: SchemaRef) -> Self {
        Self { schema, batches: Vec::new(), rows: 0, earliest_ms: i64::MAX, released_until_ms: i64::MIN }
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Every row before this moment has gone on.
    pub(super) fn released_until_ms(&self) -> i64 {
        self.released_until_ms
    }

    /// The rows that wait, in the order they came.
    pub(super) fn image(&self) -> Vec<RecordBatch> {
        self.batches.clone()
    }

    /// Goes on with the rows of another one.
    pub(super) fn restore(&mut self, released_until_ms: i64, batches: Vec<RecordBatch>) -> Result<(), ArrowError> {
        for batch in batches {
            self.push(batch)?;
        }
        self.released_until_ms = released_until_ms;
        Ok(())
    }

    /// Adds rows. Returns how many of them came too late, and are left out.
    pub(super) fn push(&mut self, batch: RecordBatch) -> Result<u64, ArrowError> {
        let times = batch.column(0).as_primitive::<TimestampMillisecondType>().values();
        let (count, released) = (batch.num_rows(), self.released_until_ms);
        let in_time: Vec<u32> = (0u32..).zip(times.iter()).filter(|(_, ms)| **ms >= released).map(|(row, _)| row).collect();
        let earliest = times.iter().copied().filter(|ms| *ms >= released).min();
        let Some(earliest_ms) = earliest else { return Ok(count as u64) };
        let late = count - in_time.len();
        let batch = if late == 0 { batch } else { take_record_batch(&batch, &UInt32Array::from(in_time))? };
        self.earliest_ms = self.earliest_ms.min(earliest_ms);
        self.rows += batch.num_rows();
        self.batches.push(batch);
        Ok(late as u64)
    }

    /// The rows before this moment, in order of ROWTIME; rows of one moment in the order they came.
    pub(super) fn release(&mut self, until_ms: i64) -> Result<Option<RecordBatch>, ArrowError> {
        // At the end of the input only what has come is over: after a restart more may come.
        let latest_ms = || self.batches.iter().flat_map(|batch| times(batch).iter().copied()).max();
        let released_ms = if until_ms == i64::MAX { latest_ms().map_or(i64::MIN, |ms| ms.saturating_add(1)) } else { until_ms };
        self.released_until_ms = self.released_until_ms.max(released_ms);
        if self.earliest_ms >= until_ms {
            return Ok(None);
        }
        let all = concat_batches(&Arc::clone(&self.schema), &self.batches)?;
        let times = all.column(0).as_primitive::<TimestampMillisecondType>().values();
        let mut order: Vec<u32> = (0u32..).zip(times.iter()).map(|(row, _)| row).collect();
        order.sort_by_key(|row| times[*row as usize]); // stable
        let cut = order.partition_point(|row| times[*row as usize] < until_ms);
        let rest = order.split_off(cut);
        self.earliest_ms = rest.first().map_or(i64::MAX, |row| times[*row as usize]);
        self.rows = rest.len();
        self.batches = if rest.is_empty() { vec![] } else { vec![take_record_batch(&all, &UInt32Array::from(rest))?] };
        Ok(Some(take_record_batch(&all, &UInt32Array::from(order))?))
    }

    /// A moment by which half of the waiting rows are released; None when there are none.
    pub(super) fn middle(&self) -> Option<i64> {
        let mut times: Vec<i64> = Vec::with_capacity(self.rows);
        for batch in &self.batches {
            times.extend(self::times(batch));
        }
        let middle = times.len() / 2;
        (!times.is_empty()).then(|| times.select_nth_unstable(middle).1.saturating_add(1))
    }
}

fn times(batch: &RecordBatch) -> &[i64] {
    batch.column(0).as_primitive::<TimestampMillisecondType>().values()
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int32Array, TimestampMillisecondArray};
    use arrow::datatypes::Int32Type;

    use super::*;

    fn batch(rows: &[(i64, i32)]) -> RecordBatch {
        let times = TimestampMillisecondArray::from_iter_values(rows.iter().map(|row| row.0));
        let values = Int32Array::from_iter_values(rows.iter().map(|row| row.1));
        RecordBatch::try_from_iter([("ROWTIME", Arc::new(times) as _), ("v", Arc::new(values) as _)]).unwrap()
    }

    fn values(batch: Option<RecordBatch>) -> Vec<i32> {
        batch.map_or(vec![], |batch| batch.column(1).as_primitive::<Int32Type>().values().to_vec())
    }

    #[test]
    fn rows_go_on_in_order_of_time_then_of_arrival() {
        let mut waiting = Waiting::new(batch(&[]).schema());
        assert_eq!(waiting.push(batch(&[(5, 1), (3, 2), (5, 3)])).unwrap(), 0);
        waiting.push(batch(&[(3, 4), (9, 5)])).unwrap();
        assert_eq!(values(waiting.release(5).unwrap()), [2, 4]);
        assert_eq!(values(waiting.release(6).unwrap()), [1, 3]);
        assert_eq!((values(waiting.release(9).unwrap()), waiting.rows()), (vec![], 1));
    }

    #[test]
    fn a_row_before_what_has_gone_is_late() {
        let mut waiting = Waiting::new(batch(&[]).schema());
        waiting.release(10).unwrap();
        assert_eq!(waiting.push(batch(&[(9, 1), (10, 2)])).unwrap(), 1);
        assert_eq!(values(waiting.release(i64::MAX).unwrap()), [2]);
    }
}
