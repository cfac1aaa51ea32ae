//! The folder with the pictures.
//!
//! ```text
//! incoming/   files being received or made; removed on drop, and an hour after a crash
//! uploads/    <32 hex digits>.jpg and <32 hex digits>-small.jpg; complete, never changed
//! ```
//!
//! A file gets into `uploads` by renaming, after it is on the disk. So a reader sees all of it or nothing, also when
//! the folder is shared between nodes.

use std::{
    fmt::{self, Display, Formatter},
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use tempfile::NamedTempFile;

use crate::random::RandomId;

/// How this storage is called in the table of pictures.
pub(crate) const KIND: &str = "folder";

/// An abandoned file is older than any upload in progress, here or on another node that shares the folder.
const ABANDONED_AFTER: Duration = Duration::from_secs(60 * 60);

/// The name of a stored file. Its text has no `/` and no second dot, so it cannot leave the folder.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct PictureKey {
    id: RandomId,
    size: Size,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Size {
    Full,
    Thumbnail,
}

impl PictureKey {
    /// A name for a new picture.
    pub(crate) fn new() -> Self {
        Self { id: RandomId::new(), size: Size::Full }
    }

    /// Reads what `Display` writes, and nothing else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let stem = text.strip_suffix(".jpg")?;
        let (id, size) = stem.strip_suffix("-small").map_or((stem, Size::Full), |id| (id, Size::Thumbnail));
        Some(Self { id: RandomId::parse(id)?, size })
    }

    /// The name of the same picture's thumbnail.
    pub(crate) fn thumbnail(self) -> Self {
        Self { size: Size::Thumbnail, ..self }
    }
}

impl Display for PictureKey {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self.size {
            Size::Full => write!(formatter, "{}.jpg", self.id),
            Size::Thumbnail => write!(formatter, "{}-small.jpg", self.id),
        }
    }
}

/// Pictures in a folder of this machine, or of a share mounted there.
pub(crate) struct Folder {
    incoming: PathBuf,
    uploads: PathBuf,
}

impl Folder {
    /// Makes the folders if needed, and removes what a crash left behind.
    pub(crate) fn open(data_dir: &Path) -> io::Result<Self> {
        let folder = Self { incoming: data_dir.join("incoming"), uploads: data_dir.join("uploads") };
        fs::create_dir_all(&folder.incoming)?;
        fs::create_dir_all(&folder.uploads)?;
        folder.remove_abandoned(SystemTime::now())?;
        Ok(folder)
    }

    /// A file for something being received or made. It disappears when dropped.
    pub(crate) fn new_file(&self) -> io::Result<NamedTempFile> {
        NamedTempFile::new_in(&self.incoming)
    }

    /// Puts a picture and its thumbnail in their place. On return they are on the disk; on an error neither is there.
    pub(crate) fn keep(&self, key: PictureKey, picture: NamedTempFile, thumbnail: NamedTempFile) -> io::Result<()> {
        self.keep_file(key.thumbnail(), thumbnail)
            .and_then(|()| self.keep_file(key, picture))
            .and_then(|()| File::open(&self.uploads)?.sync_all())
            .inspect_err(|_| self.remove(key))
    }

    /// Removes a picture that nobody was told about. A failure leaves a file nobody refers to.
    pub(crate) fn remove(&self, key: PictureKey) {
        let _ = fs::remove_file(self.path(key));
        let _ = fs::remove_file(self.path(key.thumbnail()));
    }

    /// Where the file is.
    pub(crate) fn path(&self, key: PictureKey) -> PathBuf {
        self.uploads.join(key.to_string())
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

    #[test]
    fn a_key_reads_back_and_cannot_leave_the_folder() {
        let key = PictureKey::new();
        assert!(PictureKey::parse(&key.to_string()) == Some(key));
        assert!(PictureKey::parse(&key.thumbnail().to_string()) == Some(key.thumbnail()));
        for text in ["", ".jpg", "-small.jpg", "../../etc/passwd.jpg", "00000000000000000000000000000000.png"] {
            assert!(PictureKey::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_kept_picture_is_in_uploads_and_nothing_stays_in_incoming() {
        let data = tempfile::tempdir().unwrap();
        let folder = Folder::open(data.path()).unwrap();
        let key = PictureKey::new();
        folder.keep(key, folder.new_file().unwrap(), folder.new_file().unwrap()).unwrap();
        assert!(folder.path(key).exists() && folder.path(key.thumbnail()).exists());
        assert_eq!(fs::read_dir(data.path().join("incoming")).unwrap().count(), 0);
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
