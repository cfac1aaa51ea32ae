//! `analytics check` and `analytics explain`: what becomes of a program, as text.

use config::exit::Failure;

use crate::cli::ProgramArguments;
use crate::decode::{Decoder, Missing, TIME_FIELD};
use crate::engine::{Engine, EngineOptions};
use crate::program::{self, Checked, Program, RowTime, StreamKind};
use crate::settings::{ProgramSource, SourceText, input_plan, read_program};
use crate::sql::SqlError;

/// Statement by statement: supported, differs (how), unsupported (why). False when the program does not run.
///
/// # Errors
/// When the program cannot be read at all.
pub(crate) fn check(arguments: &ProgramArguments) -> Result<(String, bool), Failure> {
    let ProgramSource { text: source, columns, references, fed } = read_program(arguments)?;
    let checked =
        program::check(&source.text, columns, references, &fed).map_err(|error| Failure::usage(source.render(&error)))?;
    Ok(checked_text(&source, &checked))
}

fn checked_text(source: &SourceText, checked: &Checked) -> (String, bool) {
    let mut text = String::new();
    let mut is_good = true;
    for report in &checked.statements {
        let line = format!("{}:{}: {}", source.file, report.place.line, report.title);
        match &report.outcome {
            Ok(notes) if notes.is_empty() => text.push_str(&format!("{line}: supported\n")),
            Ok(notes) => {
                let notes = notes.iter().map(|note| format!("   {note}\n")).collect::<String>();
                text.push_str(&format!("{line}: supported, differs\n{notes}"));
            }
            Err(error) => {
                is_good = false;
                text.push_str(&format!("{line}: unsupported\n{}\n", indented(&source.render(error))));
            }
        }
    }
    let errors = match &checked.program {
        Ok(program) => plan(program).err().into_iter().collect(),
        Err(errors) => errors.clone(),
    };
    for error in &errors {
        is_good = false;
        text.push_str(&format!("the program: unsupported\n{}\n", indented(&source.render(error))));
    }
    (text, is_good)
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("   {line}")).collect::<Vec<_>>().join("\n")
}

/// Streams, pumps, operators and plans.
///
/// # Errors
/// When the program is wrong.
pub(crate) fn explain(arguments: &ProgramArguments) -> Result<String, Failure> {
    let ProgramSource { text: source, columns, references, fed } = read_program(arguments)?;
    let fault =
        |errors: &[SqlError]| Failure::usage(errors.iter().map(|error| source.render(error)).collect::<Vec<_>>().join("\n"));
    let program = program::load_with(&source.text, columns, references, &fed).map_err(|errors| fault(&errors))?;
    let engine = plan(&program).map_err(|error| fault(&[error]))?;
    let mut text = String::from("Streams\n");
    for stream in program.streams.iter() {
        let kind = match stream.kind {
            StreamKind::Input => " (input)",
            StreamKind::Declared => "",
            StreamKind::Inner => " (between a query and the one around it)",
        };
        text.push_str(&format!("  {}{kind}\n", program::quoted(&stream.name)));
        for (index, column) in stream.columns.iter().enumerate() {
            let sql_type = column.sql_type.map(|sql_type| format!(" {sql_type}")).unwrap_or_default();
            let is_unread = stream.kind == StreamKind::Input && !stream.read.contains(&index);
            let unread = if is_unread { ", not read" } else { "" };
            text.push_str(&format!("    {}{sql_type}{unread}\n", program::quoted(&column.name)));
        }
    }
    text.push_str("Pumps, in the order of flow\n");
    for (node, plans) in program.nodes.iter().zip(engine.describe()) {
        let name = |stream: program::StreamId| program::quoted(&program.streams[stream.0].name);
        text.push_str(&format!("  {}: {} -> {}\n", program::quoted(&node.pump), name(node.input), name(node.output)));
        text.push_str(&format!("    {}\n", node.operator.summary()));
        for (purpose, sql) in node.operator.texts() {
            text.push_str(&format!("    {purpose}: {sql}\n"));
        }
        text.push_str(&format!("{}\n", indented(&indented(&plans))));
    }
    Ok(text)
}

/// Plans a program that does not run.
fn plan(program: &Program) -> Result<Engine, SqlError> {
    let options = EngineOptions {
        row_time: RowTime::Event,
        allowed_lateness_ms: None,
        idle_after_ms: 0,
        max_groups: usize::MAX,
        keeps_results: false,
    };
    let schema =
        |input: &program::StreamId| Decoder::new(input_plan(program, *input, RowTime::Event, TIME_FIELD, Missing::Null)).schema();
    Engine::new(program, program.inputs.iter().map(schema).collect(), options)
}
