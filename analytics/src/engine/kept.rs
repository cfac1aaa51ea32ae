//! The latest rows of a stream, for readers.

use std::collections::VecDeque;

use super::StreamRows;

/// Batches kept for readers of each stream, and their rows: a batch is a closed window, or rows that came together.
const KEPT_BATCHES: usize = 360;
const KEPT_ROWS: usize = 1_000_000;

/// Latest rows, oldest first.
#[derive(Debug, Clone, Default)]
pub(super) struct Kept {
    pub(super) batches: VecDeque<StreamRows>,
    rows: usize,
}

impl Kept {
    /// Adds rows; the oldest go when there are too many.
    pub(super) fn add(&mut self, rows: StreamRows) {
        self.rows += rows.rows.num_rows();
        self.batches.push_back(rows);
        while self.batches.len() > KEPT_BATCHES || self.rows > KEPT_ROWS {
            let Some(oldest) = self.batches.pop_front() else { break };
            self.rows -= oldest.rows.num_rows();
        }
    }
}
