//! Changing rows. A row is added when its files are safe, and forgotten after they are gone.

use std::time::Duration;

use jiff::Timestamp;

use super::{Records, on_engine, row::sql_time};
use crate::{
    remote::StoreError,
    storage::{Kind, PictureKey},
};

/// A picture whose files are in their place.
#[derive(Debug, Clone)]
pub(crate) struct NewPicture<'a> {
    pub(crate) owner: &'a str,
    /// The name the file had where it came from.
    pub(crate) filename: &'a str,
    pub(crate) storage: Kind,
    pub(crate) key: PictureKey,
    /// All its files together.
    pub(crate) size_bytes: u64,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) alt_text: &'a str,
    /// Whether its versions are there as WebP, too.
    pub(crate) webp: bool,
    /// SHA-256 of what was uploaded, in hex; empty if nothing was.
    pub(crate) content_hash: &'a str,
    /// When it was uploaded; now, by the database's clock, if not given.
    pub(crate) created: Option<Timestamp>,
    /// Which row of the original it is.
    pub(crate) import_key: Option<&'a str>,
    /// What its owner may have; none for what does not count.
    pub(crate) quota: Option<Quota>,
}

/// What an owner may have, deleted pictures included until their files are gone. 0: no limit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quota {
    pub(crate) pictures: u32,
    pub(crate) bytes: u64,
}

impl NewPicture<'_> {
    /// With nothing but its place.
    pub(crate) fn new(storage: Kind, key: PictureKey) -> Self {
        Self {
            owner: "",
            filename: "",
            storage,
            key,
            size_bytes: 0,
            width: 0,
            height: 0,
            alt_text: "",
            webp: false,
            content_hash: "",
            created: None,
            import_key: None,
            quota: None,
        }
    }
}

/// How often a change is tried that got in the way of another of the same owner: InnoDB gives one of them up.
const TRIES: u32 = 20;

/// After the first try up to ten of these pass, after the second up to twenty, and so on.
const STEP: Duration = Duration::from_millis(1);

/// How often a change was tried so far.
#[derive(Default)]
struct Tries(u32);

impl Tries {
    /// Whether to make a change again, because MySQL gave it up for another one; waits a moment before that.
    async fn has_another_after<T>(&mut self, done: &sqlx::Result<T>) -> bool {
        self.0 += 1;
        let is_given_up = matches!(done, Err(sqlx::Error::Database(error)) if is_deadlock(error.as_ref()));
        if !is_given_up || self.0 >= TRIES {
            return false;
        }
        // By chance, so that those that met do not meet again.
        tokio::time::sleep(STEP * self.0 * rand::random_range(0..10)).await;
        true
    }
}

/// Runs a change with its arguments, in order, and gives the number of rows it changed.
macro_rules! change {
    ($records:expr, $query:expr, $($argument:expr),*) => {
        $records.guard.call(async {
            let mut tries = Tries::default();
            loop {
                let done = on_engine!(&$records.engine, pool => {
                    sqlx::query($query)$(.bind($argument))*.execute(pool).await.map(|done| done.rows_affected())
                });
                if !tries.has_another_after(&done).await {
                    break done;
                }
            }
        })
    };
}

impl Records {
    /// Adds a picture and gives its id; none if its `import_key` or its key is in the table already, or its owner has the same
    /// picture or as much as allowed. Looking and adding are one statement: uploads at the same moment, on any node, do not
    /// add up to more.
    ///
    /// # Errors
    /// When the database does not answer; so do all of these. Then the row may be there or not.
    pub(crate) async fn add(&self, picture: &NewPicture<'_>) -> Result<Option<i64>, StoreError> {
        const ID: &str = "SELECT id FROM photos WHERE storage_key = ?";
        let insert = async {
            let mut tries = Tries::default();
            loop {
                let done = self.insert(picture).await;
                if !tries.has_another_after(&done).await {
                    break done;
                }
            }
        };
        if !self.insert_unless_there(insert).await? {
            return Ok(None);
        }
        let key = picture.key.to_string();
        let id = async { on_engine!(&self.engine, pool => sqlx::query_scalar(ID).bind(key).fetch_optional(pool).await) };
        self.guard.call(id).await
    }

