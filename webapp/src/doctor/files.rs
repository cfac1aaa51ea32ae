//! The data folder: is it there, can it be written, is there room.

use std::{fs, path::Path};

use super::Finding;

const WHAT: &str = "data folder";

/// Less than a few uploads.
const LITTLE_ROOM_MIB: u64 = 512;

/// Looks at the folder as the site will use it.
pub(super) fn data_folder(folder: &Path) -> Finding {
    let shown = folder.display();
    if !folder.exists() {
        return match folder.parent().filter(|parent| parent.as_os_str().is_empty() || parent.is_dir()) {
            Some(_) => Finding::good(WHAT, format!("{shown} is not there yet and will be made")),
            None => Finding::bad(
                WHAT,
                format!("{shown} is not there, nor is the folder above it"),
                "make the folder above, or choose another with --data-dir",
            ),
        };
    }
    if let Err(error) = tempfile::NamedTempFile::new_in(folder) {
        let next =
            format!("give the site's user the right to write there: chown USER {shown}; or choose another with --data-dir");
        return Finding::bad(WHAT, format!("cannot make a file in {shown}: {error}"), next);
    }
    match free_mib(folder) {
        Some(free) if free < LITTLE_ROOM_MIB => Finding::warning(
            WHAT,
            format!("{shown} can be written, but only {free} MiB are free"),
            "make room, or choose a larger disk",
        ),
        Some(free) => Finding::good(WHAT, format!("{shown} can be written, {free} MiB are free")),
        None => Finding::good(WHAT, format!("{shown} can be written")),
    }
}

fn free_mib(folder: &Path) -> Option<u64> {
    let folder = fs::canonicalize(folder).ok()?;
    let disk = rustix::fs::statvfs(&folder).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize) / (1024 * 1024))
}
