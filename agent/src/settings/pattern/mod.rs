//! `filePattern`: a path whose components may be globs, such as `/srv/*/logs/{web,app}.log*`.
//!
//! Each component has Java's glob syntax (see [`glob`]); `*` also matches a leading dot. `**` as a directory stands for
//! any number of them. The Java agent took the directory part literally: one with `*` or `?` never matched there, and
//! one with brackets or braces still matches itself here, so no pattern that worked means anything else.

mod glob;

use std::path::{Path, PathBuf};

use self::glob::Part;
use crate::tail::names;

/// Patterns one `filePattern` may stand for through groups that hold slashes.
const MAX_ALTERNATIVES: usize = 256;

/// Which files belong to a flow. Names are relative to the [base directory](Self::directory), with slashes.
#[derive(Debug, Clone)]
pub struct FilePattern {
    base: PathBuf,
    text: String,
    /// Each one way to match: the components below the base directory, at least the file's.
    paths: Vec<Vec<Part>>,
}

/// How far a directory matches: for each way, the component its entries are compared with.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Places(Vec<(u16, u16)>);

impl FilePattern {
    /// Reads a pattern such as `/var/log/apache2/access.log*`.
    ///
    /// # Errors
    /// What is wrong, as the second half of a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let ways = glob::without_slashed_groups(text);
        if ways.len() > MAX_ALTERNATIVES {
            return Err(format!("its groups stand for {} patterns, allowed are {MAX_ALTERNATIVES}", ways.len()));
        }
        let ways: Vec<Vec<&str>> = ways.iter().map(|way| split(way)).collect::<Result<_, _>>()?;
        let shared = shared_directories(&ways);
        let paths = ways.iter().map(|way| parts(&way[shared..])).collect::<Result<_, _>>()?;
        let first = ways.first().map_or(&[][..], |way| &way[..shared]);
        let base = PathBuf::from(match first.join("/") {
            root if root.is_empty() => "/".to_owned(),
            base => base,
        });
        Ok(Self { base, text: text.to_owned(), paths })
    }

    /// The directory below which the files are: the components before the first wildcard.
    pub fn directory(&self) -> &Path {
        &self.base
    }

    /// The whole pattern, as it stands in a flow id.
    pub fn full(&self) -> String {
        self.text.clone()
    }

    /// Whether all files are in the base directory itself.
    pub fn is_flat(&self) -> bool {
        self.paths.iter().all(|path| path.len() == 1)
    }

    /// Whether a file is one of the flow's. Compressed files never are.
    pub fn matches(&self, name: &str) -> bool {
        let (directory, file) = names::split(name);
        self.places_of(directory).is_some_and(|places| self.matches_in(&places, file))
    }

    /// Whether a file that does not match looks like an older part of one that does (`access.log.1`).
    pub fn is_rotation(&self, name: &str) -> bool {
        let (directory, file) = names::split(name);
        self.places_of(directory).is_some_and(|places| self.is_rotation_in(&places, file))
    }

    /// Whether the pattern asks for compressed files only, which are never read.
    pub fn is_ignored(&self) -> bool {
        let is_compressed = |part: &Part| match part {
            Part::Literal(text) | Part::Glob { text, .. } => names::is_compressed(text),
            Part::AnyDepth => false,
        };
        self.paths.iter().all(|path| path.last().is_some_and(is_compressed))
    }

    /// Whether a file name of any directory is the last component of a match or a rotation of one.
    pub(crate) fn fits_anywhere(&self, file: &str) -> bool {
        let is_last = |name: &str| self.paths.iter().any(|path| path.last().is_some_and(|part| part.matches(name)));
        !names::is_compressed(file) && (is_last(file) || names::bases(file).iter().any(|base| is_last(base)))
    }

    /// The base directory's places.
    pub(crate) fn start(&self) -> Places {
        self.closed((0..self.paths.len()).map(|way| (way as u16, 0)).collect())
    }

    /// The places of a directory in a directory; none when nothing below it can match.
    pub(crate) fn enter(&self, places: &Places, name: &str) -> Option<Places> {
        let mut next = Vec::new();
        for &(way, at) in &places.0 {
            match self.part(way, at) {
                _ if self.is_last(way, at) => {}
                Part::AnyDepth => next.push((way, at)),
                part if part.matches(name) => next.push((way, at + 1)),
                _ => {}
            }
        }
        (!next.is_empty()).then(|| self.closed(next))
    }

    /// Whether a file in a directory matches.
    pub(crate) fn matches_in(&self, places: &Places, file: &str) -> bool {
        !names::is_compressed(file) && self.has_file(places, file)
    }

    /// Whether a file in a directory is a rotation of one that matches.
    pub(crate) fn is_rotation_in(&self, places: &Places, file: &str) -> bool {
        !names::is_compressed(file) && names::bases(file).iter().any(|base| self.has_file(places, base))
    }

    /// The names of the directories to enter, when only these can match; none when they must be listed.
    pub(crate) fn literal_steps(&self, places: &Places) -> Option<Vec<&str>> {
        let steps = places.0.iter().filter(|(way, at)| !self.is_last(*way, *at));
        let name = |(way, at): &(u16, u16)| match self.part(*way, *at) {
            Part::Literal(name) => Some(name.as_str()),
            _ => None,
        };
        steps.map(name).collect()
    }

    /// Whether files may match in a directory.
    pub(crate) fn has_files(&self, places: &Places) -> bool {
        places.0.iter().any(|(way, at)| self.is_last(*way, *at))
    }

    /// The file name that matches in a directory, when it is the only one.
    pub(crate) fn is_named(&self, places: &Places, file: &str) -> bool {
        let mut last = places.0.iter().filter(|(way, at)| self.is_last(*way, *at));
        last.any(|(way, at)| matches!(self.part(*way, *at), Part::Literal(name) if name == file))
    }

    fn places_of(&self, directory: &str) -> Option<Places> {
        if directory.starts_with('/') {
            return None;
        }
        let mut steps = directory.split('/').filter(|step| !step.is_empty());
        steps.try_fold(self.start(), |places, step| self.enter(&places, step))
    }

    fn has_file(&self, places: &Places, file: &str) -> bool {
        places.0.iter().any(|(way, at)| self.is_last(*way, *at) && self.part(*way, *at).matches(file))
    }

    fn part(&self, way: u16, at: u16) -> &Part {
        &self.paths[usize::from(way)][usize::from(at)]
    }

    fn is_last(&self, way: u16, at: u16) -> bool {
        usize::from(at) + 1 == self.paths[usize::from(way)].len()
    }

    /// `**` may stand for no directory: what follows it is compared too.
    fn closed(&self, mut places: Vec<(u16, u16)>) -> Places {
        let mut from = 0;
        while let Some(&(way, at)) = places.get(from) {
            if matches!(self.part(way, at), Part::AnyDepth) {
                places.push((way, at + 1));
            }
            from += 1;
        }
        places.sort_unstable();
        places.dedup();
        Places(places)
    }
}

