//! A DataFusion plan whose one leaf is filled by hand, executed many times.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::execution_plan::reset_plan_states;
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
}

impl Piece {
    pub(super) fn new(slot: Arc<Slot>, plan: Arc<dyn ExecutionPlan>, context: Arc<TaskContext>) -> Self {
        Self { slot, plan, context, executions: 0 }
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
