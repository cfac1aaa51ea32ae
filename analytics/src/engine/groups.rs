//! Groups of one window, and how they grow.
//!
//! Rows go into a running partial aggregate (*delta*). Sealing ends it and keeps its state batches (*base*), from
//! which a result can be made at any time; base and later deltas merge. Groups that nobody touches are sealed,
//! so that only a few running aggregates exist however many windows are open.

use arrow::array::RecordBatch;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;
use futures::channel::mpsc::{UnboundedSender, unbounded};

use super::drive;
use super::split::Split;

/// State rows beyond which batches of state are merged into fewer.
const ROWS_BEFORE_REDUCE: usize = 16_384;

/// Groups of one query.
#[derive(Default)]
pub(super) struct Groups {
    base: Vec<RecordBatch>,
    /// State rows after the last merge; state is merged again when it has doubled.
    reduced_rows: usize,
    delta: Option<Delta>,
}

impl Groups {
    /// With the state of others.
    pub(super) fn of(base: Vec<RecordBatch>) -> Self {
        Self { base, ..Self::default() }
    }

    /// Aggregates rows: the input of the aggregate.
    pub(super) fn add(&mut self, split: &mut Split, rows: RecordBatch) -> Result<()> {
        if rows.num_rows() == 0 {
            return Ok(());
        }
        match &mut self.delta {
            Some(delta) => delta.add(rows),
            none => none.insert(Delta::start(split)?).add(rows),
        }
    }

    /// Takes the state of others.
    pub(super) fn take(&mut self, state: Vec<RecordBatch>) {
        self.base.extend(state);
    }

    /// Ends the running aggregate, if there is one, and keeps its state.
    pub(super) fn seal(&mut self, split: &mut Split) -> Result<()> {
        let Some(delta) = self.delta.take() else { return Ok(()) };
        self.base.extend(delta.finish()?);
        if self.state_rows() > ROWS_BEFORE_REDUCE.max(2 * self.reduced_rows) { self.reduce(split) } else { Ok(()) }
    }

    /// Brings the state to one row a group, so that [`Self::state_rows`] is the number of groups.
    pub(super) fn measure(&mut self, split: &mut Split) -> Result<()> {
        self.seal(split)?;
        self.reduce(split)
    }

    fn reduce(&mut self, split: &mut Split) -> Result<()> {
        if self.base.len() > 1 {
            self.base = split.reduce.run(std::mem::take(&mut self.base))?;
            self.reduced_rows = self.state_rows();
        }
        Ok(())
    }

    /// The state. Complete when sealed.
    pub(super) fn state(&self) -> &[RecordBatch] {
        &self.base
    }

    pub(super) fn is_live(&self) -> bool {
        self.delta.is_some()
    }

    /// Rows of sealed state: at least the number of groups.
    pub(super) fn state_rows(&self) -> usize {
        self.base.iter().map(RecordBatch::num_rows).sum()
    }
}

/// A running partial aggregate.
struct Delta {
    input: UnboundedSender<Result<RecordBatch>>,
    output: SendableRecordBatchStream,
    state: Vec<RecordBatch>,
}

impl Delta {
    fn start(split: &mut Split) -> Result<Self> {
        // Never holds more than one batch: `add` lets the aggregate take it at once.
        let (input, rows) = unbounded();
        let rows = RecordBatchStreamAdapter::new(split.partial.input_schema(), rows);
        Ok(Self { input, output: split.partial.start(Box::pin(rows))?, state: Vec::new() })
    }

    fn add(&mut self, batch: RecordBatch) -> Result<()> {
        self.input.unbounded_send(Ok(batch)).map_err(|_| DataFusionError::Internal("the aggregate ended early".to_owned()))?;
        while let Some(state) = drive::next_if_ready(&mut self.output) {
            self.state.push(state?);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<RecordBatch>> {
        drop(self.input);
        while let Some(state) = drive::complete(self.output.next()) {
            self.state.push(state?);
        }
        Ok(self.state)
    }
}
