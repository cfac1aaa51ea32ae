//! A DataFusion plan whose one leaf is filled by hand, executed many times.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::execution_plan::reset_plan_states;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use datafusion::physical_plan::{ExecutionPlan, displayable};
use futures::StreamExt;

use super::drive;

/// A leaf of a plan: its next execution reads the stream that was put in last.
pub(super) struct Slot {
    schema: SchemaRef,
    // A mutex because DataFusion asks for `Sync`; one thread uses it.
    stream: Mutex<Option<SendableRecordBatchStream>>,
}

impl Slot {
    pub(super) fn new(schema: SchemaRef) -> Arc<Self> {
        Arc::new(Self { schema, stream: Mutex::new(None) })
    }

    pub(super) fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// The plan node that reads this slot. Finite: DataFusion refuses aggregates over endless sources.
    pub(super) fn plan(self: &Arc<Self>) -> Result<Arc<dyn ExecutionPlan>> {
        let partition: Arc<dyn PartitionStream> = self.clone();
        Ok(Arc::new(StreamingTableExec::try_new(self.schema(), vec![partition], None, vec![], false, None)?))
    }

    fn put(&self, stream: SendableRecordBatchStream) {
        *self.stream.lock().unwrap_or_else(PoisonError::into_inner) = Some(stream);
    }

    fn take(&self) -> Option<SendableRecordBatchStream> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Slot")
    }
}

impl PartitionStream for Slot {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        self.take().unwrap_or_else(|| {
            let unfilled = DataFusionError::Internal("a plan was executed before its slot was filled".to_owned());
            Box::pin(RecordBatchStreamAdapter::new(self.schema(), futures::stream::once(async { Err(unfilled) })))
        })
    }
}

/// Executions after which a plan's metrics are thrown away: they grow with each execution (measured: 468 MB after
/// 200,000 executions without this, 1 MB with it).
const EXECUTIONS_BEFORE_RESET: u32 = 256;

/// A plan over one [`Slot`].
pub(super) struct Piece {
    slot: Arc<Slot>,
    plan: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
    executions: u32,
    /// The columns of the input that the plan only chooses from; None: it does more.
    choice: Option<Vec<usize>>,
}

impl Piece {
    pub(super) fn new(slot: Arc<Slot>, plan: Arc<dyn ExecutionPlan>, context: Arc<TaskContext>) -> Self {
        let choice = choice(&plan);
        Self { slot, plan, context, executions: 0, choice }
    }

    /// Columns of the result.
    pub(super) fn schema(&self) -> SchemaRef {
        self.plan.schema()
    }

    /// Columns of the input.
    pub(super) fn input_schema(&self) -> SchemaRef {
        self.slot.schema()
    }

    /// Starts an execution that reads `input`.
    pub(super) fn start(&mut self, input: SendableRecordBatchStream) -> Result<SendableRecordBatchStream> {
        self.executions += 1;
        if self.executions.is_multiple_of(EXECUTIONS_BEFORE_RESET) {
            self.plan = reset_plan_states(self.plan.clone())?;
        }
        self.slot.put(input);
        self.plan.execute(0, self.context.clone())
    }

    /// Runs the plan over these batches to its end.
    pub(super) fn run(&mut self, input: Vec<RecordBatch>) -> Result<Vec<RecordBatch>> {
        if let Some(columns) = &self.choice {
            return choose(&self.schema(), columns, &input);
        }
        let input = futures::stream::iter(input.into_iter().map(Ok));
        let output = self.start(Box::pin(RecordBatchStreamAdapter::new(self.input_schema(), input)))?;
        // Every input is at hand, so nothing is ever waited for.
        drive::complete(output.collect::<Vec<_>>()).into_iter().collect()
    }

    /// The plan as DataFusion prints it.
    pub(super) fn describe(&self) -> String {
        displayable(self.plan.as_ref()).indent(false).to_string()
    }
}

/// The columns of its leaf that a plan shows, when it does nothing else: an execution costs more than that.
fn choice(plan: &Arc<dyn ExecutionPlan>) -> Option<Vec<usize>> {
    if let Some(leaf) = plan.downcast_ref::<StreamingTableExec>() {
        let all = 0..leaf.partition_schema().fields().len();
        return Some(leaf.projection().as_ref().map_or_else(|| all.collect(), |columns| columns.to_vec()));
    }
    let project = plan.downcast_ref::<ProjectionExec>()?;
    let input = choice(project.input())?;
    project.expr().iter().map(|projected| Some(input[projected.expr.downcast_ref::<Column>()?.index()])).collect()
}

fn choose(schema: &SchemaRef, columns: &[usize], input: &[RecordBatch]) -> Result<Vec<RecordBatch>> {
    let chosen = |batch: &RecordBatch| {
        let columns = columns.iter().map(|column| batch.column(*column).clone()).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(schema.clone(), columns, &options)
    };
    Ok(input.iter().map(chosen).collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Int64Array};

    use super::super::plan;
    use super::*;
    use crate::program::TABLE;

    fn piece(sql: &str) -> (Piece, RecordBatch) {
        let column = |value| Arc::new(Int64Array::from(vec![value, value + 10])) as ArrayRef;
        let rows = RecordBatch::try_from_iter(["a", "b"].into_iter().zip([column(1), column(2)])).unwrap();
        (plan::piece(&sql.replace("FROM t", &format!("FROM {TABLE}")), rows.schema()).unwrap(), rows)
    }

    #[test]
    fn choosing_columns_gives_what_the_plan_gives() {
        for (sql, choice) in [
            ("SELECT b AS x, a AS y, b AS z FROM t", Some(vec![1, 0, 1])),
            ("SELECT a FROM t", Some(vec![0])),
            ("SELECT 1 AS one FROM t", None),
            ("SELECT a + 1 AS a FROM t", None),
            ("SELECT a FROM t WHERE b > 3", None),
        ] {
            let (mut piece, rows) = piece(sql);
            assert_eq!(piece.choice, choice, "{sql}");
            let chosen = piece.run(vec![rows.clone()]).unwrap();
            piece.choice = None;
            assert_eq!(chosen, piece.run(vec![rows]).unwrap(), "{sql}");
        }
    }
}
