//! Puts a Java pattern into the syntax that `regex` and `fancy-regex` share, with Java's meaning.
//!
//! Java's `\d`, `\w` and `\s` are ASCII, `.` stops at five kinds of line end, `\p{Alpha}` is a POSIX class, and a `+`
//! after a quantifier makes it possessive where `regex` would read a second quantifier. Not covered: `$` before a
//! last line end, and case-insensitivity that is ASCII only.

use std::{fmt::Write as _, iter::Peekable, str::Chars};

/// A pattern in Rust's syntax.
pub(super) struct Translation {
    pub(super) pattern: String,
    /// It holds something that `regex` would take for something else.
    pub(super) needs_backtracking: bool,
}

/// # Errors
/// What cannot be put into Rust's syntax.
pub(super) fn translate(java: &str) -> Result<Translation, String> {
    let mut translator = Translator {
        rest: java.chars().peekable(),
        out: String::new(),
        dot_all: vec![false],
        has_comments: false,
        possessive: false,
    };
    translator.run()?;
    // The line end closes a comment that would swallow what the caller appends.
    let end = if translator.has_comments { "\n" } else { "" };
    Ok(Translation { pattern: translator.out + end, needs_backtracking: translator.possessive })
}

struct Translator<'a> {
    rest: Peekable<Chars<'a>>,
    out: String,
    /// Whether `(?s)` holds, for each open group; never empty.
    dot_all: Vec<bool>,
    /// `(?x)` was seen.
    has_comments: bool,
    possessive: bool,
}

