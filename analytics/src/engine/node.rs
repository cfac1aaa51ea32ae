//! One node of a program at work: its operator, and the way of its results into its output.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::error::Result;

use super::arrival::Arrival;
use super::assign::Assign;
use super::fault::{self, RowFault};
use super::image::{self, NodeImage, Tables, WaitingImage};
use super::lookup::LookupNode;
use super::piece::Piece;
use super::plan;
use super::sliding::SlidingNode;
use super::sorted::SortedNode;
use super::tumbling::TumblingNode;
use crate::program::{Node, Operator, Program, StreamId};

/// A node with its state.
pub(super) struct RunningNode {
    pub(super) index: usize,
    pub(super) input: StreamId,
    pub(super) output: StreamId,
    work: Work,
    assign: Assign,
}

enum Work {
    Project(Piece),
    Tumbling(Box<TumblingNode>),
    Sliding(Box<SlidingNode>),
    Sorted(SortedNode),
    Lookup(Box<LookupNode>),
}

impl RunningNode {
    /// Plans a node over rows of these columns.
    pub(super) fn new(index: usize, node: &Node, program: &Program, rows: SchemaRef) -> Result<Self> {
        let work = match &node.operator {
            Operator::Project { rows: text } => Work::Project(plan::piece(text, rows)?),
            Operator::Tumbling(tumbling) => Work::Tumbling(Box::new(TumblingNode::new(index, tumbling, rows)?)),
            Operator::Sliding(sliding) => Work::Sliding(Box::new(SlidingNode::new(index, sliding, rows)?)),
            Operator::Lookup(lookup) => Work::Lookup(Box::new(LookupNode::new(index, lookup, rows)?)),
            Operator::Sorted { window, rows: text } => Work::Sorted(SortedNode::new(index, *window, text, rows)?),
        };
        let assign = Assign::new(node, &program.streams[node.output.0], &work.schema())?;
        Ok(Self { index, input: node.input, output: node.output, work, assign })
    }

    /// The columns of the rows it yields.
    pub(super) fn schema(&self) -> SchemaRef {
        self.assign.schema()
    }

    /// Yields rows of these types from now on.
    pub(super) fn retype(&mut self, schema: &SchemaRef) {
        self.assign.retype(schema);
    }

    /// The plans, for a reader.
    pub(super) fn describe(&self) -> String {
        match &self.work {
            Work::Project(piece) => piece.describe(),
            Work::Tumbling(node) => node.describe(),
            Work::Sliding(node) => node.describe(),
            Work::Sorted(node) => node.describe(),
            Work::Lookup(node) => node.describe(),
        }
    }

    /// The columns of its rows that it only groups by.
    pub(super) fn keys(&self) -> Vec<usize> {
        if let Work::Tumbling(node) = &self.work { node.keys().collect() } else { vec![] }
    }

    /// Takes rows of an input with codes in these columns too, if it can. `node` is the one it was made from.
    pub(super) fn code(&mut self, node: &Node, rows: &SchemaRef, columns: &[usize]) -> Result<()> {
        match (&mut self.work, &node.operator) {
            (Work::Tumbling(work), Operator::Tumbling(tumbling)) => work.code(tumbling, rows, columns),
            _ => Ok(()),
        }
    }

    /// Takes rows of an input. Returns how many of them came too late.
    pub(super) fn arrive(&mut self, arrival: &Arrival, done: &mut Vec<RecordBatch>, faults: &mut Vec<RowFault>) -> Result<u64> {
        match &mut self.work {
            Work::Tumbling(node) if node.takes_codes() => node.push(arrival.rows.clone(), arrival.keys.as_ref(), faults),
            _ => self.push(arrival.plain()?, done, faults),
        }
    }

    /// Takes rows. Returns how many of them came too late.
    pub(super) fn push(&mut self, batch: RecordBatch, done: &mut Vec<RecordBatch>, faults: &mut Vec<RowFault>) -> Result<u64> {
        let mut results = Vec::new();
        let late = match &mut self.work {
            Work::Project(piece) => {
                results = fault::run(piece, batch, self.index, faults);
                0
            }
            Work::Lookup(node) => {
                results = node.run(batch, faults)?;
                0
            }
            Work::Tumbling(node) => node.push(batch, None, faults)?,
            Work::Sliding(node) => node.push(batch, faults)?,
            Work::Sorted(node) => node.push(batch)?,
        };
        self.finish(results, done, faults);
        Ok(late)
    }

    /// Completes what ends at or before this moment.
    pub(super) fn close_until(&mut self, until_ms: i64, done: &mut Vec<RecordBatch>, faults: &mut Vec<RowFault>) -> Result<()> {
        let mut results = Vec::new();
        match &mut self.work {
            Work::Project(_) | Work::Lookup(_) => {}
            Work::Tumbling(node) => node.close_until(until_ms, &mut results, faults)?,
            Work::Sliding(node) => node.close_until(until_ms, &mut results, faults)?,
            Work::Sorted(node) => node.close_until(until_ms, &mut results, faults)?,
        }
        self.finish(results, done, faults);
        Ok(())
    }

