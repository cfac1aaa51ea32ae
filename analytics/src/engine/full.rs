//! A window that holds as many groups as there may be: it goes on with those it has and takes no new ones.
//!
//! So memory stays bounded and what is counted stays right; rows of new groups are left out, and told.

use std::collections::HashSet;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::row::{RowConverter, SortField};
use datafusion::error::Result;

use super::split::Split;

/// The groups that a full window has.
pub(super) struct KnownGroups {
    converter: RowConverter,
    keys: HashSet<Box<[u8]>>,
}

impl KnownGroups {
    /// Those of these batches of state. None when all rows are one group, so that there are no others.
    pub(super) fn of(split: &Split, state: &[RecordBatch]) -> Result<Option<Self>> {
        let count = split.group_by.len();
        let Some(first) = state.first().filter(|_| count > 0) else { return Ok(None) };
        let fields = (0..count).map(|key| SortField::new(first.column(key).data_type().clone())).collect();
        let converter = RowConverter::new(fields)?;
        let mut keys = HashSet::new();
        for batch in state {
            // State begins with the keys of the groups.
            let rows = converter.convert_columns(&batch.columns()[..count])?;
            keys.extend(rows.iter().map(|row| Box::from(row.as_ref())));
        }
        Ok(Some(Self { converter, keys }))
    }

    /// The rows of known groups, and those of others. `rows` are the aggregate's input.
    pub(super) fn divide(&self, split: &Split, rows: &RecordBatch) -> Result<(RecordBatch, RecordBatch)> {
        let key = |(expression, _): &(std::sync::Arc<dyn datafusion::physical_expr::PhysicalExpr>, String)| -> Result<ArrayRef> {
            expression.evaluate(rows)?.into_array(rows.num_rows())
        };
        let columns = split.group_by.iter().map(key).collect::<Result<Vec<_>>>()?;
        let keys = self.converter.convert_columns(&columns)?;
        let is_known: BooleanArray = keys.iter().map(|key| Some(self.keys.contains(key.as_ref()))).collect();
        let is_new = arrow::compute::not(&is_known)?;
        Ok((filter_record_batch(rows, &is_known)?, filter_record_batch(rows, &is_new)?))
    }
}
