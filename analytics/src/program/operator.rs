//! What a pump does with its rows, as text that the engine plans.
//!
//! Every text reads one table, [`TABLE`]; its columns are those that the operator puts there.

use std::sync::Arc;

use super::reference::Reference;
use super::window::Window;

/// The one table that every text reads.
pub(crate) const TABLE: &str = "weir";

/// Names of columns that operators add. They have no upper-case twin in a program: unquoted names there have no blank.
pub(crate) const WINDOW_START: &str = "window start";
/// The ROWTIME of a window's results.
pub(crate) const WINDOW_END: &str = "window end";

/// An operator. Each one's last text yields ROWTIME and the columns of the select list.
#[derive(Debug, Clone)]
pub(crate) enum Operator {
    /// Filter and expressions, row by row.
    Project { rows: String },
    /// Groups of a tumbling window, when it is complete. DISTINCT too: groups without aggregates.
    Tumbling(Tumbling),
    /// One result a row, with aggregates over the rows before it.
    Sliding(Sliding),
    /// Sorts the rows of a tumbling window, when it is complete.
    Sorted { window: Window, rows: String },
    /// Joins each row with a reference table.
    Lookup(Lookup),
}

/// A join with a reference table.
#[derive(Debug, Clone)]
pub(crate) struct Lookup {
    /// Over the stream's rows: the columns that are kept, then the keys.
    pub(crate) rows: String,
    pub(crate) reference: Arc<Reference>,
    /// The columns of the table that the keys are compared with.
    pub(crate) keys: Vec<usize>,
    /// The columns of the table that the result has, behind those kept.
    pub(crate) columns: Vec<usize>,
    /// Whether rows without a match stay, with NULLs.
    pub(crate) is_left: bool,
}

/// Aggregation of the rows of a window.
#[derive(Debug, Clone)]
pub(crate) struct Tumbling {
    pub(crate) window: Window,
    /// Over the stream's rows: filter, keys and aggregates; exactly one aggregation.
    pub(crate) groups: String,
    /// Over the groups and the window's start and end: HAVING, expressions, order.
    pub(crate) result: String,
}

/// Aggregation over the rows before each row.
#[derive(Debug, Clone)]
pub(crate) struct Sliding {
    /// Over the stream's rows: filter, partition keys, arguments, and the columns that the result needs.
    pub(crate) prepare: String,
    pub(crate) frames: Vec<Frame>,
    /// Over the prepared rows: the different aggregates in one select list.
    pub(crate) aggregates: String,
    /// What the result reads, each the next column: an aggregate by its place in that list, and its frame.
    pub(crate) calls: Vec<(usize, usize)>,
    /// Over the prepared rows with the aggregates: expressions.
    pub(crate) result: String,
}

/// The rows that an aggregate takes for a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Columns of the prepared rows that a row shares with those it is aggregated with.
    pub(crate) partition_by: Vec<String>,
    pub(crate) extent: Extent,
}

/// How far back a frame goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// So many milliseconds before the row, with that moment itself or without it.
    Range { ms: i64, has_start: bool },
    /// So many rows before the row.
    Rows(usize),
}

impl Extent {
    /// The earliest moment that belongs to the frame of a row at this moment; None when rows are counted.
    pub(crate) fn start_ms(self, ms: i64) -> Option<i64> {
        match self {
            Self::Range { ms: range_ms, has_start } => Some(ms.saturating_sub(range_ms).saturating_add(i64::from(!has_start))),
            Self::Rows(_) => None,
        }
    }
}

impl Operator {
    /// One line for a reader.
    pub(crate) fn summary(&self) -> String {
        match self {
            Self::Project { .. } => "filter and project, row by row".to_owned(),
            Self::Tumbling(tumbling) => format!("aggregate in tumbling windows of {}", tumbling.window),
            Self::Sliding(sliding) => {
                let frames: Vec<String> = sliding.frames.iter().map(Frame::summary).collect();
                format!("aggregate over sliding windows: {}", frames.join("; "))
            }
            Self::Sorted { window, .. } => format!("sort in tumbling windows of {window}"),
            Self::Lookup(lookup) => format!("look up in the reference table {}", lookup.reference.name),
        }
    }

    /// The texts that DataFusion plans, with their purpose.
    pub(crate) fn texts(&self) -> Vec<(&'static str, &str)> {
        match self {
            Self::Project { rows } | Self::Sorted { rows, .. } | Self::Lookup(Lookup { rows, .. }) => vec![("rows", rows)],
            Self::Tumbling(Tumbling { groups, result, .. }) => vec![("groups", groups), ("result", result)],
            Self::Sliding(Sliding { prepare, aggregates, result, .. }) => {
                vec![("prepare", prepare), ("aggregates", aggregates), ("result", result)]
            }
        }
    }
}

impl Frame {
    fn summary(&self) -> String {
        let extent = match self.extent {
            Extent::Range { ms, has_start: true } => format!("{ms} ms before the row"),
            Extent::Range { ms, has_start: false } => format!("less than {ms} ms before the row"),
            Extent::Rows(rows) => format!("{rows} rows before the row"),
        };
        format!("{extent}, {} partition keys", self.partition_by.len())
    }
}