    async fn insert(&self, picture: &NewPicture<'_>) -> sqlx::Result<()> {
        const ADD: &str = "INSERT INTO photos (username, filename, storage, storage_key, size_bytes, width, height, alt_text, \
                           webp, content_hash, import_key, timeline) \
                           SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, COALESCE(?, CURRENT_TIMESTAMP) FROM (SELECT 1 AS one) AS once \
                           WHERE (? = 0 OR (SELECT COUNT(*) FROM photos WHERE username = ?) < ?) \
                           AND (? = 0 OR (SELECT COALESCE(SUM(size_bytes), 0) FROM photos WHERE username = ?) < ?) \
                           AND (? = '' OR NOT EXISTS \
                           (SELECT 1 FROM photos WHERE username = ? AND content_hash = ? AND deleted_at IS NULL))";
        let max_pictures = i64::from(picture.quota.map_or(0, |quota| quota.pictures));
        let max_bytes = i64::try_from(picture.quota.map_or(0, |quota| quota.bytes)).unwrap_or(i64::MAX);
        let unique_hash = if picture.quota.is_some() { picture.content_hash } else { "" };
        on_engine!(&self.engine, pool => {
            let query = sqlx::query(ADD)
                .bind(picture.owner)
                .bind(picture.filename)
                .bind(picture.storage.as_str())
                .bind(picture.key.to_string())
                .bind(i64::try_from(picture.size_bytes).unwrap_or(i64::MAX))
                .bind(i64::from(picture.width))
                .bind(i64::from(picture.height))
                .bind(picture.alt_text)
                .bind(picture.webp)
                .bind(picture.content_hash)
                .bind(picture.import_key)
                .bind(picture.created.map(sql_time))
                .bind(max_pictures)
                .bind(picture.owner)
                .bind(max_pictures)
                .bind(max_bytes)
                .bind(picture.owner)
                .bind(max_bytes)
                .bind(unique_hash)
                .bind(picture.owner)
                .bind(unique_hash);
            query.execute(pool).await.map(drop)
        })
    }

    /// Changes the words for those who do not see the picture, if it is the owner's. True if it is there.
    pub(crate) async fn describe(&self, id: i64, owner: &str, alt_text: &str) -> Result<bool, StoreError> {
        const DESCRIBE: &str = "UPDATE photos SET alt_text = ? WHERE id = ? AND username = ? AND deleted_at IS NULL";
        // MySQL counts no row that has these words already.
        const THERE: &str = "SELECT id FROM photos WHERE id = ? AND username = ? AND deleted_at IS NULL";
        if change!(self, DESCRIBE, alt_text, id, owner).await? > 0 {
            return Ok(true);
        }
        let there = async {
            on_engine!(&self.engine, pool => {
                sqlx::query_scalar::<_, i64>(THERE).bind(id).bind(owner).fetch_optional(pool).await
            })
        };
        Ok(self.guard.call(there).await?.is_some())
    }

    /// Takes a picture off the site, if it is the owner's. True if it was there.
    pub(crate) async fn delete(&self, id: i64, owner: &str) -> Result<bool, StoreError> {
        const DELETE: &str =
            "UPDATE photos SET deleted_at = CURRENT_TIMESTAMP WHERE id = ? AND username = ? AND deleted_at IS NULL";
        Ok(change!(self, DELETE, id, owner).await? > 0)
    }

    /// Brings the owner's deleted picture back. True if it could be.
    pub(crate) async fn restore(&self, id: i64, owner: &str) -> Result<bool, StoreError> {
        const RESTORE: &str = "UPDATE photos SET deleted_at = NULL WHERE id = ? AND username = ? AND deleted_at IS NOT NULL";
        Ok(change!(self, RESTORE, id, owner).await? > 0)
    }

