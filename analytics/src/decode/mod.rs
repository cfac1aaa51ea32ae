//! Lines to Arrow columns: only the fields the program reads are decoded.
//!
//! ```text
//! record ─▶ unwrapped (KPL aggregate, gzip, zstd, plain) ─▶ lines
//! line ─▶ delimited (CSV, NCSA), or JSON: flat (no backslash in the line, wanted fields are strings) ─┬─▶ columns ─▶ Decoded { batch, bad lines, counts }
//!             └─ anything else ─▶ lenient (legal JSON and Apache's) ──┘
//! ```
//!
//! A bad line is counted and located; it never stops the next one.

mod clf_time;
mod columns;
mod delimited;
mod escape;
mod flat;
mod kpl;
mod lenient;
mod metadata;
mod plan;
mod record;
mod row_clock;
mod sample;
mod tally;
mod typed;

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use crate::chunk::{Chunk, Mark, Payload, Position, ShardId, StreamRecord};
use crate::engine::columns_schema;
use crate::keys::{Coder, Dictionaries, Dictionary, coded_schema};
use crate::lines::{Line, Lines, lines};
use crate::program::{Metadata, RowTime, StreamColumn};
use crate::sql::{FieldPath, SqlType};
use columns::{Cell, Columns};
pub(crate) use delimited::Form;
use flat::Scanner;
use lenient::LineError;
pub(crate) use lenient::Missing;
pub(crate) use plan::InputPlan;
use row_clock::RowClock;
pub(crate) use sample::{COMBINED_FIELDS, COMMON_FIELDS, converted, csv_width, json_paths, lines_of, ncsa_width};
use tally::Tally;
pub(crate) use tally::{BadLine, LineCounts};

/// The field of the log that holds the time of the request.
pub(crate) const TIME_FIELD: &str = "request_time";

/// What a [`Chunk`] became.
#[derive(Debug)]
pub(crate) struct Decoded {
    pub(crate) shard: ShardId,
    pub(crate) event: ShardEvent,
    /// See [`Chunk::mark`].
    pub(crate) mark: Option<Mark>,
}

/// Rows of a shard, or news about it, in the shard's order.
#[derive(Debug)]
pub(crate) enum ShardEvent {
    /// See [`Payload::Begin`].
    Begin,
    Rows(Rows),
    /// See [`Payload::CaughtUp`].
    CaughtUp {
        at_ms: i64,
    },
    /// See [`Payload::End`].
    End,
    /// See [`Payload::Nothing`].
    Nothing,
}

/// Decoded lines.
#[derive(Debug)]
pub(crate) struct Rows {
    /// ROWTIME (milliseconds, UTC) and the columns of the program.
    pub(crate) batch: RecordBatch,
    /// Of the columns that are codes; None: there are none.
    pub(crate) keys: Option<Arc<Dictionary>>,
    pub(crate) bad_lines: Vec<BadLine>,
    pub(crate) counts: LineCounts,
}

/// Decodes chunks one after the other; each worker thread has its own.
pub(crate) struct Decoder {
    plan: InputPlan,
    /// Where the program's columns stand, then the time field when the time of a row stands in the line.
    wanted: Vec<FieldPath>,
    /// The fast path to `wanted`; None when one of them is in an object inside of the line's, or there are more than it
    /// takes, or lines are no JSON.
    scanner: Option<Scanner>,
    /// For lines that are not JSON: where each of `wanted` stands in a line.
    positions: Vec<Option<usize>>,
    /// Where the time field stands in `wanted`, when it holds the time of a row.
    time_index: Option<usize>,
    clock: RowClock,
    columns: Columns,
    /// All columns with their types.
    declared: Vec<StreamColumn>,
    /// The metadata of the record that is decoded.
    metadata: Vec<Option<String>>,
    /// ROWTIME and the columns, with their types.
    schema: SchemaRef,
    /// The same with those that are codes.
    coded_schema: SchemaRef,
    /// Whether a column has another type than text of any length.
    has_types: bool,
    /// For each row of the chunk its record and line, when types may refuse it.
    origins: Vec<(u32, u32)>,
}

impl Decoder {
    /// A decoder for these columns.
    pub(crate) fn new(plan: InputPlan) -> Self {
        let declared: Vec<StreamColumn> =
            plan.columns.iter().cloned().chain(plan.metadata.iter().map(|metadata| metadata.column())).collect();
        let mut wanted: Vec<FieldPath> = plan.columns.iter().map(|column| plan.field(column)).collect();
        let time = FieldPath::of(&plan.time_field);
        let has_time = plan.row_time == RowTime::Event;
        if has_time && !wanted.contains(&time) {
            wanted.push(time.clone());
        }
        let time_index = wanted.iter().position(|path| *path == time).filter(|_| has_time);
        let is_flat = plan.form == Form::Json && wanted.len() <= MAX_FAST && wanted.iter().all(|path| path.below().is_empty());
        let scanner = is_flat.then(|| Scanner::new(wanted.iter().map(|path| path.key().as_bytes().to_vec()).collect()));
        let is_plain = |column: &StreamColumn| column.sql_type == Some(SqlType::Varchar(65_535)) && !column.is_not_null;
        Self {
            positions: plan.form.positions(&wanted),
            wanted,
            scanner,
            time_index,
            clock: RowClock::default(),
            columns: Columns::new(&declared),
            coded_schema: columns_schema(&declared),
            schema: columns_schema(&declared),
            has_types: !declared.iter().all(is_plain),
            metadata: vec![None; plan.metadata.len()],
            declared,
            origins: Vec::new(),
            plan,
        }
    }

