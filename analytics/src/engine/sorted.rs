//! Sorts the rows of each tumbling window, when it is complete.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, TimestampMillisecondArray};
use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::error::Result;

use super::assign::row_time;
use super::cut;
use super::fault::{self, RowFault};
use super::piece::Piece;
use super::plan;
use super::waiting::Waiting;
use crate::program::{WINDOW_END, Window};

/// The rows of one node that wait to be sorted.
pub(super) struct SortedNode {
    node: usize,
    window: Window,
    waiting: Waiting,
    piece: Piece,
}

impl SortedNode {
    pub(super) fn new(node: usize, window: Window, text: &str, rows: SchemaRef) -> Result<Self> {
        let end = Arc::new(row_time().with_name(WINDOW_END));
        let fields: Vec<Arc<Field>> = rows.fields().iter().cloned().chain([end]).collect();
        let piece = plan::piece(text, Arc::new(Schema::new(fields)))?;
        Ok(Self { node, window, waiting: Waiting::new(rows), piece })
    }

    pub(super) fn schema(&self) -> SchemaRef {
        self.piece.schema()
    }

    pub(super) fn describe(&self) -> String {
        self.piece.describe()
    }

    pub(super) fn held(&self) -> usize {
        self.waiting.rows()
    }

    /// Bounds memory: sorts the older half of the rows, and all when they are of one window. False when there are none.
    pub(super) fn close_half(&mut self, closed: &mut Vec<RecordBatch>, faults: &mut Vec<RowFault>) -> Result<bool> {
        let Some(middle_ms) = self.waiting.middle() else { return Ok(false) };
        let before = self.waiting.rows();
        self.close_until(middle_ms, closed, faults)?;
        if self.waiting.rows() == before {
            self.close_until(i64::MAX, closed, faults)?;
        }
        Ok(self.waiting.rows() < before)
    }

    /// The rows that wait.
    pub(super) fn waiting(&mut self) -> &mut Waiting {
        &mut self.waiting
    }

    /// Takes rows. Returns how many of them came too late.
    pub(super) fn push(&mut self, batch: RecordBatch) -> Result<u64> {
        Ok(self.waiting.push(batch)?)
    }

    /// Sorts the windows that end at or before this moment.
    pub(super) fn close_until(&mut self, until_ms: i64, closed: &mut Vec<RecordBatch>, faults: &mut Vec<RowFault>) -> Result<()> {
        // The window of this moment is still open, unless it begins with it.
        let until_ms = if until_ms == i64::MAX { until_ms } else { self.window.start_of(until_ms) };
        let Some(rows) = self.waiting.release(until_ms)? else { return Ok(()) };
        for (start_ms, rows) in cut::by_window(rows, self.window)? {
            let end = TimestampMillisecondArray::from_value(self.window.row_time(start_ms), rows.num_rows());
            let columns = rows.columns().iter().cloned().chain([Arc::new(end) as ArrayRef]).collect();
            let rows = RecordBatch::try_new(self.piece.input_schema(), columns)?;
            closed.extend(fault::run(&mut self.piece, rows, self.node, faults));
        }
        Ok(())
    }
}
