//! The table of pictures, `upload_images`, in the embedded database: one SQLite file.

use std::path::Path;

use anyhow::{Context, Result};
use jiff::{Timestamp, civil::DateTime, tz::Offset};
use sqlx::{
    FromRow, SqlitePool,
    migrate::Migrator,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tracing::warn;

use crate::{
    storage::{self, PictureKey},
    user_name::UserName,
};

static MIGRATIONS: Migrator = sqlx::migrate!("../sql/webapp/sqlite");

/// Enough for readers beside the one writer SQLite allows.
const CONNECTIONS: u32 = 4;

/// A picture as the page shows it.
pub(crate) struct Record {
    pub(crate) username: String,
    /// The name the file had where it came from.
    pub(crate) filename: String,
    pub(crate) uploaded: Timestamp,
    pub(crate) key: PictureKey,
}

pub(crate) struct Records {
    pool: SqlitePool,
}

#[derive(FromRow)]
struct Row {
    id: i64,
    username: String,
    filename: String,
    timeline: String,
    storage_key: String,
}

impl Records {
    /// Opens the database file, makes it if needed, and brings its tables up to date.
    pub(crate) async fn open(file: &Path) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal) // readers do not wait for the writer
            .synchronous(SqliteSynchronous::Full); // a picture that was confirmed is still there after a power cut
        let pool =
            SqlitePoolOptions::new().max_connections(CONNECTIONS).connect_with(options).await.with_context(|| {
                format!("cannot open database {}; check the folder's permissions and free space", file.display())
            })?;
        MIGRATIONS.run(&pool).await.with_context(|| {
            format!("cannot bring database {} up to date; was it written by a newer version?", file.display())
        })?;
        Ok(Self { pool })
    }

    /// Adds a picture whose files are in their place.
    pub(crate) async fn add(&self, owner: &UserName, filename: &str, key: PictureKey) -> sqlx::Result<()> {
        sqlx::query("INSERT INTO upload_images (username, filename, storage, storage_key) VALUES (?, ?, ?, ?)")
            .bind(owner.as_str())
            .bind(filename)
            .bind(storage::KIND)
            .bind(key.to_string())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// The newest pictures, newest first.
    pub(crate) async fn newest(&self, count: u32) -> sqlx::Result<Vec<Record>> {
        let query =
            "SELECT id, username, filename, timeline, storage_key FROM upload_images ORDER BY timeline DESC, id DESC LIMIT ?";
        let rows: Vec<Row> = sqlx::query_as(query).bind(count).fetch_all(&self.pool).await?;
        Ok(rows.into_iter().filter_map(Row::into_record).collect())
    }

    /// Whether no picture was ever added.
    pub(crate) async fn is_empty(&self) -> sqlx::Result<bool> {
        let any: Option<i64> = sqlx::query_scalar("SELECT id FROM upload_images LIMIT 1").fetch_optional(&self.pool).await?;
        Ok(any.is_none())
    }

    /// Closes the file, after what is running.
    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}

impl Row {
    /// None for a row nobody here wrote; it is logged, and the page shows the others.
    fn into_record(self) -> Option<Record> {
        let (Ok(uploaded), Some(key)) = (utc(&self.timeline), PictureKey::parse(&self.storage_key)) else {
            warn!(id = self.id, "record left out: its timeline is not YYYY-MM-DD HH:MM:SS, or its key not one of ours");
            return None;
        };
        Some(Record { username: self.username, filename: self.filename, uploaded, key })
    }
}

fn utc(timeline: &str) -> Result<Timestamp, jiff::Error> {
    Offset::UTC.to_timestamp(timeline.parse::<DateTime>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn empty() -> (tempfile::TempDir, Records) {
        let folder = tempfile::tempdir().unwrap();
        let records = Records::open(&folder.path().join("webapp.sqlite")).await.unwrap();
        (folder, records)
    }

    #[tokio::test]
    async fn the_newest_come_first_also_within_one_second() {
        let (_folder, records) = empty().await;
        assert!(records.is_empty().await.unwrap());
        let owner = UserName::parse("ann").unwrap();
        for filename in ["one", "two", "three"] {
            records.add(&owner, filename, PictureKey::new()).await.unwrap();
        }
        let names: Vec<String> = records.newest(2).await.unwrap().into_iter().map(|record| record.filename).collect();
        assert_eq!(names, ["three", "two"]);
        assert!(!records.is_empty().await.unwrap());
    }

    #[tokio::test]
    async fn the_newest_are_found_through_the_index() {
        let (_folder, records) = empty().await;
        let query = "EXPLAIN QUERY PLAN SELECT id FROM upload_images ORDER BY timeline DESC, id DESC LIMIT 10";
        let plan: (i64, i64, i64, String) = sqlx::query_as(query).fetch_one(&records.pool).await.unwrap();
        assert!(plan.3.contains("upload_images_newest"), "{}", plan.3);
    }

    #[test]
    fn the_database_writes_times_in_utc() {
        assert_eq!(utc("2026-11-21 02:08:50").unwrap().to_string(), "2026-11-21T02:08:50Z");
        assert!(utc("yesterday").is_err());
    }
}
