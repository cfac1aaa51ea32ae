//! Tables for reading, one a window.

use anyhow::Result;
use arrow::util::pretty::pretty_format_batches;

use super::{Out, Sink, without_window_end};
use crate::engine::WindowResult;

pub(super) struct Table<W> {
    out: W,
}

impl<W: Out> Table<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out }
    }
}

impl<W: Out> Sink for Table<W> {
    fn write(&mut self, result: &WindowResult) -> Result<()> {
        let rows = result.rows.project(&without_window_end(result.rows.num_columns()))?;
        writeln!(self.out, "{}", pretty_format_batches(&[rows])?)?;
        Ok(self.out.flush()?)
    }
}
