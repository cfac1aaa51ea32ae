//! Rewrites the tokens of a query to what sqlparser reads rightly.
//!
//! sqlparser takes `SELECT STREAM a` for a column STREAM with the alias a, and `(a - b) SECOND` for one with the alias
//! SECOND, without an error; `STEP(x BY …)` it refuses. Every token keeps its place, so that errors still point into
//! the program.
//!
//! ```text
//! SELECT STREAM …              -> SELECT …
//! STEP(x BY INTERVAL '5' DAY)  -> STEP(x, INTERVAL '5' DAY)
//! (a - b) SECOND               -> WEIR_SPAN((a - b), 'SECOND')
//! ```

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::error::SqlError;
use super::tokens::{bare_word, is_word, parentheses, place, token_at, word_at};

/// The function that a difference of times with a unit becomes.
pub(crate) const SPAN: &str = "WEIR_SPAN";

/// Rewrites a query's tokens.
///
/// # Errors
/// When parentheses have no partner, STEP lacks its BY, or STREAM stands where a column should.
pub(super) fn rewrite(tokens: &[TokenWithSpan]) -> Result<Vec<TokenWithSpan>, SqlError> {
    let closing = parentheses(tokens)?;
    let mut rewriter = Rewriter { tokens, closing: &closing, out: Vec::with_capacity(tokens.len()) };
    rewriter.range(0, tokens.len())?;
    Ok(rewriter.out)
}

struct Rewriter<'a> {
    tokens: &'a [TokenWithSpan],
    closing: &'a [Option<usize>],
    out: Vec<TokenWithSpan>,
}

impl Rewriter<'_> {
    /// Rewrites `from..to`, in which parentheses have their partners.
    fn range(&mut self, from: usize, to: usize) -> Result<(), SqlError> {
        let mut at = from;
        while at < to {
            at = match self.closing[at] {
                Some(close) => self.parenthesis(at, close)?,
                None if self.is_stream_of_select(at) => self.stream(at)?,
                None => {
                    self.out.push(self.tokens[at].clone());
                    at + 1
                }
            };
        }
        Ok(())
    }

    fn is_stream_of_select(&self, at: usize) -> bool {
        at > 0 && is_word(self.tokens.get(at), "STREAM") && is_word(self.tokens.get(at - 1), "SELECT")
    }

    /// Leaves STREAM out.
    fn stream(&self, at: usize) -> Result<usize, SqlError> {
        let next = self.tokens.get(at + 1);
        let is_column = matches!(next.map(|token| &token.token), None | Some(Token::Comma | Token::Period))
            || matches!(bare_word(next), Some("FROM" | "AS"));
        if is_column {
            return Err(SqlError::new(place(self.tokens, at), "STREAM is a word of the language, not a column here")
                .help("quote a column of that name: \"STREAM\""));
        }
        Ok(at + 1)
    }

    /// Rewrites what stands between two parentheses. Returns where to go on.
    fn parenthesis(&mut self, open: usize, close: usize) -> Result<usize, SqlError> {
        let function = open.checked_sub(1).and_then(|at| bare_word(self.tokens.get(at)));
        if function == Some("STEP") {
            self.step(open, close)?;
            return Ok(close + 1);
        }
        let is_span = self.is_difference(open, close) && unit(self.tokens.get(close + 1)).is_some();
        if is_span {
            return self.span(open, close);
        }
        self.out.push(self.tokens[open].clone());
        self.range(open + 1, close)?;
        self.out.push(self.tokens[close].clone());
        Ok(close + 1)
    }

    /// `STEP(x BY y)`: BY becomes a comma.
    fn step(&mut self, open: usize, close: usize) -> Result<(), SqlError> {
        let by = self.own(open, close).find(|at| is_word(self.tokens.get(*at), "BY"));
        let by = by.ok_or_else(|| {
            SqlError::new(place(self.tokens, open), "STEP needs BY").help("STEP(s.ROWTIME BY INTERVAL '10' SECOND)")
        })?;
        self.out.push(self.tokens[open].clone());
        self.range(open + 1, by)?;
        self.out.push(token_at(Token::Comma, &self.tokens[by]));
        self.range(by + 1, close)?;
        self.out.push(self.tokens[close].clone());
        Ok(())
    }

    /// `(a - b) UNIT [TO UNIT]`: a call.
    fn span(&mut self, open: usize, close: usize) -> Result<usize, SqlError> {
        let like = &self.tokens[open];
        self.out.push(word_at(SPAN, like));
        self.out.push(token_at(Token::LParen, like));
        self.out.push(like.clone());
        self.range(open + 1, close)?;
        self.out.push(self.tokens[close].clone());
        let (text, end) = match unit(self.tokens.get(close + 3)) {
            Some(last) if is_word(self.tokens.get(close + 2), "TO") && self.is_second_unit(close) => (last, close + 4),
            _ => (unit(self.tokens.get(close + 1)).unwrap_or_default(), close + 2),
        };
        let like = &self.tokens[close + 1];
        self.out.push(token_at(Token::Comma, like));
        self.out.push(token_at(Token::SingleQuotedString(text.to_owned()), like));
        self.out.push(token_at(Token::RParen, like));
        Ok(end)
    }

    /// Whether `TO unit` belongs to the difference, as in `(a - b) MINUTE TO SECOND`, not to a FLOOR around it, as in
    /// `FLOOR((a - b) MINUTE TO MINUTE)`: there it is the last thing inside of the FLOOR's parentheses.
    fn is_second_unit(&self, close: usize) -> bool {
        let first = unit(self.tokens.get(close + 1));
        let is_last = matches!(self.tokens.get(close + 4).map(|token| &token.token), Some(Token::RParen));
        let is_in_floor = is_last
            && self.closing.iter().enumerate().any(|(open, end)| {
                let function = open.checked_sub(1).and_then(|at| bare_word(self.tokens.get(at)));
                *end == Some(close + 4) && matches!(function, Some("FLOOR" | "CEIL" | "CEILING"))
            });
        first.is_some() && !is_in_floor
    }

    /// A difference in plain parentheses, not the arguments of a function.
    fn is_difference(&self, open: usize, close: usize) -> bool {
        const BEFORE_EXPRESSION: [&str; 13] =
            ["SELECT", "WHERE", "AND", "OR", "NOT", "BY", "ON", "CASE", "WHEN", "THEN", "ELSE", "DISTINCT", "HAVING"];
        let before = open.checked_sub(1).and_then(|at| self.tokens.get(at));
        let is_call = match before.map(|token| &token.token) {
            Some(Token::Word(_)) => !bare_word(before).is_some_and(|word| BEFORE_EXPRESSION.contains(&word)),
            _ => false,
        };
        !is_call && self.own(open, close).any(|at| self.tokens[at].token == Token::Minus)
    }

    /// The tokens directly inside of these parentheses, not inside of inner ones.
    fn own(&self, open: usize, close: usize) -> impl Iterator<Item = usize> + '_ {
        let mut next = open + 1;
        std::iter::from_fn(move || {
            while next < close {
                let at = next;
                match self.closing[at] {
                    Some(end) => next = end + 1,
                    None => {
                        next += 1;
                        return Some(at);
                    }
                }
            }
            None
        })
    }
}

