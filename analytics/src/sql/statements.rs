//! Statements: streams and pumps. The query of a pump stays tokens here; [`super::query`] reads it.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::error::{Place, SqlError, nearest};
use super::path::FieldPath;
use super::tokens::{bare_word, is_word, name, place, shown};
use super::types::{self, SqlType};

/// A name and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) place: Place,
}

/// `CREATE [OR REPLACE] STREAM name (column type [NOT NULL], …)`.
#[derive(Debug, Clone)]
pub(crate) struct StreamStatement {
    pub(crate) name: Named,
    pub(crate) columns: Vec<ColumnDefinition>,
}

/// One column of a stream.
#[derive(Debug, Clone)]
pub(crate) struct ColumnDefinition {
    pub(crate) name: Named,
    pub(crate) sql_type: SqlType,
    pub(crate) is_not_null: bool,
    /// `PATH '$.a.b'`: where the value stands in an object of the input, and where this is written. None: in the field of the
    /// column's name.
    pub(crate) path: Option<(FieldPath, Place)>,
}

/// `CREATE [OR REPLACE] PUMP name AS INSERT INTO stream [(columns)] SELECT …`.
#[derive(Debug, Clone)]
pub(crate) struct PumpStatement {
    pub(crate) name: Named,
    pub(crate) target: Named,
    /// The target's columns by name; None: all of them, by position.
    pub(crate) columns: Option<Vec<Named>>,
    pub(crate) query: Vec<TokenWithSpan>,
}

/// A statement that the dialect knows.
#[derive(Debug, Clone)]
pub(crate) enum Statement {
    Stream(StreamStatement),
    Pump(PumpStatement),
}

/// Cuts tokens into statements at their semicolons; empty ones are left out.
pub(super) fn split(tokens: &[TokenWithSpan]) -> impl Iterator<Item = &[TokenWithSpan]> {
    tokens.split(|token| token.token == Token::SemiColon).filter(|statement| !statement.is_empty())
}

/// Reads one statement.
///
/// # Errors
/// When it is none of the dialect, with the place where it stops being one.
pub(super) fn parse(tokens: &[TokenWithSpan]) -> Result<Statement, SqlError> {
    let mut cursor = Cursor { tokens, at: 0 };
    if !cursor.eat("CREATE") {
        return Err(not_a_statement(tokens));
    }
    if cursor.eat("OR") {
        cursor.expect("REPLACE")?;
    }
    match bare_word(tokens.get(cursor.at)) {
        Some("STREAM") => cursor.stream().map(Statement::Stream),
        Some("PUMP") => cursor.pump().map(Statement::Pump),
        _ => {
            let message = format!("CREATE {} is not supported", shown(tokens, cursor.at));
            Err(SqlError::new(cursor.place(), message)
                .help("a program has CREATE [OR REPLACE] STREAM and CREATE [OR REPLACE] PUMP"))
        }
    }
}

fn not_a_statement(tokens: &[TokenWithSpan]) -> SqlError {
    let help = match bare_word(tokens.first()) {
        Some("SELECT" | "INSERT") => "queries run in pumps: CREATE OR REPLACE PUMP \"P\" AS INSERT INTO \"S\" SELECT STREAM …",
        _ => "a program has CREATE [OR REPLACE] STREAM and CREATE [OR REPLACE] PUMP",
    };
    SqlError::new(place(tokens, 0), format!("a statement cannot begin with {}", shown(tokens, 0))).help(help)
}

struct Cursor<'a> {
    tokens: &'a [TokenWithSpan],
    at: usize,
}

