//! Rows of an input on their way to the operators that read it.

use std::cell::OnceCell;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;

use crate::keys::Dictionary;
use crate::program::StreamId;

/// Rows of an input, as the decoder made them.
pub(super) struct Arrival {
    pub(super) stream: StreamId,
    pub(super) rows: RecordBatch,
    /// Of the columns that are codes.
    pub(super) keys: Option<Arc<Dictionary>>,
    /// The input's columns, none of them codes.
    schema: SchemaRef,
    plain: OnceCell<RecordBatch>,
}

impl Arrival {
    pub(super) fn new(stream: StreamId, rows: RecordBatch, keys: Option<Arc<Dictionary>>, schema: SchemaRef) -> Self {
        Self { stream, rows, keys, schema, plain: OnceCell::new() }
    }

    /// The rows, none of whose columns are codes.
    ///
    /// # Errors
    /// When they are not of the input's columns.
    pub(super) fn plain(&self) -> Result<RecordBatch, ArrowError> {
        let Some(keys) = &self.keys else { return Ok(self.rows.clone()) };
        match self.plain.get() {
            Some(plain) => Ok(plain.clone()),
            None => {
                let plain = keys.decode(&self.rows, &self.schema)?;
                Ok(self.plain.get_or_init(|| plain).clone())
            }
        }
    }
}
