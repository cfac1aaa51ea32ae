//! Constructs of the dialect whose operators are still to be written, so that each is refused at its place and by name.
//!
//! The operators' place is `engine/`, one file each beside `tumbling` and `sliding`; their spellings are taken out of
//! this list when they come.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::error::{Place, SqlError};
use super::tokens::{bare_word, is_word};

/// Functions that are whole operators, and what they do.
const FUNCTIONS: [(&str, &str); 18] = [
    ("RANDOM_CUT_FOREST", "anomaly detection (RANDOM_CUT_FOREST)"),
    ("RANDOM_CUT_FOREST_WITH_EXPLANATION", "anomaly detection (RANDOM_CUT_FOREST_WITH_EXPLANATION)"),
    ("HOTSPOTS", "HOTSPOTS"),
    ("TOP_K_ITEMS_TUMBLING", "TOP_K_ITEMS_TUMBLING"),
    ("COUNT_DISTINCT_ITEMS_TUMBLING", "COUNT_DISTINCT_ITEMS_TUMBLING"),
    ("GROUP_RANK", "GROUP_RANK"),
    ("EXP_AVG", "EXP_AVG"),
    ("MONOTONIC", "MONOTONIC"),
    ("FIRST_VALUE", "FIRST_VALUE"),
    ("LAST_VALUE", "LAST_VALUE"),
    ("LAG", "LAG"),
    ("NTH_VALUE", "NTH_VALUE"),
    ("REGEX_LOG_PARSE", "REGEX_LOG_PARSE"),
    ("FAST_REGEX_LOG_PARSE", "FAST_REGEX_LOG_PARSE"),
    ("W3C_LOG_PARSE", "W3C_LOG_PARSE"),
    ("VARIABLE_COLUMN_LOG_PARSE", "VARIABLE_COLUMN_LOG_PARSE"),
    ("FIXED_COLUMN_LOG_PARSE", "FIXED_COLUMN_LOG_PARSE"),
    ("SYS_LOG_PARSE", "SYS_LOG_PARSE"),
];

/// Refuses a query that uses one of them.
pub(super) fn refuse(tokens: &[TokenWithSpan]) -> Result<(), SqlError> {
    for (at, token) in tokens.iter().enumerate() {
        let place = Place::of(token.span);
        let Some(word) = bare_word(Some(token)) else { continue };
        let is_call = tokens.get(at + 1).is_some_and(|next| next.token == Token::LParen);
        if is_call && let Some((_, what)) = FUNCTIONS.iter().find(|(name, _)| *name == word) {
            return Err(SqlError::not_yet(place, what));
        }
        match word {
            "WINDOWED" if is_word(tokens.get(at + 1), "BY") => {
                return Err(SqlError::not_yet(place, "the stagger window (WINDOWED BY STAGGER)")
                    .help("a tumbling window is GROUP BY …, STEP(s.ROWTIME BY INTERVAL '60' SECOND)"));
            }
            "OVER" if is_call && is_relation(tokens, at) => {
                return Err(SqlError::not_yet(place, "a join over a window of a stream"));
            }
            "WITHIN" if is_word(tokens.get(at + 1), "INTERVAL") => {
                return Err(SqlError::not_yet(place, "sorting late rows (ORDER BY … WITHIN)"));
            }
            "CURSOR" if is_call => return Err(SqlError::not_yet(place, "a table function over CURSOR(…)")),
            "UNION" if is_word(tokens.get(at + 1), "ALL") => {}
            "UNION" => {
                return Err(SqlError::new(place, "UNION leaves equal rows out, and a stream has no end to look for them in").help(
                    "write UNION ALL; SELECT STREAM DISTINCT FLOOR(u.ROWTIME TO MINUTE), … FROM (… UNION ALL …) AS u leaves out \
                     those that are equal within a minute",
                ));
            }
            "EXCEPT" | "INTERSECT" => return Err(SqlError::not_yet(place, word)),
            _ => {}
        }
    }
    Ok(())
}

/// Whether OVER follows a stream's name, not an aggregate.
fn is_relation(tokens: &[TokenWithSpan], over: usize) -> bool {
    let before = over.checked_sub(1).and_then(|at| tokens.get(at));
    let is_word = matches!(before.map(|token| &token.token), Some(Token::Word(_)));
    is_word && bare_word(before) != Some("NULLS")
}

#[cfg(test)]
mod tests {
    use super::super::tokens::tokens;
    use super::*;

    fn fault(source: &str) -> Option<(usize, String)> {
        refuse(&tokens(source).unwrap().list).err().map(|error| (error.place.column, error.message))
    }

    #[test]
    fn what_comes_later_is_named_at_its_place() {
        for (source, column, what) in [
            ("SELECT * FROM TABLE(RANDOM_CUT_FOREST(CURSOR(SELECT 1)))", 21, "anomaly detection (RANDOM_CUT_FOREST)"),
            ("SELECT a FROM s WINDOWED BY STAGGER (x)", 17, "the stagger window (WINDOWED BY STAGGER)"),
            ("SELECT a FROM s OVER (RANGE x) AS t", 17, "a join over a window of a stream"),
        ] {
            assert_eq!(fault(source), Some((column, format!("{what} is not supported yet"))));
        }
    }

    #[test]
    fn aggregates_over_windows_and_plain_names_are_no_such_thing() {
        assert_eq!(fault("SELECT SUM(a) OVER (ROWS 2 PRECEDING), b OVER FROM s"), None);
        assert_eq!(fault("SELECT lag, \"HOTSPOTS\" FROM s"), None);
    }
}
