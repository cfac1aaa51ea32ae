//! POSTs rows to a URL: a JSON array, with an id that is the same when a window is sent again.
//!
//! Any answer but 2xx blocks the sink until the receiver takes the rows; a receiver that keeps the ids it has seen has
//! each window once. Headers: `Idempotency-Key`, the id; `Weir-Stream`, the stream's name.

use std::time::Duration;

use anyhow::{Context, Result};
use arrow::array::RecordBatch;
use md5::{Digest, Md5};

use super::records::{hex, records};
use super::remote::{Attempt, Network};
use super::{Layout, Sink};

/// Rows of one request.
const MAX_ROWS: usize = 10_000;
/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(30);

pub(super) struct Webhook {
    client: reqwest::Client,
    url: String,
    name: String,
    layout: Layout,
    network: Network,
}

impl Webhook {
    pub(super) fn new(url: String, layout: Layout, network: Network) -> Result<Self> {
        let client = reqwest::Client::builder().timeout(TIMEOUT).build().context("cannot make an HTTP client")?;
        let _: reqwest::Url = url.parse().with_context(|| format!("{url} is no URL"))?;
        Ok(Self { client, name: format!("webhook:{url}"), url, layout, network })
    }

    async fn post(&self, id: &str, body: &[u8]) -> Attempt {
        let request = self.client.post(&self.url).header("content-type", "application/json").header("idempotency-key", id);
        // A stream's name may hold what a header may not.
        let stream: String = self.layout.name.chars().map(|c| if c.is_ascii_graphic() { c } else { '_' }).collect();
        match request.header("weir-stream", stream).body(body.to_vec()).send().await {
            Ok(answer) if answer.status().is_success() => Attempt::Done,
            Ok(answer) => Attempt::Blocked(format!("it answered {}", answer.status())),
            Err(error) => Attempt::Blocked(format!("{:#}", anyhow::Error::new(error))),
        }
    }
}

impl Sink for Webhook {
    fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        let mut records = records(&self.layout, rows)?;
        if records.len() > MAX_ROWS {
            records.sort_by(|one, other| one.id.cmp(&other.id)); // so that each part has the same rows when it is sent again
        }
        for part in records.chunks(MAX_ROWS) {
            let id = request_id(&self.layout.name, part.iter().map(|record| record.id.as_str()));
            let rows: Vec<&[u8]> = part.iter().map(|record| record.json.as_slice()).collect();
            let body = [b"[".as_slice(), &rows.join(b",".as_slice()), b"]"].concat();
            self.network.wait(self.network.deliver(&self.name, async || self.post(&id, &body).await))?;
        }
        Ok(())
    }
}

/// Stands for the rows, in whatever order they are.
fn request_id<'a>(stream: &str, ids: impl Iterator<Item = &'a str>) -> String {
    let mut ids: Vec<&str> = ids.collect();
    ids.sort_unstable();
    let mut digest = Md5::new();
    digest.update(format!("{stream}\n"));
    ids.iter().for_each(|id| digest.update(id));
    hex(&digest.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_stands_for_the_rows_in_any_order() {
        let id = |ids: &[&str]| request_id("s", ids.iter().copied());
        assert_eq!(id(&["a", "b"]), id(&["b", "a"]));
        assert_ne!(id(&["a", "b"]), id(&["a", "c"]));
    }
}
