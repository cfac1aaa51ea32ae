//! The state between two checkpoints that survive a power failure: cheap to save, after every answer.
//!
//! Replacing the checkpoint file each time costs a file, a rename and a write to the disk. Here two files are overwritten
//! in turn, in place and without a sync, so that a write that is cut short leaves the other one whole:
//!
//! ```text
//! <MD5 of the rest> <MD5 of the checkpoint it follows> <number> {"version": 1, "flow": …}
//! ```
//!
//! Only what follows the very checkpoint that is on the disk counts; so nothing has to be removed when that is replaced.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use md5::{Digest as _, Md5};

use super::state::FlowState;

/// Overwrites the two files of one flow.
#[derive(Debug)]
pub(crate) struct Recent {
    files: [File; 2],
    /// The checkpoint this follows.
    base: String,
    number: u64,
}

impl Recent {
    /// Begins anew behind a checkpoint with this content, which is on the disk already.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub(super) fn begin(checkpoint: &Path, content: &[u8]) -> io::Result<Self> {
        let open = |path: PathBuf| OpenOptions::new().create(true).truncate(false).write(true).open(path);
        let [first, second] = paths(checkpoint);
        let files = [open(first)?, open(second)?];
        for file in &files {
            file.set_len(0)?; // what followed an equal checkpoint long ago
        }
        Ok(Self { files, base: md5(content), number: 0 })
    }

    /// Saves a state over the one before the last.
    ///
    /// # Errors
    /// When it cannot be written; the last one is still there then.
    pub(crate) fn save(&mut self, state: &FlowState) -> io::Result<()> {
        let rest = format!("{} {} {}\n", self.base, self.number, serde_json::to_string(state)?);
        let text = format!("{} {rest}", md5(rest.as_bytes()));
        // What an older, longer state left behind ends after the line.
        self.files[usize::from(self.number % 2 == 1)].write_all_at(text.as_bytes(), 0)?;
        self.number += 1;
        Ok(())
    }
}

/// The newest state that follows a checkpoint with this content; none when there is none.
pub(super) fn load(checkpoint: &Path, content: &[u8]) -> Option<FlowState> {
    let base = md5(content);
    let states = paths(checkpoint).into_iter().filter_map(|path| {
        let (number, state) = parse(&fs::read_to_string(&path).ok()?, &base)?;
        let saved_at = fs::metadata(&path).and_then(|metadata| metadata.modified()).ok();
        Some((number, FlowState { saved_at, ..state }))
    });
    states.max_by_key(|(number, _)| *number).map(|(_, state)| state)
}

/// Number and state of one of the two files, if it is whole and follows the checkpoint with this MD5.
pub(crate) fn parse(text: &str, base: &str) -> Option<(u64, FlowState)> {
    let line = text.split_inclusive('\n').next()?;
    let (hash, rest) = line.split_once(' ')?;
    if md5(rest.as_bytes()) != hash {
        return None; // cut short: the other file has the state before it
    }
    let mut fields = rest.splitn(3, ' ');
    let follows = fields.next()? == base;
    let (number, state) = (fields.next()?.parse().ok()?, fields.next()?);
    if follows { Some((number, serde_json::from_str(state).ok()?)) } else { None }
}

fn paths(checkpoint: &Path) -> [PathBuf; 2] {
    [checkpoint.with_extension("recent-0"), checkpoint.with_extension("recent-1")]
}

/// In hexadecimal.
pub(crate) fn md5(bytes: &[u8]) -> String {
    format!("{:032x}", u128::from_be_bytes(Md5::digest(bytes).into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        checkpoint::state::{FileState, VERSION},
        record::Fingerprint,
    };

    fn state(path: &str, offset: u64) -> FlowState {
        let fingerprint = Fingerprint::of(b"first line\n");
        let file = FileState { path: path.to_owned(), device: 1, inode: 2, fingerprint, offset, rotated: false, gone: None };
        FlowState { version: VERSION, flow: "f".to_owned(), files: vec![file], saved_at: None }
    }

    /// What is loaded, but for when it was saved.
    fn loaded(checkpoint: &Path, content: &[u8]) -> Option<FlowState> {
        load(checkpoint, content).map(|state| FlowState { saved_at: None, ..state })
    }

    #[test]
    fn the_newest_state_is_loaded_even_when_it_is_shorter() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f.json");
        assert_eq!(loaded(&path, b"c"), None);
        let mut recent = Recent::begin(&path, b"c").unwrap();
        for (name, offset) in [("a long name", 1), ("a long name", 2), ("b", 3), ("b", 4), ("b", 5)] {
            recent.save(&state(name, offset)).unwrap();
            assert_eq!(loaded(&path, b"c"), Some(state(name, offset)));
        }
    }

    #[test]
    fn a_state_that_follows_another_checkpoint_is_old() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f.json");
        let mut recent = Recent::begin(&path, b"first").unwrap();
        recent.save(&state("a", 1)).unwrap();
        assert_eq!(loaded(&path, b"second"), None);
        Recent::begin(&path, b"second").unwrap().save(&state("a", 2)).unwrap();
        assert_eq!(loaded(&path, b"second"), Some(state("a", 2)));
    }

    #[test]
    fn a_write_cut_short_anywhere_leaves_the_state_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f.json");
        let mut recent = Recent::begin(&path, b"c").unwrap();
        for offset in [10, 11, 12] {
            recent.save(&state("a", offset)).unwrap();
        }
        let newest = &paths(&path)[0];
        let (whole, older) = (fs::read(newest).unwrap(), fs::read(&paths(&path)[1]).unwrap());
        let last_difference = (0..whole.len()).rfind(|at| whole.get(*at) != older.get(*at)).unwrap();
        for length in 0..=last_difference {
            // What was there before shows behind the cut.
            let torn: Vec<u8> = whole[..length].iter().chain(older.get(length..).unwrap_or_default()).copied().collect();
            fs::write(newest, torn).unwrap();
            assert_eq!(loaded(&path, b"c"), Some(state("a", 11)), "cut at {length}");
        }
    }
}
