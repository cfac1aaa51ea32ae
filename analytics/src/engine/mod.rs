//! The one owner of window state: rows in, closed windows out.
//!
//! Pure of IO and clock: the caller passes decoded rows and the time, and does something with what closes.
//! Invariant: a window closes once, windows close in order of time, and over all closed windows the rows equal
//! those of the same query over all rows that were not late.

mod cut;
mod drive;
mod piece;
mod split;
mod window_state;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, TimestampMillisecondArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::error::Result;

use crate::chunk::ShardId;
use crate::decode::{BadLine, Decoded, LineCounts, Rows, ShardEvent};
use crate::program::{Program, RowTime, Window};
use crate::watermark::Watermark;
use split::Split;
use window_state::WindowState;

/// How windows close and how much is kept.
#[derive(Debug, Clone)]
pub(crate) struct EngineOptions {
    pub(crate) row_time: RowTime,
    /// How long after its end a window waits for late rows. None: until the input ends.
    pub(crate) allowed_lateness_ms: Option<i64>,
    /// How long a shard may be quiet before the others go on without it.
    pub(crate) idle_after_ms: i64,
    /// Groups held in open windows; beyond it the oldest windows close early.
    pub(crate) max_groups: usize,
}

/// A promise of a stream about arrival times is this much weaker than its clock says: the stream's machines and
/// this one do not agree to the millisecond.
const CLOCK_SKEW_MS: i64 = 1_000;

/// Windows with a running aggregate at the same time; more are sealed, oldest first.
const MAX_LIVE_WINDOWS: usize = 4;

/// Closed windows kept for readers, and their rows.
const KEPT_WINDOWS: usize = 360;
const KEPT_ROWS: usize = 1_000_000;

/// The result of one window.
#[derive(Debug, Clone)]
pub(crate) struct WindowResult {
    pub(crate) is_closed: bool,
    /// `window_start`, `window_end` (UTC), then the program's columns.
    pub(crate) rows: RecordBatch,
}

/// Totals since the start.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Stats {
    pub(crate) lines: LineCounts,
    /// Rows that went into a window.
    pub(crate) rows: u64,
    /// Rows whose window had closed before they came.
    pub(crate) late_rows: u64,
    pub(crate) closed_windows: u64,
    /// Result rows of closed windows.
    pub(crate) results: u64,
    /// Windows closed before their time because too many groups were held.
    pub(crate) closed_early: u64,
}

/// What live readers see.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    /// Open windows and the latest closed ones, newest first.
    pub(crate) windows: Vec<WindowResult>,
    pub(crate) stats: Stats,
    pub(crate) watermark_ms: Option<i64>,
    pub(crate) open_windows: usize,
}

/// What a step brought.
#[derive(Debug, Default)]
pub(crate) struct Output {
    /// Windows that closed, in order of time.
    pub(crate) closed: Vec<WindowResult>,
    pub(crate) bad_lines: Vec<BadLine>,
}

/// Runs one program over the rows of all shards.
pub(crate) struct Engine {
    split: Split,
    schema: SchemaRef,
    window: Window,
    options: EngineOptions,
    watermark: Watermark,
    /// Invariant: none of these has been closed; a window older than `closed_until_ms` is not opened again.
    open: BTreeMap<i64, WindowState>,
    /// Every window that ends at or before this has closed.
    closed_until_ms: i64,
    kept: VecDeque<WindowResult>,
    kept_rows: usize,
    stats: Stats,
}

impl Engine {
    /// Plans the program.
    ///
    /// # Errors
    /// When the SQL does not plan or has not exactly one aggregate.
    pub(crate) fn new(program: &Program, source: SchemaRef, options: EngineOptions) -> Result<Self> {
        let split = split::plan(&program.sql, source)?;
        let watermark = Watermark::new(options.idle_after_ms);
        Ok(Self {
            schema: result_schema(&split.last.schema()),
            split,
            window: program.window,
            options,
            watermark,
            open: BTreeMap::new(),
            closed_until_ms: i64::MIN,
            kept: VecDeque::new(),
            kept_rows: 0,
            stats: Stats::default(),
        })
    }

    /// The columns of every result.
    pub(crate) fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// The plans of the query's pieces, for `debug` logs.
    pub(crate) fn describe(&self) -> String {
        format!("partial:\n{}final:\n{}", self.split.partial.describe(), self.split.last.describe())
    }

    /// Takes rows of a shard, or news about it. `now_ms` is the clock.
    pub(crate) fn handle(&mut self, decoded: Decoded, now_ms: i64) -> Result<Output> {
        let shard = decoded.shard;
        let mut output = Output::default();
        match decoded.event {
            ShardEvent::Begin => self.watermark.begin(shard, now_ms),
            ShardEvent::End => self.watermark.end(shard),
            ShardEvent::CaughtUp { at_ms } => self.caught_up(shard, at_ms, now_ms),
            ShardEvent::Rows(rows) => output.bad_lines = self.rows(shard, rows, now_ms)?,
        }
        output.closed = self.tick(now_ms)?;
        Ok(output)
    }

    /// Closes what is due. Call it from time to time: shards fall silent, and then only the clock moves.
    pub(crate) fn tick(&mut self, now_ms: i64) -> Result<Vec<WindowResult>> {
        self.watermark.advance(now_ms);
        let mut closed = Vec::new();
        if let Some(lateness_ms) = self.options.allowed_lateness_ms {
            let until_ms = self.watermark.value_ms().saturating_sub(lateness_ms);
            self.close_until(until_ms, &mut closed)?;
        }
        self.close_for_memory(&mut closed)?;
        Ok(closed)
    }

