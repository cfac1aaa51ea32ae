//! One component of a `filePattern` in Java's glob syntax: `*`, `?`, `[abc]`, `[!a]`, `{a,b}` and `\`.
//!
//! Pure text. The translation to a regular expression and what counts as a mistake follow `sun.nio.fs.Globs`, which the
//! Java agent used, so that a pattern means here what it meant there.

use regex::Regex;

/// One component between two slashes.
#[derive(Debug, Clone)]
pub(super) enum Part {
    /// Exactly this name.
    Literal(String),
    /// `**`: any number of directories, none too.
    AnyDepth,
    /// Names of a form.
    Glob {
        /// As it is written.
        text: String,
        /// What it matches, whole names only.
        regex: Regex,
    },
}

impl Part {
    /// Reads a component that stands for a directory.
    pub(super) fn directory(text: &str) -> Result<Self, String> {
        if text == "**" { Ok(Self::AnyDepth) } else { Self::name(text) }
    }

    /// Reads a component that stands for a file. `**` is the same as `*` there, as in the Java agent.
    pub(super) fn name(text: &str) -> Result<Self, String> {
        if !has_wildcard(text) {
            return Ok(Self::Literal(text.to_owned()));
        }
        let expression = to_regex(text).map_err(|reason| format!("not a file name pattern ({reason} in {text})"))?;
        let regex = Regex::new(&expression).map_err(|_| format!("not a file name pattern (a range in {text} runs backwards)"))?;
        Ok(Self::Glob { text: text.to_owned(), regex })
    }

    /// Whether a name of this form. `**` matches every name.
    pub(super) fn matches(&self, name: &str) -> bool {
        match self {
            Self::Literal(text) => text == name,
            Self::AnyDepth => true,
            // The Java agent took a directory such as `[app]` literally; only `*` and `?` cannot have worked there.
            Self::Glob { text, regex } => regex.is_match(name) || (text == name && !text.contains(['*', '?'])),
        }
    }
}

/// Whether a component is more than a plain name.
pub(super) fn has_wildcard(text: &str) -> bool {
    text.contains(['*', '?', '[', '{', '\\'])
}

/// A pattern whose groups hold slashes, such as `/{a/b,c}/x.log`, becomes one for each choice.
pub(super) fn without_slashed_groups(text: &str) -> Vec<String> {
    let mut from = 0;
    while let Some(open) = unescaped(&text[from..], '{').map(|at| from + at) {
        let Some(close) = unescaped(&text[open..], '}').map(|at| open + at) else { break };
        let group = &text[open + 1..close];
        if group.contains('/') {
            let (before, after) = (&text[..open], &text[close + 1..]);
            return group.split(',').flat_map(|choice| without_slashed_groups(&format!("{before}{choice}{after}"))).collect();
        }
        from = close + 1;
    }
    vec![text.to_owned()]
}

/// Where a character stands that has no backslash before it and is not inside brackets.
fn unescaped(text: &str, wanted: char) -> Option<usize> {
    let (mut escaped, mut in_brackets) = (false, false);
    for (at, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '[' => in_brackets = true,
            ']' => in_brackets = false,
            _ if character == wanted && !in_brackets => return Some(at),
            _ => {}
        }
    }
    None
}

/// The regular expression of a component. The reason of a failure is part of a sentence.
fn to_regex(text: &str) -> Result<String, &'static str> {
    let (mut out, mut in_group) = (String::from(r"(?s)\A(?:"), false);
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        match character {
            '\\' => push_literal(&mut out, rest.next().ok_or("no character follows the backslash")?),
            '*' => out.push_str(".*"),
            '?' => out.push('.'),
            '[' => rest = push_class(&mut out, rest)?,
            '{' if in_group => return Err("groups cannot be nested"),
            '{' => {
                in_group = true;
                out.push_str("(?:");
            }
            '}' if in_group => {
                in_group = false;
                out.push(')');
            }
            ',' if in_group => out.push('|'),
            literal => push_literal(&mut out, literal),
        }
    }
    if in_group {
        return Err("the closing } is missing");
    }
    out.push_str(r")\z");
    Ok(out)
}

/// Translates what follows a `[`; returns what follows its `]`. A backslash is a plain character there.
fn push_class<'a>(out: &mut String, mut rest: std::str::Chars<'a>) -> Result<std::str::Chars<'a>, &'static str> {
    out.push('[');
    if let Some(after) = rest.as_str().strip_prefix('!') {
        out.push('^');
        rest = after.chars();
    }
    let mut is_first = true;
    while let Some(character) = rest.next() {
        match character {
            ']' if is_first => return Err("nothing stands between the brackets"),
            ']' => {
                out.push(']');
                return Ok(rest);
            }
            // Between two characters it is a range; at an end, itself.
            '-' if !is_first && !rest.as_str().starts_with(']') => out.push('-'),
            literal => push_escaped(out, literal),
        }
        is_first = false;
    }
    Err("the closing ] is missing")
}

fn push_literal(out: &mut String, character: char) {
    out.push_str(&regex::escape(character.encode_utf8(&mut [0; 4])));
}

/// Within brackets more characters have a meaning.
fn push_escaped(out: &mut String, character: char) {
    if character.is_ascii_punctuation() {
        out.push('\\');
    }
    out.push(character);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matching(pattern: &str, names: &[&str]) -> Vec<bool> {
        let part = Part::name(pattern).unwrap();
        names.iter().map(|name| part.matches(name)).collect()
    }

    #[test]
    fn brackets_have_java_s_meaning() {
        assert_eq!(matching("[a-c]x", &["ax", "cx", "dx", "-x"]), [true, true, false, false]);
        assert_eq!(matching("[!a-c]x", &["ax", "dx", "!x"]), [false, true, true]);
        assert_eq!(matching("[-a]x", &["-x", "ax", "bx"]), [true, true, false]);
        assert_eq!(matching(r"[\]x", &[r"\x", "]x"]), [true, false]);
        assert_eq!(matching("[^a]x", &["^x", "ax", "bx"]), [true, true, false]);
        assert_eq!(matching("[*?]x", &["*x", "?x", "ax"]), [true, true, false]);
    }

    #[test]
    fn groups_hold_wildcards_and_characters_outside_of_groups_stand_for_themselves() {
        assert_eq!(matching("{a*,b?}.log", &["aaa.log", "bc.log", "b.log"]), [true, true, false]);
        assert_eq!(matching("a,b}?", &["a,b}x", "a,bx"]), [true, false]);
        assert_eq!(matching(r"a\{b\}\*", &["a{b}*", "ab"]), [true, false]);
    }

    #[test]
    fn what_java_refuses_is_refused_with_the_reason() {
        for (pattern, reason) in [
            ("{a{b}}", "nested"),
            ("{a,b", "closing }"),
            ("[a", "closing ]"),
            ("[]a", "nothing stands"),
            ("a\\", "no character follows"),
            ("[z-a]", "backwards"),
        ] {
            let error = Part::name(pattern).unwrap_err();
            assert!(error.contains(reason) && error.contains(pattern), "{error}");
        }
    }

    #[test]
    fn a_directory_named_like_a_class_matches_itself_as_in_the_java_agent() {
        assert_eq!(matching("[app]", &["[app]", "a", "app"]), [true, true, false]);
    }

    #[test]
    fn a_group_with_slashes_is_a_pattern_for_each_choice() {
        assert_eq!(without_slashed_groups("/{a/b,c}/{x,y}.log"), ["/a/b/{x,y}.log", "/c/{x,y}.log"]);
    }
}
