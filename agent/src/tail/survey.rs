//! Looks at a flow's files once, without reading them: for the import of checkpoints, and to say what a pattern reaches.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::{
    blocked,
    directory::{Directory, Interest, Look, node_of, open, read_head},
    names,
};
use crate::{
    record::{Fingerprint, Node},
    settings::{FilePattern, FlowSettings},
};

/// One file of a flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Surveyed {
    /// Below the flow's base directory.
    pub(crate) name: String,
    /// Its inode.
    pub(crate) node: Node,
    /// In bytes.
    pub(crate) size: u64,
    /// When it was written to last.
    pub(crate) modified: SystemTime,
    /// How it begins.
    pub(crate) fingerprint: Fingerprint,
    /// Whether it was moved away from its live name, as far as names tell.
    pub(crate) rotated: bool,
}

/// The files of a flow, also those that are rotations of names that match. None when the directory is not there.
///
/// # Errors
/// When a directory cannot be read: nothing must be concluded then. A file that cannot be has an empty fingerprint.
pub(crate) fn survey(flow: &FlowSettings) -> io::Result<Vec<Surveyed>> {
    let mut directory = Directory::new(flow.files.clone(), &flow.tracking);
    let found = match directory.look(true, |_, _, _| Interest::Full) {
        Look::Files(found) => found,
        Look::NoDirectory => return Ok(Vec::new()),
        Look::Unreadable(error) => return Err(error),
    };
    if let Some((_, error)) = found.blind.into_iter().next() {
        return Err(error);
    }
    let all: std::collections::HashSet<String> = found.seen.iter().map(|file| file.name.clone()).collect();
    let is_rotated = |name: &str| {
        let has_successor = || names::bases(name).iter().any(|base| all.contains(base));
        !flow.files.matches(name) || names::is_numbered(name) || has_successor()
    };
    let file = |seen: super::discovery::Seen| {
        let modified = fs::metadata(directory.path(&seen.name))?.modified()?;
        let fingerprint = seen.head.as_deref().map(Fingerprint::of).unwrap_or_default();
        let rotated = is_rotated(&seen.name);
        Ok(Surveyed { name: seen.name, node: seen.node, size: seen.size, modified, fingerprint, rotated })
    };
    found.seen.into_iter().map(file).collect()
}

/// A file by its path: its inode, size and first bytes.
///
/// # Errors
/// When it cannot be read, or is no file.
pub(crate) fn identify(path: &Path) -> io::Result<(Node, u64, Vec<u8>)> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let file = open(path)?;
    let metadata = file.metadata()?;
    Ok((node_of(&metadata), metadata.len(), read_head(&file)?.to_vec()))
}

/// What a flow's pattern reaches now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// So many files match.
    Files(usize),
    /// Files match, but one may not be read; a sentence with the remedy.
    Blocked(String),
    /// Nothing matches, for a reason that will not go away by itself; a sentence with the remedy.
    Nothing(String),
}

/// Finds out whether a flow's pattern can match.
pub(crate) fn reach(flow: &FlowSettings) -> Reach {
    if flow.files.is_ignored() {
        let text =
            "it names compressed files only, which are never read; name the log itself, its compressed rotations are found";
        return Reach::Nothing(text.to_owned());
    }
    if let Some(reason) = missing(&flow.files) {
        return Reach::Nothing(reason);
    }
    let mut directory = Directory::new(flow.files.clone(), &flow.tracking);
    match directory.names() {
        Ok(names) => {
            let files: Vec<PathBuf> = names
                .iter()
                .filter(|name| flow.files.matches(name))
                .map(|name| directory.path(name))
                .filter(|path| path.is_file())
                .collect();
            let error = io::Error::from(io::ErrorKind::PermissionDenied);
            match files.iter().find(|path| !blocked::may_read(path)) {
                Some(path) => {
                    Reach::Blocked(format!("{} may not be read: {}", path.display(), blocked::explain(path, &error).advice))
                }
                None => Reach::Files(files.len()),
            }
        }
        Err(error) => {
            let blocked = blocked::explain(flow.files.directory(), &error);
            Reach::Nothing(format!("it cannot be read ({error}): {}", blocked.advice))
        }
    }
}

/// Why the base directory of a pattern is none.
fn missing(pattern: &FilePattern) -> Option<String> {
    let base = pattern.directory();
    if base.is_dir() {
        return None;
    }
    let above: Vec<&Path> = base.ancestors().collect();
    let first_missing = above.iter().rev().find(|path| !path.as_os_str().is_empty() && !path.is_dir())?;
    let parent = first_missing.parent().map_or_else(|| PathBuf::from("/"), Path::to_owned);
    let error = fs::metadata(first_missing).err();
    Some(match error {
        None => format!("{} is a file, so no file can be below it; correct filePattern", first_missing.display()),
        Some(error) if error.kind() == io::ErrorKind::NotFound => {
            let is_link = fs::symlink_metadata(first_missing).is_ok();
            let what = if is_link { "is a link that leads nowhere" } else { "does not exist" };
            format!(
                "{} exists but {} {what}; its files are read from their start as soon as it appears, else correct filePattern",
                parent.display(),
                first_missing.display()
            )
        }
        Some(error) => format!(
            "{} cannot be looked at ({error}): {}",
            first_missing.display(),
            blocked::explain(first_missing, &error).advice
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::flow;

    fn nothing(folder: &Path, pattern: &str) -> String {
        match reach(&flow(folder, pattern, "")) {
            Reach::Nothing(reason) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_first_directory_that_is_missing_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("a")).unwrap();
        let reason = nothing(folder.path(), "a/b/c/x.log");
        let (there, not) = (folder.path().join("a"), folder.path().join("a/b"));
        assert!(reason.starts_with(&format!("{} exists but {} does not exist", there.display(), not.display())), "{reason}");
    }

    #[test]
    fn a_file_in_place_of_a_directory_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), "").unwrap();
        assert!(nothing(folder.path(), "a/x.log").contains("/a is a file"), "{}", nothing(folder.path(), "a/x.log"));
    }

    #[test]
    fn a_pattern_for_compressed_files_can_never_match() {
        assert!(nothing(tempfile::tempdir().unwrap().path(), "*.gz").contains("compressed files only"));
    }

    #[test]
    fn matching_files_are_counted_without_their_rotations() {
        let folder = tempfile::tempdir().unwrap();
        ["a.log", "a.log.1", "b.txt"].iter().for_each(|name| fs::write(folder.path().join(name), "x\n").unwrap());
        assert_eq!(reach(&flow(folder.path(), "*.log", "")), Reach::Files(1));
        assert_eq!(reach(&flow(folder.path(), "c*.log", "")), Reach::Files(0));
    }
}
