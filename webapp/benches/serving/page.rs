//! The front page out of a cache, beside the original.

use std::collections::BTreeMap;

use anyhow::Result;
use tests::backends::{MariaDb, Memcached};

use crate::{
    Scale,
    contender::{Contender, Round},
    load::Connections,
    original::Original,
    site::{Site, cache, database},
    table::{median, print, say},
};

/// As in the baseline of the original, whose processes are as many.
const VISITORS: usize = 16;

const ORIGINAL: &str = "PHP on Apache, memcached";

pub(crate) async fn run(scale: Scale, server: &MariaDb, node: &Memcached) -> Result<()> {
    let with_memcached = Site::start(&format!("{}{}", database(server), cache(node))).await?;
    let local = Site::start(&format!("{}[cache]\nstore = \"local\"\nexpiry = \"1h\"\n", database(server))).await?;
    let original = Original::start(server, node).await?;
    let mut contenders = vec![
        Contender::new("`webapp`, memcached", with_memcached.page(), with_memcached.id()?, server, Some(node)),
        Contender::new("`webapp`, own cache", local.page(), local.id()?, server, Some(node)),
    ];
    if let Some(original) = &original {
        contenders.push(Contender::new(ORIGINAL, original.page(), original.id()?, server, Some(node)));
    }
    let mut rounds: BTreeMap<(Connections, &str), Vec<Round>> = BTreeMap::new();
    for _ in 0..scale.rounds {
        for connections in [Connections::New, Connections::Kept] {
            for contender in &contenders {
                let round = contender.round(VISITORS, scale.pages, connections).await?;
                rounds.entry((connections, contender.name)).or_default().push(round);
            }
        }
    }
    report(&rounds);
    Ok(())
}

fn report(rounds: &BTreeMap<(Connections, &str), Vec<Round>>) {
    let of = |rounds: &[Round], figure: fn(&Round) -> f64| median(rounds.iter().map(figure));
    let row = |((connections, name), of_contender): (&(Connections, &str), &Vec<Round>)| {
        let cpu = of(of_contender, Round::cpu_ms);
        let original = rounds.get(&(*connections, ORIGINAL)).filter(|_| *name != ORIGINAL);
        vec![
            format!("{name}; {}", if *connections == Connections::New { "a connection each" } else { "connections kept" }),
            format!("{cpu:.3}"),
            format!("{:.3}", of(of_contender, |round| round.stores_ms)),
            original.map_or("–".to_owned(), |original| format!("1/{:.1}", of(original, Round::cpu_ms) / cpu)),
            format!("{:.0}", of(of_contender, |round| round.pages_per_second)),
            format!("{:.1}", of(of_contender, |round| round.median_ms)),
            format!("{:.1}", of(of_contender, |round| round.p99_ms)),
        ]
    };
    let table: Vec<Vec<String>> = rounds.iter().map(row).collect();
    let head = ["", "CPU ms a page", "of that, stores", "of the original", "pages/s", "median ms", "p99 ms"];
    print(&format!("The front page out of a cache, {VISITORS} visitors at a time (medians)"), &head, &table);
    if !rounds.keys().any(|(_, name)| *name == ORIGINAL) {
        say("The original needed 1.1 ms of CPU a page where it was measured; see the goal in webapp/README.md.");
    }
}
