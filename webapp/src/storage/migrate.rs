//! Moves pictures from one storage to another, while the site runs: `webapp migrate-storage`.
//!
//! One picture at a time: copy its files, read them back and compare digests, and only then change the row. Stopped at any
//! moment, every row still says where its files are, and the next run goes on with the rest. Files are left where they were
//! unless they are to be removed, so that a node with old rows in its cache still finds them.

use std::io::Write;

use anyhow::{Context, Result, anyhow, bail};
use aws_lc_rs::digest;
use axum::body::to_bytes;
use tracing::{info, warn};

use super::{Kind, PictureKey, Rendition, Storage};
use crate::records::{Record, Records};

/// Rows asked for at a time.
const BATCH: u32 = 100;

/// No picture of ours is larger: uploads are limited to less.
const MAX_FILE_BYTES: usize = 2 * 1024 * 1024 * 1024;

/// What a run did.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Moved {
    pub(crate) pictures: u64,
    pub(crate) failed: u64,
}

/// Moves every picture of a storage. One that fails is reported, and the others go on.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn migrate(records: &Records, storage: &Storage, from: Kind, to: Kind, remove: bool) -> Result<Moved> {
    if from == to {
        bail!("--from and --to are both {}; give two storages", from.as_str());
    }
    let (mut moved, mut after) = (Moved::default(), 0);
    loop {
        let batch = records.stored_in(from, after, BATCH).await.context("cannot read the database")?;
        let Some(last) = batch.last() else { return Ok(moved) };
        after = last.id;
        for record in &batch {
            match move_one(records, storage, record, to, remove).await {
                Ok(()) => moved.pictures += 1,
                Err(error) => {
                    moved.failed += 1;
                    warn!(id = record.id, key = %record.key, error = format!("{error:#}"), "a picture stays where it is");
                }
            }
        }
        info!(moved = moved.pictures, failed = moved.failed, "moving pictures to {}", to.as_str());
    }
}

async fn move_one(records: &Records, storage: &Storage, record: &Record, to: Kind, remove: bool) -> Result<()> {
    let mut copies = Vec::new();
    // Older pictures have no WebP, and their rows say so.
    for rendition in Rendition::ALL.into_iter().filter(|rendition| record.webp || !rendition.is_webp()) {
        let key = record.key.with(rendition);
        match read(storage, record.storage, key).await? {
            Some(bytes) => copies.push((key, bytes)),
            None if rendition == Rendition::Full => bail!("its file is not in {}", record.storage.as_str()),
            None => {} // not every picture has every version
        }
    }
    copies.reverse(); // the picture itself last, as when it is published
    for (key, bytes) in copies {
        copy(storage, to, key, &bytes).await?;
    }
    if !records.moved(record.id, record.storage, to).await? {
        return Ok(()); // another run was first, or it was forgotten meanwhile: then its files are nobody's
    }
    if remove {
        storage.remove(record.storage, record.key).await;
    }
    Ok(())
}

/// Writes a file unless it is there already, from a run that was stopped, and checks what is there.
async fn copy(storage: &Storage, to: Kind, key: PictureKey, bytes: &[u8]) -> Result<()> {
    let digest = |bytes: &[u8]| digest::digest(&digest::SHA256, bytes).as_ref().to_vec();
    let wanted = digest(bytes);
    if let Some(there) = read(storage, to, key).await? {
        if digest(&there) == wanted {
            return Ok(());
        }
        bail!("another file of the name {key} is in {}; remove it, then run this again", to.as_str());
    }
    let mut file = storage.new_file().context("cannot make a temporary file")?;
    file.write_all(bytes).context("cannot write a temporary file; check the data folder's free space")?;
    storage.keep_in(to, vec![(key, file)]).await?;
    match read(storage, to, key).await? {
        Some(there) if digest(&there) == wanted => Ok(()),
        _ => Err(anyhow!("{key} reads back differently from {}; nothing was changed", to.as_str())),
    }
}

async fn read(storage: &Storage, kind: Kind, key: PictureKey) -> Result<Option<Vec<u8>>> {
    let Some(stored) = storage.read_from(kind, key).await? else { return Ok(None) };
    let length = stored.length;
    let bytes =
        to_bytes(stored.body, MAX_FILE_BYTES).await.with_context(|| format!("cannot read {key} from {}", kind.as_str()))?;
    if u64::try_from(bytes.len())? != length {
        bail!("{key} has {} bytes of {length} in {}", bytes.len(), kind.as_str());
    }
    Ok(Some(bytes.to_vec()))
}
