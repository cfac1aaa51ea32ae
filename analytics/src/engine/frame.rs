//! One frame of a sliding window over all of its partitions.
//!
//! For each partition a ring of the rows inside, and DataFusion's accumulators, which take a row in and out.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BinaryBuilder, RecordBatch, TimestampMillisecondBuilder};
use arrow::compute::concat;
use arrow::datatypes::{Field, Schema, TimestampMillisecondType};
use arrow::row::{RowConverter, SortField};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::Accumulator;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;

use super::image::misfit;
use crate::program::{Extent, Frame};

/// One frame over all partitions.
pub(super) struct FrameState {
    extent: Extent,
    /// Columns of the partition keys among the prepared ones.
    keys: Vec<usize>,
    converter: RowConverter,
    pub(super) aggregates: Vec<Arc<AggregateFunctionExpr>>,
    partitions: HashMap<Box<[u8]>, Partition>,
    /// Rows in all rings.
    pub(super) held: usize,
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
    pub(super) fn new(frame: &Frame, prepared: &Schema) -> Result<Self> {
        let keys = frame.partition_by.iter().map(|name| Ok(prepared.index_of(name)?)).collect::<Result<Vec<_>>>()?;
        let fields = keys.iter().map(|key| SortField::new(prepared.field(*key).data_type().clone())).collect();
        let converter = RowConverter::new(fields)?;
        let extent = frame.extent;
        Ok(Self { extent, keys, converter, aggregates: Vec::new(), partitions: HashMap::new(), held: 0, since_sweep: 0 })
    }

    /// Takes rows in order, with the columns that the aggregates read. Returns the aggregates for each of them.
    pub(super) fn take(&mut self, rows: &RecordBatch, arguments: &RecordBatch) -> Result<Vec<Vec<ScalarValue>>> {
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
        let extent = self.extent;
        let partition = self.insert(key, ms, arguments)?;
        let dropped = partition.drop_outside(extent, ms)?;
        let values = partition.accumulators.iter_mut().map(|accumulator| accumulator.evaluate()).collect();
        self.held -= dropped;
        values
    }

    /// Puts a row into its partition.
    fn insert(&mut self, key: Box<[u8]>, ms: i64, arguments: Vec<Vec<ArrayRef>>) -> Result<&mut Partition> {
        let partition = match self.partitions.entry(key) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let accumulators = self.aggregates.iter().map(|aggregate| aggregate.create_sliding_accumulator());
                new.insert(Partition { ring: VecDeque::new(), accumulators: accumulators.collect::<Result<_>>()? })
            }
        };
        for (accumulator, arguments) in partition.accumulators.iter_mut().zip(&arguments) {
            accumulator.update_batch(arguments)?;
        }
        partition.ring.push_back((ms, arguments));
        self.held += 1;
        Ok(partition)
    }

    /// The rows inside of the windows: partition, ROWTIME, and the arguments of every aggregate. None when there are none.
    pub(super) fn image(&self) -> Result<Option<RecordBatch>> {
        let (mut keys, mut times) = (BinaryBuilder::new(), TimestampMillisecondBuilder::new());
        let mut arguments: Vec<Vec<&dyn arrow::array::Array>> = Vec::new();
        for (key, partition) in &self.partitions {
            for (ms, row) in &partition.ring {
                keys.append_value(key);
                times.append_value(*ms);
                arguments.resize_with(row.iter().map(Vec::len).sum(), Vec::new);
                arguments.iter_mut().zip(row.iter().flatten()).for_each(|(column, value)| column.push(value.as_ref()));
            }
        }
        if self.held == 0 {
            return Ok(None);
        }
        let mut columns: Vec<ArrayRef> = vec![Arc::new(keys.finish()), Arc::new(times.finish())];
        for values in arguments {
            columns.push(concat(&values)?);
        }
        let fields =
            columns.iter().enumerate().map(|(index, column)| Field::new(index.to_string(), column.data_type().clone(), true));
        Ok(Some(RecordBatch::try_new(Arc::new(Schema::new(fields.collect::<Vec<_>>())), columns)?))
    }

    /// Puts the rows of another frame into the windows. Accumulators are made from the rows again: a sum of floating-point
    /// numbers may then differ in its last digit from one that has taken rows in and out for a long time.
    pub(super) fn restore(&mut self, image: &RecordBatch) -> Result<()> {
        let widths: Vec<usize> = self.aggregates.iter().map(|aggregate| aggregate.expressions().len()).collect();
        if image.num_columns() != 2 + widths.iter().sum::<usize>() {
            return Err(misfit("a sliding window over other columns"));
        }
        let times = image.column(1).as_primitive::<TimestampMillisecondType>().values();
        let keys = image.column(0).as_binary::<i32>();
        for row in 0..image.num_rows() {
            let mut columns = image.columns()[2..].iter();
            let of = |width: &usize| columns.by_ref().take(*width).map(|column| one(column, row)).collect::<Result<Vec<_>>>();
            let arguments = widths.iter().map(of).collect::<Result<Vec<_>>>()?;
            self.insert(keys.value(row).into(), times[row], arguments)?;
        }
        Ok(())
    }

    /// Every partition, with the time of its last row.
    pub(super) fn ages(&self) -> impl Iterator<Item = (i64, &[u8])> {
        let last_ms = |partition: &Partition| partition.ring.back().map_or(i64::MIN, |(ms, _)| *ms);
        self.partitions.iter().map(move |(key, partition)| (last_ms(partition), key.as_ref()))
    }

    /// Forgets a partition. Returns how many rows it had.
    pub(super) fn forget(&mut self, key: &[u8]) -> usize {
        let rows = self.partitions.remove(key).map_or(0, |partition| partition.ring.len());
        self.held -= rows;
        rows
    }

    /// Forgets partitions whose rows have all left a window of time. Looked for once as many rows have come as there
    /// are partitions, so that it costs the same for each row.
    fn sweep(&mut self, latest_ms: i64, rows: usize) {
        self.since_sweep += rows;
        let Some(oldest_ms) = self.extent.start_ms(latest_ms) else { return };
        if self.since_sweep < self.partitions.len() {
            return;
        }
        self.since_sweep = 0;
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
                Extent::Range { .. } => extent.start_ms(ms).is_some_and(|start_ms| *oldest_ms >= start_ms),
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
