//! A picture's way onto the site: decode, encode, store, and only then a row.
//!
//! Invariant: a row refers to files that are on the disk. A crash can leave files without a row, never the reverse.

use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Write},
    sync::Arc,
};

use anyhow::{Context, anyhow};
use tempfile::{NamedTempFile, TempPath};

use crate::{
    picture::{Picture, PictureError},
    records::NewPicture,
    remote::StoreError,
    site::Site,
    storage::{PictureKey, Storage},
    user_name::UserName,
};

/// Why a file did not become a picture on the site.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishError {
    /// Something about the file; the text is for the person who uploaded it.
    #[error(transparent)]
    Refused(PictureError),
    /// Something about us.
    #[error("cannot publish a picture")]
    Failed(#[source] anyhow::Error),
}

/// Where a picture comes from.
pub(crate) enum Source {
    /// A file that was uploaded.
    File(TempPath),
    /// A picture we drew.
    Drawn(Picture),
}

/// Publishes a picture. Once the files are made it finishes by itself, also when the caller goes away.
pub(crate) async fn publish(site: &Arc<Site>, source: Source, owner: UserName, filename: String) -> Result<(), PublishError> {
    let [picture, thumbnail] = encode(site, source).await?;
    let own_site = site.clone();
    let storing = site.tasks.spawn(async move {
        let (kind, key) = (own_site.storage.kind(), PictureKey::new());
        let kept = own_site.storage.keep(vec![(key.thumbnail(), thumbnail), (key, picture)]).await;
        kept.context("cannot store a picture; check the storage's free space")?;
        let row = NewPicture { owner: owner.as_str(), filename: &filename, ..NewPicture::new(kind, key) };
        if let Err(error) = own_site.records.add(&row).await {
            // The row may be there all the same, when only the answer was lost: then its files must be, too. Whatever
            // has no row is swept up later.
            if !matches!(error, StoreError::TimedOut { .. }) {
                own_site.storage.remove(kind, key).await;
            }
            return Err(error).context("cannot add a picture to the database");
        }
        own_site.pictures_changed().await;
        Ok(())
    });
    storing.await.map_err(anyhow::Error::from).flatten().map_err(PublishError::Failed)
}

/// Makes the two files, on a blocking thread. As many at a time as there are permits, because each takes much memory.
async fn encode(site: &Arc<Site>, source: Source) -> Result<[NamedTempFile; 2], PublishError> {
    let permit = site.decoders.clone().acquire_owned().await.map_err(|error| PublishError::Failed(error.into()))?;
    let encoded = site.on_blocking_thread(move |site| {
        let _permit = permit; // given back when the work is done, not when the caller goes away
        let picture = match source {
            Source::Drawn(picture) => picture,
            Source::File(path) => Picture::decode(BufReader::new(open(&path)?), site.settings.upload.max_pixels())?,
        };
        Ok([write_file(&site.storage, |out| picture.write(out))?, write_file(&site.storage, |out| picture.write_thumbnail(out))?])
    });
    encoded.await.map_err(PublishError::Failed)?.map_err(|error| match error {
        PictureError::Failed(error) => PublishError::Failed(anyhow!(error).context("cannot make a picture's files")),
        refused => PublishError::Refused(refused),
    })
}

fn open(path: &TempPath) -> Result<File, PictureError> {
    File::open(path).map_err(failed)
}

fn write_file(
    storage: &Storage,
    write: impl FnOnce(&mut BufWriter<&File>) -> Result<(), PictureError>,
) -> Result<NamedTempFile, PictureError> {
    let file = storage.new_file().map_err(failed)?;
    let mut out = BufWriter::new(file.as_file());
    write(&mut out)?;
    out.flush().map_err(failed)?;
    drop(out);
    Ok(file)
}

fn failed(error: io::Error) -> PictureError {
    PictureError::Failed(error.into())
}
