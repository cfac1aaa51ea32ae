//! The folder with the pictures.
//!
//! ```text
//! incoming/   files being received or made; removed on drop, and an hour after a crash
//! uploads/    <32 hex digits>.jpg and its versions, in JPEG and WebP; complete, never changed
//! ```
//!
//! A file gets into `uploads` by renaming, after it is on the disk. So a reader sees all of it or nothing, also when
//! the folder is shared between nodes.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use tempfile::NamedTempFile;

use super::key::{PictureKey, Rendition};

/// An abandoned file is older than any upload in progress, here or on another node that shares the folder.
const ABANDONED_AFTER: Duration = Duration::from_secs(60 * 60);

/// Pictures in a folder of this machine, or of a share mounted there.
pub(crate) struct Folder {
    incoming: PathBuf,
    uploads: PathBuf,
}

impl Folder {
    /// Makes the folders if needed, and removes what a crash left behind.
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        let folder = Self { incoming: root.join("incoming"), uploads: root.join("uploads") };
        fs::create_dir_all(&folder.incoming)?;
        fs::create_dir_all(&folder.uploads)?;
        folder.remove_abandoned(SystemTime::now())?;
        Ok(folder)
    }

    /// A file for something being received or made. It disappears when dropped.
    pub(crate) fn new_file(&self) -> io::Result<NamedTempFile> {
        NamedTempFile::new_in(&self.incoming)
    }

    /// Puts a picture's files in their place. On return they are on the disk; on an error none of them is there.
    pub(crate) fn keep(&self, files: Vec<(PictureKey, NamedTempFile)>) -> io::Result<()> {
        let keys: Vec<PictureKey> = files.iter().map(|(key, _)| *key).collect();
        files
            .into_iter()
            .try_for_each(|(key, file)| self.keep_file(key, file))
            .and_then(|()| File::open(&self.uploads)?.sync_all())
            .inspect_err(|_| keys.iter().for_each(|key| self.remove_file(*key)))
    }

    /// Removes all files of a picture. A failure leaves a file nobody refers to.
    pub(crate) fn remove(&self, key: PictureKey) {
        Rendition::ALL.into_iter().for_each(|rendition| self.remove_file(key.with(rendition)));
    }

    /// Where the file is.
    pub(crate) fn path(&self, key: PictureKey) -> PathBuf {
        self.uploads.join(key.to_string())
    }

    /// Pictures of which some file is older than a moment, at most `count`.
    pub(crate) fn older_than(&self, moment: SystemTime, count: usize) -> io::Result<Vec<PictureKey>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.uploads)? {
            let entry = entry?;
            let Some(key) = entry.file_name().to_str().and_then(PictureKey::parse) else { continue };
            let key = key.with(Rendition::Full);
            if found.contains(&key) {
                continue;
            }
            // Another node may remove the same file at the same time.
            if entry.metadata().and_then(|metadata| metadata.modified()).is_ok_and(|modified| modified < moment) {
                found.push(key);
            }
            if found.len() == count {
                break;
            }
        }
        Ok(found)
    }

    /// Whether a share is mounted here: then the folder is on another device than the one it is in.
    pub(crate) fn is_mount(path: &Path) -> io::Result<bool> {
        let parent = path.parent().unwrap_or(path);
        Ok(fs::metadata(path)?.dev() != fs::metadata(parent)?.dev())
    }

    /// Whether files can be written, renamed and removed here.
    pub(crate) fn probe(&self) -> io::Result<()> {
        let file = self.new_file()?;
        let there = self.uploads.join(format!(".probe-{}", crate::random::RandomId::new()));
        file.persist_noclobber(&there).map_err(|error| error.error)?.sync_all()?;
        fs::remove_file(there)
    }

    fn remove_file(&self, key: PictureKey) {
        let _ = fs::remove_file(self.path(key));
    }

    fn keep_file(&self, key: PictureKey, file: NamedTempFile) -> io::Result<()> {
        file.as_file().sync_all()?;
        file.persist_noclobber(self.path(key)).map_err(|error| error.error)?;
        Ok(())
    }

    fn remove_abandoned(&self, now: SystemTime) -> io::Result<()> {
        for entry in fs::read_dir(&self.incoming)? {
            let entry = entry?;
            // Another node may remove the same file at the same time.
            let Ok(modified) = entry.metadata().and_then(|metadata| metadata.modified()) else { continue };
            if now.duration_since(modified).is_ok_and(|age| age > ABANDONED_AFTER) {
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(folder: &Path) -> usize {
        fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn a_kept_picture_is_in_uploads_and_nothing_stays_in_incoming() {
        let data = tempfile::tempdir().unwrap();
        let folder = Folder::open(data.path()).unwrap();
        let key = PictureKey::new();
        folder.keep(vec![(key, folder.new_file().unwrap()), (key.with(Rendition::Small), folder.new_file().unwrap())]).unwrap();
        assert!(folder.path(key).exists() && folder.path(key.with(Rendition::Small)).exists());
        assert_eq!(count(&folder.incoming), 0);
        folder.remove(key);
        assert_eq!(count(&folder.uploads), 0);
    }

    #[test]
    fn a_picture_that_cannot_be_kept_whole_leaves_nothing() {
        let data = tempfile::tempdir().unwrap();
        let folder = Folder::open(data.path()).unwrap();
        let key = PictureKey::new();
        let twice = vec![(key, folder.new_file().unwrap()), (key, folder.new_file().unwrap())];
        assert!(folder.keep(twice).is_err());
        assert_eq!((count(&folder.incoming), count(&folder.uploads)), (0, 0));
    }

    #[test]
    fn a_probe_leaves_nothing_behind() {
        let data = tempfile::tempdir().unwrap();
        let folder = Folder::open(data.path()).unwrap();
        folder.probe().unwrap();
        assert_eq!((count(&folder.incoming), count(&folder.uploads)), (0, 0));
        fs::remove_dir(&folder.uploads).unwrap();
        assert!(folder.probe().is_err());
    }

    #[test]
    fn an_ordinary_folder_is_not_a_mount_and_proc_is() {
        let data = tempfile::tempdir().unwrap();
        assert!(!Folder::is_mount(data.path()).unwrap());
        assert!(Folder::is_mount(Path::new("/proc")).unwrap());
        assert!(Folder::is_mount(Path::new("/none/at/all")).is_err());
    }

    #[test]
    fn old_pictures_are_listed_once_each() {
        let data = tempfile::tempdir().unwrap();
        let folder = Folder::open(data.path()).unwrap();
        let key = PictureKey::new();
        folder.keep(vec![(key, folder.new_file().unwrap()), (key.with(Rendition::Small), folder.new_file().unwrap())]).unwrap();
        fs::write(folder.uploads.join("not-ours.jpg"), "").unwrap();
        let later = SystemTime::now() + Duration::from_secs(60);
        assert_eq!(folder.older_than(later, 9).unwrap(), [key]);
        assert!(folder.older_than(SystemTime::UNIX_EPOCH, 9).unwrap().is_empty());
    }

    #[test]
    fn only_abandoned_files_are_removed() {
        let data = tempfile::tempdir().unwrap();
        let folder = Folder::open(data.path()).unwrap();
        let file = folder.new_file().unwrap();
        folder.remove_abandoned(SystemTime::now()).unwrap();
        assert!(file.path().exists());
        folder.remove_abandoned(SystemTime::now() + 2 * ABANDONED_AFTER).unwrap();
        assert!(!file.path().exists());
    }
}
