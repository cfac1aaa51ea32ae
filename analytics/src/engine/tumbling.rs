//! Tumbling windows: rows in, and the groups of each window once it is complete.
//!
//! Invariant: a window closes once, windows close in order of time, and over all closed windows the groups equal those
//! of the same query over all rows that were not late.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, TimestampMillisecondArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::error::Result;

use super::assign::row_time;
use super::cut;
use super::fault::{self, RowFault};
use super::image::{NodeImage, Tables};
use super::key_use::KeyUse;
use super::piece::Piece;
use super::plan;
use super::split::Splits;
use super::window_state::WindowState;
use crate::keys::Dictionary;
use crate::program::{Tumbling, WINDOW_END, WINDOW_START, Window};

/// Windows with a running aggregate at the same time; more are sealed, oldest first.
const MAX_LIVE_WINDOWS: usize = 4;

/// The windows of one node.
pub(super) struct TumblingNode {
    node: usize,
    splits: Splits,
    result: Piece,
    window: Window,
    /// Invariant: none of these has been closed; a window older than `closed_until_ms` is not opened again.
    open: BTreeMap<i64, WindowState>,
    /// Every window that ends at or before this has closed.
    closed_until_ms: i64,
    /// The dictionary of the rows that came last. Invariant: no window has codes of another one.
    keys: Option<Arc<Dictionary>>,
}

impl TumblingNode {
    pub(super) fn new(node: usize, tumbling: &Tumbling, rows: SchemaRef) -> Result<Self> {
        let splits = Splits::plan(&tumbling.groups, rows)?;
        let groups = splits.plain.last.schema();
        let times = [WINDOW_START, WINDOW_END].map(|name| Arc::new(row_time().with_name(name)));
        let fields: Vec<Arc<Field>> = groups.fields().iter().cloned().chain(times).collect();
        let result = plan::piece(&tumbling.result, Arc::new(Schema::new(fields)))?;
        Ok(Self { node, splits, result, window: tumbling.window, open: BTreeMap::new(), closed_until_ms: i64::MIN, keys: None })
    }

    /// The columns of its rows that it only groups by.
    pub(super) fn keys(&self) -> impl Iterator<Item = usize> {
        self.splits.plain.uses.iter().enumerate().filter(|(_, key_use)| **key_use == KeyUse::Key).map(|(column, _)| column)
    }

    /// Takes rows with codes in these columns too, if it can.
    pub(super) fn code(&mut self, tumbling: &Tumbling, rows: &SchemaRef, columns: &[usize]) -> Result<()> {
        self.splits.code(&tumbling.groups, rows, columns)
    }

    /// Whether rows may come with codes.
    pub(super) fn takes_codes(&self) -> bool {
        self.splits.coded.is_some()
    }

    /// The columns of the results.
    pub(super) fn schema(&self) -> SchemaRef {
        self.result.schema()
    }

    /// The plans of the pieces, for a reader.
    pub(super) fn describe(&self) -> String {
        let pieces = [
            ("before", &self.splits.plain.before),
            ("partial", &self.splits.plain.partial),
            ("final", &self.splits.plain.last),
            ("result", &self.result),
        ];
        pieces.map(|(name, piece)| format!("{name}:\n{}", piece.describe())).concat()
    }

    /// Takes rows; with `keys` some of their columns are its codes. Returns how many of them came too late.
    pub(super) fn push(&mut self, batch: RecordBatch, keys: Option<&Arc<Dictionary>>, faults: &mut Vec<RowFault>) -> Result<u64> {
        self.change_keys(keys)?;
        let mut late = 0;
        for (start_ms, rows) in cut::by_window(batch, self.window)? {
            if self.window.end_of(start_ms) <= self.closed_until_ms {
                late += rows.num_rows() as u64;
            } else {
                self.open.entry(start_ms).or_default().add(&mut self.splits, rows, keys, self.node, faults)?;
            }
        }
        self.seal_old_windows()?;
        Ok(late)
    }

    fn change_keys(&mut self, keys: Option<&Arc<Dictionary>>) -> Result<()> {
        if self.keys.as_ref().map(Arc::as_ptr) != keys.map(Arc::as_ptr) {
            self.open.values_mut().try_for_each(|state| state.uncode(&mut self.splits))?;
            self.keys = keys.cloned();
        }
        Ok(())
    }

    /// Keeps running aggregates only in the newest windows, where most rows go.
    fn seal_old_windows(&mut self) -> Result<()> {
        let live = self.open.values().filter(|state| state.is_live()).count();
        let too_many = live.saturating_sub(MAX_LIVE_WINDOWS);
        for state in self.open.values_mut().filter(|state| state.is_live()).take(too_many) {
            state.seal(&mut self.splits)?;
        }
        Ok(())
    }

