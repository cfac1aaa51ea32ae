//! Java's regular expressions, as far as they can be had.
//!
//! A pattern is first put into Rust's syntax with Java's meaning ([`java`]). The `regex` crate takes what needs no
//! backtracking, in time linear in the text. What it cannot take (look-around, back-references, possessive
//! quantifiers) goes to `fancy-regex`, whose backtracking is bounded: where Java would never return, a match fails.

mod java;

use std::ops::Range;

/// A compiled pattern.
#[derive(Debug)]
pub(crate) struct Pattern(Engine);

#[derive(Debug)]
enum Engine {
    Linear(regex::Regex),
    Backtracking(Box<fancy_regex::Regex>),
}

/// The backtracking engine gave up.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooHard;

impl Pattern {
    /// A pattern that must match a whole text, as Java's `matches()`.
    ///
    /// # Errors
    /// Why no engine takes it, as part of a sentence.
    pub(crate) fn whole(text: &str) -> Result<Self, String> {
        Self::compile(text, |pattern| format!(r"\A(?:{pattern})\z"))
    }

    /// A pattern that is searched for in a text, as Java's `find()`.
    ///
    /// # Errors
    /// As [`Pattern::whole`].
    pub(crate) fn part(text: &str) -> Result<Self, String> {
        Self::compile(text, str::to_owned)
    }

    /// A pattern that must match at the beginning of a text and need not reach its end, as Java's `lookingAt()`.
    ///
    /// # Errors
    /// As [`Pattern::whole`].
    pub(crate) fn prefix(text: &str) -> Result<Self, String> {
        Self::compile(text, |pattern| format!(r"\A(?:{pattern})"))
    }

    fn compile(text: &str, anchor: impl Fn(&str) -> String) -> Result<Self, String> {
        let java::Translation { pattern, needs_backtracking } = java::translate(text)?;
        let pattern = anchor(&pattern);
        if !needs_backtracking && let Ok(regex) = regex::Regex::new(&pattern) {
            return Ok(Self(Engine::Linear(regex)));
        }
        let regex = fancy_regex::Regex::new(&pattern).map_err(|error| one_line(&error.to_string()))?;
        Ok(Self(Engine::Backtracking(Box::new(regex))))
    }

    /// Capturing groups, the whole match not counted.
    pub(crate) fn groups(&self) -> usize {
        let with_whole = match &self.0 {
            Engine::Linear(regex) => regex.captures_len(),
            Engine::Backtracking(regex) => regex.captures_len(),
        };
        with_whole - 1
    }

    /// Whether it finds something in the empty text.
    pub(crate) fn matches_nothing(&self) -> bool {
        self.find_from("", 0).is_ok_and(|found| found.is_some())
    }

    /// Whether there is a match. A match that would take too long is none.
    pub(crate) fn is_match(&self, text: &str) -> bool {
        match &self.0 {
            Engine::Linear(regex) => regex.is_match(text),
            Engine::Backtracking(regex) => regex.is_match(text).unwrap_or(false),
        }
    }

    /// The text of the first group that took part in a match.
    pub(crate) fn first_group<'t>(&self, text: &'t str) -> Option<&'t str> {
        self.captures(text).ok()??.into_iter().flatten().next()
    }

    /// The text of each group, when there is a match.
    pub(super) fn captures<'t>(&self, text: &'t str) -> Result<Option<Vec<Option<&'t str>>>, TooHard> {
        Ok(match &self.0 {
            Engine::Linear(regex) => {
                regex.captures(text).map(|found| found.iter().skip(1).map(|group| Some(group?.as_str())).collect())
            }
            Engine::Backtracking(regex) => {
                let found = regex.captures(text).map_err(|_| TooHard)?;
                found.map(|found| found.iter().skip(1).map(|group| Some(group?.as_str())).collect())
            }
        })
    }

    /// The first match at or after a byte.
    pub(super) fn find_from(&self, text: &str, from: usize) -> Result<Option<Range<usize>>, TooHard> {
        Ok(match &self.0 {
            Engine::Linear(regex) => regex.find_at(text, from).map(|found| found.range()),
            Engine::Backtracking(regex) => {
                regex.find_from_pos(text, from).map_err(|_| TooHard)?.map(|found| found.start()..found.end())
            }
        })
    }
}

