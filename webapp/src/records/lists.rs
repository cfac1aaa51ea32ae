//! Reading rows. Deleted pictures are in none of these lists, unless it is a list of them.
//!
//! Paging is by key, not by offset: a page costs the same at any depth, and an upload in between shifts nothing.
//! `timeline <= ? AND (timeline < ? OR id < ?)` is one range of the index in both engines; a row value is not in MySQL.

use sqlx::FromRow;

use super::{
    Cursor, Record, Records, on_engine,
    row::{Row, sql_time, utc},
};
use crate::{
    import::OldRow,
    remote::StoreError,
    storage::{Kind, PictureKey},
};

/// The columns of [`Row`], to begin a query with.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, username, filename, CAST(timeline AS CHAR) AS uploaded, storage, storage_key, size_bytes, width, \
             height, alt_text, webp FROM photos ",
            $rest
        )
    };
}

/// What an owner's pictures take together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromRow)]
pub(crate) struct Usage {
    pub(crate) pictures: i64,
    pub(crate) bytes: i64,
}

/// The original's row, as text: its id is an INT there and a BIGINT in other versions.
#[derive(FromRow)]
struct OriginalRow {
    id: String,
    username: String,
    filename: String,
    uploaded: String,
}

impl OriginalRow {
    fn read(self) -> Option<OldRow> {
        let Self { id, username, filename, uploaded } = self;
        Some(OldRow { id: id.parse().ok()?, username, filename, uploaded: utc(&uploaded).ok()? })
    }
}

/// Runs a query with its arguments, in order, and gives its rows.
macro_rules! rows {
    ($records:expr, $query:expr, $($argument:expr),*) => {
        $records.guard.call(async {
            on_engine!(&$records.engine, pool => sqlx::query_as::<_, Row>($query)$(.bind($argument))*.fetch_all(pool).await)
        })
    };
}

impl Records {
    /// The newest pictures, newest first.
    ///
    /// # Errors
    /// When the database does not answer; so do all of these.
    pub(crate) async fn newest(&self, count: u32) -> Result<Vec<Record>, StoreError> {
        const NEWEST: &str = select!("WHERE deleted_at IS NULL ORDER BY timeline DESC, id DESC LIMIT ?");
        Ok(records(rows!(self, NEWEST, i64::from(count)).await?))
    }

    /// Pictures older than a place, newest first.
    pub(crate) async fn older(&self, than: Cursor, count: u32) -> Result<Vec<Record>, StoreError> {
        const OLDER: &str = select!(
            "WHERE deleted_at IS NULL AND timeline <= ? AND (timeline < ? OR id < ?) ORDER BY timeline DESC, id DESC LIMIT ?"
        );
        let time = sql_time(than.uploaded);
        Ok(records(rows!(self, OLDER, &time, &time, than.id, i64::from(count)).await?))
    }

    /// Pictures newer than a place, those next to it, newest first.
    pub(crate) async fn newer(&self, than: Cursor, count: u32) -> Result<Vec<Record>, StoreError> {
        const NEWER: &str =
            select!("WHERE deleted_at IS NULL AND timeline >= ? AND (timeline > ? OR id > ?) ORDER BY timeline, id LIMIT ?");
        let time = sql_time(than.uploaded);
        let mut found = records(rows!(self, NEWER, &time, &time, than.id, i64::from(count)).await?);
        found.reverse();
        Ok(found)
    }

    /// One picture.
    pub(crate) async fn picture(&self, id: i64) -> Result<Option<Record>, StoreError> {
        const PICTURE: &str = select!("WHERE deleted_at IS NULL AND id = ?");
        Ok(records(rows!(self, PICTURE, id).await?).pop())
    }

    /// The owner's picture that was made from the same bytes, if there is one.
    pub(crate) async fn duplicate(&self, owner: &str, content_hash: &str) -> Result<Option<Record>, StoreError> {
        const DUPLICATE: &str =
            select!("WHERE deleted_at IS NULL AND username = ? AND content_hash = ? ORDER BY id DESC LIMIT 1");
        Ok(records(rows!(self, DUPLICATE, owner, content_hash).await?).pop())
    }

    /// What an owner has, deleted pictures included until their files are gone.
    pub(crate) async fn usage(&self, owner: &str) -> Result<Usage, StoreError> {
        // CAST: MySQL's SUM is a decimal.
        const USAGE: &str = "SELECT COUNT(*) AS pictures, CAST(COALESCE(SUM(size_bytes), 0) AS SIGNED) AS bytes FROM photos \
                             WHERE username = ?";
        self.guard
            .call(async { on_engine!(&self.engine, pool => sqlx::query_as::<_, Usage>(USAGE).bind(owner).fetch_one(pool).await) })
            .await
    }

    /// Pictures that were deleted before a moment; their files can go.
    pub(crate) async fn deleted_before(&self, moment: jiff::Timestamp, count: u32) -> Result<Vec<Record>, StoreError> {
        const DELETED: &str = select!("WHERE deleted_at < ? ORDER BY deleted_at LIMIT ?");
        Ok(records(rows!(self, DELETED, sql_time(moment), i64::from(count)).await?))
    }

    /// Pictures in a storage with ids above `after`, by id; deleted ones too, because their files are there.
    pub(crate) async fn stored_in(&self, storage: Kind, after: i64, count: u32) -> Result<Vec<Record>, StoreError> {
        const STORED: &str = select!("WHERE storage = ? AND id > ? ORDER BY id LIMIT ?");
        Ok(records(rows!(self, STORED, storage.as_str(), after, i64::from(count)).await?))
    }

