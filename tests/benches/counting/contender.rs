//! The programs that count, and what they made of the log.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use tests::{binaries, data, table::say};

/// One program that counts.
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    pub(crate) command: Vec<String>,
    pub(crate) output: Output,
}

/// Where its CSV goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    Stdout,
    File,
    /// Files in a folder, and in folders of it.
    Folder,
}

/// The first of the peers: what the others are compared with.
pub(crate) const DUCKDB: &str = "DuckDB, 1 thread";

/// weir, the floor, and the peers that are installed. Writes `csv` or files in it.
///
/// # Errors
/// When weir is not built.
pub(crate) fn all(log: &Path, csv: &Path, work: &Path) -> Result<Vec<Contender>> {
    let here = data::repository("tests/benches/counting");
    let text = |path: &Path| path.display().to_string();
    let script = |name: &str| text(&here.join(name));
    let (log, csv) = (text(log), text(csv));
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let new = |name, output, command: &[&str]| Contender { name, command: words(command), output };

    let analytics = text(&binaries::path("analytics")?);
    let replay = [analytics.as_str(), "--window", "10s", "--input", &log, "--format", "csv"];
    let floor = text(&std::env::current_exe()?);
    let mut found = vec![
        new("weir, exact", Output::Stdout, &replay),
        new("weir, lateness 10s", Output::Stdout, &[&replay[..], &["--allowed-lateness", "10s"]].concat()),
        new("floor, 1 thread", Output::Stdout, &[&floor, "floor", &log]),
    ];
    let python = std::env::var("BENCH_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    if is_there(&[&python, "-c", "import duckdb"]) {
        found.push(new(DUCKDB, Output::File, &[&python, &script("count_duckdb.py"), &log, &csv, "1"]));
        found.push(new("DuckDB, 2 threads", Output::File, &[&python, &script("count_duckdb.py"), &log, &csv, "2"]));
    } else {
        say("without DuckDB: pip install duckdb");
    }
    if is_there(&[&python, "-c", "import chdb"]) {
        found.push(new("chDB, 1 thread", Output::File, &[&python, &script("count_chdb.py"), &log, &csv]));
    } else {
        say("without chDB: pip install chdb");
    }
    if is_there(&["gawk", "--version"]) {
        let awk = script("count.awk");
        found.push(new("gawk", Output::Stdout, &["env", "TZ=UTC", "LC_ALL=C", "gawk", "-f", &awk, &log]));
    } else {
        say("without gawk: apt install gawk");
    }
    match flink(&python, &here, work)? {
        Some(classes) => {
            found.push(new("Flink SQL, parallelism 1", Output::Folder, &["java", "-Xmx2g", "-cp", &classes, "Count", &log, &csv]))
        }
        None => say("without Flink: pip install --no-deps apache-flink-libraries, apt install openjdk-17-jdk-headless"),
    }
    Ok(found)
}

fn is_there(command: &[&str]) -> bool {
    let status = Command::new(command[0]).args(&command[1..]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// Compiles the job against the libraries of Flink's Python package. None when one of them or Java is missing.
fn flink(python: &str, here: &Path, work: &Path) -> Result<Option<String>> {
    let find = "import importlib.util as u; print(list(u.find_spec('pyflink').submodule_search_locations)[0])";
    let Ok(found) = Command::new(python).args(["-c", find]).output() else { return Ok(None) };
    if !found.status.success() || !is_there(&["javac", "-version"]) {
        return Ok(None);
    }
    let package = PathBuf::from(String::from_utf8(found.stdout)?.trim());
    let libraries = format!("{}/*:{}/*", package.join("lib").display(), package.join("opt").display());
    let compiler = Command::new("javac").args(["-cp", &libraries, "-d"]).arg(work).arg(here.join("Count.java")).status();
    ensure!(compiler.context("cannot run javac")?.success(), "Count.java does not compile");
    Ok(Some(format!("{}:{}/*", work.display(), package.join("lib").display())))
}

/// How many rows there are, and the sum of their counts. Headers do not count.
///
/// # Errors
/// When they cannot be read.
pub(crate) fn result(output: &Path) -> Result<(u64, u64)> {
    if output.is_dir() {
        let mut sum = (0, 0);
        for entry in fs::read_dir(output)? {
            let (rows, requests) = result(&entry?.path())?;
            sum = (sum.0 + rows, sum.1 + requests);
        }
        return Ok(sum);
    }
    let text = fs::read_to_string(output)?;
    let counts = text.lines().filter_map(|line| line.rsplit(',').next()?.parse::<u64>().ok());
    Ok(counts.fold((0, 0), |(rows, sum), count| (rows + 1, sum + count)))
}
