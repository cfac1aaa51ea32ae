//! Visitors: so many at a time, or so many a second.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use reqwest::Client;
use tokio::task::JoinSet;

/// Longer than anything that is measured here; the original waits 10 s for a hung cache.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whether a connection carries one request, as `ab` and HTTP/1.0 do, or many, as browsers and load balancers do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Connections {
    New,
    Kept,
}

/// Loads addresses, in turn, `count` times in all, by so many visitors at a time. Gives the times in milliseconds.
pub(crate) async fn at_a_time(visitors: usize, count: usize, connections: Connections, urls: &[String]) -> Result<Vec<f64>> {
    let client = client(connections)?;
    let urls: Arc<[String]> = urls.into();
    let next = Arc::new(AtomicUsize::new(0));
    let mut running = JoinSet::new();
    for _ in 0..visitors {
        let (client, urls, next) = (client.clone(), urls.clone(), next.clone());
        running.spawn(async move {
            let mut times = Vec::new();
            loop {
                let turn = next.fetch_add(1, Relaxed);
                if turn >= count {
                    return Ok::<_, anyhow::Error>(times);
                }
                times.push(visit(&client, &urls[turn % urls.len()]).await?);
            }
        });
    }
    collect(running).await
}

/// Loads an address at a steady rate, however long answers take. Gives the times in milliseconds.
pub(crate) async fn a_second(rate: u32, time: Duration, url: &str) -> Result<Vec<f64>> {
    let client = client(Connections::Kept)?;
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / rate);
    let began = Instant::now();
    let mut running = JoinSet::new();
    while began.elapsed() < time {
        ticks.tick().await;
        let (client, url) = (client.clone(), url.to_owned());
        running.spawn(async move { Ok::<_, anyhow::Error>(vec![visit(&client, &url).await?]) });
    }
    collect(running).await
}

async fn collect(mut running: JoinSet<Result<Vec<f64>>>) -> Result<Vec<f64>> {
    let mut all = Vec::new();
    while let Some(times) = running.join_next().await {
        all.extend(times??);
    }
    Ok(all)
}

async fn visit(client: &Client, url: &str) -> Result<f64> {
    let began = Instant::now();
    let answer = client.get(url).send().await?;
    ensure!(answer.status().is_success(), "{url} answers {}", answer.status());
    ensure!(!answer.bytes().await?.is_empty(), "{url} is empty");
    Ok(began.elapsed().as_secs_f64() * 1000.0)
}

fn client(connections: Connections) -> Result<Client> {
    let builder = Client::builder().timeout(PATIENCE).no_proxy();
    let builder = match connections {
        Connections::New => builder.pool_max_idle_per_host(0),
        Connections::Kept => builder,
    };
    Ok(builder.build()?)
}
