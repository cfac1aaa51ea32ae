//! Cuts a batch into the windows its rows belong to.
//!
//! On the raw batch, before any plan: the planner moves or drops the time column below an aggregate.

use std::collections::BTreeMap;

use arrow::array::{AsArray, RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::TimestampMillisecondType;
use arrow::error::ArrowError;

use crate::program::Window;

/// Cuts `batch`, whose first column is ROWTIME: windows by start, in order, each with its rows in the order they came.
pub(super) fn by_window(batch: RecordBatch, window: Window) -> Result<Vec<(i64, RecordBatch)>, ArrowError> {
    let times = batch.column(0).as_primitive::<TimestampMillisecondType>().values();
    let (Some(&earliest_ms), Some(&latest_ms)) = (times.iter().min(), times.iter().max()) else { return Ok(vec![]) };
    let first = window.start_of(earliest_ms);
    if first == window.start_of(latest_ms) {
        return Ok(vec![(first, batch)]);
    }
    let windows = rows_of_windows(times, window);
    windows.into_iter().map(|(start, rows)| Ok((start, take_record_batch(&batch, &UInt32Array::from(rows))?))).collect()
}

/// The rows of each window, by its start. Rows that follow each other are mostly of the same window, which is looked up once.
fn rows_of_windows(times: &[i64], window: Window) -> BTreeMap<i64, Vec<u32>> {
    let mut windows: BTreeMap<i64, Vec<u32>> = BTreeMap::new();
    let (mut number, mut rest) = (0, times);
    while let Some(first) = rest.first() {
        let start = window.start_of(*first);
        let whole = start..window.end_of(start);
        let length = rest.iter().take_while(|ms| whole.contains(ms)).count().max(1);
        let end = number + length as u32;
        windows.entry(start).or_default().extend(number..end);
        (number, rest) = (end, &rest[length..]);
    }
    windows
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::TimestampMillisecondArray;

    use super::*;

    fn cut(times: &[i64]) -> Vec<(i64, Vec<i64>)> {
        let column = TimestampMillisecondArray::from(times.to_vec());
        let batch = RecordBatch::try_from_iter([("ROWTIME", Arc::new(column) as _)]).unwrap();
        let windows = by_window(batch, Window::tumbling(10)).unwrap();
        let times = |batch: &RecordBatch| batch.column(0).as_primitive::<TimestampMillisecondType>().values().to_vec();
        windows.iter().map(|(start, batch)| (*start, times(batch))).collect()
    }

    #[test]
    fn rows_go_to_their_windows_in_order() {
        assert_eq!(cut(&[12, 3, 10, 4]), [(0, vec![3, 4]), (10, vec![12, 10])]);
        assert_eq!(cut(&[3, 4]), [(0, vec![3, 4])]);
        assert_eq!(cut(&[]), []);
    }

    #[test]
    fn far_apart_rows_make_no_windows_between_them() {
        assert_eq!(cut(&[0, i64::from(u32::MAX)]).len(), 2);
    }
}
