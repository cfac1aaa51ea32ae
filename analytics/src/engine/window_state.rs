//! What one open window holds: groups, not rows.
//!
//! Rows go into a running partial aggregate (*delta*). Sealing ends it and keeps its state batches (*base*), from
//! which a result can be made at any time; base and later deltas merge. A window that nobody touches is sealed,
//! so that only a few running aggregates exist however many windows are open.

use arrow::array::RecordBatch;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;
use futures::channel::mpsc::{UnboundedSender, unbounded};

use super::drive;
use super::fault::{self, RowFault};
use super::full::KnownGroups;
use super::split::Split;

/// State rows beyond which batches of state are merged into fewer.
const ROWS_BEFORE_REDUCE: usize = 16_384;

/// The state of one window.
#[derive(Default)]
pub(super) struct WindowState {
    base: Vec<RecordBatch>,
    /// State rows after the last merge; state is merged again when it has doubled.
    reduced_rows: usize,
    delta: Option<Delta>,
    /// Set once the window takes no new groups.
    full: Option<KnownGroups>,
}

impl WindowState {
    /// Aggregates rows of the source that belong to this window.
    ///
    /// Rows that cannot be computed go to `faults`, in the name of `node`.
    pub(super) fn add(&mut self, split: &mut Split, rows: RecordBatch, node: usize, faults: &mut Vec<RowFault>) -> Result<()> {
        let delta = match &mut self.delta {
            Some(delta) => delta,
            none => none.insert(Delta::start(split)?),
        };
        for batch in fault::run(&mut split.before, rows, node, faults) {
            let batch = match &self.full {
                None => batch,
                Some(full) => {
                    let (known, new) = full.divide(split, &batch)?;
                    faults.extend(overflow(&new, node));
                    known
                }
            };
            if batch.num_rows() > 0 {
                delta.add(batch)?;
            }
        }
        Ok(())
    }

    /// Brings the state to one row a group, so that [`Self::state_rows`] is the number of groups.
    pub(super) fn measure(&mut self, split: &mut Split) -> Result<()> {
        self.seal(split)?;
        if self.base.len() > 1 {
            self.base = split.reduce.run(std::mem::take(&mut self.base))?;
            self.reduced_rows = self.state_rows();
        }
        Ok(())
    }

    /// Takes no new groups from now on. False when that changes nothing.
    pub(super) fn fill_up(&mut self, split: &mut Split) -> Result<bool> {
        if self.full.is_some() {
            return Ok(false);
        }
        self.measure(split)?;
        self.full = KnownGroups::of(split, &self.base)?;
        Ok(self.full.is_some())
    }

    /// Ends the running aggregate, if there is one, and keeps its state.
    pub(super) fn seal(&mut self, split: &mut Split) -> Result<()> {
        let Some(delta) = self.delta.take() else { return Ok(()) };
        self.base.extend(delta.finish()?);
        let rows = self.state_rows();
        if self.base.len() > 1 && rows > ROWS_BEFORE_REDUCE.max(2 * self.reduced_rows) {
            self.base = split.reduce.run(std::mem::take(&mut self.base))?;
            self.reduced_rows = self.state_rows();
        }
        Ok(())
    }

    /// The query's result over the rows so far.
    pub(super) fn result(&mut self, split: &mut Split) -> Result<Vec<RecordBatch>> {
        self.seal(split)?;
        split.last.run(self.base.clone())
    }

    /// The state as batches, for a checkpoint.
    pub(super) fn image(&mut self, split: &mut Split) -> Result<Vec<RecordBatch>> {
        self.seal(split)?;
        Ok(self.base.clone())
    }

    /// A window with the state of another one.
    pub(super) fn restored(base: Vec<RecordBatch>) -> Self {
        Self { base, ..Self::default() }
    }

    pub(super) fn is_live(&self) -> bool {
        self.delta.is_some()
    }

    /// Rows of sealed state: at least the number of groups.
    pub(super) fn state_rows(&self) -> usize {
        self.base.iter().map(RecordBatch::num_rows).sum()
    }
}

/// Tells of rows that found no room: one fault for all of them.
fn overflow(rows: &RecordBatch, node: usize) -> Option<RowFault> {
    let message = "the window holds as many groups as --max-groups allows, so rows of new groups are left out; \
         this is the first of them in its batch"
        .to_owned();
    (rows.num_rows() > 0).then(|| RowFault { message, row: rows.slice(0, 1), node, count: rows.num_rows() as u64 })
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
