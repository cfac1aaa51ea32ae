//! Where in an object of the input a column's value stands: `$.a.b`, as in SQL's JSON_TABLE and the service's mappings.

use std::fmt;

/// Keys from the object of a line inwards. Invariant: at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FieldPath {
    key: String,
    below: Vec<String>,
}

/// The deepest path: a bound on what a program asks for, far above what logs have.
const MAX_KEYS: usize = 16;

impl FieldPath {
    /// The field of this name.
    pub(crate) fn of(name: &str) -> Self {
        Self { key: name.to_owned(), below: vec![] }
    }

    /// Keys from the outside inwards; None when there are none.
    pub(crate) fn new(mut keys: Vec<String>) -> Option<Self> {
        let below = keys.split_off(keys.len().min(1));
        keys.pop().map(|key| Self { key, below })
    }

    /// The key in the line's object.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// Keys in the objects inside of that.
    pub(crate) fn below(&self) -> &[String] {
        &self.below
    }

    /// Reads `$.a.b` or `$."a.b"`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut rest = text.strip_prefix('$').ok_or("a path begins with $")?;
        let mut keys = Vec::new();
        while let Some(step) = rest.strip_prefix('.') {
            let (key, after) = if step.starts_with('"') { quoted(step)? } else { bare(step)? };
            keys.push(key);
            rest = after;
        }
        if rest.starts_with('[') {
            return Err("a path does not go into lists; a VARCHAR takes the text of the whole list".to_owned());
        }
        if !rest.is_empty() {
            return Err(format!("expected . or the end of the path, found {rest:?}"));
        }
        if keys.len() > MAX_KEYS {
            return Err(format!("a path has {MAX_KEYS} keys at most"));
        }
        Self::new(keys).ok_or_else(|| "a path names a key, such as $.status".to_owned())
    }
}

fn bare(step: &str) -> Result<(String, &str), String> {
    let end = step.find(['.', '[', '"', ' ']).unwrap_or(step.len());
    match step.split_at(end) {
        ("", _) => Err("a key is missing behind a dot; one with other characters is quoted, as in $.\"a b\"".to_owned()),
        (key, rest) => Ok((key.to_owned(), rest)),
    }
}

/// A key in quotes; `\"` and `\\` stand for the characters themselves.
fn quoted(step: &str) -> Result<(String, &str), String> {
    let mut key = String::new();
    let mut characters = step.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok((key, &step[at + 1..])),
            '\\' => key.extend(characters.next().map(|(_, escaped)| escaped)),
            other => key.push(other),
        }
    }
    Err("a quoted key is not closed".to_owned())
}

/// As [`FieldPath::parse`] reads it.
impl fmt::Display for FieldPath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("$")?;
        for key in std::iter::once(&self.key).chain(&self.below) {
            let is_bare =
                !key.is_empty() && key.chars().all(|character| character.is_alphanumeric() || "_-@".contains(character));
            if is_bare {
                write!(out, ".{key}")?;
            } else {
                write!(out, ".\"{}\"", key.replace('\\', "\\\\").replace('"', "\\\""))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_keys_from_the_outside_inwards() {
        let path = FieldPath::parse("$.a.\"b.c\\\"\"").unwrap();
        assert_eq!((path.key(), path.below()), ("a", ["b.c\"".to_owned()].as_slice()));
        assert_eq!(FieldPath::parse("$.@@"), Ok(FieldPath::of("@@")));
    }

    #[test]
    fn what_is_no_path_is_told() {
        for (text, what) in [("a", "begins with $"), ("$", "names a key"), ("$.", "key is missing"), ("$.a[0:]", "lists")] {
            let error = FieldPath::parse(text).unwrap_err();
            assert!(error.contains(what), "{text}: {error}");
        }
        assert!(FieldPath::parse("$.\"a").is_err() && FieldPath::parse("$.a b").is_err());
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read_back(keys in proptest::collection::vec(".*", 1..5)) {
            let path = FieldPath::new(keys).unwrap();
            proptest::prop_assert_eq!(FieldPath::parse(&path.to_string()), Ok(path));
        }
    }
}