    /// Gives texts of these columns as numbers, those that [`crate::engine::Engine::coded_columns`] takes so.
    pub(crate) fn code(mut self, columns: &[usize], dictionaries: &Arc<Dictionaries>) -> Self {
        self.coded_schema = coded_schema(&self.schema, columns);
        self.columns.code(&self.declared, columns, Coder::new(dictionaries.clone()));
        self
    }

    /// ROWTIME and the program's columns.
    pub(crate) fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// Decodes one chunk. `now_ms` is the clock, for rows whose time is when they were read.
    pub(crate) fn decode(&mut self, chunk: Chunk, now_ms: i64) -> Decoded {
        let (shard, mark) = (chunk.shard, chunk.mark);
        let event = match chunk.payload {
            Payload::Lines { lines, file, first_line, arrivals_ms } => {
                let place = |_, line| Position::File { file: file.clone(), line: first_line + u64::from(line) };
                let fill = |decoder: &mut Self, out: &mut Tally| decoder.file_lines(&lines, &arrivals_ms, now_ms, &place, out);
                ShardEvent::Rows(self.decode_with(fill, &place))
            }
            Payload::Records(records) => {
                let place = |record: u32, line| {
                    let StreamRecord { shard_name, sequence_number, .. } = &records[record as usize];
                    let (shard, sequence_number) = (shard_name.clone(), sequence_number.clone());
                    Position::Stream { shard, sequence_number, line: u64::from(line) }
                };
                let fill = |decoder: &mut Self, out: &mut Tally| decoder.stream_records(&records, now_ms, &place, out);
                ShardEvent::Rows(self.decode_with(fill, &place))
            }
            Payload::Begin => ShardEvent::Begin,
            Payload::CaughtUp { at_ms } => ShardEvent::CaughtUp { at_ms },
            Payload::End => ShardEvent::End,
            Payload::Nothing => ShardEvent::Nothing,
            Payload::Unread(_) => unreachable!("a chunk is read before it is decoded"),
        };
        Decoded { shard, event, mark }
    }

    /// `place` tells where the line of a record stands.
    fn decode_with(&mut self, fill: impl FnOnce(&mut Self, &mut Tally), place: &dyn Fn(u32, u32) -> Position) -> Rows {
        let mut tally = Tally::default();
        self.columns.begin();
        fill(self, &mut tally);
        let (texts, keys) = self.columns.finish();
        if !self.has_types {
            return Rows { batch: texts, keys, bad_lines: tally.bad_lines, counts: tally.counts };
        }
        let schema = if keys.is_some() { &self.coded_schema } else { &self.schema };
        let (batch, misfits) = typed::convert(&texts, &self.declared, schema);
        for misfit in misfits {
            let (record, line) = self.origins[misfit.row];
            let row = texts.slice(misfit.row, 1);
            let row = keys.as_ref().and_then(|keys| keys.decode(&row, self.columns.schema()).ok()).unwrap_or(row);
            tally.bad(shown(&row).as_bytes(), misfit.reason, place(record, line));
        }
        self.origins.clear();
        Rows { batch, keys, bad_lines: tally.bad_lines, counts: tally.counts }
    }

    fn file_lines(
        &mut self,
        lines: &Lines,
        arrivals_ms: &[i64],
        now_ms: i64,
        place: &dyn Fn(u32, u32) -> Position,
        tally: &mut Tally,
    ) {
        for (index, line) in (0u32..).zip(lines.iter()) {
            let given_ms = arrivals_ms.get(index as usize).copied().unwrap_or(now_ms);
            self.line(line, given_ms, tally, (0, index), place);
        }
        tally.counts.records = tally.counts.lines;
        tally.counts.bytes = lines.bytes().len() as u64;
    }

    fn stream_records(&mut self, records: &[StreamRecord], now_ms: i64, place: &dyn Fn(u32, u32) -> Position, tally: &mut Tally) {
        for (index, record) in (0u32..).zip(records) {
            let given_ms = if self.plan.row_time == RowTime::Arrival { record.arrival_ms } else { now_ms };
            self.metadata = self.plan.metadata.iter().map(|metadata| Some(metadata::text(*metadata, record))).collect();
            self.stream_record(record, given_ms, tally, index, place);
            tally.counts.records += 1;
            tally.counts.bytes += record.data.len() as u64;
        }
    }

