//! A picture's way onto the site: is it allowed, decode, encode, store, and only then a row.
//!
//! Invariant: a row refers to files that are safe. A crash can leave files without a row, never the reverse.

use std::{
    error::Error,
    fs::File,
    io::{self, BufReader, BufWriter, ErrorKind, Write},
    sync::Arc,
};

use anyhow::{Context, anyhow};
use image::ImageError;
use jiff::Timestamp;
use tempfile::{NamedTempFile, TempPath};

use crate::{
    picture::{LARGE, Picture, PictureError, SMALL, has_two_sizes},
    records::{NewPicture, Quota},
    remote::StoreError,
    site::Site,
    storage::{PictureKey, Rendition, Storage},
    user_name::UserName,
};

/// Why a file did not become a picture on the site.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishError {
    /// Something about the file; the text is for the person who uploaded it.
    #[error(transparent)]
    Refused(PictureError),
    /// The same file is among the owner's photos.
    #[error("this is among your photos already, so it was not added again.")]
    Duplicate,
    /// The owner has as much as allowed.
    #[error("{0} Please delete some first; what was deleted counts until it can no longer be brought back.")]
    OverQuota(String),
    /// The disk is full.
    #[error("there is no room left on the server's disk, so it was not stored. Please tell whoever runs this site.")]
    NoRoom,
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

/// What is known of a picture that was somewhere else before.
#[derive(Default)]
pub(crate) struct Origin {
    /// When it was uploaded there; now, if not given.
    pub(crate) created: Option<Timestamp>,
    /// Which row it was there; it is added once.
    pub(crate) import_key: Option<String>,
}

/// A picture and what is to be known about it.
pub(crate) struct Upload {
    pub(crate) source: Source,
    pub(crate) owner: UserName,
    pub(crate) filename: String,
    /// What is to be seen, in words; may be empty.
    pub(crate) alt_text: String,
    /// SHA-256 of the file in hex; empty for a drawn picture.
    pub(crate) content_hash: String,
    pub(crate) origin: Origin,
}

/// The files of a picture, and what its row says about them.
struct Encoded {
    files: Vec<(PictureKey, NamedTempFile)>,
    key: PictureKey,
    size: (u32, u32),
    bytes: u64,
}

/// Publishes a picture. Once the files are made it finishes by itself, also when the caller goes away.
///
/// # Errors
/// Why it is not on the site.
pub(crate) async fn publish(site: &Arc<Site>, upload: Upload) -> Result<(), PublishError> {
    let quota = quota(site, &upload);
    if quota.is_some() {
        check_allowed(site, upload.owner.as_str(), &upload.content_hash).await?;
    }
    let Upload { source, owner, filename, alt_text, content_hash, origin } = upload;
    let encoded = encode(site, source).await?;
    let (name, hash) = (owner.clone(), content_hash.clone());
    let own_site = site.clone();
    let storing = site.tasks.spawn(async move {
        let Encoded { files, key, size: (width, height), bytes } = encoded;
        let kind = own_site.storage.kind();
        own_site.storage.keep(files).await.context("cannot store a picture")?;
        let row = NewPicture {
            owner: owner.as_str(),
            filename: &filename,
            alt_text: &alt_text,
            content_hash: &content_hash,
            size_bytes: bytes,
            width,
            height,
            webp: true,
            created: origin.created,
            import_key: origin.import_key.as_deref(),
            quota,
            ..NewPicture::new(kind, key)
        };
        let added = own_site.records.add(&row).await;
        // After a lost answer the row may be there all the same: then its files must be, too. Whatever has no row is
        // swept up later.
        if !matches!(added, Ok(Some(_)) | Err(StoreError::TimedOut { .. })) {
            own_site.storage.remove(kind, key).await;
        }
        let added = added.context("cannot add a picture to the database")?;
        own_site.pictures_changed().await;
        Ok(added.is_some())
    });
    let is_added = storing.await.map_err(anyhow::Error::from).flatten().map_err(failed)?;
    if is_added || quota.is_none() {
        return Ok(()); // what is imported twice is there
    }
    // Another upload of theirs was quicker; it is the reason, whatever is left of it by now.
    check_allowed(site, name.as_str(), &hash).await.and(Err(PublishError::Duplicate))
}

/// What the owner may have; none for pictures of ours and of the original, which do not count.
fn quota(site: &Site, upload: &Upload) -> Option<Quota> {
    let limits = &site.settings.upload;
    let counts = !matches!(upload.source, Source::Drawn(_)) && upload.origin.import_key.is_none();
    let quota = Quota { pictures: limits.max_photos_per_owner, bytes: limits.max_mib_per_owner.saturating_mul(1024 * 1024) };
    counts.then_some(quota)
}

