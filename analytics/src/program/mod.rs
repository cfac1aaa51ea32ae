//! What is to be computed: streams, and pumps that run between them.
//!
//! ```text
//! sql::Script ─▶ catalog (streams by name) ─▶ compile: each SELECT ─▶ operator ─▶ graph: nodes in the order of flow
//!                                               rowwise · grouped · sliding
//! ```
//!
//! Names, windows and the shape of every query are settled here, with places for errors; types are DataFusion's, so the
//! engine settles them when it plans the operators' texts. `--window 10s` is written as a program and takes this path.

mod call;
mod catalog;
mod compile;
mod context;
mod expression;
mod fingerprint;
mod functions;
mod graph;
mod grouped;
mod interval;
mod monotonic;
mod operator;
mod reference;
mod relation;
mod rowwise;
mod select;
mod shorthand;
mod sliding;
mod union;
mod whole;
mod window;

use crate::sql::{self, ColumnDefinition, Place, PumpStatement, Script, SqlError, Statement, StreamStatement};
use catalog::Catalog;
use compile::{Compiled, Compiler};

pub(crate) use catalog::{Stream, StreamColumn, StreamKind};
pub(crate) use context::WHOLE_AVERAGE;
pub(crate) use expression::AS_TEXT;
pub(crate) use operator::{Extent, Frame, Lookup, Operator, Sliding, TABLE, Tumbling, WINDOW_END, WINDOW_START};
pub(crate) use reference::Reference;
pub(crate) use relation::{Metadata, ROWTIME, quoted};
pub(crate) use shorthand::{REQUEST_COUNTS, request_counts};
pub(crate) use window::Window;

/// The fields of the access log, in its order. Source: `sql/access_log.sql`, checked by a test.
pub(crate) const LOG_COLUMNS: [&str; 10] = [
    "request_time",
    "client_ip",
    "client_hostname",
    "server_ip",
    "request",
    "http_method",
    "status",
    "size",
    "userAgent",
    "referer",
];

/// The schema of the access log: an input's, unless another is given.
pub(crate) const LOG_SCHEMA: &str = include_str!("../../../sql/access_log.sql");

/// What the time of a row is. The three kinds are never mixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum RowTime {
    /// When the record reached the stream: ApproximateArrivalTimestamp, the same on every reading.
    Arrival,
    /// When the request was made: the line's own request_time.
    Event,
    /// When the line was read here.
    Clock,
}

/// A stream of the program, by its place in [`Program::streams`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct StreamId(pub(crate) usize);

/// An operator between two streams.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) pump: String,
    /// Where the pump stands.
    pub(crate) place: Place,
    pub(crate) input: StreamId,
    pub(crate) output: StreamId,
    pub(crate) operator: Operator,
    /// Names of the result's columns, behind ROWTIME.
    pub(crate) columns: Vec<String>,
    /// For each of them the column of the output that it goes to; None: the output has just these.
    pub(crate) targets: Option<Vec<usize>>,
}

/// A program, ready to be planned.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    pub(crate) streams: Vec<Stream>,
    /// In the order of flow: who writes a stream stands before who reads it.
    pub(crate) nodes: Vec<Node>,
    /// The streams whose rows come from outside.
    pub(crate) inputs: Vec<StreamId>,
}

impl Program {
    /// Leaves the moment at the start of every sliding window of time out of it.
    ///
    /// The service's reference says that it belongs to the window, as in SQL:2008; its developer guide shows one without.
    pub(crate) fn exclude_range_start(&mut self) {
        for node in &mut self.nodes {
            let Operator::Sliding(sliding) = &mut node.operator else { continue };
            for frame in &mut sliding.frames {
                if let Extent::Range { has_start, .. } = &mut frame.extent {
                    *has_start = false;
                }
            }
        }
    }
}

/// What became of one statement.
#[derive(Debug)]
pub(crate) struct StatementReport {
    pub(crate) place: Place,
    /// `stream "S"`, `pump "P"`, or how it begins.
    pub(crate) title: String,
    /// What it does otherwise than the service did, or why it is refused.
    pub(crate) outcome: Result<Vec<String>, SqlError>,
}

/// A program and what became of each of its statements.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) statements: Vec<StatementReport>,
    /// The program, or what is wrong with it beyond single statements.
    pub(crate) program: Result<Program, Vec<SqlError>>,
}

/// Reads a program. `input_columns` are those of inputs that the program does not declare; `fed` names streams that are
/// inputs although the program declares them.
///
/// # Errors
/// When the text cannot be cut into statements.
pub(crate) fn check(
    source: &str,
    input_columns: Vec<ColumnDefinition>,
    references: Vec<Reference>,
    fed: &[String],
) -> Result<Checked, SqlError> {
    let catalog = Catalog::new(input_columns, references);
    Ok(Builder { catalog, nodes: Vec::new(), reports: Vec::new(), fed }.build(sql::parse(source)?))
}

/// Reads a program that has to be right.
///
/// # Errors
/// All that is wrong with it.
pub(crate) fn load(source: &str, input_columns: Vec<ColumnDefinition>) -> Result<Program, Vec<SqlError>> {
    load_with(source, input_columns, vec![], &[])
}

