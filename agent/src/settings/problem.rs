//! What can be wrong with a settings file, and the values of it that the Java agent would accept.
//!
//! Reading never stops at the first mistake: each one becomes a [`Problem`] and a default takes the value's place.

use std::{fmt, io, ops::RangeInclusive, path::PathBuf, time::Duration};

use serde_json::{Map, Value};

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file is not there or not readable.
    #[error("cannot read {}; name another file with -c", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The text is not JSON, or not a JSON object.
    #[error("{} is not a JSON object (comments with // and /* */ are allowed)", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where it stopped making sense.
        source: serde_json::Error,
    },
    /// Values that are not allowed, all of them together.
    #[error("{} has {} problem(s):{}", path.display(), problems.len(), listed(problems))]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Every problem found, in the order of the file's sections.
        problems: Vec<Problem>,
    },
}

fn listed(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("\n  - {problem}")).collect()
}

/// One value that is not allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where it stands, such as `flows[0].maxBufferAgeMillis`.
    pub key: String,
    /// The value as written; none when the key is missing.
    pub value: Option<String>,
    /// What is allowed, or what to do.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(out, "{} is {value}: {}", self.key, self.remedy),
            None => write!(out, "{} is missing: {}", self.key, self.remedy),
        }
    }
}

/// Reads the typed values of one JSON object and collects what is wrong with them.
pub(super) struct Fields<'a> {
    object: &'a Map<String, Value>,
    /// Put before each key in a problem: empty, or `flows[2].`.
    place: String,
    problems: &'a mut Vec<Problem>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(object: &'a Map<String, Value>, place: String, problems: &'a mut Vec<Problem>) -> Self {
        Self { object, place, problems }
    }

    /// The value of a key. An explicit `null` counts as absent; in the Java agent it crashed the start.
    pub(super) fn value(&self, key: &str) -> Option<&'a Value> {
        self.object.get(key).filter(|value| !value.is_null())
    }

    /// Text; numbers and booleans are taken as they are written.
    pub(super) fn text(&self, key: &str) -> Option<String> {
        self.value(key).map(plain_text)
    }

    /// Text that must be there and must not be empty.
    pub(super) fn required_text(&mut self, key: &str, remedy: &str) -> String {
        let text = self.text(key).unwrap_or_default();
        if text.is_empty() {
            self.problem(key, remedy);
        }
        text
    }

    /// A whole number, also in quotes, as `Integer.decode` reads it.
    pub(super) fn integer(&mut self, key: &str, default: i64, allowed: RangeInclusive<i64>) -> i64 {
        let Some(value) = self.value(key) else { return default };
        match decode(&plain_text(value)).filter(|number| allowed.contains(number)) {
            Some(number) => number,
            None => {
                self.problem(key, &format!("allowed is a whole number from {} to {}", allowed.start(), allowed.end()));
                default
            }
        }
    }

    /// A duration given as a whole number of milliseconds.
    pub(super) fn millis(&mut self, key: &str, default: i64, allowed: RangeInclusive<i64>) -> Duration {
        Duration::from_millis(self.integer(key, default, allowed).unsigned_abs())
    }

    /// A size given as a whole number; the range must not be negative.
    pub(super) fn size(&mut self, key: &str, default: i64, allowed: RangeInclusive<i64>) -> usize {
        usize::try_from(self.integer(key, default, allowed)).unwrap_or(usize::MAX)
    }

    /// A truth value in any of the Java agent's spellings.
    pub(super) fn boolean(&mut self, key: &str, default: bool) -> bool {
        let Some(value) = self.value(key) else { return default };
        match plain_text(value).to_ascii_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "1" => true,
            "false" | "f" | "no" | "n" | "0" => false,
            _ => {
                self.problem(key, "allowed are true and false (also yes, no, t, f, y, n, 1, 0)");
                default
            }
        }
    }

    /// One of a few words, upper case as in the Java agent.
    pub(super) fn choice<T: Copy>(&mut self, key: &str, default: T, choices: &[(&str, T)]) -> T {
        let Some(text) = self.text(key) else { return default };
        if let Some((_, chosen)) = choices.iter().find(|(word, _)| *word == text) {
            return *chosen;
        }
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        self.problem(key, &format!("allowed are {}", words.join(", ")));
        default
    }

    /// The fields of an object inside this one, such as an option of a flow.
    pub(super) fn nested<'b>(&'b mut self, object: &'b Map<String, Value>, place: &str) -> Fields<'b> {
        Fields { object, place: format!("{}{place}.", self.place), problems: &mut *self.problems }
    }

    /// Notes a problem with a value that is no field of its own.
    pub(super) fn problem_at(&mut self, place: &str, value: Option<String>, remedy: &str) {
        self.problems.push(Problem { key: format!("{}{place}", self.place), value, remedy: remedy.to_owned() });
    }

    /// Notes that a key's value, or its absence, is a problem.
    pub(super) fn problem(&mut self, key: &str, remedy: &str) {
        self.problem_at(key, self.value(key).map(ToString::to_string), remedy);
    }
}

/// Text as it is; numbers and truth values as they are written.
pub(super) fn plain_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Reads a number as Java's `Long.decode` does: decimal, `0x`, `#`, or octal after a leading 0.
fn decode(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let (radix, digits) = match digits {
        "0" => (10, digits),
        _ => match digits.strip_prefix("0x").or(digits.strip_prefix("0X")).or(digits.strip_prefix('#')) {
            Some(hex) => (16, hex),
            None => digits.strip_prefix('0').map_or((10, digits), |octal| (8, octal)),
        },
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    i64::from_str_radix(&format!("{sign}{digits}"), radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_decoded_as_java_decodes_them() {
        assert_eq!(decode("500"), Some(500));
        assert_eq!(decode("-1"), Some(-1));
        assert_eq!(decode("0x10"), Some(16));
        assert_eq!(decode("#ff"), Some(255));
        assert_eq!(decode("010"), Some(8));
        assert_eq!(decode("0"), Some(0));
        assert_eq!(decode("1.5"), None);
        assert_eq!(decode("--5"), None);
        assert_eq!(decode(""), None);
    }
}
