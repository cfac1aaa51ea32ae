//! What is measured: a server, and the stores that work for it.

use anyhow::Result;
use tests::backends::{MariaDb, Memcached};

use crate::{
    cpu,
    load::{self, Connections},
    table::quantile,
};

/// A server under load, and whose CPU time counts.
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    pub(crate) page: String,
    server: u32,
    stores: Vec<u32>,
}

/// What one round cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    /// Of the server and its children, for a page.
    pub(crate) server_ms: f64,
    /// Of the stores, for a page.
    pub(crate) stores_ms: f64,
    pub(crate) pages_per_second: f64,
    pub(crate) median_ms: f64,
    pub(crate) p99_ms: f64,
}

impl Contender {
    pub(crate) fn new(name: &'static str, page: String, server: u32, database: &MariaDb, cache: Option<&Memcached>) -> Self {
        let cache = cache.and_then(|cache| cache.process().id());
        Self { name, page, server, stores: database.process().id().into_iter().chain(cache).collect() }
    }

    /// Loads the page so many times, by so many visitors at a time.
    pub(crate) async fn round(&self, visitors: usize, pages: usize, connections: Connections) -> Result<Round> {
        load::at_a_time(visitors, visitors * 2, connections, std::slice::from_ref(&self.page)).await?; // warm
        let before = self.cpu_seconds()?;
        let began = std::time::Instant::now();
        let times = load::at_a_time(visitors, pages, connections, std::slice::from_ref(&self.page)).await?;
        let wall = began.elapsed().as_secs_f64();
        let after = self.cpu_seconds()?;
        Ok(Round {
            server_ms: (after.0 - before.0) * 1000.0 / pages as f64,
            stores_ms: (after.1 - before.1) * 1000.0 / pages as f64,
            pages_per_second: pages as f64 / wall,
            median_ms: quantile(&times, 0.5),
            p99_ms: quantile(&times, 0.99),
        })
    }

    fn cpu_seconds(&self) -> Result<(f64, f64)> {
        let stores = self.stores.iter().map(|store| cpu::seconds(*store)).sum::<Result<f64>>()?;
        Ok((cpu::seconds(self.server)?, stores))
    }
}

impl Round {
    pub(crate) fn cpu_ms(&self) -> f64 {
        self.server_ms + self.stores_ms
    }
}
