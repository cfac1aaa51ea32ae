//! `analytics discover`: the columns of a source that nobody has described, as the CREATE STREAM that `run --schema` takes.
//!
//! ```text
//! sample (IO) ─▶ fields of its lines ─▶ read as text by the decoder that `run` has ─▶ types ─┬▶ ddl (text)
//!                     └──────────────────────────── names ──────────────────────────────────┘
//! ```
//!
//! Because the sample goes through the decoder itself, a line that is read here is read by `run`. The rules of names, types
//! and sizes are those of the service's schema discovery.

mod ddl;
mod names;
mod sample;
mod types;

use anyhow::{Context, Result, bail};
use arrow::array::{Array, ArrayRef};
use arrow::compute::concat;
use config::exit::Failure;

use crate::chunk::{Chunk, Payload};
use crate::cli::{DiscoverArguments, InputFormat};
use crate::decode::{self, Decoder, Form, InputPlan, LineCounts, Missing, ShardEvent, TIME_FIELD};
use crate::program::{RowTime, StreamColumn};
use crate::sql::{FieldPath, SqlType};
use types::Guess;

/// The most columns: what one row can hold in 512 KB, the service's limit, is far below it.
const MAX_COLUMNS: usize = 1_000;

/// A column that was found.
#[derive(Debug, PartialEq)]
struct Found {
    name: String,
    guess: Guess,
    /// Where it stands in an object, if that is not the field of its name.
    path: Option<FieldPath>,
}

/// Reads a sample of the source, and writes what it holds as a CREATE STREAM.
///
/// # Errors
/// When it cannot be read, or holds nothing to infer columns from.
pub(crate) fn discover(arguments: &DiscoverArguments) -> Result<String, Failure> {
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    let chunks = runtime.block_on(sample::take(arguments));
    runtime.shutdown_background(); // standard input may not have ended, and its reader waits for it
    Ok(schema(chunks?, &arguments.source.to_string(), arguments.input_format)?)
}

fn schema(chunks: Vec<Chunk>, source: &str, format: Option<InputFormat>) -> Result<String> {
    let mut lines = Vec::new();
    for chunk in &chunks {
        lines.extend(decode::lines_of(&chunk.payload));
    }
    if lines.is_empty() {
        bail!("{source} gave no lines to infer columns from; a stream may need --start trim-horizon or a longer --wait");
    }
    let format = format.unwrap_or_else(|| guess_format(&lines));
    let (form, paths) = fields(format, &lines);
    if paths.is_empty() {
        bail!("no line of {source} could be read as {}; say with --input-format how they are written", ddl::words(format));
    }
    if paths.len() > MAX_COLUMNS {
        bail!("{source} has more than {MAX_COLUMNS} different fields: its keys seem to be data, so write a schema by hand");
    }
    let names = match form {
        Form::Json => names::of_paths(&paths),
        Form::Csv(_) | Form::Ncsa => paths.iter().map(|path| path.key().to_owned()).collect(),
    };
    let (texts, counts) = read(chunks, form, &paths)?;
    let columns = names.into_iter().zip(paths).zip(&texts).map(|((name, path), text)| {
        let path = Some(path).filter(|path| *path != FieldPath::of(&name));
        Found { guess: types::of_texts(text), name, path }
    });
    Ok(ddl::text(source, format, &columns.collect::<Vec<_>>(), counts))
}

/// What most lines look like.
fn guess_format(lines: &[Vec<u8>]) -> InputFormat {
    let is_most = |count: usize| count * 2 > lines.len();
    if is_most(lines.iter().filter(|line| line.trim_ascii_start().starts_with(b"{")).count()) {
        return InputFormat::Json;
    }
    let widths: Vec<usize> = lines.iter().filter_map(|line| decode::ncsa_width(line)).collect();
    match is_most(widths.len()) {
        true if is_most(widths.iter().filter(|width| **width > decode::COMMON_FIELDS.len()).count()) => InputFormat::Combined,
        true => InputFormat::Common,
        false => InputFormat::Csv,
    }
}

/// The fields that the lines have, in the order in which they first stand.
fn fields(format: InputFormat, lines: &[Vec<u8>]) -> (Form, Vec<FieldPath>) {
    match format {
        InputFormat::Json => {
            let mut paths: Vec<FieldPath> = Vec::new();
            let mut known = std::collections::HashSet::new();
            for path in lines.iter().filter_map(|line| decode::json_paths(line).ok()).flatten() {
                if paths.len() <= MAX_COLUMNS && known.insert(path.to_string()) {
                    paths.push(path);
                }
            }
            (Form::Json, paths)
        }
        InputFormat::Csv => {
            let width = lines.iter().filter_map(|line| decode::csv_width(line)).max().unwrap_or(0);
            let names: Vec<String> = (0..width).map(|index| format!("COL_{index}")).collect();
            let paths = names.iter().map(|name| FieldPath::of(name)).collect();
            (Form::Csv(names), paths)
        }
        InputFormat::Common => (Form::Ncsa, decode::COMMON_FIELDS.map(FieldPath::of).to_vec()),
        InputFormat::Combined => (Form::Ncsa, decode::COMBINED_FIELDS.map(FieldPath::of).to_vec()),
    }
}

/// The values of each field as text, read as `run` reads them.
fn read(chunks: Vec<Chunk>, form: Form, paths: &[FieldPath]) -> Result<(Vec<ArrayRef>, LineCounts)> {
    let longest = SqlType::Varchar(types::LONGEST);
    // The names do not matter here, but must differ.
    let column = |(index, path): (usize, &FieldPath)| StreamColumn {
        name: if form == Form::Json { index.to_string() } else { path.key().to_owned() },
        sql_type: Some(longest),
        is_not_null: false,
        path: Some(path.clone()),
    };
    let columns = paths.iter().enumerate().map(column).collect();
    let (row_time, time_field) = (RowTime::Clock, TIME_FIELD.to_owned());
    let mut decoder = Decoder::new(InputPlan { columns, metadata: vec![], row_time, time_field, missing: Missing::Null, form });
    let mut counts = LineCounts::default();
    let mut parts: Vec<Vec<ArrayRef>> = vec![vec![]; paths.len()];
    for chunk in chunks.into_iter().filter(|chunk| matches!(chunk.payload, Payload::Lines { .. } | Payload::Records(_))) {
        if let ShardEvent::Rows(rows) = decoder.decode(chunk, 0).event {
            counts.add(rows.counts);
            parts.iter_mut().zip(rows.batch.columns().iter().skip(1)).for_each(|(part, column)| part.push(column.clone()));
        }
    }
    let join = |parts: &Vec<ArrayRef>| concat(&parts.iter().map(|part| part.as_ref() as &dyn Array).collect::<Vec<_>>());
    Ok((parts.iter().map(join).collect::<Result<_, _>>()?, counts))
}

#[cfg(test)]
mod tests;
