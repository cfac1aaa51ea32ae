//! A whole file, as fast as it can be read, beside the peers.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use anyhow::Result;
use tests::generator::Generator;
use tests::table::{self, median, say};

use crate::contender::{self, Contender, DUCKDB};
use crate::cost::{self, Cost};

pub(crate) fn run(lines: u64, rounds: usize) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (log, csv) = (folder.path().join("access.log"), folder.path().join("out.csv"));
    write_log(&log, lines)?;
    let contenders = contender::all(&log, &csv, folder.path())?;
    say(&format!("{lines} lines, {} bytes, {rounds} rounds", log.metadata()?.len()));

    let mut costs: BTreeMap<&str, Vec<Cost>> = BTreeMap::new();
    let mut results = BTreeMap::new();
    for _ in 0..rounds {
        for contender in &contenders {
            costs.entry(contender.name).or_default().push(cost::run(contender, &csv)?);
            results.insert(contender.name, contender::result(&csv)?);
            if csv.is_dir() { fs::remove_dir_all(&csv)? } else { fs::remove_file(&csv)? }
        }
    }
    print(&contenders, &costs, &results, lines);
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

fn print(contenders: &[Contender], costs: &BTreeMap<&str, Vec<Cost>>, results: &BTreeMap<&str, (u64, u64)>, lines: u64) {
    let of = |name: &str, value: fn(&Cost) -> f64| {
        let mut values: Vec<f64> = costs.get(name).into_iter().flatten().map(value).collect();
        values.sort_by(f64::total_cmp);
        values
    };
    let cpu = |name: &str| of(name, |cost| cost.cpu_seconds);
    let against = median(cpu(DUCKDB));
    let row = |contender: &Contender| {
        let cpu = cpu(contender.name);
        let a_million = |seconds: f64| seconds * 1e6 / lines as f64;
        let [least, middle, most] = [cpu[0], median(cpu.clone()), cpu[cpu.len() - 1]];
        let (rows, requests) = results[contender.name];
        vec![
            contender.name.to_owned(),
            format!("{:.2} / **{:.2}** / {:.2}", a_million(least), a_million(middle), a_million(most)),
            format!("{:.2}", middle / against),
            format!("{:.1}", median(of(contender.name, |cost| cost.wall_seconds))),
            format!("{:.0}", median(of(contender.name, |cost| cost.peak_mib))),
            rows.to_string(),
            requests.to_string(),
        ]
    };
    let head =
        ["", "CPU s per million lines (min / median / max)", "against DuckDB", "wall s", "peak MiB", "rows", "lines counted"];
    table::print("Requests per client in 10-second windows", &head, &contenders.iter().map(row).collect::<Vec<_>>());
}
