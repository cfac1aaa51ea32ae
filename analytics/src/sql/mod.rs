//! The front end of Kinesis Analytics SQL: text to streams, pumps and syntax trees, every part with its place.
//!
//! ```text
//! text ─▶ comments (blanked) ─▶ tokens (names folded) ─▶ statements ─▶ query: rewrite ─▶ sqlparser's tree
//!                                                                        └ later: what is not supported yet
//! ```
//!
//! Pure. It knows the grammar only; what names and types mean is [`crate::program`]'s.

mod comments;
mod error;
mod later;
mod path;
mod query;
mod rewrite;
mod statements;
mod tokens;
mod types;

pub(crate) use error::{Place, SqlError, nearest};
pub(crate) use path::FieldPath;
pub(crate) use query::parse as parse_query;
pub(crate) use rewrite::SPAN;
pub(crate) use statements::{ColumnDefinition, Named, PumpStatement, Statement, StreamStatement};
pub(crate) use types::SqlType;

/// The longest program. Source: "Limits" in the service's developer guide.
const MAX_BYTES: usize = 100 * 1024;

/// A program's statements, each read or refused on its own.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) statements: Vec<(Place, Result<Statement, SqlError>)>,
    /// Where a comment begins that is not closed.
    pub(crate) unclosed_comment: Option<Place>,
}

/// Reads a program.
///
/// # Errors
/// When it cannot be cut into statements: a string that is not closed, a character of no meaning.
pub(crate) fn parse(source: &str) -> Result<Script, SqlError> {
    if source.len() > MAX_BYTES {
        let message = format!("this program has {} bytes; the most is {MAX_BYTES}", source.len());
        return Err(SqlError::new(Place { line: 1, column: 1 }, message));
    }
    let tokens = tokens::tokens(source)?;
    let statements = statements::split(&tokens.list);
    let statements = statements.map(|statement| (tokens::place(statement, 0), statements::parse(statement))).collect();
    Ok(Script { statements, unclosed_comment: tokens.unclosed_comment })
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(source in "[a-zA-Z0-9_'\"(),;.*/\\-+ \n`é]{0,80}") {
            let _ = parse(&source);
        }

        #[test]
        fn no_words_make_it_panic(words in proptest::collection::vec(proptest::sample::select(vec![
            "CREATE", "OR", "REPLACE", "STREAM", "PUMP", "AS", "INSERT", "INTO", "SELECT", "FROM", "WHERE", "GROUP", "BY", "(", ")",
            ",", ";", "STEP", "FLOOR", "TO", "SECOND", "-", "a", "\"b\"", "'c'", "1", "INTERVAL", "OVER", "WINDOW", "ORDER", ".", "*",
        ]), 0..40)) {
            let source = format!("CREATE PUMP p AS INSERT INTO s SELECT {}", words.join(" "));
            for (_, statement) in parse(&source).map(|script| script.statements).unwrap_or_default() {
                if let Ok(Statement::Pump(pump)) = statement {
                    let _ = parse_query(&pump.query);
                }
            }
        }
    }
}
