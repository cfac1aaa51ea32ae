//! Sliding windows: one result a row, with aggregates over the rows before it.
//!
//! For each frame and partition a ring of the rows inside, and DataFusion's accumulators, which take a row in and out.
//! A row is told at once what came before it, so rows of the same moment that follow it do not count.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;

use super::fault::{self, RowFault};
use super::frame::FrameState;
use super::image::{Tables, misfit};
use super::piece::Piece;
use super::plan::{self, Planned};
use super::split::{as_aggregate, only_aggregate};
use super::waiting::Waiting;
use crate::program::Sliding;

/// The sliding windows of one node.
pub(super) struct SlidingNode {
    node: usize,
    prepare: Piece,
    waiting: Waiting,
    /// From prepared rows to the columns that the aggregates read.
    arguments: Piece,
    frames: Vec<FrameState>,
    /// For each aggregate its frame, and its place among the frame's aggregates.
    columns: Vec<(usize, usize)>,
    types: Vec<arrow::datatypes::DataType>,
    result: Piece,
}

impl SlidingNode {
    pub(super) fn new(node: usize, sliding: &Sliding, rows: SchemaRef) -> Result<Self> {
        let prepare = plan::piece(&sliding.prepare, rows)?;
        let prepared = prepare.schema();
        let (arguments, aggregates) = aggregates(&sliding.aggregates, &prepared)?;
        let mut frames = sliding.frames.iter().map(|frame| FrameState::new(frame, &prepared)).collect::<Result<Vec<_>>>()?;
        let (mut columns, mut types, mut fields) = (Vec::new(), Vec::new(), prepared.fields().to_vec());
        for (index, (aggregate, frame)) in sliding.calls.iter().enumerate() {
            let aggregate = &aggregates[*aggregate]; // as many were found as the list has
            check_slides(aggregate)?;
            types.push(aggregate.field().data_type().clone());
            fields.push(Arc::new(Field::new(format!("w {index}"), aggregate.field().data_type().clone(), true)));
            columns.push((*frame, frames[*frame].aggregates.len()));
            frames[*frame].aggregates.push(aggregate.clone());
        }
        let result = plan::piece(&sliding.result, Arc::new(Schema::new(fields)))?;
        Ok(Self { node, waiting: Waiting::new(prepared), prepare, arguments, frames, columns, types, result })
    }

    pub(super) fn schema(&self) -> SchemaRef {
        self.result.schema()
    }

    pub(super) fn describe(&self) -> String {
        format!("prepare:\n{}result:\n{}", self.prepare.describe(), self.result.describe())
    }

    /// Rows that wait, and rows inside of windows.
    pub(super) fn held(&self) -> usize {
        self.waiting.rows() + self.inside()
    }

    /// The rows that wait.
    pub(super) fn waiting(&mut self) -> &mut Waiting {
        &mut self.waiting
    }

    /// The rows inside of windows: a table a frame.
    pub(super) fn frame_images(&self, tables: &mut Tables) -> Result<Vec<usize>> {
        self.frames.iter().map(|frame| Ok(tables.put(frame.image()?.into_iter().collect()))).collect()
    }

    /// Puts the rows of another node into the windows.
    pub(super) fn restore_frames(&mut self, images: &[usize], tables: &mut Tables) -> Result<()> {
        if images.len() != self.frames.len() {
            return Err(misfit("other sliding windows"));
        }
        for (frame, table) in self.frames.iter_mut().zip(images) {
            for batch in tables.take(*table)? {
                frame.restore(&batch)?;
            }
        }
        Ok(())
    }

    /// A moment that frees half of the waiting rows.
    pub(super) fn middle(&self) -> Option<i64> {
        self.waiting.middle()
    }

    /// Whether more rows wait than are inside of windows.
    pub(super) fn is_mostly_waiting(&self) -> bool {
        self.waiting.rows() > self.inside()
    }

    /// Rows inside of windows, once for each frame.
    fn inside(&self) -> usize {
        self.frames.iter().map(|frame| frame.held).sum()
    }

    /// Bounds memory: forgets the partitions that have been quiet longest, of all frames, until so many rows are gone. False
    /// when there was nothing to forget.
    pub(super) fn forget(&mut self, excess: usize, faults: &mut Vec<RowFault>) -> bool {
        let frames = self.frames.iter().enumerate();
        let mut by_age: Vec<(i64, usize, Box<[u8]>)> =
            frames.flat_map(|(index, frame)| frame.ages().map(move |(last_ms, key)| (last_ms, index, key.into()))).collect();
        by_age.sort_unstable();
        let (mut partitions, mut rows) = (0, 0);
        for (_, frame, key) in by_age {
            if rows >= excess {
                break;
            }
            rows += self.frames[frame].forget(&key);
            partitions += 1;
        }
        let message = format!(
            "sliding windows hold more rows than --max-groups allows: {rows} rows of the {partitions} partitions that were \
             quiet longest are forgotten, and their next results count from the beginning"
        );
        let row = RecordBatch::new_empty(Arc::new(Schema::empty()));
        faults.extend((rows > 0).then_some(RowFault { message, row, node: self.node, count: 0 }));
        rows > 0
    }

    /// Takes rows. Returns how many of them came too late.
    pub(super) fn push(&mut self, batch: RecordBatch, faults: &mut Vec<RowFault>) -> Result<u64> {
        let mut late = 0;
        for rows in fault::run(&mut self.prepare, batch, self.node, faults) {
            late += self.waiting.push(rows)?;
        }
        Ok(late)
    }

    /// Gives the results of the rows before this moment.
    pub(super) fn close_until(&mut self, until_ms: i64, done: &mut Vec<RecordBatch>, faults: &mut Vec<RowFault>) -> Result<()> {
        let Some(rows) = self.waiting.release(until_ms)? else { return Ok(()) };
        let arguments = concat_batches(&self.arguments.schema(), &self.arguments.run(vec![rows.clone()])?)?;
        let values = self.frames.iter_mut().map(|frame| frame.take(&rows, &arguments)).collect::<Result<Vec<_>>>()?;
        let mut columns = rows.columns().to_vec();
        for ((frame, place), data_type) in self.columns.iter().zip(&self.types) {
            let column = ScalarValue::iter_to_array(values[*frame].iter().map(|row| row[*place].clone()))?;
            columns.push(arrow::compute::cast(&column, data_type)?);
        }
        let rows = RecordBatch::try_new(self.result.input_schema(), columns)?;
        done.extend(fault::run(&mut self.result, rows, self.node, faults));
        Ok(())
    }
}

/// The aggregates of a select list, in its order, and the way to their input.
fn aggregates(sql: &str, rows: &SchemaRef) -> Result<(Piece, Vec<Arc<AggregateFunctionExpr>>)> {
    let Planned { plan, slot, context } = plan::plan(sql, rows.clone())?;
    let node = only_aggregate(&plan)?;
    let aggregate = as_aggregate(&node)?;
    let found = aggregate.aggr_expr().to_vec();
    let wanted = plan.schema().fields().len();
    if found.len() != wanted {
        let message = format!("{wanted} aggregates were planned as {}", found.len());
        return Err(DataFusionError::Plan(message));
    }
    Ok((Piece::new(slot, aggregate.input().clone(), context), found))
}

fn check_slides(aggregate: &AggregateFunctionExpr) -> Result<()> {
    let slides = aggregate.create_sliding_accumulator().is_ok_and(|accumulator| accumulator.supports_retract_batch());
    if slides {
        return Ok(());
    }
    Err(DataFusionError::Plan(format!("{} cannot be computed over a sliding window", aggregate.fun().name())))
}
