//! What the checkpoints say while no agent runs, against the files as they are now.

use std::{fs, io, os::unix::fs::MetadataExt as _, path::Path};

use serde::Serialize;

use crate::{
    checkpoint::{state::FileState, store::Store},
    settings::{FlowSettings, Settings},
};

/// One flow's checkpoint.
#[derive(Debug, Serialize)]
pub(crate) struct SavedFlow {
    /// Its id.
    pub(crate) id: String,
    /// Whether it ever ran with this state directory.
    pub(crate) has_run: bool,
    /// Why the checkpoint cannot be read.
    pub(crate) error: Option<String>,
    /// In the order they became known.
    pub(crate) files: Vec<SavedFile>,
}

/// One file of a checkpoint.
#[derive(Debug, Serialize)]
pub(crate) struct SavedFile {
    /// Its path, as far as it can be found again.
    pub(crate) path: String,
    /// Everything before it was accepted.
    pub(crate) accepted: u64,
    /// Its length now; none when it cannot be found.
    pub(crate) size: Option<u64>,
    /// Bytes that the next start sends.
    pub(crate) lag_bytes: u64,
    /// What is remarkable about it.
    pub(crate) note: Option<String>,
}

/// Reads the checkpoints of all flows.
pub(crate) fn read(settings: &Settings) -> Vec<SavedFlow> {
    settings.flows.iter().map(|flow| read_flow(flow, &settings.state_directory)).collect()
}

fn read_flow(flow: &FlowSettings, state_directory: &Path) -> SavedFlow {
    let (has_run, files, error) = match Store::of(state_directory, &flow.id).load() {
        Ok(None) => (false, Vec::new(), None),
        Ok(Some(state)) => {
            let files = state.files.iter().map(|file| compare(flow.files.directory(), file)).collect();
            (true, files, None)
        }
        Err(error) => (true, Vec::new(), Some(error.to_string())),
    };
    SavedFlow { id: flow.id.clone(), has_run, error, files }
}

fn compare(directory: &Path, file: &FileState) -> SavedFile {
    let path = directory.join(&file.path);
    let is_it = |metadata: &fs::Metadata| (metadata.dev(), metadata.ino()) == (file.device, file.inode);
    let (path, size, note) = match fs::metadata(&path) {
        Ok(metadata) if is_it(&metadata) => (path, Some(metadata.size()), None),
        found => match sibling(&path, is_it) {
            Some((renamed, size)) => (renamed, Some(size), Some(format!("was {}", file.path))),
            None => (path, None, Some(describe(found.err()))),
        },
    };
    let lag_bytes = size.map_or(0, |size| size.saturating_sub(file.offset));
    let is_shorter = size.is_some_and(|size| size < file.offset);
    let note = if is_shorter { Some("is shorter than what was accepted: truncated since".to_owned()) } else { note };
    SavedFile { path: path.to_string_lossy().into_owned(), accepted: file.offset, size, lag_bytes, note }
}

/// The same file under another name, as rotation leaves it.
fn sibling(path: &Path, is_it: impl Fn(&fs::Metadata) -> bool) -> Option<(std::path::PathBuf, u64)> {
    let entries = fs::read_dir(path.parent()?).ok()?;
    entries.flatten().find_map(|entry| {
        let metadata = entry.metadata().ok().filter(&is_it)?;
        Some((entry.path(), metadata.size()))
    })
}

fn describe(error: Option<io::Error>) -> String {
    match error {
        None => "another file has its name now".to_owned(),
        Some(error) if error.kind() == io::ErrorKind::NotFound => "is gone".to_owned(),
        Some(error) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Fingerprint;

    fn state(path: &Path, offset: u64) -> FileState {
        let metadata = fs::metadata(path).unwrap();
        let (device, inode, fingerprint) = (metadata.dev(), metadata.ino(), Fingerprint::default());
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        FileState { path: name, device, inode, fingerprint, offset, rotated: false, gone: None }
    }

    #[test]
    fn a_file_is_found_by_its_inode_also_after_rotation() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("a.log");
        fs::write(&log, "0123456789").unwrap();
        let state = state(&log, 4);
        let saved = compare(folder.path(), &state);
        assert_eq!((saved.size, saved.lag_bytes, saved.note), (Some(10), 6, None));
        fs::rename(&log, folder.path().join("a.log.1")).unwrap();
        fs::write(&log, "new").unwrap();
        let saved = compare(folder.path(), &state);
        assert_eq!((saved.size, saved.note.as_deref()), (Some(10), Some("was a.log")));
        assert!(saved.path.ends_with("a.log.1"));
        fs::remove_file(folder.path().join("a.log.1")).unwrap();
        assert_eq!(compare(folder.path(), &state).note.as_deref(), Some("another file has its name now"));
    }

    #[test]
    fn a_truncated_file_is_remarked() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("a.log");
        fs::write(&log, "0123").unwrap();
        let saved = compare(folder.path(), &state(&log, 9));
        assert!(saved.note.unwrap().contains("shorter"));
        assert_eq!(saved.lag_bytes, 0);
    }
}
