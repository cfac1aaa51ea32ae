//! Brings the pictures of the original PHP site here: `webapp import-original`.
//!
//! A row of its table `upload_images` and the file it names become a picture of ours: decoded, freed of camera data, encoded,
//! stored, and added with the original's owner and time. What is here already is left alone, so the import can be run
//! again: after a file was found, or after more was uploaded to the old site.

mod dump;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result};
use tracing::warn;

pub(crate) use self::dump::OldRow;
use crate::{
    publish::{Origin, PublishError, Source, Upload, publish},
    records::Records,
    site::Site,
    user_name::UserName,
};

/// Where the original's rows are.
pub(crate) enum OldRows {
    /// In a dump by `mysqldump`.
    Dump(PathBuf),
    /// In the table `upload_images` of our own database.
    Table,
}

/// What an import did.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Imported {
    pub(crate) pictures: u64,
    /// Were here already.
    pub(crate) known: u64,
    pub(crate) failed: u64,
}

/// Imports every row whose file is in `folder`. One that fails is reported, and the others go on.
///
/// # Errors
/// When the rows cannot be read, or the database does not answer.
pub(crate) async fn import(site: &Arc<Site>, rows: &OldRows, folder: &Path) -> Result<Imported> {
    let mut done = Imported::default();
    for row in read(&site.records, rows).await? {
        let key = format!("upload_images/{}/{}", row.id, row.filename);
        if site.records.has_import(&key).await.context("cannot read the database")? {
            done.known += 1;
            continue;
        }
        match import_one(site, &row, folder, key).await {
            Ok(()) => done.pictures += 1,
            Err(error) => {
                done.failed += 1;
                warn!(id = row.id, file = row.filename, error = format!("{error:#}"), "a picture was not imported");
            }
        }
    }
    Ok(done)
}

async fn read(records: &Records, rows: &OldRows) -> Result<Vec<OldRow>> {
    match rows {
        OldRows::Table => {
            let rows = records.original_rows().await;
            rows.context("cannot read the table upload_images; is database.url the original's database?")
        }
        OldRows::Dump(file) => {
            let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
            dump::parse(&bytes).with_context(|| format!("{} is not a dump of the original's table", file.display()))
        }
    }
}

async fn import_one(site: &Arc<Site>, row: &OldRow, folder: &Path, key: String) -> Result<()> {
    // The original let in empty names, and names of any length.
    let short: String = row.username.trim().chars().filter(|c| !c.is_control()).take(UserName::MAX_CHARS).collect();
    let owner = UserName::parse(if short.is_empty() { "nobody" } else { &short })?;
    let filename = row.filename.rsplit('/').next().unwrap_or_default().to_owned();
    let from = find(folder, &row.filename)?;
    // A copy: what is published is removed from where it was.
    let copied = site.on_blocking_thread(move |site| -> io::Result<_> {
        let copy = site.storage.new_file()?;
        io::copy(&mut fs::File::open(from)?, &mut copy.as_file())?;
        Ok(copy.into_temp_path())
    });
    let file = copied.await?.context("cannot copy the file")?;
    let origin = Origin { created: Some(row.uploaded), import_key: Some(key) };
    let (alt_text, content_hash) = (String::new(), String::new());
    let upload = Upload { source: Source::File(file), owner, filename, alt_text, content_hash, origin };
    publish(site, upload).await.map_err(|error| match error {
        PublishError::Failed(error) => error,
        refused => refused.into(),
    })
}

/// The file of a name that was written by someone else: only its last part counts, so it cannot leave the folder.
fn find(folder: &Path, filename: &str) -> Result<PathBuf> {
    let name = filename.rsplit('/').next().unwrap_or_default();
    let path = folder.join(name);
    let is_there = !name.is_empty() && name != ".." && fs::symlink_metadata(&path).is_ok_and(|file| file.is_file());
    anyhow::ensure!(is_there, "{} is not there; copy it from the original's uploads, then run this again", path.display());
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_looked_for_in_its_folder_only() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.jpg"), "").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("link.jpg")).unwrap();
        assert!(find(folder.path(), "a.jpg").is_ok() && find(folder.path(), "uploads/a.jpg").is_ok());
        for name in ["", "..", "../../etc/passwd", "link.jpg", "missing.jpg"] {
            assert!(find(folder.path(), name).is_err(), "{name}");
        }
    }
}