    /// Removes the row of a deleted picture. True if it was still there and deleted: only then may its files go.
    pub(crate) async fn forget(&self, id: i64) -> Result<bool, StoreError> {
        const FORGET: &str = "DELETE FROM photos WHERE id = ? AND deleted_at IS NOT NULL";
        Ok(change!(self, FORGET, id).await? > 0)
    }

    /// Says that a picture's files are in another storage now. False if somebody else said so before.
    pub(crate) async fn moved(&self, id: i64, from: Kind, to: Kind) -> Result<bool, StoreError> {
        const MOVED: &str = "UPDATE photos SET storage = ? WHERE id = ? AND storage = ?";
        Ok(change!(self, MOVED, to.as_str(), id, from.as_str()).await? > 0)
    }
}

/// MySQL gave this statement up for another one; it changed nothing. MariaDB says 1467 when that happened while the statement
/// waited for its id.
fn is_deadlock(error: &dyn sqlx::error::DatabaseError) -> bool {
    const DEADLOCKS: [u16; 2] = [1213, 1467];
    error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>().is_some_and(|error| DEADLOCKS.contains(&error.number()))
}

#[cfg(test)]
mod tests {
    use super::{super::tests::empty, *};

    fn picture(owner: &str) -> NewPicture<'_> {
        NewPicture { owner, ..NewPicture::new(Kind::Folder, PictureKey::new()) }
    }

    #[tokio::test]
    async fn only_its_owner_deletes_a_picture_and_brings_it_back() {
        let (_folder, records) = empty().await;
        let id = records.add(&picture("ann")).await.unwrap().unwrap();
        assert!(!records.delete(id, "bob").await.unwrap());
        assert!(records.delete(id, "ann").await.unwrap());
        assert!(records.picture(id).await.unwrap().is_none() && records.newest(9).await.unwrap().is_empty());
        assert!(!records.restore(id, "bob").await.unwrap());
        assert!(records.restore(id, "ann").await.unwrap());
        assert_eq!(records.picture(id).await.unwrap().unwrap().id, id);
    }

    #[tokio::test]
    async fn only_a_deleted_picture_is_forgotten() {
        let (_folder, records) = empty().await;
        let id = records.add(&picture("ann")).await.unwrap().unwrap();
        assert!(!records.forget(id).await.unwrap());
        records.delete(id, "ann").await.unwrap();
        let future = Timestamp::now() + jiff::SignedDuration::from_hours(1);
        assert_eq!(records.deleted_before(future, 9).await.unwrap().len(), 1);
        assert!(records.deleted_before(Timestamp::UNIX_EPOCH, 9).await.unwrap().is_empty());
        assert!(records.forget(id).await.unwrap());
        assert!(!records.restore(id, "ann").await.unwrap());
    }

    #[tokio::test]
    async fn importing_a_row_twice_adds_it_once() {
        let (_folder, records) = empty().await;
        let imported = || NewPicture { import_key: Some("upload_images/1/a.jpg"), ..picture("ann") };
        assert!(records.add(&imported()).await.unwrap().is_some());
        assert!(records.add(&imported()).await.unwrap().is_none());
        assert_eq!(records.newest(9).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_picture_moves_from_where_it_is_only() {
        let (_folder, records) = empty().await;
        let id = records.add(&picture("ann")).await.unwrap().unwrap();
        assert!(records.moved(id, Kind::Folder, Kind::S3).await.unwrap());
        assert!(!records.moved(id, Kind::Folder, Kind::S3).await.unwrap());
        assert_eq!(records.stored_in(Kind::S3, 0, 9).await.unwrap().len(), 1);
        assert!(records.stored_in(Kind::S3, id, 9).await.unwrap().is_empty());
    }
}