/// The components of a path; the first is empty when it is absolute.
fn split(text: &str) -> Result<Vec<&str>, String> {
    let components: Vec<&str> = text.split('/').collect();
    match components.last() {
        _ if components.len() < 2 => Err("allowed is a path with a directory, such as /var/log/app.log*".to_owned()),
        Some(&"") => Err("the part after the last / must name files, such as app.log*".to_owned()),
        _ if components.len() > usize::from(u16::MAX) => Err("it has too many directories".to_owned()),
        _ => Ok(components),
    }
}

/// How many leading directories all ways share and none has a wildcard in.
fn shared_directories(ways: &[Vec<&str>]) -> usize {
    let Some(first) = ways.first() else { return 0 };
    let is_shared = |at: &usize| ways.iter().all(|way| *at + 1 < way.len() && way[*at] == first[*at]);
    (0..first.len()).take_while(|at| is_shared(at) && !glob::has_wildcard(first[*at])).count()
}

fn parts(components: &[&str]) -> Result<Vec<Part>, String> {
    let (file, directories) = components.split_last().ok_or("it names no file")?;
    let directories = directories.iter().filter(|name| !name.is_empty());
    directories.map(|name| Part::directory(name)).chain([Part::name(file)]).collect()
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
    fn a_directory_is_required() {
        assert!(FilePattern::parse("app.log").unwrap_err().contains("directory"));
        assert!(FilePattern::parse("/var/log/").unwrap_err().contains("after the last /"));
        assert!(FilePattern::parse("/var/log/[a").unwrap_err().contains("not a file name pattern"));
        assert_eq!(FilePattern::parse("/log.*").unwrap().full(), "/log.*");
    }

    fn base(pattern: &str) -> String {
        FilePattern::parse(pattern).unwrap().directory().display().to_string()
    }

    #[test]
    fn the_base_directory_ends_before_the_first_wildcard() {
        assert_eq!(base("/srv/*/logs/a.log"), "/srv");
        assert_eq!(base("/srv/web/a*.log"), "/srv/web");
        assert_eq!(base("/*.log"), "/");
        assert_eq!(base("/**/a.log"), "/");
        assert_eq!(base("/srv/{a/b,a/c}/x.log"), "/srv/a");
        assert_eq!(base("/srv/[app]/x.log"), "/srv");
        assert_eq!(base("logs/a.log"), "logs");
    }

    #[test]
    fn wildcards_in_directories_match_one_directory_each() {
        let names = ["a/logs/x.log", "a/b/logs/x.log", "logs/x.log", "a/logs/x.log.1", "a/other/x.log"];
        assert_eq!(matching("/srv/*/logs/*.log", &names), [true, false, false, false, false]);
    }

    #[test]
    fn two_stars_match_any_depth_and_none() {
        let names = ["x.log", "a/x.log", "a/b/c/x.log", "a/x.txt", "/elsewhere/x.log"];
        assert_eq!(matching("/srv/**/x.log", &names), [true, true, true, false, false]);
        assert_eq!(matching("/srv/**/b/*.log", &["b/x.log", "a/b/x.log", "a/b/c/x.log"]), [true, true, false]);
    }

    #[test]
    fn two_stars_as_the_file_name_stay_in_the_directory_as_in_the_java_agent() {
        assert_eq!(matching("/srv/**", &["x.log", "a/x.log"]), [true, false]);
    }

    #[test]
    fn rotations_are_found_beside_the_file_they_come_from() {
        let pattern = FilePattern::parse("/srv/*/x.log").unwrap();
        assert!(pattern.is_rotation("a/x.log.1") && !pattern.is_rotation("x.log.1") && !pattern.is_rotation("a/b/x.log.1"));
    }

    #[test]
    fn a_pattern_for_compressed_files_only_is_told_apart() {
        assert!(FilePattern::parse("/srv/*.log.GZ").unwrap().is_ignored());
        assert!(!FilePattern::parse("/srv/*.log").unwrap().is_ignored());
    }

    #[test]
    fn directories_that_are_named_need_no_listing() {
        let pattern = FilePattern::parse("/srv/*/logs/x.log").unwrap();
        let start = pattern.start();
        assert_eq!(pattern.literal_steps(&start), None);
        assert_eq!(pattern.literal_steps(&pattern.enter(&start, "a").unwrap()), Some(vec!["logs"]));
    }
}
