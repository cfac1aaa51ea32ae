//! Writes a log the way a web server and logrotate do: line by line, renamed when it is long enough.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// A log file that rotates by rename: `access.log` becomes `.1`, `.1` becomes `.2`, and none is deleted.
#[derive(Debug)]
pub struct RotatingLog {
    path: PathBuf,
    file: File,
    lines_per_file: usize,
    /// Lines in the current file; never more than `lines_per_file`.
    lines: usize,
    /// How many rotated files there are: `.1` to `.rotated`.
    rotated: usize,
}

impl RotatingLog {
    /// Creates the log, empty, in a folder that exists.
    ///
    /// # Errors
    /// When the file cannot be created.
    pub fn create(path: &Path, lines_per_file: usize) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), file: open(path)?, lines_per_file, lines: 0, rotated: 0 })
    }

    /// Appends one line with its newline in a single write, and rotates first when the file is full.
    ///
    /// # Errors
    /// When the file cannot be written or renamed.
    pub fn append(&mut self, line: &[u8]) -> io::Result<()> {
        if self.lines == self.lines_per_file {
            self.rotate()?;
        }
        self.lines += 1;
        self.file.write_all(&[line, b"\n"].concat())
    }

    /// How often the log was rotated.
    pub fn rotations(&self) -> usize {
        self.rotated
    }

    fn rotate(&mut self) -> io::Result<()> {
        for number in (1..=self.rotated).rev() {
            fs::rename(self.numbered(number), self.numbered(number + 1))?;
        }
        fs::rename(&self.path, self.numbered(1))?;
        self.rotated += 1;
        self.file = open(&self.path)?;
        self.lines = 0;
        Ok(())
    }

    fn numbered(&self, number: usize) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotation_renames_and_keeps_every_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        let mut log = RotatingLog::create(&path, 2).unwrap();
        for line in ["1", "2", "3", "4", "5"] {
            log.append(line.as_bytes()).unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "5\n");
        assert_eq!(fs::read_to_string(log.numbered(1)).unwrap(), "3\n4\n");
        assert_eq!(fs::read_to_string(log.numbered(2)).unwrap(), "1\n2\n");
        assert_eq!(log.rotations(), 2);
    }
}
