//! What was found, as text that `analytics run --schema` reads.

use super::Found;
use crate::cli::InputFormat;
use crate::decode::LineCounts;

/// A CREATE STREAM under a few lines that say where it comes from and how to run it.
pub(super) fn text(source: &str, format: InputFormat, columns: &[Found], counts: LineCounts) -> String {
    // A name may hold what would end the comment.
    let source: String = source.chars().map(|character| if character.is_control() { '?' } else { character }).collect();
    let flag = match format {
        InputFormat::Json => "",
        InputFormat::Csv => " --input-format csv",
        InputFormat::Common => " --input-format common",
        InputFormat::Combined => " --input-format combined",
    };
    let mut text = format!("-- Columns of {source}, inferred from {} lines of {}.\n", counts.lines - counts.bad, words(format));
    if counts.bad > 0 {
        text.push_str(&format!("-- {} lines more could not be read so.\n", counts.bad));
    }
    text.push_str("-- Longer text than a VARCHAR has room for is cut: give it more where a sample does not show the longest.\n");
    text.push_str(&format!(
        "-- Save this as schema.sql; then: analytics run PROGRAM.sql --schema schema.sql --input {source}{flag}\n"
    ));
    text.push_str("CREATE OR REPLACE STREAM \"SOURCE_SQL_STREAM_001\" (\n");
    let width = columns.iter().map(|column| column.name.chars().count()).max().unwrap_or(0);
    for (index, column) in columns.iter().enumerate() {
        let padding = " ".repeat(width - column.name.chars().count());
        text.push_str(&format!("    \"{}\"{padding} {}", column.name, column.guess.sql_type));
        if let Some(path) = &column.path {
            text.push_str(&format!(" PATH '{}'", path.to_string().replace('\'', "''")));
        }
        text.push_str(if index + 1 < columns.len() { "," } else { "" });
        if let Some(note) = column.guess.note {
            text.push_str(&format!(" -- {note}"));
        }
        text.push('\n');
    }
    text.push_str(");\n");
    text
}

/// A format's name in a sentence.
pub(super) fn words(format: InputFormat) -> &'static str {
    match format {
        InputFormat::Json => "JSON",
        InputFormat::Csv => "CSV",
        InputFormat::Common => "Apache's common log",
        InputFormat::Combined => "Apache's combined log",
    }
}
