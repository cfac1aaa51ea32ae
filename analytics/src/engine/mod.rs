//! The one owner of all state: rows in, rows of the program's streams out.
//!
//! Pure of IO and clock: the caller passes decoded rows and the time, and does something with what comes.
//! Nodes run in the order of flow, each over what those before it yielded in the same step, and each completes what
//! ends before the same moment: a row that a node yields later is never older than that moment.

mod arrival;
mod assign;
mod checked;
mod cut;
mod date_format;
mod drive;
mod errors;
mod fault;
mod flow;
mod frame;
mod full;
mod functions;
mod groups;
mod image;
mod kept;
mod key_use;
mod lookup;
mod memory;
mod node;
mod piece;
mod plan;
mod reach;
mod sliding;
mod sorted;
mod split;
mod tumbling;
mod union;
mod waiting;
mod window_state;

use std::collections::{BTreeSet, HashMap};

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{DataType, SchemaRef, TimestampMillisecondType};
use datafusion::error::Result;
use serde::{Deserialize, Serialize};

use crate::chunk::ShardId;
use crate::decode::{BadLine, Decoded, LineCounts, Rows, ShardEvent};
use crate::program::{Program, RowTime, StreamId};
use crate::sql::SqlError;
use crate::watermark::Watermark;
use arrival::Arrival;
use kept::Kept;
use node::RunningNode;
use reach::{Until, upstream};

pub(crate) use assign::{columns_schema, cut, cut_text, stream_schema};
pub(crate) use errors::ERROR_SCHEMA;
pub(crate) use fault::RowFault;
pub(crate) use image::{EngineImage, Facts};

/// How windows close and how much is kept.
#[derive(Debug, Clone)]
pub(crate) struct EngineOptions {
    pub(crate) row_time: RowTime,
    /// How long after its end a window waits for late rows. None: until the input ends.
    pub(crate) allowed_lateness_ms: Option<i64>,
    /// How long a shard may be quiet before the others go on without it.
    pub(crate) idle_after_ms: i64,
    /// Groups and rows held in open windows; beyond it the oldest windows close early.
    pub(crate) max_groups: usize,
    /// Whether the latest results are kept, for readers that ask for them.
    pub(crate) keeps_results: bool,
}

/// A promise of a stream about arrival times is this much weaker than its clock says: the stream's machines and
/// this one do not agree to the millisecond.
const CLOCK_SKEW_MS: i64 = 1_000;

/// Rows of one of the program's streams.
#[derive(Debug, Clone)]
pub(crate) struct StreamRows {
    pub(crate) stream: StreamId,
    /// False while the window that they come from is open.
    pub(crate) is_closed: bool,
    /// ROWTIME, then the stream's columns.
    pub(crate) rows: RecordBatch,
}

/// Totals since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stats {
    pub(crate) lines: LineCounts,
    /// Rows of the input that were taken.
    pub(crate) rows: u64,
    /// Rows whose window had closed before they came.
    pub(crate) late_rows: u64,
    /// Rows that could not be computed.
    pub(crate) failed_rows: u64,
    pub(crate) closed_windows: u64,
    /// Rows that pumps inserted.
    pub(crate) results: u64,
    /// Windows closed before their time because too many groups were held.
    pub(crate) closed_early: u64,
}

/// Numbers for those who operate it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Totals {
    pub(crate) stats: Stats,
    pub(crate) watermark_ms: Option<i64>,
    pub(crate) open_windows: usize,
    /// Groups and rows.
    pub(crate) held: usize,
}

/// What live readers see.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    /// For each stream that has rows: open windows and the latest rows, newest first.
    pub(crate) streams: HashMap<StreamId, Vec<StreamRows>>,
    pub(crate) stats: Stats,
    pub(crate) watermark_ms: Option<i64>,
    pub(crate) open_windows: usize,
}

/// Errors of rows and of lines, as rows.
pub(crate) const ERROR_STREAM: StreamId = StreamId(usize::MAX);

/// What a step brought.
#[derive(Debug, Default)]
pub(crate) struct Output {
    /// Rows that came into streams, in the order of flow; those of one stream in order of time.
    pub(crate) rows: Vec<StreamRows>,
    pub(crate) bad_lines: Vec<BadLine>,
    faults: Vec<RowFault>,
}

