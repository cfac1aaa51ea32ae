//! Bounds what is held: the policy of `--max-groups`.
//!
//! Groups and rows of all open windows together are counted exactly after each eighth of the limit that came, so memory is
//! bounded by the limit and an eighth. Beyond it, in this order: the oldest windows close before their time, rows that wait
//! for their turn go on, the one window that is left takes no new groups, and sliding windows forget the partitions that
//! have been quiet longest. Each is counted and told in the error stream or the summary; none ends the run.

use std::collections::HashMap;

use datafusion::error::Result;

use super::node::RunningNode;
use super::{Engine, Output, Until};

/// The limit is looked at after this part of it has come in rows.
const PARTS: usize = 8;

impl Engine {
    /// Gives room when too much is held.
    pub(super) fn bound_memory(&mut self, output: &mut Output) -> Result<()> {
        let max = self.options.max_groups;
        if self.unmeasured_rows * PARTS < max {
            return Ok(());
        }
        self.unmeasured_rows = 0;
        self.nodes.iter_mut().try_for_each(RunningNode::measure)?;
        while self.held() > max {
            let Some(index) = (0..self.nodes.len()).max_by_key(|index| self.nodes[*index].held()) else { break };
            let mut done = Vec::new();
            if !self.nodes[index].close_early(&mut done, &mut output.faults)? {
                // Room for the next part, so that partitions are not forgotten one by one.
                self.nodes[index].shed(max - max / PARTS, &mut output.faults)?;
                break;
            }
            self.stats.closed_early += 1;
            self.stats.closed_windows += u64::from(self.nodes[index].has_windows());
            let mut pending = HashMap::new();
            self.emit(index, done, &mut pending, output);
            self.flow_from(index + 1, pending, Until::Nothing, output)?;
        }
        Ok(())
    }

    fn held(&self) -> usize {
        self.nodes.iter().map(RunningNode::held).sum()
    }
}
