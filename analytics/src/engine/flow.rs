//! The way of rows through the nodes of a program, in one step.

use std::collections::HashMap;

use arrow::array::RecordBatch;
use datafusion::error::Result;

use super::arrival::Arrival;
use super::{Engine, Output, StreamRows, Until};
use crate::program::StreamId;

impl Engine {
    /// Lets rows of an input flow through all nodes, each of which then completes what is due.
    pub(super) fn flow(&mut self, arrival: Option<&Arrival>, until: Until, output: &mut Output) -> Result<()> {
        self.flow_from(0, arrival, HashMap::new(), until, output)
    }

    /// As [`Self::flow`], from this node on: `pending` are rows that others have yielded.
    pub(super) fn flow_from(
        &mut self,
        first: usize,
        arrival: Option<&Arrival>,
        mut pending: HashMap<StreamId, Vec<RecordBatch>>,
        until: Until,
        output: &mut Output,
    ) -> Result<()> {
        let mut late_of_input = 0;
        let known_faults = output.faults.len();
        for index in first..self.nodes.len() {
            let until_ms = self.until_ms(index, until);
            let node = &mut self.nodes[index];
            let mut done = Vec::new();
            let mut late = 0;
            if let Some(arrival) = arrival.filter(|arrival| arrival.stream == node.input) {
                late += node.arrive(arrival, &mut done, &mut output.faults)?;
            }
            for batch in pending.get(&node.input).cloned().unwrap_or_default() {
                late += node.push(batch, &mut done, &mut output.faults)?;
            }
            // A row may be late in several pumps; it is one late row.
            if self.inputs.contains(&node.input) {
                late_of_input = late.max(late_of_input)
            } else {
                self.stats.late_rows += late
            }
            let before = done.len();
            node.close_until(until_ms, &mut done, &mut output.faults)?;
            if node.has_windows() {
                self.stats.closed_windows += (done.len() - before) as u64;
            }
            self.emit(index, done, &mut pending, output);
        }
        self.stats.late_rows += late_of_input;
        self.stats.rows -= late_of_input;
        self.stats.failed_rows += output.faults[known_faults..].iter().map(|fault| fault.count).sum::<u64>();
        Ok(())
    }

    /// Puts what a node has yielded before those that read it, and before readers.
    pub(super) fn emit(
        &mut self,
        index: usize,
        done: Vec<RecordBatch>,
        pending: &mut HashMap<StreamId, Vec<RecordBatch>>,
        output: &mut Output,
    ) {
        let stream = self.nodes[index].output;
        for rows in done.into_iter().filter(|rows| rows.num_rows() > 0) {
            pending.entry(stream).or_default().push(rows.clone());
            if !self.is_shown[stream.0] {
                continue;
            }
            self.stats.results += rows.num_rows() as u64;
            let rows = StreamRows { stream, is_closed: true, rows };
            if self.options.keeps_results {
                self.kept[stream.0].add(rows.clone());
            }
            output.rows.push(rows);
        }
    }
}