    /// Whether a row, deleted or not, names the file, or one of the same picture.
    pub(crate) async fn has_key(&self, key: PictureKey) -> Result<bool, StoreError> {
        const KNOWN: &str = select!("WHERE storage_key = ?");
        Ok(!rows!(self, KNOWN, key.with(crate::storage::Rendition::Full).to_string()).await?.is_empty())
    }

    /// Whether a row of the original was imported.
    pub(crate) async fn has_import(&self, import_key: &str) -> Result<bool, StoreError> {
        const IMPORTED: &str = select!("WHERE import_key = ?");
        Ok(!rows!(self, IMPORTED, import_key).await?.is_empty())
    }

    /// All rows of the original's table, if it is in this database.
    pub(crate) async fn original_rows(&self) -> Result<Vec<OldRow>, StoreError> {
        const ORIGINAL: &str = "SELECT CAST(id AS CHAR) AS id, username, filename, CAST(timeline AS CHAR) AS uploaded FROM upload_images ORDER BY id";
        let rows = self
            .guard
            .call(async { on_engine!(&self.engine, pool => sqlx::query_as::<_, OriginalRow>(ORIGINAL).fetch_all(pool).await) });
        Ok(rows.await?.into_iter().filter_map(OriginalRow::read).collect())
    }

    /// Whether no picture was ever added.
    pub(crate) async fn is_empty(&self) -> Result<bool, StoreError> {
        const ANY: &str = "SELECT id FROM photos LIMIT 1";
        let any: Option<i64> = self
            .guard
            .call(async { on_engine!(&self.engine, pool => sqlx::query_scalar(ANY).fetch_optional(pool).await) })
            .await?;
        Ok(any.is_none())
    }
}

fn records(rows: Vec<Row>) -> Vec<Record> {
    rows.into_iter().filter_map(Row::into_record).collect()
}

#[cfg(test)]
mod tests {
    use super::{
        super::{NewPicture, engine::Engine, tests::empty},
        *,
    };

    async fn add(records: &Records, filename: &str, seconds: i64) {
        let picture = NewPicture {
            owner: "ann",
            filename,
            size_bytes: 10,
            content_hash: filename,
            created: Some(jiff::Timestamp::from_second(seconds).unwrap()),
            ..NewPicture::new(Kind::Folder, PictureKey::new())
        };
        assert!(records.add(&picture).await.unwrap().is_some());
    }

    fn names(records: &[Record]) -> Vec<&str> {
        records.iter().map(|record| record.filename.as_str()).collect()
    }

    #[tokio::test]
    async fn the_newest_come_first_also_within_one_second() {
        let (_folder, records) = empty().await;
        assert!(records.is_empty().await.unwrap());
        for filename in ["one", "two", "three"] {
            add(&records, filename, 1_000_000_000).await;
        }
        assert_eq!(names(&records.newest(2).await.unwrap()), ["three", "two"]);
        assert!(!records.is_empty().await.unwrap());
    }

    #[tokio::test]
    async fn pages_by_key_neither_repeat_nor_skip_also_within_one_second() {
        let (_folder, records) = empty().await;
        for (filename, second) in [("a", 1), ("b", 2), ("c", 2), ("d", 2), ("e", 3)] {
            add(&records, filename, second).await;
        }
        let first = records.newest(2).await.unwrap();
        assert_eq!(names(&first), ["e", "d"]);
        let second = records.older(first[1].cursor(), 2).await.unwrap();
        assert_eq!(names(&second), ["c", "b"]);
        let third = records.older(second[1].cursor(), 2).await.unwrap();
        assert_eq!(names(&third), ["a"]);
        assert_eq!(names(&records.newer(third[0].cursor(), 2).await.unwrap()), ["c", "b"]);
        assert_eq!(names(&records.newer(second[1].cursor(), 1).await.unwrap()), ["c"]);
    }

    #[tokio::test]
    async fn an_owner_has_a_usage_and_no_duplicates_of_others() {
        let (_folder, records) = empty().await;
        add(&records, "one", 1).await;
        add(&records, "two", 2).await;
        assert_eq!(records.usage("ann").await.unwrap(), Usage { pictures: 2, bytes: 20 });
        assert_eq!(records.usage("bob").await.unwrap(), Usage::default());
        assert_eq!(records.duplicate("ann", "two").await.unwrap().unwrap().filename, "two");
        assert!(records.duplicate("bob", "two").await.unwrap().is_none());
    }

    #[tokio::test]
    async fn lists_are_read_from_the_index_without_sorting() {
        let (_folder, records) = empty().await;
        let Engine::Sqlite(pool) = &records.engine else { panic!("not SQLite") };
        for query in [
            "EXPLAIN QUERY PLAN SELECT * FROM photos WHERE deleted_at IS NULL ORDER BY timeline DESC, id DESC LIMIT 10",
            "EXPLAIN QUERY PLAN SELECT * FROM photos WHERE deleted_at IS NULL AND timeline <= 'x' AND (timeline < 'x' OR id < 1) \
             ORDER BY timeline DESC, id DESC LIMIT 10",
        ] {
            let plan: Vec<(i64, i64, i64, String)> = sqlx::query_as(query).fetch_all(pool).await.unwrap();
            assert!(plan[0].3.contains("photos_newest") && plan.len() == 1, "{plan:?}");
        }
    }
}
