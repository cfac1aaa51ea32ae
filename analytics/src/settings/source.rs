//! A program's text, and all that is read beside it: the schema of its inputs, and tables that it joins.

use std::path::Path;

use config::exit::Failure;

use super::inputs;
use crate::cli::ProgramArguments;
use crate::program::{self, Reference};
use crate::references;
use crate::sql::{ColumnDefinition, SqlError};

/// The text of a program, to show errors in it.
#[derive(Debug, Clone)]
pub(crate) struct SourceText {
    pub(crate) file: String,
    pub(crate) text: String,
}

impl SourceText {
    /// An error with its line of the program.
    pub(crate) fn render(&self, error: &SqlError) -> String {
        error.render(&self.file, &self.text)
    }

    /// All errors of a program, as wrong usage.
    pub(super) fn failure(&self, errors: &[SqlError]) -> Failure {
        Failure::usage(errors.iter().map(|error| self.render(error)).collect::<Vec<_>>().join("\n"))
    }
}

/// What a program is read from.
pub(crate) struct ProgramSource {
    pub(crate) text: SourceText,
    /// Those of an input that the program does not declare.
    pub(crate) columns: Vec<ColumnDefinition>,
    pub(crate) references: Vec<Reference>,
    /// Streams that `--stream` gives a source to.
    pub(crate) fed: Vec<String>,
}

/// A program's text and all that belongs to it.
///
/// # Errors
/// When a file cannot be read, or the schema is none.
pub(crate) fn read_program(arguments: &ProgramArguments) -> Result<ProgramSource, Failure> {
    let source = read(&arguments.program)?;
    let schema = match &arguments.schema {
        Some(path) => read(path)?,
        None => SourceText { file: "sql/access_log.sql".to_owned(), text: program::LOG_SCHEMA.to_owned() },
    };
    let columns = program::schema_columns(&schema.text).map_err(|error| schema.failure(&[error]))?;
    let references = references::load_all(&arguments.reference).map_err(Failure::Usage)?;
    Ok(ProgramSource { text: source, columns, references, fed: inputs::fed(&arguments.stream) })
}

fn read(path: &Path) -> Result<SourceText, Failure> {
    let file = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(SourceText { file, text }),
        Err(error) => Err(Failure::usage(format!("cannot read {file}: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Arguments, Command};

    /// What is said of these files: a program, and a schema beside it.
    fn read_with(program: Option<&str>, schema: &str) -> Result<ProgramSource, String> {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name).display().to_string();
        if let Some(program) = program {
            std::fs::write(place("p.sql"), program).unwrap();
        }
        std::fs::write(place("s.sql"), schema).unwrap();
        let flags = ["analytics", "check", &place("p.sql"), "--schema", &place("s.sql")];
        let Some(Command::Check(arguments)) = Arguments::try_parse_from(flags).unwrap().command else {
            panic!("another command")
        };
        read_program(&arguments).map_err(|failure| match failure {
            Failure::Usage(error) | Failure::Run(error) => error.to_string().replace(&place(""), ""),
        })
    }

    #[test]
    fn a_program_comes_with_the_columns_of_its_schema() {
        let source =
            read_with(Some("-- nothing"), "CREATE STREAM s (a INTEGER, b DATE)").unwrap_or_else(|error| panic!("{error}"));
        let columns: Vec<&str> = source.columns.iter().map(|column| column.name.name.as_str()).collect();
        assert_eq!((source.text.text.as_str(), columns), ("-- nothing", vec!["A", "B"]));
    }

    #[test]
    fn a_file_that_is_missing_or_wrong_is_named() {
        let fault = |program, schema| read_with(program, schema).err().unwrap();
        assert!(fault(None, "CREATE STREAM s (a INTEGER)").starts_with("cannot read p.sql: No such file"));
        let wrong = fault(Some(""), "CREATE STREAM s (a INTEGR)");
        assert!(wrong.starts_with("s.sql:1:20: there is no type INTEGR\n 1 | CREATE STREAM s"), "{wrong}");
    }
}