/// Asks before the work, so that nothing is decoded in vain. The row is added by the same rules.
async fn check_allowed(site: &Site, owner: &str, content_hash: &str) -> Result<(), PublishError> {
    let no_database = |error: StoreError| PublishError::Failed(anyhow::Error::from(error).context("cannot ask the database"));
    if site.records.duplicate(owner, content_hash).await.map_err(no_database)?.is_some() {
        return Err(PublishError::Duplicate);
    }
    let limits = &site.settings.upload;
    let usage = site.records.usage(owner).await.map_err(no_database)?;
    let max_bytes = i64::try_from(limits.max_mib_per_owner.saturating_mul(1024 * 1024)).unwrap_or(i64::MAX);
    if limits.max_photos_per_owner > 0 && usage.pictures >= i64::from(limits.max_photos_per_owner) {
        return Err(PublishError::OverQuota(format!("you have {} photos, which is the limit here.", usage.pictures)));
    }
    if max_bytes > 0 && usage.bytes >= max_bytes {
        return Err(PublishError::OverQuota(format!(
            "your photos take {} MiB, which is the limit here.",
            limits.max_mib_per_owner
        )));
    }
    Ok(())
}

/// Makes the files, on a blocking thread. As many at a time as there are permits, because each takes much memory.
async fn encode(site: &Arc<Site>, source: Source) -> Result<Encoded, PublishError> {
    let permit = site.decoders.clone().acquire_owned().await.map_err(|error| PublishError::Failed(error.into()))?;
    let encoded = site.on_blocking_thread(move |site| {
        let _permit = permit; // given back when the work is done, not when the caller goes away
        let picture = match source {
            Source::Drawn(picture) => picture,
            Source::File(path) => Picture::decode(BufReader::new(open(&path)?), site.settings.upload.max_pixels())?,
        };
        write_files(&site.storage, &picture)
    });
    encoded.await.map_err(PublishError::Failed)?.map_err(|error| match error {
        PictureError::Failed(error) => failed(anyhow!(error).context("cannot make a picture's files")),
        refused => PublishError::Refused(refused),
    })
}

/// The picture, its small version, and its large one where that differs; the versions as WebP, too. A picture that is no larger
/// than its large version is that version as JPEG, and not as WebP.
fn write_files(storage: &Storage, picture: &Picture) -> Result<Encoded, PictureError> {
    let key = PictureKey::new();
    let mut files = Vec::new();
    let mut add = |rendition, file: NamedTempFile| files.push((key.with(rendition), file));
    let small = picture.version(SMALL)?;
    add(Rendition::SmallWebp, write_file(storage, |out| small.write_webp(out))?);
    add(Rendition::Small, write_file(storage, |out| small.write_jpeg(out))?);
    drop(small);
    if has_two_sizes(picture.dimensions()) {
        let large = picture.version(LARGE)?;
        add(Rendition::LargeWebp, write_file(storage, |out| large.write_webp(out))?);
        if picture.exceeds(LARGE) {
            add(Rendition::Large, write_file(storage, |out| large.write_jpeg(out))?);
        }
    }
    // Last, because it is the one a row names.
    files.push((key, write_file(storage, |out| picture.write(out))?));
    let mut bytes = 0;
    for (_, file) in &files {
        bytes += file.as_file().metadata().map_err(io_failed)?.len();
    }
    Ok(Encoded { files, key, size: picture.dimensions(), bytes })
}

fn open(path: &TempPath) -> Result<File, PictureError> {
    File::open(path).map_err(io_failed)
}

fn write_file(
    storage: &Storage,
    write: impl FnOnce(&mut BufWriter<&File>) -> Result<(), PictureError>,
) -> Result<NamedTempFile, PictureError> {
    let file = storage.new_file().map_err(io_failed)?;
    let mut out = BufWriter::new(file.as_file());
    write(&mut out)?;
    out.flush().map_err(io_failed)?;
    drop(out);
    Ok(file)
}

fn io_failed(error: io::Error) -> PictureError {
    PictureError::Failed(error.into())
}

fn failed(error: anyhow::Error) -> PublishError {
    if is_disk_full(error.as_ref()) { PublishError::NoRoom } else { PublishError::Failed(error) }
}

/// Whether somewhere below an error a disk has no room.
pub(crate) fn is_disk_full(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let io = match error.downcast_ref::<ImageError>() {
            Some(ImageError::IoError(io)) => Some(io), // its own source is already the cause of that
            _ => error.downcast_ref::<io::Error>(),
        };
        if io.is_some_and(|io| matches!(io.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)) {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_found_below_other_errors() {
        let full = || io::Error::from(ErrorKind::StorageFull);
        assert!(is_disk_full(anyhow::Error::from(full()).context("cannot store").as_ref()));
        assert!(matches!(failed(anyhow!(ImageError::IoError(full()))), PublishError::NoRoom));
        assert!(!is_disk_full(anyhow!("something else").as_ref()));
    }
}
