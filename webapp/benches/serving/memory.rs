//! What 64 connections need that load pages and pictures.

use anyhow::Result;
use tests::backends::{MariaDb, Memcached};

use crate::{
    Scale, cpu,
    load::{self, Connections},
    site::{Site, cache, database},
    table::print,
};

const VISITORS: usize = 64;

pub(crate) async fn run(scale: Scale, server: &MariaDb, node: &Memcached) -> Result<()> {
    let site = Site::start(&format!("{}{}", database(server), cache(node))).await?;
    let (at_start, _) = cpu::resident_mib(site.id()?)?;
    let urls = site.page_and_pictures().await?;
    load::at_a_time(VISITORS, scale.pages * 10, Connections::Kept, &urls).await?;
    let (after, peak) = cpu::resident_mib(site.id()?)?;
    let row = [at_start, after, peak].map(|mib| format!("{mib:.1}"));
    let title = format!("Memory in MiB, {VISITORS} visitors at a time, the page and its {} pictures", urls.len() - 1);
    print(&title, &["", "at the start", "after it", "most"], &[[vec!["`webapp`".to_owned()], row.to_vec()].concat()]);
    Ok(())
}
