//! Pages at a steady rate while the cache accepts connections and never answers.

use anyhow::Result;
use tests::backends::{MariaDb, Memcached};

use crate::{
    Scale, load,
    site::{Site, cache, database},
    table::{print, quantile},
};

pub(crate) async fn run(scale: Scale, server: &MariaDb, node: &Memcached) -> Result<()> {
    let site = Site::start(&format!("{}{}", database(server), cache(node))).await?;
    let steady = async || load::a_second(scale.pages_per_second, scale.hung_time, &site.page()).await;
    let well = steady().await?;
    node.process().hang()?;
    let hung = steady().await?;
    let row = |name: &str, times: &[f64]| {
        let figures = [0.5, 0.99, 1.0].map(|part| format!("{:.1}", quantile(times, part)));
        [vec![name.to_owned(), times.len().to_string()], figures.to_vec()].concat()
    };
    let title = format!(
        "Pages while memcached hangs, {} a second, every one answered with 200 (its limit is 100 ms)",
        scale.pages_per_second
    );
    print(&title, &["memcached", "pages", "median ms", "p99 ms", "longest ms"], &[row("answers", &well), row("hangs", &hung)]);
    Ok(())
}