/// Runs one program over the rows of all shards.
pub(crate) struct Engine {
    inputs: Vec<StreamId>,
    /// The columns of each input, none of them codes.
    sources: Vec<SchemaRef>,
    /// For each input those that may come as codes.
    coded: Vec<Vec<usize>>,
    /// In the order of flow.
    nodes: Vec<RunningNode>,
    /// For each node the inputs that its rows come from.
    upstream: Vec<BTreeSet<usize>>,
    /// The pump of each node.
    pumps: Vec<String>,
    options: EngineOptions,
    /// One for each input.
    watermarks: Vec<Watermark>,
    /// Latest rows of each stream, oldest first.
    kept: Vec<Kept>,
    /// Streams that readers see: not those of subqueries.
    is_shown: Vec<bool>,
    stats: Stats,
    /// Rows since groups were last counted.
    unmeasured_rows: usize,
    /// Groups when they were last counted.
    measured_groups: usize,
}

impl Engine {
    /// Plans the program over inputs with these columns, the first of which is ROWTIME.
    ///
    /// # Errors
    /// When types do not fit, with the place of the pump.
    pub(crate) fn new(program: &Program, sources: Vec<SchemaRef>, options: EngineOptions) -> Result<Self, SqlError> {
        let mut schemas: HashMap<StreamId, SchemaRef> = program.inputs.iter().copied().zip(sources.iter().cloned()).collect();
        let mut nodes: Vec<RunningNode> = Vec::with_capacity(program.nodes.len());
        for (index, node) in program.nodes.iter().enumerate() {
            let located = |error| SqlError::new(node.place, format!("pump {}: {}", node.pump, fault::message(&error)));
            let rows = schemas.get(&node.input).cloned().unwrap_or_else(|| stream_schema(&program.streams[node.input.0]));
            let running = RunningNode::new(index, node, program, rows).map_err(located)?;
            let mut schema = running.schema();
            nodes.push(running);
            // Who reads a stream comes behind all that write it, so its types may still change here.
            if let Some(known) = schemas.get(&node.output) {
                schema = union::meet(known, &schema).map_err(located)?;
                nodes.iter_mut().filter(|writer| writer.output == node.output).for_each(|writer| writer.retype(&schema));
            }
            schemas.insert(node.output, schema);
        }
        let coded = program.inputs.iter().zip(&sources).map(|(input, rows)| code_keys(&mut nodes, program, *input, rows));
        let coded =
            coded.collect::<Result<_>>().map_err(|error| SqlError::new(program.nodes[0].place, fault::message(&error)))?;
        Ok(Self {
            sources,
            coded,
            inputs: program.inputs.clone(),
            nodes,
            upstream: upstream(program),
            pumps: program.nodes.iter().map(|node| node.pump.clone()).collect(),
            watermarks: program.inputs.iter().map(|_| Watermark::new(options.idle_after_ms)).collect(),
            options,
            kept: vec![Kept::default(); program.streams.len()],
            is_shown: program.streams.iter().map(|stream| stream.kind != crate::program::StreamKind::Inner).collect(),
            stats: Stats::default(),
            unmeasured_rows: 0,
            measured_groups: 0,
        })
    }

    /// For each input the columns that may come as codes of a dictionary: the program only groups by them.
    pub(crate) fn coded_columns(&self) -> &[Vec<usize>] {
        &self.coded
    }

    /// The plans of every node, in the order of flow.
    pub(crate) fn describe(&self) -> Vec<String> {
        self.nodes.iter().map(RunningNode::describe).collect()
    }

    /// Takes rows of a shard, or news about it. `now_ms` is the clock.
    pub(crate) fn handle(&mut self, decoded: Decoded, now_ms: i64) -> Result<Output> {
        let shard = decoded.shard;
        let mut output = Output::default();
        match decoded.event {
            ShardEvent::Begin => self.watermarks[shard.input()].begin(shard, now_ms),
            ShardEvent::End => self.watermarks[shard.input()].end(shard),
            ShardEvent::CaughtUp { at_ms } => self.caught_up(shard, at_ms, now_ms),
            ShardEvent::Rows(rows) => self.rows(shard, rows, now_ms, &mut output)?,
            ShardEvent::Nothing => {}
        }
        self.advance(now_ms, &mut output)?;
        self.tell_errors(now_ms, &mut output);
        Ok(output)
    }

    /// Closes what is due. Call it from time to time: shards fall silent, and then only the clock moves.
    pub(crate) fn tick(&mut self, now_ms: i64) -> Result<Output> {
        let mut output = Output::default();
        self.advance(now_ms, &mut output)?;
        self.tell_errors(now_ms, &mut output);
        Ok(output)
    }

