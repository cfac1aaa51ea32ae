//! Tables for reading, one a window.

use anyhow::Result;
use arrow::array::RecordBatch;
use arrow::util::pretty::pretty_format_batches;

use super::layout::Layout;
use super::{Out, Sink};

pub(super) struct Table<W> {
    out: W,
    layout: Layout,
    /// Whether the stream's name stands above: several streams are printed to one place.
    is_named: bool,
}

impl<W: Out> Table<W> {
    pub(super) fn new(out: W, layout: Layout, is_named: bool) -> Self {
        Self { out, layout, is_named }
    }
}

impl<W: Out> Sink for Table<W> {
    fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        if self.is_named {
            writeln!(self.out, "{}", self.layout.name)?;
        }
        writeln!(self.out, "{}", pretty_format_batches(&[self.layout.rows(rows)?])?)?;
        Ok(self.out.flush()?)
    }
}
