//! The two engines: where they differ, and nothing else.
//!
//! Queries are written once, in the SQL both understand; [`on_engine`] runs one on whichever is configured.

use std::path::Path;

use anyhow::{Context, Result, anyhow};
use sqlx::{
    MySqlPool, SqlitePool,
    migrate::Migrator,
    mysql::{MySqlConnectOptions, MySqlPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::settings::{DatabaseSettings, Target};
use crate::remote::Outage;

static SQLITE_MIGRATIONS: Migrator = sqlx::migrate!("../sql/webapp/sqlite");
static MYSQL_MIGRATIONS: Migrator = sqlx::migrate!("../sql/webapp/mysql");

/// Enough for readers beside the one writer SQLite allows.
const SQLITE_CONNECTIONS: u32 = 4;

/// MySQL: too many connections; server shutting down; read-only; connection killed.
const OUTAGE_CODES: [u16; 5] = [1040, 1053, 1203, 1290, 1927];

/// An open database.
pub(crate) enum Engine {
    /// A file of this machine.
    Sqlite(SqlitePool),
    /// A MySQL or MariaDB server.
    MySql(MySqlPool),
}

/// Runs an expression with the engine's own pool as `$pool`.
macro_rules! on_engine {
    ($engine:expr, $pool:ident => $work:expr) => {
        match $engine {
            $crate::records::engine::Engine::Sqlite($pool) => $work,
            $crate::records::engine::Engine::MySql($pool) => $work,
        }
    };
}
pub(crate) use on_engine;

impl Engine {
    /// Opens the database and brings its tables up to date. Nodes that start together take turns.
    ///
    /// # Errors
    /// When it cannot be opened, or was written by a newer version.
    pub(crate) async fn open(settings: &DatabaseSettings, data_dir: &Path) -> Result<Self> {
        match settings.target(data_dir).map_err(|problem| anyhow!(problem))? {
            Target::Sqlite(file) => Self::open_sqlite(&file, settings).await,
            Target::MySql(options) => Self::open_mysql(*options, settings).await,
        }
    }

    /// How it is called in messages.
    pub(crate) fn what(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "the database (SQLite)",
            Self::MySql(_) => "the database (MySQL)",
        }
    }

    /// Closes all connections, after what is running.
    pub(crate) async fn close(&self) {
        on_engine!(self, pool => pool.close().await);
    }

    async fn open_sqlite(file: &Path, settings: &DatabaseSettings) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .busy_timeout(settings.timeout)
            .journal_mode(SqliteJournalMode::Wal) // readers do not wait for the writer
            .synchronous(SqliteSynchronous::Full); // a picture that was confirmed is still there after a power cut
        let pool =
            SqlitePoolOptions::new().max_connections(SQLITE_CONNECTIONS).connect_with(options).await.with_context(|| {
                format!("cannot open database {}; check the folder's permissions and free space", file.display())
            })?;
        SQLITE_MIGRATIONS.run(&pool).await.with_context(|| {
            format!("cannot bring database {} up to date; was it written by a newer version?", file.display())
        })?;
        Ok(Self::Sqlite(pool))
    }

    async fn open_mysql(options: MySqlConnectOptions, settings: &DatabaseSettings) -> Result<Self> {
        let place = format!(
            "{} on {}:{} as {}",
            options.get_database().unwrap_or_default(),
            options.get_host(),
            options.get_port(),
            options.get_username()
        );
        let pool = MySqlPoolOptions::new()
            .max_connections(settings.max_connections)
            .acquire_timeout(settings.connect_timeout)
            .connect_with(options)
            .await
            .with_context(|| {
                format!(
                    "cannot open database {place}; check that the server runs, database.url, the password \
                     (WEBAPP_DATABASE_PASSWORD) and database.tls"
                )
            })?;
        MYSQL_MIGRATIONS.run(&pool).await.with_context(|| {
            format!("cannot bring database {place} up to date; may the user create tables, or is it of a newer version?")
        })?;
        Ok(Self::MySql(pool))
    }
}

impl Outage for sqlx::Error {
    fn is_outage(&self) -> bool {
        match self {
            Self::Io(_) | Self::Tls(_) | Self::PoolTimedOut | Self::Protocol(_) => true,
            Self::Database(error) => error
                .try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>()
                .is_some_and(|error| OUTAGE_CODES.contains(&error.number())),
            _ => false,
        }
    }
}
