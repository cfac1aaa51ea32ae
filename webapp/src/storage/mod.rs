//! Where pictures are kept, and how a browser gets at them.
//!
//! | module | what it is |
//! |---|---|
//! | `key` | names of files, the same in every storage; pure |
//! | `folder` | a folder of this machine, or of a share mounted there |
//!
//! Every row of the table says in which storage its files are, so that a site can change its storage while it runs.

mod folder;
mod key;

use std::{io, path::Path, sync::Arc, time::Duration};

use axum::body::Body;
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;
use tokio::fs::File;
use tokio_util::io::ReaderStream;

use self::folder::Folder;
pub(crate) use self::key::{PictureKey, Rendition};
use crate::remote::{Guard, StoreError};

/// Bytes read from a picture's file at a time.
const CHUNK_BYTES: usize = 64 * 1024;

/// A share that is slower than this is as good as gone. Writing a picture is the longest of it.
const FOLDER_LIMIT: Duration = Duration::from_secs(10);

/// Which storage; written in every row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// A folder of this machine, or a share.
    Folder,
    /// A bucket.
    S3,
}

/// A file that is being read.
pub(crate) struct Stored {
    pub(crate) length: u64,
    pub(crate) body: Body,
}

/// All storages of the site.
pub(crate) struct Storage {
    folder: Arc<Folder>,
    folder_guard: Guard,
}

impl Kind {
    /// As it stands in the table.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Folder => "folder",
            Self::S3 => "s3",
        }
    }

    /// Reads what [`Kind::as_str`] writes.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::Folder, Self::S3].into_iter().find(|kind| kind.as_str() == text)
    }
}

impl Storage {
    /// Opens the storages.
    ///
    /// # Errors
    /// When the folder cannot be made or read.
    pub(crate) fn open(data_dir: &Path) -> io::Result<Self> {
        let folder = Arc::new(Folder::open(data_dir)?);
        Ok(Self { folder, folder_guard: Guard::new("the picture folder", FOLDER_LIMIT) })
    }

    /// Where new pictures go.
    pub(crate) fn kind(&self) -> Kind {
        Kind::Folder
    }

    /// A file on this machine for something being received or made; it disappears when dropped. Blocks.
    pub(crate) fn new_file(&self) -> io::Result<NamedTempFile> {
        self.folder.new_file()
    }

    /// Puts a picture's files in their place. On return they are safe; on an error none of them is referred to.
    ///
    /// # Errors
    /// When the storage does not take them in time.
    pub(crate) async fn keep(&self, files: Vec<(PictureKey, NamedTempFile)>) -> Result<(), StoreError> {
        let folder = self.folder.clone();
        self.folder_guard.call(blocking(move || folder.keep(files))).await
    }

    /// Removes a picture's files. A failure leaves files nobody refers to, for the orphan sweep.
    pub(crate) async fn remove(&self, _kind: Kind, key: PictureKey) {
        let folder = self.folder.clone();
        let removed = self.folder_guard.call(blocking(move || Ok(folder.remove(key)))).await;
        if let Err(error) = removed {
            tracing::warn!(%key, error = error.chain(), "a removed picture's files stay behind");
        }
    }

    /// Opens a file for reading; none if no storage has it.
    ///
    /// # Errors
    /// When a storage does not answer in time.
    pub(crate) async fn read(&self, key: PictureKey) -> Result<Option<Stored>, StoreError> {
        let path = self.folder.path(key);
        let opened = async {
            match File::open(path).await {
                Ok(file) => Ok(Some((file.metadata().await?.len(), file))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            }
        };
        let found = self.folder_guard.call(opened).await?;
        Ok(found.map(|(length, file)| Stored { length, body: Body::from_stream(ReaderStream::with_capacity(file, CHUNK_BYTES)) }))
    }

    /// The address of a file for browsers.
    pub(crate) async fn url(&self, _kind: Kind, key: PictureKey) -> String {
        format!("/web-demo/uploads/{key}")
    }
}

/// Runs file work where it may block.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|panic| Err(io::Error::other(panic)))
}
