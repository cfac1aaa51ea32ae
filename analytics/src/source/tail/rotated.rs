//! Finds the files that a log was rotated to: those beside it whose names begin with its name.

use std::cmp::Reverse;
use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::begins_as;
use crate::chunk::FileMark;

/// Which file of a rotated log comes first: the one written last before; of those of one moment, the higher number.
type Age = (bool, SystemTime, Reverse<u64>);

/// The file where the mark stands: it begins with the same bytes and is long enough. Not `other`. The youngest of several.
pub(super) fn holding(path: &Path, mark: &FileMark, other: Option<&File>) -> io::Result<Option<File>> {
    let other = other.map(File::metadata).transpose()?.map(identity);
    for (_, candidate) in files(path)?.into_iter().rev() {
        let Ok(file) = File::open(&candidate) else { continue }; // rotated on in the meantime
        let metadata = file.metadata()?;
        if metadata.len() >= mark.offset && Some(identity(metadata)) != other && begins_as(&file, mark)? {
            return Ok(Some(file));
        }
    }
    Ok(None)
}

/// The file that was written after this one: another rotated one, or the one at the path.
pub(super) fn after(path: &Path, file: &File) -> io::Result<Option<File>> {
    let known = identity(file.metadata()?);
    let files = files(path)?;
    let place = files.iter().position(|(metadata, _)| identity(metadata.clone()) == known);
    let next = place.map_or(files.len().checked_sub(1), |place| Some(place + 1)); // gone: the one at the path
    match next.and_then(|next| files.get(next)) {
        Some((_, path)) => match File::open(path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None), // looked for again
            Err(error) => Err(error),
        },
        None => Ok(None),
    }
}

/// The files of a log, the oldest first; the one at the path is the last.
fn files(path: &Path) -> io::Result<Vec<(Metadata, PathBuf)>> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (Ok(metadata), name) = (entry.path().metadata(), entry.file_name()) else { continue };
        let is_current = Some(name.as_os_str()) == path.file_name();
        let Some(suffix) = path.file_name().and_then(|log| suffix(&name, log)) else { continue };
        if !metadata.is_file() {
            continue;
        }
        let age: Age = (is_current, metadata.modified()?, Reverse(number(suffix)));
        files.push((age, metadata, entry.path()));
    }
    files.sort_by_key(|(age, ..)| *age);
    Ok(files.into_iter().map(|(_, metadata, path)| (metadata, path)).collect())
}

/// What stands behind the log's name: empty for the log itself, `.1`, `-20261121`. None for a file of another name: one
/// that is compressed, or no log at all.
fn suffix<'a>(name: &'a OsStr, log: &OsStr) -> Option<&'a str> {
    let suffix = name.to_str()?.strip_prefix(log.to_str()?)?;
    let is_of_rotation = |byte: u8| byte.is_ascii_digit() || b".-_:T".contains(&byte);
    (suffix.is_empty() || (suffix.starts_with(['.', '-', '_']) && suffix.bytes().all(is_of_rotation))).then_some(suffix)
}

/// The number of `.3`; 0 when there is none.
fn number(suffix: &str) -> u64 {
    suffix.strip_prefix('.').and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Whether a file with these first bytes is compressed with gzip or zstd.
pub(super) fn is_compressed(head: &[u8]) -> bool {
    head.starts_with(&[0x1f, 0x8b]) || head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd])
}

fn identity(metadata: Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_a_log_stand_in_the_order_in_which_they_were_written() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("access.log");
        let at = |seconds| SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        let made = [(".2", 5), (".1", 5), (".3", 4), ("", 1), (".4.gz", 3), ("-20261120", 2), ("s", 9), (".offset", 9)];
        for (suffix, seconds) in made {
            let file = File::create(folder.path().join(format!("access.log{suffix}"))).unwrap();
            file.set_modified(at(seconds)).unwrap();
        }
        let names: Vec<String> =
            files(&log).unwrap().iter().map(|(_, path)| path.file_name().unwrap().to_str().unwrap().to_owned()).collect();
        assert_eq!(names, ["access.log-20261120", "access.log.3", "access.log.2", "access.log.1", "access.log"]);
    }
}
