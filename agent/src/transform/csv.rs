//! `CSVTOJSON`: names the columns of delimited text.
//!
//! As the Java agent has it, the delimiter is a regular expression, quotes mean nothing, and empty columns at the
//! end count as missing. `csvQuoting` reads RFC 4180 instead: quotes may hold delimiters and doubled quotes, empty
//! columns are empty wherever they stand, and the `\r` of a line end belongs to no column.

use super::{
    json::Columns,
    pattern::{Pattern, TooHard},
};

/// Splits records.
#[derive(Debug)]
pub(crate) struct CsvToJson {
    pub(crate) columns: Columns,
    pub(crate) delimiter: Pattern,
    /// `csvQuoting`. The delimiter must not match the empty text then.
    pub(crate) quoting: bool,
}

impl CsvToJson {
    pub(super) fn convert(&self, line: &str) -> Result<Vec<u8>, &'static str> {
        let written = if self.quoting {
            let fields = quoted_fields(line.strip_suffix('\r').unwrap_or(line), &self.delimiter);
            fields.map(|fields| self.columns.write(&fields.iter().map(|field| Some(field.as_str())).collect::<Vec<_>>()))
        } else {
            split(line, &self.delimiter).map(|fields| self.columns.write(&fields))
        };
        written.map_err(|TooHard| "the delimiter takes too long to find")
    }
}

/// Splits as Java's `String.split`: an empty match at the start splits nothing, and empty ends are cut off.
fn split<'t>(text: &'t str, delimiter: &Pattern) -> Result<Vec<Option<&'t str>>, TooHard> {
    let (mut fields, mut begin, mut from) = (Vec::new(), 0, 0);
    while let Some(found) = delimiter.find_from(text, from)? {
        let is_empty = found.is_empty();
        if !(is_empty && found.start == 0) {
            fields.push(Some(&text[begin..found.start]));
            begin = found.end;
        }
        let step = if is_empty { text[found.end..].chars().next().map_or(1, char::len_utf8) } else { 0 };
        from = found.end + step;
        if from > text.len() {
            break;
        }
    }
    if fields.is_empty() {
        return Ok(vec![Some(text)]);
    }
    fields.push(Some(&text[begin..]));
    let filled = fields.iter().rposition(|field| field.is_some_and(|field| !field.is_empty()));
    fields.truncate(filled.map_or(0, |last| last + 1));
    Ok(fields)
}

fn quoted_fields(text: &str, delimiter: &Pattern) -> Result<Vec<String>, TooHard> {
    let (mut fields, mut rest) = (Vec::new(), text);
    loop {
        let mut field = String::new();
        if let Some(quoted) = rest.strip_prefix('"') {
            rest = unquote(quoted, &mut field);
        }
        let found = delimiter.find_from(rest, 0)?;
        field.push_str(&rest[..found.as_ref().map_or(rest.len(), |found| found.start)]);
        fields.push(field);
        match found {
            Some(found) => rest = &rest[found.end..],
            None => return Ok(fields),
        }
    }
}

/// Takes the text up to the closing quote, or all of it when there is none. Returns what follows.
fn unquote<'t>(mut rest: &'t str, field: &mut String) -> &'t str {
    while let Some(quote) = rest.find('"') {
        field.push_str(&rest[..quote]);
        rest = &rest[quote + 1..];
        match rest.strip_prefix('"') {
            Some(after) => {
                field.push('"');
                rest = after;
            }
            None => return rest,
        }
    }
    field.push_str(rest);
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(text: &str) -> Vec<String> {
        quoted_fields(text, &Pattern::part(",").unwrap()).unwrap()
    }

    #[test]
    fn quotes_hold_delimiters_and_doubled_quotes() {
        assert_eq!(fields(r#""a,b",c,"d ""e""""#), ["a,b", "c", r#"d "e""#]);
        assert_eq!(fields(r#","",x"#), ["", "", "x"]);
    }

    #[test]
    fn text_after_a_closing_quote_and_a_quote_without_end_are_kept() {
        assert_eq!(fields(r#""a"b,c"#), ["ab", "c"]);
        assert_eq!(fields(r#"a,"b,c"#), ["a", "b,c"]);
    }

    #[test]
    fn an_empty_match_splits_between_characters_as_in_java() {
        let split = |text, delimiter| split(text, &Pattern::part(delimiter).unwrap()).unwrap();
        assert_eq!(split("a,b", ",*"), [Some("a"), Some(""), Some("b")]);
        assert_eq!(split("", "|"), [Some("")]);
        assert_eq!(split(",,", ","), [None; 0]);
        assert_eq!(split("é|b", r"\|"), [Some("é"), Some("b")]);
    }
}
