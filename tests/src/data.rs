//! The real Apache logs in `tests/data`, and the rows they must give.

use std::{
    collections::BTreeMap,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use flate2::read::GzDecoder;

/// A file or folder of this repository.
///
/// Cargo tells a test at run time where its package is. The place known when it was built may be another clone, gone
/// by now, that shares the build folder.
pub fn repository(path: &str) -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    let root = package.ancestors().find(|folder| folder.join("Cargo.lock").is_file());
    root.unwrap_or(Path::new("..")).join(path)
}

/// A file of `tests/data/apache-json`; its README says what each one is.
pub fn apache_json(file: &str) -> PathBuf {
    repository("tests/data/apache-json").join(file)
}

/// The 41,294 lines of `access.log.gz` in the order Apache wrote them, each without its newline.
///
/// # Errors
/// When the file cannot be read.
pub fn access_log_lines() -> Result<Vec<Vec<u8>>> {
    let path = apache_json("access.log.gz");
    let file = File::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut bytes = Vec::new();
    GzDecoder::new(file).read_to_end(&mut bytes).with_context(|| format!("cannot read {}", path.display()))?;
    let lines = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    Ok(lines.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect())
}

/// The text of `access.expected-10s.csv`: window, client, count; 1,340 rows and a header.
///
/// # Errors
/// When the file cannot be read.
pub fn expected_csv() -> Result<String> {
    let path = apache_json("access.expected-10s.csv");
    std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// How often each distinct line occurs: two logs hold the same lines when their multisets are equal.
pub fn multiset<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> BTreeMap<&'a [u8], usize> {
    let mut counts = BTreeMap::new();
    for line in lines {
        *counts.entry(line).or_default() += 1;
    }
    counts
}

/// How two multisets of lines differ: lines that should be there and are not, and lines that are there too often.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Lines missing from what arrived.
    pub missing: usize,
    /// Lines that arrived more often than they were written.
    pub doubled: usize,
    /// Lines that arrived and were never written, such as a cut one.
    pub foreign: usize,
}

/// Compares what was written with what arrived.
pub fn difference(written: &BTreeMap<&[u8], usize>, arrived: &BTreeMap<&[u8], usize>) -> Difference {
    let mut difference = Difference::default();
    for (line, expected) in written {
        let found = arrived.get(line).copied().unwrap_or(0);
        difference.missing += expected.saturating_sub(found);
        difference.doubled += found.saturating_sub(*expected);
    }
    let foreign = arrived.iter().filter(|(line, _)| !written.contains_key(*line));
    difference.foreign = foreign.map(|(_, count)| count).sum();
    difference
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_has_as_many_lines_as_its_readme_says() {
        assert_eq!(access_log_lines().unwrap().len(), 41_294);
    }

    #[test]
    fn lines_missing_doubled_and_cut_are_told_apart() {
        let written = multiset([b"a".as_slice(), b"a", b"b", b"c"]);
        let arrived = multiset([b"a".as_slice(), b"b", b"b", b"b", b"c", b"cut"]);
        assert_eq!(difference(&written, &arrived), Difference { missing: 1, doubled: 2, foreign: 1 });
    }
}