impl Cursor<'_> {
    fn place(&self) -> Place {
        place(self.tokens, self.at)
    }

    fn current(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|token| &token.token)
    }

    fn eat(&mut self, word: &str) -> bool {
        let found = is_word(self.tokens.get(self.at), word);
        self.at += usize::from(found);
        found
    }

    fn eat_token(&mut self, token: &Token) -> bool {
        let found = self.current() == Some(token);
        self.at += usize::from(found);
        found
    }

    fn expected(&self, what: &str) -> SqlError {
        SqlError::new(self.place(), format!("expected {what}, found {}", shown(self.tokens, self.at)))
    }

    fn expect(&mut self, word: &str) -> Result<(), SqlError> {
        if self.eat(word) { Ok(()) } else { Err(self.expected(word)) }
    }

    fn expect_token(&mut self, token: &Token) -> Result<(), SqlError> {
        if self.eat_token(token) { Ok(()) } else { Err(self.expected(&format!("`{token}`"))) }
    }

    fn name(&mut self, what: &str) -> Result<Named, SqlError> {
        let Some(found) = name(self.tokens.get(self.at)) else { return Err(self.expected(what)) };
        let named = Named { name: found.to_owned(), place: self.place() };
        self.at += 1;
        Ok(named)
    }

    fn number(&mut self) -> Result<u32, SqlError> {
        let found = match self.current() {
            Some(Token::Number(digits, _)) => digits.parse().ok(),
            _ => None,
        };
        let number = found.ok_or_else(|| self.expected("a whole number"))?;
        self.at += 1;
        Ok(number)
    }

    fn stream(&mut self) -> Result<StreamStatement, SqlError> {
        self.expect("STREAM")?;
        let name = self.name("the stream's name")?;
        self.expect_token(&Token::LParen)?;
        let mut columns: Vec<ColumnDefinition> = Vec::new();
        loop {
            let column = self.column()?;
            if columns.iter().any(|known| known.name.name == column.name.name) {
                return Err(SqlError::new(column.name.place, format!("the stream has a column {} already", column.name.name)));
            }
            columns.push(column);
            if !self.eat_token(&Token::Comma) {
                break;
            }
        }
        self.expect_token(&Token::RParen)?;
        self.description()?;
        if self.at < self.tokens.len() {
            return Err(self.expected("the end of the statement"));
        }
        Ok(StreamStatement { name, columns })
    }

    fn column(&mut self) -> Result<ColumnDefinition, SqlError> {
        let name = self.name("a column's name")?;
        let sql_type = self.sql_type()?;
        let is_not_null = self.eat("NOT");
        if is_not_null {
            self.expect("NULL")?;
        }
        let place = self.place();
        let path = if self.eat("PATH") { Some((self.path()?, place)) } else { None };
        Ok(ColumnDefinition { name, sql_type, is_not_null, path })
    }

    fn path(&mut self) -> Result<FieldPath, SqlError> {
        let Some(Token::SingleQuotedString(text)) = self.current() else { return Err(self.expected("a path such as '$.a.b'")) };
        let path = FieldPath::parse(text).map_err(|message| SqlError::new(self.place(), message))?;
        self.at += 1;
        Ok(path)
    }

    fn sql_type(&mut self) -> Result<SqlType, SqlError> {
        let place = self.place();
        let Some(word) = bare_word(self.tokens.get(self.at)) else { return Err(self.expected("a type")) };
        let mut word = word.to_owned();
        self.at += 1;
        if (word == "DOUBLE" && self.eat("PRECISION")) || (word == "CHARACTER" && self.eat("VARYING")) {
            word.push_str(if word == "DOUBLE" { " PRECISION" } else { " VARYING" });
        }
        let mut numbers = Vec::new();
        if self.eat_token(&Token::LParen) {
            loop {
                numbers.push(self.number()?);
                if !self.eat_token(&Token::Comma) {
                    break;
                }
            }
            self.expect_token(&Token::RParen)?;
        }
        SqlType::parse(&word, &numbers).map_err(|message| {
            let error = SqlError::new(place, message);
            match nearest(&word, types::KNOWN.into_iter()) {
                Some(near) if near != word => error.help(format!("did you mean {near}?")),
                _ => error.help(format!("types are {}", types::KNOWN.join(", "))),
            }
        })
    }

    fn description(&mut self) -> Result<(), SqlError> {
        if self.eat("DESCRIPTION") {
            match self.current() {
                Some(Token::SingleQuotedString(_)) => self.at += 1,
                _ => return Err(self.expected("a string")),
            }
        }
        Ok(())
    }

    fn pump(&mut self) -> Result<PumpStatement, SqlError> {
        self.expect("PUMP")?;
        let name = self.name("the pump's name")?;
        self.description()?;
        self.expect("AS")?;
        self.expect("INSERT")?;
        if is_word(self.tokens.get(self.at), "EXPEDITED") {
            return Err(SqlError::new(self.place(), "INSERT EXPEDITED is not supported").help("write INSERT INTO"));
        }
        self.expect("INTO")?;
        let target = self.name("the stream to insert into")?;
        let columns = self.target_columns()?;
        if !matches!(bare_word(self.tokens.get(self.at)), Some("SELECT")) && self.current() != Some(&Token::LParen) {
            return Err(self.expected("SELECT"));
        }
        Ok(PumpStatement { name, target, columns, query: self.tokens[self.at..].to_vec() })
    }

    fn target_columns(&mut self) -> Result<Option<Vec<Named>>, SqlError> {
        let is_list = self.current() == Some(&Token::LParen) && !is_word(self.tokens.get(self.at + 1), "SELECT");
        if !is_list {
            return Ok(None);
        }
        self.at += 1;
        let mut columns = Vec::new();
        loop {
            columns.push(self.name("a column of the stream")?);
            if !self.eat_token(&Token::Comma) {
                break;
            }
        }
        self.expect_token(&Token::RParen)?;
        Ok(Some(columns))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tokens::tokens;
    use super::*;

    fn parsed(source: &str) -> Result<Statement, SqlError> {
        parse(&tokens(source).unwrap().list)
    }

    fn fault(source: &str) -> (usize, String) {
        match parsed(source) {
            Ok(statement) => panic!("accepted {statement:?}"),
            Err(error) => (error.place.column, error.message),
        }
    }

    #[test]
    fn a_stream_has_typed_columns_with_folded_names() {
        let Ok(Statement::Stream(stream)) =
            parsed("create stream s (client_ip varchar(16) not null, \"n\" integer) description 'x'")
        else {
            panic!("refused")
        };
        let columns: Vec<_> =
            stream.columns.iter().map(|column| (column.name.name.as_str(), column.sql_type, column.is_not_null)).collect();
        assert_eq!(columns, [("CLIENT_IP", SqlType::Varchar(16), true), ("n", SqlType::Integer, false)]);
        assert_eq!(stream.name.name, "S");
    }

    #[test]
    fn a_column_may_say_where_its_value_stands() {
        let Ok(Statement::Stream(stream)) = parsed("CREATE STREAM s (a INTEGER NOT NULL PATH '$.x.\"it''s\"', b DATE)") else {
            panic!("refused")
        };
        let paths: Vec<_> = stream
            .columns
            .iter()
            .map(|column| column.path.as_ref().map(|(path, place)| (path.to_string(), place.column)))
            .collect();
        assert_eq!(paths, [Some(("$.x.\"it's\"".to_owned(), 37)), None]);
        assert_eq!(fault("CREATE STREAM s (a INTEGER PATH x)"), (33, "expected a path such as '$.a.b', found `X`".to_owned()));
        assert_eq!(fault("CREATE STREAM s (a INTEGER PATH 'x')"), (33, "a path begins with $".to_owned()));
    }

    #[test]
    fn a_pump_keeps_the_tokens_of_its_query() {
        let Ok(Statement::Pump(pump)) = parsed("CREATE OR REPLACE PUMP p AS INSERT INTO \"D\" (a, \"b\") SELECT STREAM x FROM s")
        else {
            panic!("refused")
        };
        let columns: Vec<String> = pump.columns.unwrap().into_iter().map(|column| column.name).collect();
        assert_eq!((pump.target.name.as_str(), columns, pump.query.len()), ("D", vec!["A".to_owned(), "b".to_owned()], 5));
    }

    #[test]
    fn what_is_no_statement_is_told_with_its_place() {
        assert_eq!(fault("SELECT 1"), (1, "a statement cannot begin with `SELECT`".to_owned()));
        assert_eq!(fault("CREATE VIEW v AS SELECT 1"), (8, "CREATE `VIEW` is not supported".to_owned()));
        assert_eq!(fault("CREATE STREAM s (a INTEGR)"), (20, "there is no type INTEGR".to_owned()));
        assert_eq!(fault("CREATE STREAM s (a INTEGER"), (27, "expected `)`, found the end".to_owned()));
        assert_eq!(fault("CREATE STREAM s (a INTEGER, A CHAR(2))"), (29, "the stream has a column A already".to_owned()));
        assert_eq!(fault("CREATE PUMP p AS SELECT 1"), (18, "expected INSERT, found `SELECT`".to_owned()));
    }
}
