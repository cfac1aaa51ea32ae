//! A program's text as tokens, each with its place in the text.
//!
//! The words are sqlparser's; the rules are the dialect's: names without quotes are upper case, only `"` quotes a name,
//! a backslash is a character like any other.

use datafusion::sql::sqlparser::dialect::Dialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer, Word};

use super::comments;
use super::error::{Place, SqlError};

/// The lexical rules of Kinesis Analytics SQL.
#[derive(Debug)]
pub(super) struct KinesisDialect;

impl Dialect for KinesisDialect {
    fn is_identifier_start(&self, character: char) -> bool {
        character.is_alphabetic() || character == '_'
    }

    fn is_identifier_part(&self, character: char) -> bool {
        character.is_alphanumeric() || matches!(character, '_' | '$')
    }

    fn is_delimited_identifier_start(&self, character: char) -> bool {
        character == '"'
    }

    fn supports_filter_during_aggregation(&self) -> bool {
        true
    }
}

/// The longest name. Source: "Identifiers" in the service's SQL reference.
const MAX_NAME_CHARACTERS: usize = 128;

/// Tokens without blanks, and where an unclosed comment begins.
pub(super) struct Tokens {
    pub(super) list: Vec<TokenWithSpan>,
    pub(super) unclosed_comment: Option<Place>,
}

/// Cuts a program into tokens.
///
/// # Errors
/// When a string or a quoted name is not closed, a name is too long, or a character belongs to no token.
pub(super) fn tokens(source: &str) -> Result<Tokens, SqlError> {
    let blanked = comments::blank(source)?;
    let list = Tokenizer::new(&KinesisDialect, &blanked.text).tokenize_with_location().map_err(|error| {
        let place = Place { line: error.location.line as usize, column: error.location.column as usize };
        SqlError::new(place, error.message)
    })?;
    let mut kept = Vec::with_capacity(list.len());
    for mut token in list {
        if matches!(token.token, Token::Whitespace(_) | Token::EOF) {
            continue;
        }
        check(&token)?;
        fold(&mut token.token);
        kept.push(token);
    }
    Ok(Tokens { list: kept, unclosed_comment: blanked.unclosed_comment })
}

fn check(token: &TokenWithSpan) -> Result<(), SqlError> {
    let place = Place::of(token.span);
    match &token.token {
        Token::Word(word) if word.value.chars().count() > MAX_NAME_CHARACTERS => {
            Err(SqlError::new(place, format!("this name is longer than {MAX_NAME_CHARACTERS} characters")))
        }
        Token::Word(word) if word.quote_style == Some('"') && word.value.is_empty() => {
            Err(SqlError::new(place, "this name is empty"))
        }
        Token::Char(character) => Err(SqlError::new(place, format!("the character {character:?} has no meaning here"))
            .help("names are quoted with \", strings with '")),
        _ => Ok(()),
    }
}

/// Names without quotes are upper case at their definition and wherever they are used.
fn fold(token: &mut Token) {
    if let Token::Word(Word { value, quote_style: None, .. }) = token {
        *value = value.to_uppercase();
    }
}

/// Whether the token is this word, written without quotes. `word` is upper case.
pub(super) fn is_word(token: Option<&TokenWithSpan>, word: &str) -> bool {
    matches!(token.map(|token| &token.token), Some(Token::Word(found)) if found.quote_style.is_none() && found.value == word)
}

/// The word of a token that is one, without quotes.
pub(super) fn bare_word(token: Option<&TokenWithSpan>) -> Option<&str> {
    match token.map(|token| &token.token) {
        Some(Token::Word(word)) if word.quote_style.is_none() => Some(&word.value),
        _ => None,
    }
}

/// The name that a token is, quoted or not.
pub(super) fn name(token: Option<&TokenWithSpan>) -> Option<&str> {
    match token.map(|token| &token.token) {
        Some(Token::Word(word)) => Some(&word.value),
        _ => None,
    }
}

/// Where a token stands; the end of the last one when there is none.
pub(super) fn place(tokens: &[TokenWithSpan], at: usize) -> Place {
    match (tokens.get(at), tokens.last()) {
        (Some(token), _) => Place::of(token.span),
        (None, Some(last)) => Place { line: last.span.end.line as usize, column: last.span.end.column as usize },
        (None, None) => Place { line: 1, column: 1 },
    }
}

/// A name of our own, at another token's place.
pub(super) fn word_at(value: &str, like: &TokenWithSpan) -> TokenWithSpan {
    let word = Word { value: value.to_owned(), quote_style: None, keyword: Keyword::NoKeyword };
    TokenWithSpan { token: Token::Word(word), span: like.span }
}

/// A token of our own, at another token's place.
pub(super) fn token_at(token: Token, like: &TokenWithSpan) -> TokenWithSpan {
    TokenWithSpan { token, span: like.span }
}

/// A token for a reader.
pub(super) fn shown(tokens: &[TokenWithSpan], at: usize) -> String {
    tokens.get(at).map_or_else(|| "the end".to_owned(), |token| format!("`{}`", token.token))
}

/// The deepest nesting of parentheses; deeper is an error, never an overflow of the stack.
const MAX_DEPTH: usize = 50;

/// For each opening parenthesis the index of its closing one.
///
/// # Errors
/// When one has no partner, or stands too deep.
pub(super) fn parentheses(tokens: &[TokenWithSpan]) -> Result<Vec<Option<usize>>, SqlError> {
    let mut closing = vec![None; tokens.len()];
    let mut open = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        match token.token {
            Token::LParen if open.len() == MAX_DEPTH => {
                return Err(SqlError::new(
                    Place::of(token.span),
                    format!("parentheses are nested deeper than {MAX_DEPTH} levels"),
                ));
            }
            Token::LParen => open.push(at),
            Token::RParen => match open.pop() {
                Some(start) => closing[start] = Some(at),
                None => return Err(SqlError::new(Place::of(token.span), "this ) closes nothing")),
            },
            _ => {}
        }
    }
    match open.pop() {
        Some(at) => Err(SqlError::new(place(tokens, at), "this ( is not closed")),
        None => Ok(closing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> Vec<String> {
        tokens(source).unwrap().list.iter().map(|token| token.token.to_string()).collect()
    }

    #[test]
    fn names_without_quotes_are_upper_case() {
        assert_eq!(texts("client_ip \"client_ip\" Count"), ["CLIENT_IP", "\"client_ip\"", "COUNT"]);
    }

    #[test]
    fn a_double_slash_is_a_comment_not_a_division() {
        assert_eq!(texts("a // it's\n+ b"), ["A", "+", "B"]);
    }

    #[test]
    fn tokens_know_their_place() {
        let tokens = tokens("a /* x\n */ \"b\"").unwrap().list;
        assert_eq!(place(&tokens, 1), Place { line: 2, column: 5 });
    }

    #[test]
    fn a_foreign_quote_and_a_long_name_are_errors() {
        assert!(tokens("`a`").is_err());
        assert!(tokens(&"a".repeat(129)).is_err());
        assert!(tokens(&"a".repeat(128)).is_ok());
    }

    #[test]
    fn parentheses_without_partner_are_located() {
        let at = |source: &str| parentheses(&tokens(source).unwrap().list).unwrap_err().place.column;
        assert_eq!((at("(a"), at("a)"), at("(a (b)")), (1, 2, 1));
    }
}