impl Translator<'_> {
    fn run(&mut self) -> Result<(), String> {
        let mut after_quantifier = false;
        while let Some(character) = self.rest.next() {
            let is_quantifier = matches!(character, '*' | '+' | '?' | '}');
            if character == '+' && after_quantifier {
                self.possessive = true;
            }
            // A `?` or `+` behind a quantifier is a part of it and takes no other.
            after_quantifier = is_quantifier && !after_quantifier;
            match character {
                '\\' => self.escape(false)?,
                '[' => self.class()?,
                '.' if self.is_dot_all() => self.out.push_str("(?s:.)"),
                '.' => self.out.push_str(r"[^\n\r\x{85}\x{2028}\x{2029}]"),
                '(' => self.open_group()?,
                ')' => {
                    self.dot_all.pop();
                    if self.dot_all.is_empty() {
                        return Err("a ) has no (".to_owned());
                    }
                    self.out.push(')');
                }
                other => self.out.push(other),
            }
        }
        Ok(())
    }

    fn is_dot_all(&self) -> bool {
        self.dot_all.last().copied().unwrap_or(false)
    }

    /// After `(`. Flags such as `(?is)` and `(?s-i:..)` are read; other groups pass as they are.
    fn open_group(&mut self) -> Result<(), String> {
        self.out.push('(');
        let outer = self.is_dot_all();
        self.dot_all.push(outer);
        let mut ahead = self.rest.clone();
        if ahead.next() != Some('?') {
            return Ok(());
        }
        let flags: String = ahead.by_ref().take_while(|character| !matches!(character, ':' | ')')).collect();
        let is_flags = !flags.is_empty() && flags.chars().all(|flag| flag.is_ascii_alphabetic() || flag == '-');
        if !is_flags {
            if self.rest.clone().nth(1).is_some_and(|next| matches!(next, '=' | '!' | ':' | '>' | '<')) {
                self.out.push('?');
                self.rest.next();
                self.copy_group_kind();
            }
            return Ok(());
        }
        let (on, off) = flags.split_once('-').unwrap_or((&flags, ""));
        if let Some(unknown) = flags.chars().find(|flag| !"ismx-".contains(*flag)) {
            return Err(format!("the flag (?{unknown}) is not supported"));
        }
        self.has_comments |= on.contains('x');
        let dot_all = on.contains('s') || (outer && !off.contains('s'));
        let is_group = self.rest.clone().nth(flags.len() + 1) == Some(':');
        // `(?s)` holds for the rest of the group around it; its own parenthesis is closed like any other.
        let level = self.dot_all.len() - if is_group { 1 } else { 2 };
        self.dot_all[level] = dot_all;
        self.out.extend(self.rest.by_ref().take(flags.len() + 1 + usize::from(is_group)));
        Ok(())
    }

    /// After `(?`: what kind of group it is, so that its `?` and `<` are not read as anything else.
    fn copy_group_kind(&mut self) {
        if let Some(kind) = self.rest.next() {
            self.out.push(kind);
            if kind == '<' {
                self.out.extend(self.rest.next());
            }
        }
    }

    /// After `[`, up to its `]`.
    fn class(&mut self) -> Result<(), String> {
        self.out.push('[');
        self.out.extend(self.rest.next_if_eq(&'^'));
        if self.rest.next_if_eq(&']').is_some() {
            self.out.push_str(r"\]");
        }
        loop {
            match self.rest.next().ok_or("a [ has no ]")? {
                ']' => break,
                '[' => self.class()?,
                '\\' => self.escape(true)?,
                // `~~` and `--` are operators in Rust only; a lone `-` may be a range in both.
                '~' => self.out.push_str(r"\~"),
                '-' if self.rest.peek() == Some(&'-') => self.out.push_str(r"\-"),
                other => self.out.push(other),
            }
        }
        self.out.push(']');
        Ok(())
    }

    /// After `\`.
    fn escape(&mut self, in_class: bool) -> Result<(), String> {
        let character = self.rest.next().ok_or("it ends with a single \\")?;
        let (ranges, negated) = match character {
            'd' | 'D' => ("0-9", character == 'D'),
            'w' | 'W' => ("a-zA-Z_0-9", character == 'W'),
            's' | 'S' => (r"\x20\t\n\x0B\f\r", character == 'S'),
            'h' | 'H' => (r"\x20\t\xA0\x{1680}\x{180E}\x{2000}-\x{200A}\x{202F}\x{205F}\x{3000}", character == 'H'),
            'v' | 'V' => (r"\n\x0B\f\r\x{85}\x{2028}\x{2029}", character == 'V'),
            'p' | 'P' => return self.property(character == 'P'),
            'Q' => return self.quote(),
            'R' => {
                self.out.push_str(r"(?:\r\n|[\n\x0B\f\r\x{85}\x{2028}\x{2029}])");
                return Ok(());
            }
            'e' => {
                self.out.push_str(r"\x1B");
                return Ok(());
            }
            '0' => return self.octal(),
            other if other.is_ascii_alphanumeric() => {
                self.out.extend(['\\', other]);
                return Ok(());
            }
            other => {
                push_literal(&mut self.out, other);
                return Ok(());
            }
        };
        self.set(ranges, negated, in_class);
        Ok(())
    }

    fn set(&mut self, ranges: &str, negated: bool, in_class: bool) {
        match (in_class, negated) {
            (true, false) => self.out.push_str(ranges),
            // Writing to a String cannot fail.
            (_, true) => drop(write!(self.out, "[^{ranges}]")),
            (false, false) => drop(write!(self.out, "[{ranges}]")),
        }
    }

    /// After `\p` or `\P`: Java's POSIX names are ASCII; Unicode categories and scripts are the same in Rust.
    fn property(&mut self, negated: bool) -> Result<(), String> {
        let name: String = match self.rest.next() {
            Some('{') => self.rest.by_ref().take_while(|character| *character != '}').collect(),
            Some(letter) => letter.to_string(),
            None => return Err("a \\p has no name".to_owned()),
        };
        let ranges = match name.as_str() {
            "Lower" => "a-z",
            "Upper" => "A-Z",
            "ASCII" => r"\x00-\x7F",
            "Alpha" => "a-zA-Z",
            "Digit" => "0-9",
            "Alnum" => "a-zA-Z0-9",
            "Punct" => r"!-/:-@\[-`{-\~",
            "Graph" => r"!-\~",
            "Print" => r"\x20-\~",
            "Blank" => r"\x20\t",
            "Cntrl" => r"\x00-\x1F\x7F",
            "XDigit" => "0-9a-fA-F",
            "Space" => r"\x20\t\n\x0B\f\r",
            _ if name.starts_with("java") => return Err(format!("\\p{{{name}}} is not supported")),
            _ => {
                let name = name.strip_prefix("Is").unwrap_or(&name);
                let _ = write!(self.out, r"\{}{{{name}}}", if negated { 'P' } else { 'p' });
                return Ok(());
            }
        };
        // With its own brackets it may stand inside others too.
        self.set(ranges, negated, false);
        Ok(())
    }

    /// After `\Q`: literal text up to `\E`, or all of it.
    fn quote(&mut self) -> Result<(), String> {
        while let Some(character) = self.rest.next() {
            if character == '\\' && self.rest.next_if_eq(&'E').is_some() {
                return Ok(());
            }
            push_literal(&mut self.out, character);
        }
        Ok(())
    }

    /// After `\0`: one to three octal digits.
    fn octal(&mut self) -> Result<(), String> {
        let mut value = None;
        for _ in 0..3 {
            let Some(digit) = self.rest.peek().and_then(|character| character.to_digit(8)) else { break };
            let longer = value.unwrap_or(0) * 8 + digit;
            if longer > 0o377 {
                break;
            }
            value = Some(longer);
            self.rest.next();
        }
        let _ = write!(self.out, r"\x{{{:X}}}", value.ok_or("a \\0 has no octal digits")?);
        Ok(())
    }
}

/// A blank or `#` is escaped too: it would mean nothing under `(?x)`.
fn push_literal(out: &mut String, character: char) {
    if character.is_ascii_punctuation() && !matches!(character, '<' | '>') {
        out.push('\\');
        out.push(character);
    } else if character == ' ' {
        out.push_str(r"\x20");
    } else {
        out.push(character);
    }
}
