//! The query of a pump as sqlparser's syntax tree, every name with its place.

use datafusion::sql::sqlparser::ast::Query;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::error::{Place, SqlError};
use super::tokens::{KinesisDialect, place};
use super::{later, rewrite};

/// The deepest nesting of expressions; deeper is an error, never an overflow of the stack.
const MAX_DEPTH: usize = 50;

/// Stack for reading one query.
const STACK_BYTES: usize = 32 * 1024 * 1024;

/// Reads a query.
///
/// # Errors
/// When it is not one, or uses what is not supported yet.
pub(crate) fn parse(tokens: &[TokenWithSpan]) -> Result<Query, SqlError> {
    later::refuse(tokens)?;
    let rewritten = rewrite::rewrite(tokens)?;
    // A level of nesting takes some 40 KiB of stack without optimisation: more than a small thread has for all of them.
    let parsing = || parse_rewritten(rewritten, tokens);
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, parsing);
        let parsed = thread.map(|thread| thread.join());
        parsed.ok().and_then(Result::ok).unwrap_or_else(|| Err(SqlError::new(place(tokens, 0), "this query could not be read")))
    })
}

fn parse_rewritten(rewritten: Vec<TokenWithSpan>, tokens: &[TokenWithSpan]) -> Result<Query, SqlError> {
    let mut parser = Parser::new(&KinesisDialect).with_recursion_limit(MAX_DEPTH).with_tokens_with_locations(rewritten);
    let located = |error| located(error, tokens);
    let query = parser.parse_query().map_err(located)?;
    let rest = parser.peek_token();
    if rest.token != Token::EOF {
        return Err(SqlError::new(Place::of(rest.span), format!("`{}` is not expected here", rest.token)));
    }
    Ok(*query)
}

/// sqlparser tells a place at the end of its message.
fn located(error: ParserError, tokens: &[TokenWithSpan]) -> SqlError {
    let message = match error {
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => message,
        ParserError::RecursionLimitExceeded => format!("this query is nested deeper than {MAX_DEPTH} levels"),
    };
    match message.rsplit_once(" at Line: ").and_then(|(what, at)| Some((what, place_in(at)?))) {
        Some((what, at)) => SqlError::new(at, in_our_words(what)),
        None => {
            let at = if message.ends_with("EOF") { tokens.len() } else { 0 };
            SqlError::new(place(tokens, at), in_our_words(&message))
        }
    }
}

/// `3, Column: 5`.
fn place_in(text: &str) -> Option<Place> {
    let (line, column) = text.split_once(", Column: ")?;
    Some(Place { line: line.parse().ok()?, column: column.parse().ok()? })
}

/// `Expected: x, found: y` as the rest of our errors say it.
fn in_our_words(message: &str) -> String {
    match message.strip_prefix("Expected: ").and_then(|rest| rest.rsplit_once(", found: ")) {
        Some((what, "EOF")) => format!("expected {what}, found the end"),
        Some((what, found)) => format!("expected {what}, found `{found}`"),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tokens::tokens;
    use super::*;

    fn fault(source: &str) -> (Place, String) {
        let error = parse(&tokens(source).unwrap().list).unwrap_err();
        (error.place, error.message)
    }

    #[test]
    fn errors_keep_their_place_after_rewriting() {
        let (place, message) = fault("SELECT STREAM STEP(a BY 2),\n FROM s");
        assert_eq!(place, Place { line: 2, column: 7 }, "{message}");
        let (place, message) = fault("SELECT STREAM a FROM s WHERE");
        assert_eq!((place, message.as_str()), (Place { line: 1, column: 29 }, "expected an expression, found the end"));
    }

    #[test]
    fn deep_nesting_is_an_error() {
        let (_, message) = fault(&format!("SELECT {}1{} FROM s", "(".repeat(10_000), ")".repeat(10_000)));
        assert_eq!(message, "parentheses are nested deeper than 50 levels");
    }
}
