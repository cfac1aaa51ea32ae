//! Replay of a log, beside DuckDB and gawk in the same run: `cargo bench --bench replay -- [LINES] [ROUNDS]`.
//!
//! Every program counts requests per client in 10-second windows of the same file and writes CSV. They run in turn,
//! round by round, so that a busy neighbour is shared; CPU seconds (user and system, of the whole process) are the
//! figure to trust. Peers that are not installed are left out and named: `pip install duckdb`, `apt install gawk`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use tests::generator::Generator;
use tests::{binaries, data};

const DEFAULT_LINES: u64 = 5_000_000;
const DEFAULT_ROUNDS: usize = 3;

/// One program that counts.
struct Contender {
    name: &'static str,
    command: Vec<String>,
    /// Where its CSV goes when it is not standard output.
    writes_file: bool,
}

/// What one run cost.
#[derive(Debug, Clone, Copy)]
struct Cost {
    cpu_seconds: f64,
    wall_seconds: f64,
    peak_mib: f64,
}

fn main() -> Result<()> {
    // `cargo bench` itself passes flags; numbers are ours.
    let numbers: Vec<u64> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let lines = numbers.first().copied().unwrap_or(DEFAULT_LINES);
    let rounds = numbers.get(1).map_or(Ok(DEFAULT_ROUNDS), |rounds| usize::try_from(*rounds))?;
    let folder = tempfile::tempdir()?;
    let log = folder.path().join("access.log");
    write_log(&log, lines)?;
    let contenders = contenders(&log, folder.path())?;
    println!("{lines} lines, {} bytes, {rounds} rounds", log.metadata()?.len());

    let mut costs: BTreeMap<&str, Vec<Cost>> = BTreeMap::new();
    for round in 0..rounds {
        for contender in &contenders {
            let output = folder.path().join("out.csv");
            costs.entry(contender.name).or_default().push(run(contender, &output)?);
            if round == 0 {
                println!("{:24} {}", contender.name, describe_result(&output)?);
            }
        }
    }
    print_costs(&contenders, &costs, lines);
    Ok(())
}

fn write_log(path: &Path, lines: u64) -> Result<()> {
    const BUFFER_BYTES: usize = 1 << 20;
    let (mut file, mut generator) = (File::create(path)?, Generator::new(42));
    let mut buffer = Vec::with_capacity(BUFFER_BYTES + 4096);
    for _ in 0..lines {
        generator.write_line(&mut buffer);
        if buffer.len() >= BUFFER_BYTES {
            file.write_all(&buffer)?;
            buffer.clear();
        }
    }
    Ok(file.write_all(&buffer)?)
}

fn contenders(log: &Path, folder: &Path) -> Result<Vec<Contender>> {
    let here = data::repository("tests/benches/replay");
    let text = |path: PathBuf| path.display().to_string();
    let (log, csv) = (log.display().to_string(), text(folder.join("out.csv")));
    let analytics = text(binaries::path("analytics")?);
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let replay =
        |more: &[&str]| [words(&[&analytics, "--window", "10s", "--input", &log, "--format", "csv"]), words(more)].concat();
    let duckdb = |threads: &str| words(&["python3", &text(here.join("count_duckdb.py")), &log, &csv, threads]);
    let awk = words(&["env", "TZ=UTC", "LC_ALL=C", "gawk", "-f", &text(here.join("count.awk")), &log]);

    let mut found = vec![
        Contender { name: "weir, exact", command: replay(&[]), writes_file: false },
        Contender { name: "weir, lateness 10s", command: replay(&["--allowed-lateness", "10s"]), writes_file: false },
    ];
    if is_there(&["python3", "-c", "import duckdb"]) {
        found.push(Contender { name: "DuckDB, 1 thread", command: duckdb("1"), writes_file: true });
        found.push(Contender { name: "DuckDB, 2 threads", command: duckdb("2"), writes_file: true });
    } else {
        println!("without DuckDB: pip install duckdb");
    }
    if is_there(&["gawk", "--version"]) {
        found.push(Contender { name: "gawk", command: awk, writes_file: false });
    } else {
        println!("without gawk: apt install gawk");
    }
    Ok(found)
}

fn is_there(command: &[&str]) -> bool {
    let status = Command::new(command[0]).args(&command[1..]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// Runs under GNU time, which knows the peak memory of its child.
fn run(contender: &Contender, output: &Path) -> Result<Cost> {
    let stdout = if contender.writes_file { Stdio::null() } else { File::create(output)?.into() };
    let mut command = Command::new("/usr/bin/time");
    command.args(["--format", "cost %U %S %e %M"]).args(&contender.command).stdout(stdout).stderr(Stdio::piped());
    let ended = command.output().context("cannot run /usr/bin/time; apt install time")?;
    let stderr = String::from_utf8_lossy(&ended.stderr);
    ensure!(ended.status.success(), "{} failed: {stderr}", contender.name);
    let line = stderr.lines().rev().find_map(|line| line.strip_prefix("cost ")).context("GNU time said nothing")?;
    let numbers: Vec<f64> = line.split(' ').map(str::parse).collect::<Result<_, _>>()?;
    let [user, system, wall_seconds, peak_kib] = numbers[..] else { bail!("GNU time said {line}") };
    Ok(Cost { cpu_seconds: user + system, wall_seconds, peak_mib: peak_kib / 1024.0 })
}

/// Rows and their sum, without a header.
fn describe_result(output: &Path) -> Result<String> {
    let text = fs::read_to_string(output)?;
    let counts = text.lines().filter_map(|line| line.rsplit(',').next()?.parse::<u64>().ok());
    let (rows, sum) = counts.fold((0, 0), |(rows, sum), count| (rows + 1, sum + count));
    Ok(format!("{rows} rows, {sum} requests"))
}

fn print_costs(contenders: &[Contender], costs: &BTreeMap<&str, Vec<Cost>>, lines: u64) {
    let million = lines as f64 / 1e6;
    println!("{:24} {:>28} {:>12} {:>12}", "", "CPU s per M lines min/med/max", "wall s", "peak MiB");
    for contender in contenders {
        let of = |value: fn(&Cost) -> f64| {
            let mut values: Vec<f64> = costs[contender.name].iter().map(value).collect();
            values.sort_by(f64::total_cmp);
            (values[0], values[values.len() / 2], values[values.len() - 1])
        };
        let (cpu, wall, peak) = (of(|cost| cost.cpu_seconds), of(|cost| cost.wall_seconds), of(|cost| cost.peak_mib));
        let (least, median, most) = (cpu.0 / million, cpu.1 / million, cpu.2 / million);
        println!("{:24} {least:>9.2} {median:>8.2} {most:>9.2} {:>12.1} {:>12.0}", contender.name, wall.1, peak.2);
    }
}