/// A unit of time that a difference may have.
fn unit(token: Option<&TokenWithSpan>) -> Option<&str> {
    bare_word(token).filter(|word| matches!(*word, "YEAR" | "MONTH" | "DAY" | "HOUR" | "MINUTE" | "SECOND"))
}

#[cfg(test)]
mod tests {
    use super::super::tokens::tokens;
    use super::*;

    fn rewritten(source: &str) -> String {
        let tokens = rewrite(&tokens(source).unwrap().list).unwrap();
        tokens.iter().map(|token| token.token.to_string()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_word_stream_is_left_out_after_select_only() {
        assert_eq!(rewritten("SELECT STREAM DISTINCT a FROM (SELECT STREAM b FROM \"STREAM\")"), {
            "SELECT DISTINCT A FROM ( SELECT B FROM \"STREAM\" )"
        });
        assert!(rewrite(&tokens("SELECT STREAM, a FROM s").unwrap().list).is_err());
    }

    #[test]
    fn step_takes_its_arguments_with_a_comma() {
        assert_eq!(rewritten("STEP(STEP(a BY 2) BY INTERVAL '5' DAY)"), "STEP ( STEP ( A , 2 ) , INTERVAL '5' DAY )");
        assert!(rewrite(&tokens("STEP(a, b)").unwrap().list).is_err());
    }

    #[test]
    fn a_difference_with_a_unit_becomes_a_call() {
        let template = "FLOOR((\"S\".ROWTIME - TIMESTAMP '1970-01-01 00:00:00') SECOND / 10 TO SECOND)";
        let call = "FLOOR ( WEIR_SPAN ( ( \"S\" . ROWTIME - TIMESTAMP '1970-01-01 00:00:00' ) , 'SECOND' ) / 10 TO SECOND )";
        assert_eq!(rewritten(template), call);
        assert_eq!(rewritten("(a - b) MINUTE TO SECOND, c"), "WEIR_SPAN ( ( A - B ) , 'SECOND' ) , C");
        assert_eq!(rewritten("FLOOR((a - b) MINUTE TO MINUTE)"), "FLOOR ( WEIR_SPAN ( ( A - B ) , 'MINUTE' ) TO MINUTE )");
    }

    #[test]
    fn an_alias_like_a_unit_stays_an_alias() {
        assert_eq!(rewritten("SELECT MAX(a - b) minute, (a) second"), "SELECT MAX ( A - B ) MINUTE , ( A ) SECOND");
    }
}