/// The last line of an error says what it is; those before draw the pattern.
fn one_line(error: &str) -> String {
    error.lines().last().unwrap_or(error).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The groups of a match of the whole text, and whether it took the linear engine.
    fn matched<'t>(pattern: &str, text: &'t str) -> (Option<Vec<Option<&'t str>>>, bool) {
        let pattern = Pattern::whole(pattern).unwrap();
        let is_linear = matches!(pattern.0, Engine::Linear(_));
        (pattern.captures(text).unwrap(), is_linear)
    }

    #[test]
    fn a_plain_pattern_is_linear_and_matches_the_whole_text() {
        assert_eq!(matched(r"^(\d+) (a)?", "12 "), (Some(vec![Some("12"), None]), true));
        assert_eq!(matched(r"(\d+)", "12 "), (None, true));
        assert_eq!(matched(r"a|ab", "ab"), (Some(vec![]), true));
    }

    #[test]
    fn a_prefix_must_begin_the_text_and_need_not_reach_its_end() {
        let is_prefix = |pattern, text| Pattern::prefix(pattern).unwrap().is_match(text);
        assert!(is_prefix("ERROR", "ERROR x\n") && is_prefix(".*ERROR", "2020 ERROR x\n"));
        assert!(!is_prefix("ERROR", "2020 ERROR x\n"));
        assert!(is_prefix("(?=2)", "2\n") && is_prefix("a|b", "b"));
    }

    #[test]
    fn classes_are_ascii_and_a_dot_stops_at_every_line_end_of_java() {
        assert_eq!(matched(r"\w+", "é").0, None);
        assert_eq!(matched(r"\d", "٣").0, None);
        assert_eq!(matched(r"[\W]", "é").0, Some(vec![]));
        assert_eq!(matched(r"\s", "\u{a0}").0, None);
        for end in ["\n", "\r", "\u{85}", "\u{2028}", "\u{2029}"] {
            assert_eq!(matched(".", end).0, None);
            assert_eq!(matched("(?s).", end).0, Some(vec![]));
        }
        assert_eq!(matched(".", "é").0, Some(vec![]));
    }

    #[test]
    fn look_around_back_references_and_possessive_quantifiers_take_the_other_engine() {
        assert_eq!(matched(r"(?=a)(\w+)", "ab"), (Some(vec![Some("ab")]), false));
        assert_eq!(matched(r"(a|b)\1", "bb"), (Some(vec![Some("b")]), false));
        assert_eq!(matched(r"a++a", "aaa"), (None, false));
        assert_eq!(matched(r"[^ ]++ (?<rest>.*)", "x y"), (Some(vec![Some("y")]), false));
        assert_eq!(matched(r"(?<!x)\d{2}+", "12"), (Some(vec![]), false));
        assert_eq!(matched(r"(a)\Z", "a"), (Some(vec![Some("a")]), false));
    }

    #[test]
    fn java_s_own_spellings_are_understood() {
        assert_eq!(matched(r"\p{Alpha}+\h\p{Digit}[\p{Upper}\h]", "ab\t1 ").0, Some(vec![]));
        assert_eq!(matched(r"\Qa.b\E.\<\/\!", "a.bc</!").0, Some(vec![]));
        assert_eq!(matched(r"\x41\u0042\e[\-\]\[~]{3}", "AB\u{1b}-]~").0, Some(vec![]));
        assert_eq!(matched(r"[a-c&&[^b]]+", "ac").0, Some(vec![]));
        assert_eq!(matched(r"[a-c&&[^b]]+", "abc").0, None);
        assert_eq!(matched("(?x) a b # comment", "ab").0, Some(vec![]));
    }

    #[test]
    fn both_engines_take_the_escapes_people_write() {
        let text = "[01/Jun/2019:00:01:40 -0700] 1.2.3.4 \"GET /\" 200";
        let plain = r#"^\[([\w:/]+\s[+\-]\d{4})\] ([\d.]+) \"(.*?)\" (\d+)$"#;
        let groups = Some(vec![Some("01/Jun/2019:00:01:40 -0700"), Some("1.2.3.4"), Some("GET /"), Some("200")]);
        assert_eq!(matched(plain, text), (groups.clone(), true));
        assert_eq!(matched(&format!("(?!x){plain}"), text), (groups, false));
        assert_eq!(matched(r#"(?i)(?=A)a\/\"[[:]\-\w&&[^b]](?s:.)\#\x41"#, "A/\"-\n#a").0, Some(vec![]));
    }

    #[test]
    fn a_pattern_no_engine_takes_says_why() {
        for pattern in ["(", "[a", "(?U)a", r"\p{javaLowerCase}", r"\"] {
            let error = Pattern::whole(pattern).unwrap_err();
            assert!(!error.is_empty() && !error.contains('\n'), "{pattern}: {error}");
        }
    }

    #[test]
    fn a_match_that_would_take_for_ever_fails() {
        let pattern = Pattern::whole(r"(?=a)(a|aa|a)+\1b").unwrap();
        assert_eq!(pattern.captures(&"a".repeat(200)), Err(TooHard));
    }
}
