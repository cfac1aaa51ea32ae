//! Rows of a snapshot for readers: newest window first, and in a window the largest count first.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch};
use arrow::compute::{SortOptions, sort_to_indices, take_record_batch};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;

use crate::engine::{Snapshot, WindowResult};

/// At most `limit` rows, each with `is_closed` behind the result's columns.
pub(super) fn top(snapshot: &Snapshot, limit: usize) -> Result<Vec<RecordBatch>, ArrowError> {
    let mut left = limit;
    let mut batches = Vec::new();
    for window in &snapshot.windows {
        if left == 0 {
            break;
        }
        let rows = largest_first(window, left)?;
        left -= rows.num_rows();
        batches.push(rows);
    }
    Ok(batches)
}

fn largest_first(window: &WindowResult, limit: usize) -> Result<RecordBatch, ArrowError> {
    let rows = &window.rows;
    // The measure is the last column of a program.
    let measure = rows.column(rows.num_columns() - 1);
    let order = SortOptions { descending: true, nulls_first: false };
    let rows = take_record_batch(rows, &sort_to_indices(measure, Some(order), Some(limit))?)?;
    let is_closed: ArrayRef = Arc::new(BooleanArray::from(vec![window.is_closed; rows.num_rows()]));
    let fields = rows
        .schema()
        .fields()
        .iter()
        .cloned()
        .chain([Arc::new(Field::new("is_closed", DataType::Boolean, false))])
        .collect::<Vec<_>>();
    let columns = rows.columns().iter().cloned().chain([is_closed]).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}