    /// Makes [`Self::held`] exact.
    pub(super) fn measure(&mut self) -> Result<()> {
        if let Work::Tumbling(node) = &mut self.work { node.measure() } else { Ok(()) }
    }

    /// Bounds memory: completes the oldest before its time. False when nothing is left to complete.
    pub(super) fn close_early(&mut self, done: &mut Vec<RecordBatch>, faults: &mut Vec<RowFault>) -> Result<bool> {
        let mut results = Vec::new();
        let is_closed = match &mut self.work {
            Work::Project(_) | Work::Lookup(_) => false,
            Work::Tumbling(node) => {
                results.extend(node.close_oldest(faults)?);
                !results.is_empty()
            }
            // What waits only moves into the windows, so it does not help when they are what is too large.
            Work::Sliding(node) => match node.middle().filter(|_| node.is_mostly_waiting()) {
                Some(until_ms) => node.close_until(until_ms, &mut results, faults).map(|()| true)?,
                None => false,
            },
            Work::Sorted(node) => node.close_half(&mut results, faults)?,
        };
        self.finish(results, done, faults);
        Ok(is_closed)
    }

    /// Bounds memory when nothing can be completed: a window takes no new groups, sliding windows forget so many rows, those
    /// of the partitions that have been quiet longest. True when that gave room.
    pub(super) fn shed(&mut self, rows: usize, faults: &mut Vec<RowFault>) -> Result<bool> {
        match &mut self.work {
            Work::Tumbling(node) => node.fill_up().map(|_| false),
            Work::Sliding(node) => Ok(node.forget(rows, faults)),
            Work::Project(_) | Work::Sorted(_) | Work::Lookup(_) => Ok(false),
        }
    }

    /// What another node needs to go on from here.
    pub(super) fn image(&mut self, tables: &mut Tables) -> Result<NodeImage> {
        Ok(match &mut self.work {
            Work::Project(_) | Work::Lookup(_) => NodeImage::Project,
            Work::Tumbling(node) => node.image(tables)?,
            Work::Sliding(node) => {
                let waiting = WaitingImage::of(node.waiting(), tables);
                NodeImage::Sliding { waiting, frames: node.frame_images(tables)? }
            }
            Work::Sorted(node) => NodeImage::Sorted { waiting: WaitingImage::of(node.waiting(), tables) },
        })
    }

    /// Goes on with the state of another node of the same plan.
    pub(super) fn restore(&mut self, image: &NodeImage, tables: &mut Tables) -> Result<()> {
        match (&mut self.work, image) {
            (Work::Project(_) | Work::Lookup(_), NodeImage::Project) => Ok(()),
            (Work::Tumbling(node), NodeImage::Tumbling { closed_until_ms, windows }) => {
                node.restore(*closed_until_ms, windows, tables)
            }
            (Work::Sliding(node), NodeImage::Sliding { waiting, frames }) => {
                waiting.put_into(node.waiting(), tables)?;
                node.restore_frames(frames, tables)
            }
            (Work::Sorted(node), NodeImage::Sorted { waiting }) => waiting.put_into(node.waiting(), tables),
            _ => Err(image::misfit("an operator of another kind")),
        }
    }

    /// Groups or rows that are held.
    pub(super) fn held(&self) -> usize {
        match &self.work {
            Work::Project(_) | Work::Lookup(_) => 0,
            Work::Tumbling(node) => node.held(),
            Work::Sliding(node) => node.held(),
            Work::Sorted(node) => node.held(),
        }
    }

    /// Whether a result is a window.
    pub(super) fn has_windows(&self) -> bool {
        matches!(self.work, Work::Tumbling(_))
    }

    /// Open tumbling windows.
    pub(super) fn open_windows(&self) -> usize {
        if let Work::Tumbling(node) = &self.work { node.open_windows() } else { 0 }
    }

    /// The rows of open tumbling windows as they stand, newest window first.
    pub(super) fn open_rows(&mut self) -> Result<Vec<RecordBatch>> {
        let Work::Tumbling(node) = &mut self.work else { return Ok(vec![]) };
        let mut rows = Vec::new();
        for results in node.open_results()? {
            rows.extend(self.assign.rows(results, self.index, &mut Vec::new()));
        }
        Ok(rows)
    }

    fn finish(&self, results: Vec<RecordBatch>, done: &mut Vec<RecordBatch>, faults: &mut Vec<RowFault>) {
        for result in results.into_iter() {
            done.extend(self.assign.rows(result, self.index, faults));
        }
    }
}

impl Work {
    fn schema(&self) -> SchemaRef {
        match self {
            Self::Project(piece) => piece.schema(),
            Self::Tumbling(node) => node.schema(),
            Self::Sliding(node) => node.schema(),
            Self::Sorted(node) => node.schema(),
            Self::Lookup(node) => node.schema(),
        }
    }
}
