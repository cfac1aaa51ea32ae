//! `filePattern`: a literal directory and a glob for the file name.
//!
//! The glob has Java's syntax: `*`, `?`, `[abc]`, `[!a]`, `{a,b}` and `\` before a literal character.
//! `*` also matches a leading dot, and `**` is the same as `*`.

use std::path::{Path, PathBuf};

use crate::tail::names;

/// Which files of one directory belong to a flow.
#[derive(Debug, Clone)]
pub struct FilePattern {
    directory: PathBuf,
    text: String,
    globs: Vec<glob::Pattern>,
}

impl FilePattern {
    /// Reads a pattern such as `/var/log/apache2/access.log*`.
    ///
    /// # Errors
    /// What is wrong, as the second half of a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (directory, name) = text.rsplit_once('/').ok_or("allowed is a path with a directory, such as /var/log/app.log*")?;
        if name.is_empty() {
            return Err("the part after the last / must name files, such as app.log*".to_owned());
        }
        if directory.contains(['*', '?']) {
            return Err("wildcards are allowed in the file name only; write one flow for each directory".to_owned());
        }
        let globs = alternatives(name).into_iter().map(|one| glob::Pattern::new(&to_glob(&one)));
        let globs = globs.collect::<Result<_, _>>().map_err(|error| format!("not a file name pattern ({error})"))?;
        let directory = PathBuf::from(if directory.is_empty() { "/" } else { directory });
        Ok(Self { directory, text: name.to_owned(), globs })
    }

    /// The directory the files are in.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The whole pattern, as it stands in a flow id.
    pub fn full(&self) -> String {
        self.directory.join(&self.text).to_string_lossy().into_owned()
    }

    /// Whether a file name is one of the flow's. Compressed files never are.
    pub fn matches(&self, name: &str) -> bool {
        !names::is_compressed(name) && self.globs.iter().any(|glob| glob.matches(name))
    }

    /// Whether a file that does not match looks like an older part of one that does (`access.log.1`).
    pub fn is_rotation(&self, name: &str) -> bool {
        !names::is_compressed(name) && names::bases(name).iter().any(|base| self.globs.iter().any(|glob| glob.matches(base)))
    }
}

/// `a{b,c}d` becomes `abd` and `acd`. Groups do not nest, as in Java.
fn alternatives(text: &str) -> Vec<String> {
    let open = unescaped(text, '{');
    let close = open.and_then(|open| unescaped(&text[open..], '}').map(|at| open + at));
    let (Some(open), Some(close)) = (open, close) else { return vec![text.to_owned()] };
    let (before, after) = (&text[..open], &text[close + 1..]);
    text[open + 1..close].split(',').flat_map(|choice| alternatives(&format!("{before}{choice}{after}"))).collect()
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

/// Java's escapes become bracket expressions, and runs of `*` one star: the glob crate knows neither.
fn to_glob(text: &str) -> String {
    let mut out = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => out.push_str(&glob::Pattern::escape(&characters.next().map(String::from).unwrap_or_default())),
            '*' if out.ends_with('*') => {}
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matching(pattern: &str, names: &[&str]) -> Vec<bool> {
        let pattern = FilePattern::parse(pattern).unwrap();
        names.iter().map(|name| pattern.matches(name)).collect()
    }

    #[test]
    fn stars_match_dot_files_and_double_stars_are_single_ones() {
        assert_eq!(matching("/d/*.log", &["a.log", ".log", "a.txt"]), [true, true, false]);
        assert_eq!(matching("/d/a**", &["a.log", "b.log"]), [true, false]);
    }

    #[test]
    fn groups_brackets_and_escapes_have_java_s_meaning() {
        assert_eq!(matching("/d/{web,app}-[!x]?.log", &["web-ab.log", "app-xb.log", "db-ab.log"]), [true, false, false]);
        assert_eq!(matching(r"/d/a\*.log", &["a*.log", "ab.log"]), [true, false]);
    }

    #[test]
    fn compressed_files_never_match() {
        assert_eq!(
            matching("/d/a*", &["a.gz", "a.GZ", "a.bz2", "a.zip", "a.xz", "a.zst", "a"]),
            [false, false, false, false, false, false, true]
        );
    }

    #[test]
    fn rotated_names_belong_to_the_flow_and_strangers_do_not() {
        let pattern = FilePattern::parse("/var/log/access.log").unwrap();
        let rotated = ["access.log.1", "access.log-20260101", "access-20260101.log", "access.1.log", "access.log.old"];
        assert!(rotated.iter().all(|name| pattern.is_rotation(name)));
        let strangers = ["access.log", "access-2.log", "access.log.1.gz", "error.log.1", "access.log.bak", "xaccess.log.1"];
        assert!(!strangers.iter().any(|name| pattern.is_rotation(name)));
    }

    #[test]
    fn the_directory_part_is_literal_and_required() {
        assert!(FilePattern::parse("app.log").unwrap_err().contains("directory"));
        assert!(FilePattern::parse("/var/log/").unwrap_err().contains("after the last /"));
        assert!(FilePattern::parse("/var/*/app.log").unwrap_err().contains("file name only"));
        assert!(FilePattern::parse("/var/log/[a").unwrap_err().contains("not a file name pattern"));
        assert_eq!(FilePattern::parse("/log.*").unwrap().full(), "/log.*");
    }
}