    fn stream_record(
        &mut self,
        record: &StreamRecord,
        given_ms: i64,
        tally: &mut Tally,
        index: u32,
        place: &dyn Fn(u32, u32) -> Position,
    ) {
        let mut number = 0; // lines of one record are numbered through, whatever they were wrapped in
        let key_column = self.plan.metadata.iter().position(|metadata| *metadata == Metadata::PartitionKey);
        for content in record::contents(&record.data) {
            if let Some(column) = key_column {
                self.metadata[column] = Some(content.partition_key.unwrap_or(&record.partition_key).to_owned());
            }
            match content.data {
                Ok(content) => {
                    for line in lines(&content) {
                        number += 1;
                        self.line(line, given_ms, tally, (index, number), place);
                    }
                }
                Err(error) => {
                    number += 1;
                    tally.counts.lines += 1;
                    tally.bad(&record.data, error.to_string(), place(index, number));
                }
            }
        }
    }

    /// Decodes one line into the columns, or counts it as bad.
    fn line(
        &mut self,
        line: Line<'_>,
        given_ms: i64,
        tally: &mut Tally,
        origin: (u32, u32),
        place: &dyn Fn(u32, u32) -> Position,
    ) {
        if line.bytes.is_empty() {
            return; // a blank line is no record
        }
        tally.counts.lines += 1;
        match self.row(line, given_ms, tally) {
            Ok(()) if self.has_types => self.origins.push(origin),
            Ok(()) => {}
            Err(error) => tally.bad(line.bytes, error.to_string(), place(origin.0, origin.1)),
        }
    }

    fn row(&mut self, line: Line<'_>, given_ms: i64, tally: &mut Tally) -> Result<(), LineError> {
        if self.plan.form != Form::Json {
            let fields = self.plan.form.fields(line.bytes)?;
            let field = |position: &Option<usize>| fields.get((*position)?)?.as_deref();
            let texts: Vec<Option<&str>> = self.positions.iter().map(field).collect();
            return self.append(&texts, given_ms);
        }
        if self.fast_row(line, given_ms).is_some() {
            return Ok(());
        }
        let fields = lenient::parse(line.bytes, &self.wanted, self.plan.missing)?;
        let texts: Vec<Option<&str>> = fields.values.iter().map(Option::as_deref).collect();
        self.append(&texts, given_ms)?;
        tally.counts.illegal_json += u64::from(!fields.is_legal_json);
        Ok(())
    }

    /// Takes a line by the fast path; None: the line is for the general one.
    fn fast_row(&mut self, line: Line<'_>, given_ms: i64) -> Option<()> {
        let values = self.scanner.as_mut()?.scan(line)?;
        let line = line.bytes;
        let row_ms = match self.time_index {
            Some(index) => self.clock.read(&line[values[index].clone()], &self.plan.time_field).ok()?,
            None => given_ms,
        };
        let mut cells = [Cell::Null; MAX_FAST];
        let columns = self.plan.columns.len();
        for (index, (cell, value)) in cells.iter_mut().zip(&values[..columns]).enumerate() {
            *cell = self.columns.cell(index, &line[value.clone()])?;
        }
        self.push(row_ms, &cells[..columns]);
        Some(())
    }

    fn append(&mut self, values: &[Option<&str>], given_ms: i64) -> Result<(), LineError> {
        let row_ms = match self.time_index {
            Some(index) => self.clock.read(values[index].unwrap_or_default().as_bytes(), &self.plan.time_field)?,
            None => given_ms,
        };
        let values = values[..self.plan.columns.len()].iter().enumerate();
        let cells: Vec<Cell<'_>> = values.map(|(index, text)| self.columns.text(index, *text)).collect();
        self.push(row_ms, &cells);
        Ok(())
    }

    fn push(&mut self, row_ms: i64, cells: &[Cell<'_>]) {
        if self.metadata.is_empty() {
            return self.columns.append(row_ms, cells.iter().copied());
        }
        let metadata = self.metadata.iter().map(Option::as_deref).zip(cells.len()..);
        let metadata: Vec<Cell<'_>> = metadata.map(|(text, index)| self.columns.text(index, text)).collect();
        self.columns.append(row_ms, cells.iter().copied().chain(metadata));
    }
}

/// A row whose types did not fit, as JSON for a reader.
fn shown(row: &RecordBatch) -> String {
    let mut writer = arrow::json::LineDelimitedWriter::new(Vec::new());
    let written = writer.write(row).and_then(|()| writer.finish());
    written.map_or_else(|error| error.to_string(), |()| String::from_utf8_lossy(&writer.into_inner()).trim_end().to_owned())
}

/// The most columns, with the time, that the fast path takes: the log has ten.
const MAX_FAST: usize = 16;

#[cfg(test)]
pub(crate) mod tests;
