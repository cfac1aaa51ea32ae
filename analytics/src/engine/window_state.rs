//! What one open window holds: groups, not rows.
//!
//! Groups of rows that came with codes are kept by their codes until the window closes, or until rows come with codes of
//! another dictionary, or with none: see [`WindowState::uncode`].

use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::error::Result;

use super::fault::{self, RowFault};
use super::full::KnownGroups;
use super::groups::Groups;
use super::split::{Split, Splits};
use crate::keys::Dictionary;

/// The state of one window.
#[derive(Default)]
pub(super) struct WindowState {
    groups: Groups,
    coded: Option<CodedGroups>,
    /// Set once the window takes no new groups.
    full: Option<KnownGroups>,
}

/// Groups by the codes of one dictionary.
struct CodedGroups {
    keys: Arc<Dictionary>,
    groups: Groups,
}

impl WindowState {
    /// Aggregates rows of the source that belong to this window; with `keys` some of their columns are its codes. When other
    /// keys come than before, [`Self::uncode`] is to be called first.
    ///
    /// Rows that cannot be computed go to `faults`, in the name of `node`.
    pub(super) fn add(
        &mut self,
        splits: &mut Splits,
        rows: RecordBatch,
        keys: Option<&Arc<Dictionary>>,
        node: usize,
        faults: &mut Vec<RowFault>,
    ) -> Result<()> {
        match keys {
            None => self.add_plain(&mut splits.plain, rows, node, faults),
            Some(keys) if self.full.is_some() => {
                let rows = keys.decode(&rows, &splits.plain.before.input_schema())?;
                self.add_plain(&mut splits.plain, rows, node, faults)
            }
            Some(keys) => self.add_coded(splits, rows, keys, node, faults),
        }
    }

    fn add_plain(&mut self, split: &mut Split, rows: RecordBatch, node: usize, faults: &mut Vec<RowFault>) -> Result<()> {
        for batch in fault::run(&mut split.before, rows, node, faults) {
            let batch = match &self.full {
                None => batch,
                Some(full) => {
                    let (known, new) = full.divide(split, &batch)?;
                    faults.extend(overflow(&new, node));
                    known
                }
            };
            self.groups.add(split, batch)?;
        }
        Ok(())
    }

    fn add_coded(
        &mut self,
        splits: &mut Splits,
        rows: RecordBatch,
        keys: &Arc<Dictionary>,
        node: usize,
        faults: &mut Vec<RowFault>,
    ) -> Result<()> {
        let mut failed = Vec::new();
        let batches = fault::run(&mut splits.coded()?.before, rows, node, &mut failed);
        for fault in failed {
            let row = keys.decode(&fault.row, &splits.plain.before.input_schema())?;
            faults.push(RowFault { row, ..fault });
        }
        let coded = self.coded.get_or_insert_with(|| CodedGroups { keys: keys.clone(), groups: Groups::default() });
        let split = splits.coded()?;
        batches.into_iter().try_for_each(|batch| coded.groups.add(split, batch))
    }

    /// Brings the state to one row a group, so that [`Self::state_rows`] is the number of groups.
    pub(super) fn measure(&mut self, splits: &mut Splits) -> Result<()> {
        self.seal(splits)?;
        if !self.groups.state().is_empty() {
            self.uncode(splits)?; // a group may be in both
        }
        if let Some(coded) = &mut self.coded {
            coded.groups.measure(splits.coded()?)?;
        }
        self.groups.measure(&mut splits.plain)
    }

    /// Takes no new groups from now on. False when that changes nothing.
    pub(super) fn fill_up(&mut self, splits: &mut Splits) -> Result<bool> {
        if self.full.is_some() {
            return Ok(false);
        }
        self.uncode(splits)?;
        self.groups.measure(&mut splits.plain)?;
        self.full = KnownGroups::of(&splits.plain, self.groups.state())?;
        Ok(self.full.is_some())
    }

    /// Ends the running aggregates, if there are any, and keeps their state.
    pub(super) fn seal(&mut self, splits: &mut Splits) -> Result<()> {
        if let Some(coded) = &mut self.coded {
            coded.groups.seal(splits.coded()?)?;
        }
        self.groups.seal(&mut splits.plain)
    }

    /// The query's result over the rows so far.
    pub(super) fn result(&mut self, splits: &mut Splits) -> Result<Vec<RecordBatch>> {
        self.seal(splits)?;
        match &self.coded {
            Some(CodedGroups { keys, groups }) if self.groups.state().is_empty() => {
                let results = splits.coded()?.last.run(groups.state().to_vec())?;
                let schema = splits.plain.last.schema();
                // What writes them in order sorts texts; they are sorted then.
                let texts = |result: &RecordBatch| keys.decode(&keys.sort(result)?, &schema);
                Ok(results.iter().map(texts).collect::<Result<_, _>>()?)
            }
            _ => {
                let state = self.state(&splits.plain)?;
                splits.plain.last.run(state)
            }
        }
    }

    /// The state as batches, for a checkpoint.
    pub(super) fn image(&mut self, splits: &mut Splits) -> Result<Vec<RecordBatch>> {
        self.seal(splits)?;
        self.state(&splits.plain)
    }

    /// A window with the state of another one.
    pub(super) fn restored(state: Vec<RecordBatch>) -> Self {
        Self { groups: Groups::of(state), ..Self::default() }
    }

    pub(super) fn is_live(&self) -> bool {
        self.groups.is_live() || self.coded.as_ref().is_some_and(|coded| coded.groups.is_live())
    }

    /// Rows of sealed state: at least the number of groups.
    pub(super) fn state_rows(&self) -> usize {
        self.groups.state_rows() + self.coded.as_ref().map_or(0, |coded| coded.groups.state_rows())
    }

    /// All sealed state, without codes.
    fn state(&self, split: &Split) -> Result<Vec<RecordBatch>> {
        let mut state = self.groups.state().to_vec();
        if let Some(coded) = &self.coded {
            state.extend(coded.texts(split)?);
        }
        Ok(state)
    }

    /// Keeps all groups by their texts: two dictionaries give a text two codes, and one that is left is not to stay for ever.
    pub(super) fn uncode(&mut self, splits: &mut Splits) -> Result<()> {
        let Some(mut coded) = self.coded.take() else { return Ok(()) };
        coded.groups.seal(splits.coded()?)?;
        self.groups.seal(&mut splits.plain)?; // what came before stays before, for aggregates that mind
        self.groups.take(coded.texts(&splits.plain)?);
        Ok(())
    }
}

impl CodedGroups {
    /// The sealed state, without codes.
    fn texts(&self, split: &Split) -> Result<Vec<RecordBatch>> {
        let schema = split.partial.schema();
        Ok(self.groups.state().iter().map(|state| self.keys.decode(state, &schema)).collect::<Result<_, _>>()?)
    }
}

/// Tells of rows that found no room: one fault for all of them.
fn overflow(rows: &RecordBatch, node: usize) -> Option<RowFault> {
    let message = "the window holds as many groups as --max-groups allows, so rows of new groups are left out; \
         this is the first of them in its batch"
        .to_owned();
    (rows.num_rows() > 0).then(|| RowFault { message, row: rows.slice(0, 1), node, count: rows.num_rows() as u64 })
}