/// Reads a program that has to be right, and may join these tables.
///
/// # Errors
/// All that is wrong with it.
pub(crate) fn load_with(
    source: &str,
    input_columns: Vec<ColumnDefinition>,
    references: Vec<Reference>,
    fed: &[String],
) -> Result<Program, Vec<SqlError>> {
    let checked = check(source, input_columns, references, fed).map_err(|error| vec![error])?;
    let faults: Vec<SqlError> = checked.statements.into_iter().filter_map(|report| report.outcome.err()).collect();
    if faults.is_empty() { checked.program } else { Err(faults) }
}

/// The columns that a schema's one CREATE STREAM declares.
///
/// # Errors
/// When it is not one CREATE STREAM.
pub(crate) fn schema_columns(source: &str) -> Result<Vec<ColumnDefinition>, SqlError> {
    let mut statements = sql::parse(source)?.statements;
    match (statements.pop(), statements.len()) {
        (Some((_, Ok(Statement::Stream(stream)))), 0) => Ok(stream.columns),
        (Some((_, Err(error))), _) => Err(error),
        (Some((place, _)), _) => Err(SqlError::new(place, "a schema is one CREATE STREAM with the columns of the input")),
        (None, _) => Err(SqlError::new(Place { line: 1, column: 1 }, "a schema is one CREATE STREAM, and this is empty")),
    }
}

struct Builder<'a> {
    catalog: Catalog,
    nodes: Vec<Node>,
    reports: Vec<StatementReport>,
    fed: &'a [String],
}

impl Builder<'_> {
    fn build(mut self, script: Script) -> Checked {
        let comment = script.unclosed_comment;
        let mut pumps = Vec::new();
        // Streams first: a pump may stand before the stream that it writes into.
        for (place, statement) in script.statements {
            match statement {
                Ok(Statement::Stream(stream)) => self.stream(place, &stream),
                Ok(Statement::Pump(pump)) => {
                    let title = format!("pump {}", quoted(&pump.name.name));
                    pumps.push((self.reports.len(), pump));
                    self.reports.push(StatementReport { place, title, outcome: Ok(vec![]) });
                }
                Err(error) => self.reports.push(StatementReport { place, title: "statement".to_owned(), outcome: Err(error) }),
            }
        }
        for index in 0..pumps.len() {
            let (report, pump) = &pumps[index];
            let is_replaced = pumps[index + 1..].iter().any(|(_, later)| later.name.name == pump.name.name);
            self.reports[*report].outcome = if is_replaced {
                Ok(vec!["replaced by a later pump of this name, so it does not run".to_owned()])
            } else {
                self.pump(pump)
            };
        }
        if let Some(place) = comment {
            let outcome = Ok(vec!["this comment is not closed: the rest of the program is part of it".to_owned()]);
            self.reports.push(StatementReport { place, title: "comment".to_owned(), outcome });
        }
        let has_fault = self.reports.iter().any(|report| report.outcome.is_err());
        let program = if has_fault { Err(vec![]) } else { graph::link(self.catalog.streams, self.nodes, self.fed) };
        Checked { statements: self.reports, program }
    }

    fn stream(&mut self, place: Place, stream: &StreamStatement) {
        let name = &stream.name.name;
        let outcome = self.catalog.declare(name, &stream.columns, stream.name.place);
        let notes = |is_replacement| match is_replacement {
            true => vec!["defined twice; this definition is taken".to_owned()],
            false => vec![],
        };
        self.reports.push(StatementReport { place, title: format!("stream {}", quoted(name)), outcome: outcome.map(notes) });
    }

    fn pump(&mut self, pump: &PumpStatement) -> Result<Vec<String>, SqlError> {
        let output = self.catalog.target(&pump.target.name, pump.target.place)?;
        let query = sql::parse_query(&pump.query)?;
        let name = pump.name.name.as_str();
        let place = pump.name.place;
        let mut compiler = Compiler { catalog: &mut self.catalog, pump: name, place, nodes: Vec::new(), notes: Vec::new() };
        let selects = compiler.query(&query)?;
        let Compiler { nodes, notes, .. } = compiler;
        self.nodes.extend(nodes);
        for Compiled { place, input, operator, columns } in selects {
            let targets = self.targets(pump, output, columns.len())?;
            let columns = columns.into_iter().map(|column| column.name).collect();
            let node = Node { pump: name.to_owned(), place, input, output, operator, columns, targets: Some(targets) };
            self.nodes.push(node);
        }
        Ok(notes)
    }

    /// Which column of the target each column of the result goes to.
    fn targets(&self, pump: &PumpStatement, output: StreamId, count: usize) -> Result<Vec<usize>, SqlError> {
        let stream = &self.catalog.streams[output.0];
        let names = match &pump.columns {
            None => (0..stream.columns.len()).collect::<Vec<_>>(),
            Some(names) => {
                let find = |named: &sql::Named| {
                    let index = stream.columns.iter().position(|column| column.name == named.name);
                    index.ok_or_else(|| SqlError::new(named.place, format!("{} has no column {}", stream.name, named.name)))
                };
                names.iter().map(find).collect::<Result<_, _>>()?
            }
        };
        if names.len() != count {
            let message = format!("{} takes {} columns here, and the query has {count}", quoted(&stream.name), names.len());
            return Err(SqlError::new(pump.target.place, message).help("columns go to columns by position"));
        }
        Ok(names)
    }
}

#[cfg(test)]
mod tests;
