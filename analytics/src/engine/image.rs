//! What an engine holds between two steps, so that another one can go on from there.
//!
//! Facts are small and plain; groups and rows are tables of record batches, which the facts name by their number. Taking
//! an image copies nothing: batches are shared, and a running aggregate is sealed, as a live reader seals it.

use arrow::array::RecordBatch;
use datafusion::error::{DataFusionError, Result};
use serde::{Deserialize, Serialize};

use super::waiting::Waiting;
use super::{Engine, Stats};
use crate::watermark::{Watermark, WatermarkImage};

/// The state of an engine.
#[derive(Debug)]
pub(crate) struct EngineImage {
    pub(crate) facts: Facts,
    pub(crate) tables: Vec<Vec<RecordBatch>>,
}

/// All but the groups and rows.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Facts {
    watermark: WatermarkImage,
    /// Those of the second input and the next ones.
    #[serde(default)]
    more_watermarks: Vec<WatermarkImage>,
    pub(crate) stats: Stats,
    /// In the order of flow.
    nodes: Vec<NodeImage>,
}

/// The state of one node. Numbers of tables are those of [`EngineImage::tables`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum NodeImage {
    Project,
    Tumbling {
        closed_until_ms: i64,
        /// Start and table of each open window.
        windows: Vec<(i64, usize)>,
    },
    Sliding {
        waiting: WaitingImage,
        /// The table of each frame.
        frames: Vec<usize>,
    },
    Sorted {
        waiting: WaitingImage,
    },
}

/// Rows that wait for their turn.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct WaitingImage {
    released_until_ms: i64,
    table: usize,
}

impl WaitingImage {
    pub(super) fn of(waiting: &Waiting, tables: &mut Tables) -> Self {
        Self { released_until_ms: waiting.released_until_ms(), table: tables.put(waiting.image()) }
    }

    pub(super) fn put_into(&self, waiting: &mut Waiting, tables: &mut Tables) -> Result<()> {
        Ok(waiting.restore(self.released_until_ms, tables.take(self.table)?)?)
    }
}

/// The tables of an image, while it is made or used up.
#[derive(Debug, Default)]
pub(super) struct Tables(Vec<Vec<RecordBatch>>);

impl Tables {
    /// Adds a table. Returns its number.
    pub(super) fn put(&mut self, batches: Vec<RecordBatch>) -> usize {
        self.0.push(batches);
        self.0.len() - 1
    }

    /// Takes the table with this number, once.
    pub(super) fn take(&mut self, number: usize) -> Result<Vec<RecordBatch>> {
        self.0.get_mut(number).map(std::mem::take).ok_or_else(|| misfit("a table that is not there"))
    }
}

/// The image is not of this program, though it says so.
pub(super) fn misfit(what: &str) -> DataFusionError {
    DataFusionError::Execution(format!("the state does not belong to this program: it has {what}"))
}

impl Engine {
    /// The state, for a checkpoint. Changes no result.
    ///
    /// # Errors
    /// When a running aggregate cannot be sealed.
    pub(crate) fn image(&mut self) -> Result<EngineImage> {
        let mut tables = Tables::default();
        let nodes = self.nodes.iter_mut().map(|node| node.image(&mut tables)).collect::<Result<_>>()?;
        let mut images = self.watermarks.iter().map(Watermark::image);
        let watermark = images.next().ok_or_else(|| misfit("no input"))?;
        let facts = Facts { watermark, more_watermarks: images.collect(), stats: self.stats, nodes };
        Ok(EngineImage { facts, tables: tables.0 })
    }

    /// Goes on from the state of another engine of the same program.
    ///
    /// # Errors
    /// When the state is of another program.
    pub(crate) fn restore(&mut self, image: EngineImage, now_ms: i64) -> Result<()> {
        let EngineImage { facts, tables } = image;
        if facts.nodes.len() != self.nodes.len() {
            return Err(misfit(&format!("{} operators, and the program {}", facts.nodes.len(), self.nodes.len())));
        }
        let mut tables = Tables(tables);
        for (node, image) in self.nodes.iter_mut().zip(&facts.nodes) {
            node.restore(image, &mut tables)?;
        }
        let images = std::iter::once(&facts.watermark).chain(&facts.more_watermarks);
        for (watermark, image) in self.watermarks.iter_mut().zip(images) {
            watermark.restore(image, now_ms);
        }
        self.stats = facts.stats;
        Ok(())
    }
}
