//! The front page without a cache, from a small table and from a large one.

use std::collections::BTreeMap;

use anyhow::Result;
use tests::backends::MariaDb;

use crate::{
    Scale,
    contender::{Contender, Round},
    load::Connections,
    site::{Site, database},
    table::{median, print},
};

const VISITORS: usize = 4;
const FEW_ROWS: u32 = 26;

/// Rows that are added by one statement, so that none runs for minutes.
const BATCH: u32 = 50_000;

pub(crate) async fn run(scale: Scale) -> Result<()> {
    let (Some(few), Some(many)) = (MariaDb::start().await?, MariaDb::start().await?) else { return Ok(()) };
    let (small, large) = (filled(&few, FEW_ROWS).await?, filled(&many, scale.many_rows).await?);
    let contenders = [
        (FEW_ROWS, Contender::new("few", small.page(), small.id()?, &few, None)),
        (scale.many_rows, Contender::new("many", large.page(), large.id()?, &many, None)),
    ];
    let mut rounds: BTreeMap<u32, Vec<Round>> = BTreeMap::new();
    for _ in 0..scale.rounds {
        for (rows, contender) in &contenders {
            rounds.entry(*rows).or_default().push(contender.round(VISITORS, scale.pages, Connections::Kept).await?);
        }
    }
    let of = |rows: u32, figure: fn(&Round) -> f64| median(rounds[&rows].iter().map(figure));
    let row = |rows: u32| {
        vec![
            rows.to_string(),
            format!("{:.3}", of(rows, Round::cpu_ms)),
            format!("{:.3}", of(rows, |round| round.stores_ms)),
            format!("{:+.1} %", (of(rows, Round::cpu_ms) / of(FEW_ROWS, Round::cpu_ms) - 1.0) * 100.0),
            format!("{:.1}", of(rows, |round| round.median_ms)),
            format!("{:.1}", of(rows, |round| round.p99_ms)),
        ]
    };
    let head = ["rows", "CPU ms a page", "of that, MariaDB", "more than with 26", "median ms", "p99 ms"];
    print("The front page without a cache (medians)", &head, &[row(FEW_ROWS), row(scale.many_rows)]);
    Ok(())
}

/// A node whose table has so many rows; its pictures are not there, and nobody asks for them.
async fn filled(server: &MariaDb, rows: u32) -> Result<Site> {
    let site = Site::start(&format!("{}[cache]\nstore = \"none\"\n[demo]\npictures = false\n", database(server))).await?;
    for first in (1..=rows).step_by(BATCH as usize) {
        let last = rows.min(first + BATCH - 1);
        let insert = format!(
            "INSERT INTO photos (username, filename, storage, storage_key, width, height, timeline)
             SELECT CONCAT('Ann', seq % 100), CONCAT('photo ', seq, '.jpg'), 'folder', CONCAT(LPAD(HEX(seq), 32, '0'), '.jpg'),
             800, 600, DATE_SUB('2026-01-01', INTERVAL seq SECOND) FROM seq_{first}_to_{last};"
        );
        server.run_sql(&insert).await?;
    }
    server.run_sql("ANALYZE TABLE photos;").await?;
    Ok(site)
}
