//! Rows of a snapshot for readers: newest window first, and in a window the largest measure first.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch};
use arrow::compute::{SortOptions, sort_to_indices, take_record_batch};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use arrow::error::ArrowError;

use crate::engine::StreamRows;

/// At most `limit` rows of a stream, each with `is_closed` behind its columns.
pub(super) fn top(shown: &[StreamRows], columns: &[usize], limit: usize) -> Result<Vec<RecordBatch>, ArrowError> {
    let mut left = limit;
    let mut batches = Vec::new();
    for rows in shown {
        if left == 0 {
            break;
        }
        let rows = largest_first(rows, columns, left)?;
        left -= rows.num_rows();
        batches.push(rows);
    }
    Ok(batches)
}

fn largest_first(shown: &StreamRows, columns: &[usize], limit: usize) -> Result<RecordBatch, ArrowError> {
    // The measure is the last column of a program.
    let measure = shown.rows.column(shown.rows.num_columns() - 1);
    let order = SortOptions { descending: true, nulls_first: false };
    let rows = take_record_batch(&shown.rows, &sort_to_indices(measure, Some(order), Some(limit))?)?.project(columns)?;
    let utc = DataType::Timestamp(TimeUnit::Millisecond, Some("+00:00".into()));
    let mut fields = Vec::new();
    let mut values = Vec::new();
    for (field, column) in rows.schema().fields().iter().zip(rows.columns()) {
        let is_time = matches!(field.data_type(), DataType::Timestamp(..));
        let data_type = if is_time { utc.clone() } else { field.data_type().clone() };
        values.push(arrow::compute::cast(column, &data_type)?);
        fields.push(Arc::new(Field::new(field.name(), data_type, true)));
    }
    fields.push(Arc::new(Field::new("is_closed", DataType::Boolean, false)));
    values.push(Arc::new(BooleanArray::from(vec![shown.is_closed; rows.num_rows()])) as ArrayRef);
    RecordBatch::try_new(Arc::new(Schema::new(fields)), values)
}
