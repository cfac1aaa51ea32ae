//! The Java agent's checkpoints, taken over once so that nothing is lost or repeated by switching.
//!
//! Its database has one table, `FILE_CHECKPOINTS(flow text, path text, fileId text, lastModifiedTime bigint, size bigint,
//! offset bigint, lastUpdated datetime, primary key (flow, path))`; `fileId` is `(dev=<hex>,ino=<decimal>)` and
//! `lastModifiedTime` is in milliseconds. It tailed one file of a flow at a time, in the order of modification: the row
//! written last is the file it was in. What a row means for the files of today is decided in [`plan`], which is pure.

mod plan;

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, OpenFlags};

pub(crate) use self::plan::{Outcome, Plan, plan};
use crate::record::Node;

/// Where the Java agent keeps its checkpoints unless `checkpointFile` says otherwise.
pub(crate) const DEFAULT_DATABASE: &str = "/var/run/aws-kinesis-agent/checkpoints";

/// How long a running Java agent may keep us from reading; it commits within milliseconds.
const BUSY: Duration = Duration::from_secs(10);

/// How every SQLite database begins.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Why checkpoints cannot be imported.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImportError {
    /// The file cannot be read.
    #[error("cannot read {}; let the agent's user read it, or remove checkpointFile to start at initialPosition", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is something else.
    #[error("{} is no SQLite database; checkpointFile names the Java agent's checkpoints, remove it if there are none", path.display())]
    NoDatabase {
        /// The file.
        path: PathBuf,
    },
    /// The database cannot be used.
    #[error("cannot use the checkpoints in {}; start and stop the Java agent once to repair them, or move the file away", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
}

/// One row of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    /// The file's path then.
    pub(crate) path: String,
    /// Its inode, if the text could be read.
    pub(crate) node: Option<Node>,
    /// When it was written to last, in milliseconds since the Unix epoch.
    pub(crate) modified_ms: i64,
    /// End of what was sent.
    pub(crate) offset: u64,
}

/// Reads the rows of each flow, the one written last first. None when there is no database or no row.
///
/// # Errors
/// When there is something that cannot be read: to begin elsewhere would lose lines.
pub(crate) fn read(path: &Path) -> Result<Vec<(String, Row)>, ImportError> {
    let mut start = Vec::new();
    match File::open(path).and_then(|file| file.take(MAGIC.len() as u64).read_to_end(&mut start)) {
        Ok(0) => return Ok(Vec::new()), // made, and never written to
        Ok(_) if start == MAGIC => {}
        Ok(_) => return Err(ImportError::NoDatabase { path: path.to_owned() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(ImportError::Read { path: path.to_owned(), source }),
    }
    let read = query(path, OpenFlags::SQLITE_OPEN_READ_ONLY).or_else(|error| match error.sqlite_error_code() {
        // The Java agent was killed while it wrote: what it did not commit must be rolled back, as it would itself.
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen) => query(path, OpenFlags::SQLITE_OPEN_READ_WRITE),
        _ => Err(error),
    });
    read.map_err(|source| ImportError::Database { path: path.to_owned(), source })
}

fn query(path: &Path, flags: OpenFlags) -> rusqlite::Result<Vec<(String, Row)>> {
    let database = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    database.busy_timeout(BUSY)?;
    let has_table =
        database.prepare("select 1 from sqlite_master where type = 'table' and upper(name) = 'FILE_CHECKPOINTS'")?.exists([])?;
    if !has_table {
        return Ok(Vec::new());
    }
    let mut rows = database
        .prepare("select flow, path, fileId, lastModifiedTime, offset from FILE_CHECKPOINTS order by lastUpdated desc")?;
    let row = |row: &rusqlite::Row<'_>| {
        let (path, id, modified_ms, offset): (String, Option<String>, i64, i64) =
            (row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?);
        let node = id.as_deref().and_then(parse_id);
        Ok((row.get(0)?, Row { path, node, modified_ms, offset: u64::try_from(offset).unwrap_or(0) }))
    };
    rows.query_map([], row)?.collect()
}

/// Reads `(dev=fd00,ino=1048587)`.
fn parse_id(text: &str) -> Option<Node> {
    let (device, inode) = text.strip_prefix("(dev=")?.strip_suffix(')')?.split_once(",ino=")?;
    Some(Node { device: u64::from_str_radix(device, 16).ok()?, inode: inode.parse().ok()? })
}

/// A database as the Java agent makes it, for tests.
#[cfg(test)]
pub(crate) fn create(path: &Path, rows: &[(&str, &str, &str, i64, i64, &str)]) {
    let database = Connection::open(path).unwrap();
    let schema = "create table if not exists FILE_CHECKPOINTS(flow text, path text, fileId text, lastModifiedTime bigint, \
        size bigint, offset bigint, lastUpdated datetime, primary key (flow, path))";
    database.execute(schema, []).unwrap();
    for (flow, path, id, modified, offset, updated) in rows {
        let row = (flow, path, id, modified, offset, offset, updated);
        database.execute("insert into FILE_CHECKPOINTS values (?1, ?2, ?3, ?4, ?5, ?6, ?7)", row).unwrap();
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn rows_are_read_with_the_newest_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoints");
        create(
            &path,
            &[
                ("kinesis:s:/l/a*", "/l/a.1", "(dev=fd00,ino=7)", 1000, 10, "2026-01-01 00:00:00.000"),
                ("kinesis:s:/l/a*", "/l/a", "(dev=fd00,ino=1048587)", 2000, 20, "2026-01-02 00:00:00.000"),
            ],
        );
        let rows = read(&path).unwrap();
        let node = Some(Node { device: 0xfd00, inode: 1_048_587 });
        assert_eq!(rows[0], ("kinesis:s:/l/a*".to_owned(), Row { path: "/l/a".to_owned(), node, modified_ms: 2000, offset: 20 }));
        assert_eq!(rows.len(), 2);
    }

    #[test]
    fn a_running_writer_does_not_keep_it_from_being_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoints");
        create(&path, &[("f", "/l/a", "(dev=1,ino=7)", 1000, 10, "2026-01-01 00:00:00.000")]);
        let writer = Connection::open(&path).unwrap();
        writer.execute_batch("begin immediate; update FILE_CHECKPOINTS set offset = 99").unwrap();
        assert_eq!(read(&path).unwrap()[0].1.offset, 10, "what was committed");
    }

    #[test]
    fn no_database_means_no_rows_and_anything_else_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoints");
        assert_eq!(read(&path).unwrap(), []);
        fs::write(&path, "").unwrap();
        assert_eq!(read(&path).unwrap(), []);
        fs::write(&path, "something that is no database").unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("no SQLite database"));
        fs::write(&path, [&MAGIC[..], &[1; 500]].concat()).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("cannot use the checkpoints"));
    }
}