    /// Closes every window: the input has ended.
    pub(crate) fn finish(&mut self) -> Result<Vec<WindowResult>> {
        let mut closed = Vec::new();
        self.close_until(i64::MAX, &mut closed)?;
        Ok(closed)
    }

    /// Results as they stand, newest window first: all open windows and the closed ones that are kept.
    pub(crate) fn snapshot(&mut self) -> Result<Snapshot> {
        let mut windows = Vec::with_capacity(self.open.len() + self.kept.len());
        for (&start_ms, state) in self.open.iter_mut().rev() {
            let rows = state.result(&mut self.split)?;
            windows.push(result(&self.schema, self.window, start_ms, false, &rows)?);
        }
        windows.extend(self.kept.iter().rev().cloned());
        let watermark_ms = Some(self.watermark.value_ms()).filter(|ms| *ms != crate::watermark::BEFORE_ALL);
        Ok(Snapshot { windows, stats: self.stats, watermark_ms, open_windows: self.open.len() })
    }

    /// Totals since the start.
    pub(crate) fn stats(&self) -> Stats {
        self.stats
    }

    fn caught_up(&mut self, shard: ShardId, at_ms: i64, now_ms: i64) {
        self.watermark.caught_up(shard, now_ms);
        if self.options.row_time != RowTime::Event {
            self.watermark.promise(shard, at_ms - CLOCK_SKEW_MS);
        }
    }

    fn rows(&mut self, shard: ShardId, rows: Rows, now_ms: i64) -> Result<Vec<BadLine>> {
        self.stats.lines.add(rows.counts);
        if let Some(cut) = cut::by_window(rows.batch, self.window)? {
            for (start_ms, batch) in cut.windows {
                self.add(start_ms, batch)?;
            }
            self.watermark.rows(shard, cut.latest_ms, now_ms);
            self.seal_old_windows()?;
        }
        Ok(rows.bad_lines)
    }

    fn add(&mut self, start_ms: i64, batch: RecordBatch) -> Result<()> {
        let count = batch.num_rows() as u64;
        if self.window.end_of(start_ms) <= self.closed_until_ms {
            self.stats.late_rows += count;
            return Ok(());
        }
        self.stats.rows += count;
        self.open.entry(start_ms).or_default().add(&mut self.split, batch)
    }

    /// Keeps running aggregates only in the newest windows, where most rows go.
    fn seal_old_windows(&mut self) -> Result<()> {
        let live = self.open.values().filter(|state| state.is_live()).count();
        let too_many = live.saturating_sub(MAX_LIVE_WINDOWS);
        for state in self.open.values_mut().filter(|state| state.is_live()).take(too_many) {
            state.seal(&mut self.split)?;
        }
        Ok(())
    }

    fn close_until(&mut self, until_ms: i64, closed: &mut Vec<WindowResult>) -> Result<()> {
        self.closed_until_ms = self.closed_until_ms.max(until_ms);
        while let Some(first) = self.open.first_entry() {
            if self.window.end_of(*first.key()) > until_ms {
                break;
            }
            let (start_ms, state) = first.remove_entry();
            closed.push(self.close(start_ms, state)?);
        }
        Ok(())
    }

    /// Bounds memory: gives up the wait for late rows of the oldest windows, never the newest window.
    fn close_for_memory(&mut self, closed: &mut Vec<WindowResult>) -> Result<()> {
        while self.open.len() > 1 && self.held_groups() > self.options.max_groups {
            let Some((start_ms, state)) = self.open.pop_first() else { break };
            self.closed_until_ms = self.closed_until_ms.max(self.window.end_of(start_ms));
            self.stats.closed_early += 1;
            closed.push(self.close(start_ms, state)?);
        }
        Ok(())
    }

    fn held_groups(&self) -> usize {
        self.open.values().map(WindowState::state_rows).sum()
    }

    fn close(&mut self, start_ms: i64, mut state: WindowState) -> Result<WindowResult> {
        let rows = state.result(&mut self.split)?;
        let result = result(&self.schema, self.window, start_ms, true, &rows)?;
        self.stats.closed_windows += 1;
        self.stats.results += result.rows.num_rows() as u64;
        self.keep(result.clone());
        Ok(result)
    }

    fn keep(&mut self, result: WindowResult) {
        self.kept_rows += result.rows.num_rows();
        self.kept.push_back(result);
        while self.kept.len() > KEPT_WINDOWS || self.kept_rows > KEPT_ROWS {
            let Some(oldest) = self.kept.pop_front() else { break };
            self.kept_rows -= oldest.rows.num_rows();
        }
    }
}

fn result_schema(program: &Schema) -> SchemaRef {
    let time = |name| Arc::new(Field::new(name, DataType::Timestamp(TimeUnit::Millisecond, Some("+00:00".into())), false));
    let times = [time("window_start"), time("window_end")];
    Arc::new(Schema::new(times.into_iter().chain(program.fields().iter().cloned()).collect::<Vec<_>>()))
}

fn result(schema: &SchemaRef, window: Window, start_ms: i64, is_closed: bool, rows: &[RecordBatch]) -> Result<WindowResult> {
    let batches = rows.iter().map(|batch| {
        let time = |ms| Arc::new(TimestampMillisecondArray::from_value(ms, batch.num_rows()).with_timezone("+00:00")) as ArrayRef;
        let times = [time(start_ms), time(window.end_of(start_ms))];
        RecordBatch::try_new(schema.clone(), times.into_iter().chain(batch.columns().iter().cloned()).collect())
    });
    let batches = batches.collect::<Result<Vec<_>, _>>()?;
    Ok(WindowResult { is_closed, rows: concat_batches(schema, &batches)? })
}

#[cfg(test)]
pub(crate) mod tests;