    /// Closes every window: the input has ended.
    pub(crate) fn finish(&mut self, now_ms: i64) -> Result<Output> {
        let mut output = Output::default();
        self.flow(None, Until::Everything, &mut output)?;
        self.tell_errors(now_ms, &mut output);
        Ok(output)
    }

    /// Results as they stand: open windows and the latest rows.
    pub(crate) fn snapshot(&mut self) -> Result<Snapshot> {
        let mut streams: HashMap<StreamId, Vec<StreamRows>> = HashMap::new();
        for node in self.nodes.iter_mut().filter(|node| self.is_shown[node.output.0]) {
            let stream = node.output;
            let open = node.open_rows()?.into_iter().map(|rows| StreamRows { stream, is_closed: false, rows });
            streams.entry(stream).or_default().extend(open);
        }
        for (stream, shown) in &mut streams {
            shown.extend(self.kept[stream.0].batches.iter().rev().cloned());
        }
        let Totals { stats, watermark_ms, open_windows, .. } = self.totals();
        Ok(Snapshot { streams, stats, watermark_ms, open_windows })
    }

    /// Numbers as they stand; cheap.
    pub(crate) fn totals(&self) -> Totals {
        let all = 0..self.watermarks.len();
        let is_known = |ms: &i64| *ms != crate::watermark::BEFORE_ALL && *ms != i64::MAX;
        let watermark_ms = Some(self.reached_ms(all)).filter(is_known);
        let held = self.nodes.iter().map(RunningNode::held).sum();
        Totals { stats: self.stats, watermark_ms, open_windows: self.open_windows(), held }
    }

    /// Totals since the start.
    pub(crate) fn stats(&self) -> Stats {
        self.stats
    }

    /// Windows that are not complete.
    pub(crate) fn open_windows(&self) -> usize {
        self.nodes.iter().map(RunningNode::open_windows).sum()
    }

    /// Puts what went wrong in this step into the error stream.
    fn tell_errors(&self, now_ms: i64, output: &mut Output) {
        let pump = |node: usize| self.pumps.get(node).cloned().unwrap_or_default();
        let rows = errors::rows(&output.bad_lines, &output.faults, pump, now_ms);
        output.rows.extend(rows.map(|rows| StreamRows { stream: ERROR_STREAM, is_closed: true, rows }));
    }

    fn caught_up(&mut self, shard: ShardId, at_ms: i64, now_ms: i64) {
        let watermark = &mut self.watermarks[shard.input()];
        watermark.caught_up(shard, now_ms);
        if self.options.row_time != RowTime::Event {
            watermark.promise(shard, at_ms - CLOCK_SKEW_MS);
        }
    }

    fn rows(&mut self, shard: ShardId, rows: Rows, now_ms: i64, output: &mut Output) -> Result<()> {
        self.stats.lines.add(rows.counts);
        output.bad_lines = rows.bad_lines;
        let times = rows.batch.column(0).as_primitive::<TimestampMillisecondType>().values();
        if let Some(&latest_ms) = times.iter().max() {
            self.stats.rows += rows.batch.num_rows() as u64;
            self.unmeasured_rows += rows.batch.num_rows();
            let (stream, schema) = (self.inputs[shard.input()], self.sources[shard.input()].clone());
            self.flow(Some(&Arrival::new(stream, rows.batch, rows.keys, schema)), Until::Nothing, output)?;
            self.watermarks[shard.input()].rows(shard, latest_ms, now_ms);
        }
        Ok(())
    }

    fn advance(&mut self, now_ms: i64, output: &mut Output) -> Result<()> {
        self.watermarks.iter_mut().for_each(|watermark| watermark.advance(now_ms));
        if let Some(lateness_ms) = self.options.allowed_lateness_ms {
            self.flow(None, Until::Watermark { lateness_ms }, output)?;
        }
        self.bound_memory(output)
    }
}

/// Lets the nodes that read an input take its rows with codes. Returns the columns that may be codes.
fn code_keys(nodes: &mut [RunningNode], program: &Program, input: StreamId, rows: &SchemaRef) -> Result<Vec<usize>> {
    let readers = || program.nodes.iter().enumerate().filter(|(_, node)| node.input == input);
    let keys: BTreeSet<usize> = readers().flat_map(|(index, _)| nodes[index].keys()).collect();
    let coded: Vec<usize> = keys.into_iter().filter(|column| *rows.field(*column).data_type() == DataType::Utf8View).collect();
    if !coded.is_empty() {
        readers().try_for_each(|(index, node)| nodes[index].code(node, rows, &coded))?;
    }
    Ok(coded)
}

#[cfg(test)]
pub(crate) mod tests;
