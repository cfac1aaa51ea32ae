//! Blanks the comments of a program, so that every other character keeps its line and column.
//!
//! `-- …` and `// …` to the end of the line, `/* … */` over lines; none of them inside of '…' or "…". The service's own
//! templates use all three. A comment that is not closed runs to the end of the text: real programs have it.

use super::error::{Place, SqlError};

/// The text with comments as spaces, and where an unclosed comment begins.
pub(super) struct Blanked {
    pub(super) text: String,
    pub(super) unclosed_comment: Option<Place>,
}

/// Blanks comments.
///
/// # Errors
/// When a string or a quoted name is not closed.
pub(super) fn blank(source: &str) -> Result<Blanked, SqlError> {
    let mut scanner = Scanner { rest: source.chars().peekable(), place: Place { line: 1, column: 1 }, text: String::new() };
    let mut unclosed_comment = None;
    while let Some(character) = scanner.peek() {
        match (character, scanner.peek_second()) {
            ('\'' | '"', _) => scanner.quoted(character)?,
            ('-', Some('-')) | ('/', Some('/')) => scanner.blank_while(|next| next != '\n'),
            ('/', Some('*')) => {
                let start = scanner.place;
                if !scanner.block_comment() {
                    unclosed_comment = Some(start);
                }
            }
            _ => scanner.keep(),
        }
    }
    Ok(Blanked { text: scanner.text, unclosed_comment })
}

struct Scanner<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    place: Place,
    text: String,
}

impl Scanner<'_> {
    fn peek(&mut self) -> Option<char> {
        self.rest.peek().copied()
    }

    fn peek_second(&self) -> Option<char> {
        self.rest.clone().nth(1)
    }

    /// Takes one character and writes it, or `blank` for it; newlines stay.
    fn take(&mut self, is_kept: bool) {
        let Some(character) = self.rest.next() else { return };
        self.text.push(if is_kept || character == '\n' { character } else { ' ' });
        if character == '\n' {
            self.place = Place { line: self.place.line + 1, column: 1 };
        } else {
            self.place.column += 1;
        }
    }

    fn keep(&mut self) {
        self.take(true);
    }

    fn blank_while(&mut self, is_inside: impl Fn(char) -> bool) {
        while self.peek().is_some_and(&is_inside) {
            self.take(false);
        }
    }

    /// A string or a quoted name; a doubled quote inside stands for one.
    fn quoted(&mut self, quote: char) -> Result<(), SqlError> {
        let start = self.place;
        self.keep();
        while let Some(character) = self.peek() {
            self.keep();
            if character == quote {
                return Ok(()); // a doubled quote opens again at once
            }
        }
        let what = if quote == '\'' { "string" } else { "quoted name" };
        Err(SqlError::new(start, format!("this {what} is not closed")).help(format!("end it with {quote}")))
    }

    /// False when the text ends inside of it.
    fn block_comment(&mut self) -> bool {
        self.take(false);
        self.take(false);
        while let Some(character) = self.peek() {
            if character == '*' && self.peek_second() == Some('/') {
                self.take(false);
                self.take(false);
                return true;
            }
            self.take(false);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blanked(source: &str) -> String {
        blank(source).unwrap().text
    }

    #[test]
    fn comments_become_spaces_and_nothing_else_moves() {
        assert_eq!(blanked("a -- don't\nb"), "a         \nb");
        assert_eq!(blanked("a // it's \"\nb"), "a          \nb");
        assert_eq!(blanked("a /* ' \n \" */ b"), "a      \n      b");
    }

    #[test]
    fn quotes_hide_comments() {
        for same in ["'a -- b'", "\"a // b\"", "'it''s /* '", "a / b - c * d"] {
            assert_eq!(blanked(same), same);
        }
    }

    #[test]
    fn an_unclosed_comment_runs_to_the_end_and_is_told() {
        let blanked = blank("a;\n /* b").unwrap();
        assert_eq!(blanked.text.trim_end(), "a;");
        assert_eq!(blanked.unclosed_comment, Some(Place { line: 2, column: 2 }));
    }

    #[test]
    fn an_unclosed_string_or_name_is_an_error_at_its_start() {
        for (source, column, what) in [("a 'b", 3, "string"), ("ab \"c''", 4, "quoted name")] {
            let Err(error) = blank(source) else { panic!("accepted") };
            assert_eq!((error.place.column, error.message), (column, format!("this {what} is not closed")));
        }
    }
}
