//! A log file that others may rename: SIGHUP opens it anew, and it can keep itself below a size.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// Raised by each SIGHUP. One number for the process, because it has one log.
static HANGUPS: AtomicU64 = AtomicU64::new(0);

/// Asks the log file to be opened anew at the next line, so that logrotate may rename it.
pub(crate) fn reopen() {
    HANGUPS.fetch_add(1, Relaxed);
}

/// A file that log lines are appended to.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    bytes: u64,
    /// Past this the file is renamed to `<name>.1`; none means never.
    max_bytes: Option<u64>,
    /// Renamed files that are kept.
    backups: u32,
    hangups: u64,
}

impl LogFile {
    /// Opens the file and creates it if need be.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn open(path: PathBuf, max_bytes: Option<u64>, backups: u32) -> io::Result<Self> {
        let (file, bytes) = append_to(&path)?;
        Ok(Self { path, file, bytes, max_bytes, backups, hangups: HANGUPS.load(Relaxed) })
    }

    /// Opens the path again. When that fails, lines go where they went before.
    fn refresh(&mut self) {
        if let Ok((file, bytes)) = append_to(&self.path) {
            (self.file, self.bytes) = (file, bytes);
        }
    }

    /// Renames `.1` to `.2` and so on, and the file to `.1`.
    fn rotate(&mut self) {
        let name = |number: u32| numbered(&self.path, number);
        for number in (1..self.backups).rev() {
            let _ = fs::rename(name(number), name(number + 1)); // there may be none yet
        }
        let _ = if self.backups == 0 { fs::remove_file(&self.path) } else { fs::rename(&self.path, name(1)) };
        self.refresh();
    }
}

impl Write for LogFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let hangups = HANGUPS.load(Relaxed);
        if hangups != self.hangups {
            self.hangups = hangups;
            self.refresh();
        }
        let length = line.len() as u64;
        if self.bytes > 0 && self.max_bytes.is_some_and(|max| self.bytes + length > max) {
            self.rotate();
        }
        let written = self.file.write(line)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn append_to(path: &Path) -> io::Result<(File, u64)> {
    let file = OpenOptions::new().create(true).append(true).open(path)?;
    let bytes = file.metadata()?.len();
    Ok((file, bytes))
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renamed_log_is_left_alone_after_a_hangup() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        let mut log = LogFile::open(path.clone(), None, 1).unwrap();
        log.write_all(b"one\n").unwrap();
        fs::rename(&path, folder.path().join("a.log-1")).unwrap();
        reopen();
        log.write_all(b"two\n").unwrap();
        assert_eq!(fs::read(folder.path().join("a.log-1")).unwrap(), b"one\n");
        assert_eq!(fs::read(path).unwrap(), b"two\n");
    }

    #[test]
    fn a_log_keeps_itself_below_its_size() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        let mut log = LogFile::open(path.clone(), Some(8), 2).unwrap();
        for line in [&b"one\n"[..], b"two\n", b"three\n", b"four\n", b"five\n"] {
            log.write_all(line).unwrap();
        }
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!([read("a.log"), read("a.log.1"), read("a.log.2")], ["five\n", "four\n", "three\n"]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }
}
