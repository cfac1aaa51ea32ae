//! Sliding windows: one result a row, with aggregates over the rows before it.
//!
//! For each frame and partition a ring of the rows inside, and DataFusion's accumulators, which take a row in and out.
//! A row is told at once what came before it, so rows of the same moment that follow it do not count.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{Field, Schema, SchemaRef, TimestampMillisecondType};
use arrow::row::{RowConverter, SortField};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::Accumulator;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;

use super::fault::{self, RowFault};
use super::piece::Piece;
use super::plan::{self, Planned};
use super::split::{as_aggregate, only_aggregate};
use super::waiting::Waiting;
use crate::program::{Extent, Frame, Sliding};

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
        for (index, (aggregate, frame)) in aggregates.into_iter().zip(&sliding.frame_of).enumerate() {
            check_slides(&aggregate)?;
            types.push(aggregate.field().data_type().clone());
            fields.push(Arc::new(Field::new(format!("w {index}"), aggregate.field().data_type().clone(), true)));
            columns.push((*frame, frames[*frame].aggregates.len()));
            frames[*frame].aggregates.push(aggregate);
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
        self.waiting.rows() + self.frames.iter().map(|frame| frame.held).sum::<usize>()
    }

    /// A moment that frees half of the waiting rows.
    pub(super) fn middle(&self) -> Option<i64> {
        self.waiting.middle()
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

/// One frame over all partitions.
struct FrameState {
    extent: Extent,
    /// Columns of the partition keys among the prepared ones.
    keys: Vec<usize>,
    converter: RowConverter,
    aggregates: Vec<Arc<AggregateFunctionExpr>>,
    partitions: HashMap<Box<[u8]>, Partition>,
    /// Rows in all rings.
    held: usize,
    /// Rows taken since partitions were looked through for empty ones.
    since_sweep: usize,
}

/// One partition of a frame.
struct Partition {
    /// Rows inside of the frame, oldest first: ROWTIME, and for each aggregate its arguments.
    ring: VecDeque<(i64, Vec<Vec<ArrayRef>>)>,
    accumulators: Vec<Box<dyn Accumulator>>,
}

impl FrameState {
    fn new(frame: &Frame, prepared: &Schema) -> Result<Self> {
        let keys = frame.partition_by.iter().map(|name| Ok(prepared.index_of(name)?)).collect::<Result<Vec<_>>>()?;
        let fields = keys.iter().map(|key| SortField::new(prepared.field(*key).data_type().clone())).collect();
        let converter = RowConverter::new(fields)?;
        let extent = frame.extent;
        Ok(Self { extent, keys, converter, aggregates: Vec::new(), partitions: HashMap::new(), held: 0, since_sweep: 0 })
    }

    /// Takes rows in order, with the columns that the aggregates read. Returns the aggregates for each of them.
    fn take(&mut self, rows: &RecordBatch, arguments: &RecordBatch) -> Result<Vec<Vec<ScalarValue>>> {
        let times = rows.column(0).as_primitive::<TimestampMillisecondType>().values();
        let keys: Vec<ArrayRef> = self.keys.iter().map(|key| rows.column(*key).clone()).collect();
        let keys = if keys.is_empty() { None } else { Some(self.converter.convert_columns(&keys)?) };
        let arguments = self.arguments(arguments)?;
        let mut values = Vec::with_capacity(rows.num_rows());
        for row in 0..rows.num_rows() {
            let key = keys.as_ref().map_or(Box::default(), |keys| Box::from(keys.row(row).as_ref()));
            let of = |columns: &Vec<ArrayRef>| columns.iter().map(|column| one(column, row)).collect::<Result<Vec<_>>>();
            let arguments = arguments.iter().map(of).collect::<Result<Vec<_>>>()?;
            values.push(self.row(key, times[row], arguments)?);
        }
        if let Some(&latest_ms) = times.last() {
            self.sweep(latest_ms, rows.num_rows());
        }
        Ok(values)
    }

    /// The arguments of every aggregate, over all rows.
    fn arguments(&self, rows: &RecordBatch) -> Result<Vec<Vec<ArrayRef>>> {
        let of = |aggregate: &Arc<AggregateFunctionExpr>| {
            let expressions = aggregate.expressions();
            expressions.iter().map(|expression| expression.evaluate(rows)?.into_array(rows.num_rows())).collect()
        };
        self.aggregates.iter().map(of).collect()
    }

    fn row(&mut self, key: Box<[u8]>, ms: i64, arguments: Vec<Vec<ArrayRef>>) -> Result<Vec<ScalarValue>> {
        let partition = match self.partitions.entry(key) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(new) => {
                let accumulators = self.aggregates.iter().map(|aggregate| aggregate.create_sliding_accumulator());
                new.insert(Partition { ring: VecDeque::new(), accumulators: accumulators.collect::<Result<_>>()? })
            }
        };
        for (accumulator, arguments) in partition.accumulators.iter_mut().zip(&arguments) {
            accumulator.update_batch(arguments)?;
        }
        partition.ring.push_back((ms, arguments));
        self.held += 1;
        self.held -= partition.drop_outside(self.extent, ms)?;
        partition.accumulators.iter_mut().map(|accumulator| accumulator.evaluate()).collect()
    }

    /// Forgets partitions whose rows have all left a window of time. Looked for once as many rows have come as there
    /// are partitions, so that it costs the same for each row.
    fn sweep(&mut self, latest_ms: i64, rows: usize) {
        self.since_sweep += rows;
        let Extent::RangeMs(range_ms) = self.extent else { return };
        if self.since_sweep < self.partitions.len() {
            return;
        }
        self.since_sweep = 0;
        let oldest_ms = latest_ms.saturating_sub(range_ms);
        self.partitions.retain(|_, partition| partition.ring.back().is_some_and(|(ms, _)| *ms >= oldest_ms));
        self.held = self.partitions.values().map(|partition| partition.ring.len()).sum();
    }
}

impl Partition {
    /// Takes rows out that the frame of a row at this moment no longer has. Returns how many.
    fn drop_outside(&mut self, extent: Extent, ms: i64) -> Result<usize> {
        let mut dropped = 0;
        while let Some((oldest_ms, _)) = self.ring.front() {
            let is_inside = match extent {
                // The lower end belongs to the window, as in SQL:2008.
                Extent::RangeMs(range_ms) => *oldest_ms >= ms.saturating_sub(range_ms),
                Extent::Rows(rows) => self.ring.len() <= rows + 1,
            };
            if is_inside {
                break;
            }
            let Some((_, arguments)) = self.ring.pop_front() else { break };
            for (accumulator, arguments) in self.accumulators.iter_mut().zip(&arguments) {
                accumulator.retract_batch(arguments)?;
            }
            dropped += 1;
        }
        Ok(dropped)
    }
}

/// One value of a column, in an array of its own: a slice would keep the whole batch.
fn one(column: &ArrayRef, row: usize) -> Result<ArrayRef> {
    ScalarValue::try_from_array(column, row)?.to_array()
}
