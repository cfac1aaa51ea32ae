//! When each line of a replayed log arrived: a file with one number a line, microseconds since 1970.
//!
//! With it a replay has the ROWTIME that the stream gave, so that a program yields the rows that it yielded then.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::file::{decompress, open_file};

/// The arrival times of a replay, read as its lines are.
pub(super) struct Arrivals {
    path: PathBuf,
    reader: BufReader<Box<dyn Read + Send>>,
    /// The number of the last line that was read.
    line: u64,
}

impl Arrivals {
    /// Opens the file, compressed or not.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let reader = decompress(Box::new(open_file(path)?)).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Self { path: path.to_owned(), reader: BufReader::new(reader), line: 0 })
    }

    /// The arrival times of the next lines, in milliseconds since 1970.
    ///
    /// # Errors
    /// When the file has fewer, or a line is no number.
    pub(super) fn next(&mut self, count: u64) -> Result<Vec<i64>> {
        let mut times = Vec::with_capacity(usize::try_from(count).unwrap_or_default());
        let mut text = String::new();
        for _ in 0..count {
            text.clear();
            self.line += 1;
            if self.reader.read_line(&mut text).with_context(|| format!("cannot read {}", self.path.display()))? == 0 {
                bail!("{} ends after {} lines; it needs one for each line of the input", self.path.display(), self.line - 1);
            }
            let Ok(microseconds) = text.trim().parse::<i64>() else {
                bail!("{}:{}: not a number of microseconds since 1970", self.path.display(), self.line);
            };
            times.push(microseconds.div_euclid(1000));
        }
        Ok(times)
    }

    /// Leaves out the times of lines that were read before.
    ///
    /// # Errors
    /// When the file has fewer.
    pub(super) fn skip(&mut self, count: u64) -> Result<()> {
        const AT_ONCE: u64 = 100_000;
        let mut left = count;
        while left > 0 {
            self.next(left.min(AT_ONCE))?;
            left -= left.min(AT_ONCE);
        }
        Ok(())
    }

    /// Checks that every time was used.
    ///
    /// # Errors
    /// When there are more times than lines.
    pub(super) fn finish(mut self) -> Result<()> {
        let mut text = String::new();
        self.reader.read_line(&mut text).with_context(|| format!("cannot read {}", self.path.display()))?;
        if !text.is_empty() {
            bail!(
                "{} has more lines than the input, which has {}; the two do not belong together",
                self.path.display(),
                self.line
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrivals(text: &str) -> Arrivals {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Arrivals::open(file.path()).unwrap()
    }

    #[test]
    fn times_are_taken_line_by_line() {
        let mut arrivals = arrivals("1000\n2999\n3000\n");
        assert_eq!(arrivals.next(2).unwrap(), [1, 2]);
        assert_eq!(arrivals.next(1).unwrap(), [3]);
        arrivals.finish().unwrap();
    }

    #[test]
    fn too_few_too_many_and_no_number_are_errors() {
        assert!(arrivals("1\n").next(2).unwrap_err().to_string().contains("ends after 1 lines"));
        assert!(arrivals("1\n").finish().unwrap_err().to_string().contains("more lines than the input"));
        assert!(arrivals("soon\n").next(1).unwrap_err().to_string().ends_with(":1: not a number of microseconds since 1970"));
    }
}
