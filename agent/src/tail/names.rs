//! What file names tell about rotation: `access.log.1` and `access.log-20260101` were once `access.log`.
//!
//! Pure text. Rotators put a mark after the name (logrotate, Apache's rotatelogs) or before the extension
//! (log4j and logback, logrotate's `extension`). A mark is a separator followed by digits and more separators.

/// Extensions of compressed files; these are never read as lines.
const COMPRESSED: [&str; 5] = [".gz", ".bz2", ".zip", ".xz", ".zst"];

/// Extensions of compressed files that can be read through to their end.
const READABLE: [&str; 2] = [".gz", ".zst"];

/// Words some rotators use in place of a number.
const WORDS: [&str; 3] = [".old", ".prev", ".previous"];

/// Digits that make a mark a date, so that it counts before an extension too. `web-2.log` is more likely
/// another server's log than an older `web.log`; `web-20260101.log` is not.
const DATE_DIGITS: usize = 6;

/// Marks on top of marks that are looked through, such as `app.log-20260101.old`.
const MAX_DEPTH: usize = 3;

/// A name's directory and its last component. The directory of a name without one is empty; the root's is `/`.
pub(crate) fn split(name: &str) -> (&str, &str) {
    match name.rfind('/') {
        Some(0) => name.split_at(1),
        Some(at) => (&name[..at], &name[at + 1..]),
        None => ("", name),
    }
}

/// Whether a name ends like a compressed file's.
pub(crate) fn is_compressed(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    COMPRESSED.iter().any(|extension| lower.ends_with(extension))
}

/// The name a file had before it was compressed, if that can be read.
pub(crate) fn unpacked(name: &str) -> Option<&str> {
    READABLE.iter().find_map(|extension| name.strip_suffix(extension)).filter(|name| !name.is_empty())
}

/// The names a file may have had before rotation, nearest first; empty when the name has no rotation mark.
pub(crate) fn bases(name: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut current = name.to_owned();
    while found.len() < MAX_DEPTH {
        let Some((base, _)) = strip_mark(&current) else { break };
        found.push(base.clone());
        current = base;
    }
    found
}

/// Whether `name` is an older place of the same log than `other`: `a.log.1` than `a.log`, `a.log.2` than `a.log.1`.
pub(crate) fn is_more_rotated(name: &str, other: &str) -> bool {
    is_more_rotated_kin(&Kin::of(name), &Kin::of(other))
}

/// What a name says about its log: worked out once where many names are compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kin {
    directory: String,
    base: String,
    rank: u32,
}

impl Kin {
    pub(crate) fn of(name: &str) -> Self {
        let (directory, file) = split(name);
        let (base, rank) = family(file);
        Self { directory: directory.to_owned(), base, rank }
    }

    /// The live name without its directory: names with different ones are never related.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }
}

/// [`is_more_rotated`] of names that were taken apart already.
///
/// A name that is absolute stands in a directory for rotated files: it is older than any relative one.
pub(crate) fn is_more_rotated_kin(one: &Kin, other: &Kin) -> bool {
    let is_archived = |kin: &Kin| kin.directory.starts_with('/');
    let is_older = match one.directory == other.directory {
        true => one.rank > other.rank,
        false => is_archived(one) && !is_archived(other) && one.rank >= other.rank,
    };
    is_older && one.base == other.base
}

/// Which of two copies of one file, given as names and sizes, takes its place: the longer, else the less rotated
/// one, because only a more rotated file can be its copy in turn.
pub(crate) fn is_better_copy(one: (&str, u64), other: (&str, u64)) -> bool {
    one.1 > other.1 || (one.1 == other.1 && is_more_rotated(other.0, one.0))
}

