//! The table of pictures, `photos`, in SQLite or MySQL.
//!
//! | module | what it is |
//! |---|---|
//! | `settings` | `[database]` |
//! | `engine` | opens SQLite or MySQL; their differences |
//! | `row` | what a row is, and a place in the order of rows |
//! | `lists` | reading rows: newest, older, newer, one |
//! | `changes` | adding, deleting, restoring, forgetting |
//! | `accounts` | people with a password |
//!
//! Every query has the time limit of `[database] timeout`; see [`crate::remote`].

mod accounts;
mod changes;
#[cfg(test)]
mod contract;
mod engine;
mod lists;
mod row;
mod settings;

use std::path::Path;

use anyhow::Result;
use engine::{Engine, on_engine};

pub(crate) use self::{
    changes::{NewPicture, Quota},
    row::{Cursor, Record},
    settings::{DatabaseSettings, Target},
};
use crate::remote::{Guard, StoreError};

/// The rows of the site.
pub(crate) struct Records {
    engine: Engine,
    guard: Guard,
}

impl Records {
    /// Opens the database, makes it if it is a file and not there, and brings its tables up to date.
    ///
    /// # Errors
    /// When it cannot be opened, or was written by a newer version.
    pub(crate) async fn open(settings: &DatabaseSettings, data_dir: &Path) -> Result<Self> {
        let engine = Engine::open(settings, data_dir).await?;
        let guard = Guard::new(engine.what(), settings.timeout);
        Ok(Self { engine, guard })
    }

    /// Whether it answers, and has the table of photos.
    ///
    /// # Errors
    /// When it does not.
    pub(crate) async fn ping(&self) -> Result<(), StoreError> {
        // A server that answers may have lost the table.
        const LOOK: &str = "SELECT id FROM photos LIMIT 1";
        self.guard.call(async { on_engine!(&self.engine, pool => sqlx::query(LOOK).execute(pool).await.map(drop)) }).await
    }

    /// Says that this node does something that is done once for a site. False if it was said before, by any node.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn claim(&self, what: &str) -> Result<bool, StoreError> {
        const CLAIM: &str = "INSERT INTO done_once (what) VALUES (?)";
        self.insert_unless_there(async {
            on_engine!(&self.engine, pool => sqlx::query(CLAIM).bind(what).execute(pool).await.map(drop))
        })
        .await
    }

    /// Closes the database, after what is running.
    pub(crate) async fn close(&self) {
        self.engine.close().await;
    }

    /// False when a unique key says that the row is there.
    async fn insert_unless_there(&self, insert: impl Future<Output = sqlx::Result<()>>) -> Result<bool, StoreError> {
        self.guard
            .call(async {
                match insert.await {
                    Ok(()) => Ok(true),
                    Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(false),
                    Err(error) => Err(error),
                }
            })
            .await
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A database of its own in a temporary folder.
    pub(crate) async fn empty() -> (tempfile::TempDir, Records) {
        let folder = tempfile::tempdir().unwrap();
        let records = Records::open(&DatabaseSettings::default(), folder.path()).await.unwrap();
        (folder, records)
    }

    #[tokio::test]
    async fn what_is_done_once_is_claimed_once() {
        let (_folder, records) = empty().await;
        assert!(records.claim("demo pictures").await.unwrap());
        assert!(!records.claim("demo pictures").await.unwrap());
        assert!(records.claim("something else").await.unwrap());
        records.ping().await.unwrap();
    }
}
