//! What is wrong in a program, and where.

use std::fmt;

use datafusion::sql::sqlparser::tokenizer::Span;

/// A place in a program's text. Lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl Place {
    /// Where a piece of the syntax tree begins; line 0 when the parser did not keep it.
    pub(crate) fn of(span: Span) -> Self {
        let number = |value: u64| usize::try_from(value).unwrap_or_default();
        Self { line: number(span.start.line), column: number(span.start.column) }
    }

    /// Whether the parser kept it.
    pub(crate) fn is_known(self) -> bool {
        self.line > 0
    }

    /// This place, or the other when this one is not known.
    pub(crate) fn or(self, other: Self) -> Self {
        if self.is_known() { self } else { other }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "line {}, column {}", self.line, self.column)
    }
}

/// One fault of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SqlError {
    pub(crate) place: Place,
    /// What is wrong; completes "line 1, column 2: …".
    pub(crate) message: String,
    /// What to write instead.
    pub(crate) help: Option<String>,
}

impl SqlError {
    pub(crate) fn new(place: Place, message: impl Into<String>) -> Self {
        Self { place, message: message.into(), help: None }
    }

    /// A construct of the dialect that this program does not run yet.
    pub(crate) fn not_yet(place: Place, what: &str) -> Self {
        Self::new(place, format!("{what} is not supported yet"))
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The place, the text, the line of the program with a mark under the place, and the help.
    pub(crate) fn render(&self, file: &str, source: &str) -> String {
        let mut text = format!("{file}:{}:{}: {}", self.place.line, self.place.column, self.message);
        if let Some(line) = self.place.line.checked_sub(1).and_then(|index| source.lines().nth(index)) {
            let number = self.place.line.to_string();
            // Tabs stay tabs, so that the mark stands under its character whatever their width.
            let indent: String = line
                .chars()
                .take(self.place.column.saturating_sub(1))
                .map(|character| if character == '\t' { '\t' } else { ' ' })
                .collect();
            text.push_str(&format!("\n {number} | {line}\n {} | {indent}^", " ".repeat(number.len())));
        }
        if let Some(help) = &self.help {
            text.push_str(&format!("\n help: {help}"));
        }
        text
    }
}

/// The nearest of `known` to a word that was not found, if one is near.
pub(crate) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_uppercase();
    let limit = (word.chars().count() / 3).max(1);
    let distances = known.map(|name| (distance(&word, &name.to_uppercase()), name));
    distances.filter(|(distance, _)| *distance <= limit).min_by_key(|(distance, _)| *distance).map(|(_, name)| name)
}

/// Levenshtein's distance.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, character) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for column in 1..=to.len() {
            let replaced = diagonal + usize::from(to[column - 1] != character);
            diagonal = row[column];
            row[column] = replaced.min(diagonal + 1).min(row[column - 1] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_shows_its_line_with_a_mark_under_the_place() {
        let error = SqlError::new(Place { line: 2, column: 8 }, "no such column A").help("write \"a\"");
        let text = error.render("p.sql", "-- x\nSELECT A\nFROM s");
        assert_eq!(text, "p.sql:2:8: no such column A\n 2 | SELECT A\n   |        ^\n help: write \"a\"");
    }

    #[test]
    fn the_nearest_name_is_found_whatever_its_case() {
        assert_eq!(nearest("CLIENTIP", ["client_ip", "status"].into_iter()), Some("client_ip"));
        assert_eq!(nearest("SIZE", ["client_ip", "status"].into_iter()), None);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