/// Whether a name ends in a small number, as only rotated files' names do.
pub(crate) fn is_numbered(name: &str) -> bool {
    let number = name.rsplit_once('.').map_or("", |(_, number)| number);
    (1..=3).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// The live name of a log and how many rotations ago a name was it. A date counts as one rotation.
fn family(name: &str) -> (String, u32) {
    let (mut base, mut rank) = (name.to_owned(), 0);
    for _ in 0..MAX_DEPTH {
        let Some((shorter, steps)) = strip_mark(&base) else { break };
        (base, rank) = (shorter, rank.max(steps));
    }
    (base, rank)
}

fn strip_mark(name: &str) -> Option<(String, u32)> {
    if let Some(base) = WORDS.iter().find_map(|word| name.strip_suffix(word)) {
        return (!base.is_empty()).then(|| (base.to_owned(), 1));
    }
    if let Some((base, mark)) = split_mark(name) {
        return Some((base.to_owned(), steps(mark)));
    }
    let (stem, extension) = name.rsplit_once('.')?;
    let is_word = !extension.is_empty() && extension.bytes().all(|byte| byte.is_ascii_alphabetic());
    let (base, mark) = split_mark(stem).filter(|_| is_word)?;
    let is_clear = mark.starts_with('.') || digits(mark) >= DATE_DIGITS;
    is_clear.then(|| (format!("{base}.{extension}"), steps(mark)))
}

/// Cuts a trailing mark: from the first separator of the last run of digits, separators, `T` and `Z`.
fn split_mark(name: &str) -> Option<(&str, &str)> {
    let is_part = |byte: &u8| byte.is_ascii_digit() || b".-_:+TZ".contains(byte);
    let run = name.bytes().rev().take_while(is_part).count();
    let run_start = name.len() - run;
    let separator = name[run_start..].find(['.', '-', '_'])? + run_start;
    let (base, mark) = name.split_at(separator);
    let is_mark = digits(mark) > 0 && mark.ends_with(|last: char| last.is_ascii_digit() || last == 'Z');
    (is_mark && !base.is_empty()).then_some((base, mark))
}

fn digits(text: &str) -> usize {
    text.bytes().filter(u8::is_ascii_digit).count()
}

/// `.3` is three rotations ago; a date or a longer number says only that there was one.
fn steps(mark: &str) -> u32 {
    let number = &mark[1..];
    if number.len() <= 3 { number.parse().unwrap_or(1) } else { 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rotated_name_leads_back_to_the_live_one() {
        assert_eq!(bases("access.log.1"), ["access.log"]);
        assert_eq!(bases("access.log-20260101"), ["access.log"]);
        assert_eq!(bases("access.log.2026-01-01-04"), ["access.log"]);
        assert_eq!(bases("access.log-20260101T040000Z"), ["access.log"]);
        assert_eq!(bases("access-2026-01-01.log"), ["access.log"]);
        assert_eq!(bases("access.3.log"), ["access.log"]);
        assert_eq!(bases("access.log-20260101.old"), ["access.log-20260101", "access.log"]);
    }

    #[test]
    fn ordinary_names_have_no_rotation_mark() {
        assert!(bases("access.log").is_empty());
        assert!(bases("web-2.log").is_empty());
        assert!(bases("server1").is_empty());
        assert!(bases("2026").is_empty());
        assert!(bases(".1").is_empty());
    }

    #[test]
    fn higher_numbers_are_older_and_other_logs_are_not_related() {
        assert!(is_more_rotated("a.log.1", "a.log"));
        assert!(is_more_rotated("a.log.10", "a.log.9"));
        assert!(is_more_rotated("a.log-20260101", "a.log"));
        assert!(!is_more_rotated("a.log", "a.log.1"));
        assert!(!is_more_rotated("a.log.1", "a.log.2"));
        assert!(!is_more_rotated("a-20260102.log", "a-20260101.log"));
        assert!(!is_more_rotated("b.log.1", "a.log"));
    }

    #[test]
    fn directories_keep_logs_apart_and_archives_hold_older_ones() {
        assert!(!is_more_rotated("a/x.log.1", "b/x.log"));
        assert!(is_more_rotated("a/x.log.1", "a/x.log"));
        assert!(is_more_rotated("/old/x.log", "a/x.log"));
        assert!(is_more_rotated("/old/x.log.2", "/old/x.log.1"));
        assert!(!is_more_rotated("a/x.log.1", "/old/x.log"));
        assert_eq!(bases("v1.2/x.log.1"), ["v1.2/x.log"]);
        assert!(bases("app-20260101/x.log").is_empty());
    }

    #[test]
    fn small_numbers_at_the_end_mean_rotated_and_dates_may_be_live() {
        assert!(is_numbered("a.log.1") && is_numbered("a.log.14"));
        assert!(!is_numbered("a.log") && !is_numbered("a.log.20260101") && !is_numbered("a-2026.log"));
    }
}