    /// Closes the windows that end at or before this moment.
    pub(super) fn close_until(&mut self, until_ms: i64, closed: &mut Vec<RecordBatch>, faults: &mut Vec<RowFault>) -> Result<()> {
        // At the end of the input only what is open is over: after a restart more may come.
        let last = self.open.keys().next_back();
        let closed_ms = if until_ms == i64::MAX { last.map_or(i64::MIN, |start| self.window.end_of(*start)) } else { until_ms };
        self.closed_until_ms = self.closed_until_ms.max(closed_ms);
        while let Some(first) = self.open.first_entry() {
            if self.window.end_of(*first.key()) > until_ms {
                break;
            }
            let (start_ms, state) = first.remove_entry();
            closed.push(self.close(start_ms, state, faults)?);
        }
        Ok(())
    }

    /// Bounds memory: gives up the wait for late rows of the oldest window, unless it is the only one.
    pub(super) fn close_oldest(&mut self, faults: &mut Vec<RowFault>) -> Result<Option<RecordBatch>> {
        if self.open.len() < 2 {
            return Ok(None);
        }
        let Some((start_ms, state)) = self.open.pop_first() else { return Ok(None) };
        self.closed_until_ms = self.closed_until_ms.max(self.window.end_of(start_ms));
        self.close(start_ms, state, faults).map(Some)
    }

    /// Makes [`Self::held`] exact.
    pub(super) fn measure(&mut self) -> Result<()> {
        self.open.values_mut().try_for_each(|state| state.measure(&mut self.splits))
    }

    /// Bounds memory when there is one window only: it takes no new groups. False when it is so already.
    pub(super) fn fill_up(&mut self) -> Result<bool> {
        match self.open.last_entry() {
            Some(mut last) => last.get_mut().fill_up(&mut self.splits),
            None => Ok(false),
        }
    }

    /// What another node needs to go on from here.
    pub(super) fn image(&mut self, tables: &mut Tables) -> Result<NodeImage> {
        let mut windows = Vec::with_capacity(self.open.len());
        for (&start_ms, state) in &mut self.open {
            windows.push((start_ms, tables.put(state.image(&mut self.splits)?)));
        }
        Ok(NodeImage::Tumbling { closed_until_ms: self.closed_until_ms, windows })
    }

    /// Goes on with the windows of another node of the same plan.
    pub(super) fn restore(&mut self, closed_until_ms: i64, windows: &[(i64, usize)], tables: &mut Tables) -> Result<()> {
        self.closed_until_ms = closed_until_ms;
        for (start_ms, table) in windows {
            self.open.insert(*start_ms, WindowState::restored(tables.take(*table)?));
        }
        Ok(())
    }

    /// Open windows.
    pub(super) fn open_windows(&self) -> usize {
        self.open.len()
    }

    /// Rows of state that are held: at least the number of groups.
    pub(super) fn held(&self) -> usize {
        self.open.values().map(WindowState::state_rows).sum()
    }

    /// The results of open windows as they stand, newest first. Changes nothing.
    pub(super) fn open_results(&mut self) -> Result<Vec<RecordBatch>> {
        let mut results = Vec::with_capacity(self.open.len());
        for (&start_ms, state) in self.open.iter_mut().rev() {
            let groups = state.result(&mut self.splits)?;
            // A group that cannot be computed is told when its window closes.
            results.push(finish(&mut self.result, self.window, start_ms, &groups, self.node, &mut Vec::new())?);
        }
        Ok(results)
    }

    fn close(&mut self, start_ms: i64, mut state: WindowState, faults: &mut Vec<RowFault>) -> Result<RecordBatch> {
        let groups = state.result(&mut self.splits)?;
        finish(&mut self.result, self.window, start_ms, &groups, self.node, faults)
    }
}

/// From the groups of a window to its results.
fn finish(
    piece: &mut Piece,
    window: Window,
    start_ms: i64,
    groups: &[RecordBatch],
    node: usize,
    faults: &mut Vec<RowFault>,
) -> Result<RecordBatch> {
    let schema = piece.input_schema();
    let mut batches = Vec::with_capacity(groups.len());
    for batch in groups {
        let time = |ms| Arc::new(TimestampMillisecondArray::from_value(ms, batch.num_rows())) as ArrayRef;
        let times = [time(start_ms), time(window.row_time(start_ms))];
        batches.push(RecordBatch::try_new(schema.clone(), batch.columns().iter().cloned().chain(times).collect())?);
    }
    let rows = concat_batches(&schema, &batches)?;
    let results = fault::run(piece, rows, node, faults);
    Ok(concat_batches(&piece.schema(), &results)?)
}
