//! The database, step by step: name, port, TLS and login, tables, time of a query.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use sqlx::{ConnectOptions, Connection, mysql::MySqlConnectOptions, sqlite::SqliteConnectOptions};
use tokio::time::timeout;

use super::{Finding, Grade, network};
use crate::{records::Target, settings::Settings};

const WHAT: &str = "database";

/// For a login, and then for a query.
const LIMIT: Duration = Duration::from_secs(5);

/// Whether our tables are there.
const TABLES: &str = "SELECT COUNT(*) FROM _sqlx_migrations WHERE success";

/// MySQL's own numbers.
const ACCESS_DENIED: &str = "28000";
const UNKNOWN_DATABASE: &str = "42000";
const NO_SUCH_TABLE: &str = "42S02";

/// Looks at the configured database. Makes nothing, changes nothing.
pub(super) async fn database(settings: &Settings) -> Vec<Finding> {
    match settings.database.target(&settings.data_dir) {
        Ok(Target::Sqlite(file)) => vec![sqlite(&file).await],
        Ok(Target::MySql(options)) => mysql(&options).await,
        Err(problem) => vec![Finding::bad(WHAT, problem, "correct database.url")],
    }
}

async fn sqlite(file: &Path) -> Finding {
    let shown = file.display();
    if !file.exists() {
        return Finding::good(WHAT, format!("{shown} is not there yet and will be made"));
    }
    let began = Instant::now();
    let asking = async {
        let mut connection = SqliteConnectOptions::new().filename(file).read_only(true).connect().await?;
        let steps: i64 = sqlx::query_scalar(TABLES).fetch_one(&mut connection).await?;
        connection.close().await?;
        Ok::<_, sqlx::Error>(steps)
    };
    match timeout(LIMIT, asking).await {
        Ok(Ok(steps)) => Finding::good(WHAT, format!("{shown} has its tables ({steps} migrations), {}", took(began))),
        Ok(Err(error)) => {
            let next = "if it is no database of this site, choose another data folder; else restore it from a backup";
            Finding::bad(WHAT, format!("cannot read {shown}: {error}"), next)
        }
        Err(_) => Finding::bad(WHAT, format!("{shown} is not read within {LIMIT:?}"), "check its disk"),
    }
}

async fn mysql(options: &MySqlConnectOptions) -> Vec<Finding> {
    let reached = network::reach("database server", options.get_host(), options.get_port()).await;
    if reached.grade == Grade::Bad {
        return vec![reached];
    }
    vec![reached, signed_in(options).await]
}

async fn signed_in(options: &MySqlConnectOptions) -> Finding {
    let name = options.get_database().unwrap_or_default();
    let user = options.get_username();
    let began = Instant::now();
    let mut connection = match timeout(LIMIT, options.connect()).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return refused(&error, user, name),
        Err(_) => {
            return Finding::bad(
                WHAT,
                format!("no login within {LIMIT:?}"),
                "check the server's load, and that the port is MySQL's",
            );
        }
    };
    let signed_in = took(began);
    let began = Instant::now();
    match timeout(LIMIT, sqlx::query_scalar::<_, i64>(TABLES).fetch_one(&mut connection)).await {
        Ok(Ok(steps)) => Finding::good(
            WHAT,
            format!("{user} may use {name} (login {signed_in}); its tables are there ({steps} migrations), {}", took(began)),
        ),
        Ok(Err(error)) if code(&error).as_deref() == Some(NO_SUCH_TABLE) => {
            Finding::good(WHAT, format!("{user} may use {name} (login {signed_in}); its tables will be made at the first start"))
        }
        Ok(Err(error)) => {
            Finding::bad(WHAT, format!("{name} answers with an error: {error}"), format!("give {user} all rights on {name}"))
        }
        Err(_) => {
            Finding::bad(WHAT, format!("{name} does not answer a query within {LIMIT:?}"), "check the server's load and locks")
        }
    }
}

fn refused(error: &sqlx::Error, user: &str, name: &str) -> Finding {
    let found = format!("{user} cannot sign in: {error}");
    if matches!(error, sqlx::Error::Tls(_)) {
        return Finding::bad(WHAT, found, "check database.tls and database.tls_ca, and that the server has TLS switched on");
    }
    match code(error).as_deref() {
        Some(ACCESS_DENIED) => Finding::bad(
            WHAT,
            found,
            "check the user in database.url and the password in WEBAPP_DATABASE_PASSWORD, and that the user may come from this host",
        ),
        Some(UNKNOWN_DATABASE) => Finding::bad(
            WHAT,
            found,
            format!("make it: CREATE DATABASE {name} CHARACTER SET utf8mb4; and give {user} all rights on it"),
        ),
        _ => Finding::bad(WHAT, found, "check that the port is MySQL's and that the server takes connections"),
    }
}

fn code(error: &sqlx::Error) -> Option<String> {
    error.as_database_error().and_then(|error| error.code()).map(Into::into)
}

fn took(since: Instant) -> String {
    format!("{:.1} ms", since.elapsed().as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::tests::empty;

    #[tokio::test]
    async fn a_database_of_ours_is_good_and_something_else_is_not() {
        let (folder, records) = empty().await;
        records.close().await;
        let own = sqlite(&folder.path().join("webapp.sqlite")).await;
        assert_eq!(own.grade, Grade::Good, "{own}");
        let other = folder.path().join("other.sqlite");
        std::fs::write(&other, "this is no database, however long it is: ".repeat(100)).unwrap();
        let bad = sqlite(&other).await;
        assert!(bad.grade == Grade::Bad && bad.next.contains("backup"), "{bad}");
    }
}
