//! A Kinesis stream, read by polling.
//!
//! One task lists shards and starts readers, parents first; one reader task a shard fetches records.

mod reader;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::error::DisplayErrorContext;
use config::aws::AwsSettings;
use tokio::sync::mpsc::Sender;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

pub(crate) use super::shards::Start;
use super::shards::{Lineage, ListedShard};
use crate::chunk::{Chunk, Mark, Payload, ShardId, ShardMark};
use crate::clock::now_ms;
use crate::live::Behind;
use reader::ShardReader;

/// How often the shards are listed again, to find the children of a reshard that ended nothing we read.
const LIST_INTERVAL: Duration = Duration::from_secs(60);

/// The same while there is no shard at all: the stream is being created.
const CREATION_INTERVAL: Duration = Duration::from_secs(1);

/// A stream to follow.
pub(crate) struct KinesisSource {
    client: Client,
    stream: String,
    start: Start,
    /// Where a checkpoint stands, by the name of the shard.
    marks: BTreeMap<String, (ShardId, ShardMark)>,
    behind: Behind,
    /// For messages: where requests go.
    place: String,
}

impl KinesisSource {
    /// Connects and checks that the stream exists.
    ///
    /// # Errors
    /// When there is no such stream, or it cannot be asked for.
    pub(crate) async fn connect(
        stream: String,
        start: Start,
        marks: &BTreeMap<ShardId, Mark>,
        behind: Behind,
        aws: &AwsSettings,
    ) -> Result<Self> {
        let sdk = config::aws::load(aws).await;
        let region = sdk.region().map_or("no region", |region| region.as_ref()).to_owned();
        let place = aws.endpoint.as_ref().map_or_else(|| region.clone(), |endpoint| format!("{endpoint}, {region}"));
        let of_shard = |(shard, mark): (&ShardId, &Mark)| match mark {
            Mark::Shard { name, at } => Some((name.clone(), (*shard, at.clone()))),
            Mark::File(_) => None,
        };
        let marks = marks.iter().filter_map(of_shard).collect();
        let source = Self { client: Client::new(&sdk), stream, start, marks, behind, place };
        source.list_shards().await?;
        Ok(source)
    }

    /// Follows the stream until `stop`, or until every shard of a stream that is closed for good has ended.
    pub(crate) async fn run(self: Box<Self>, chunks: Sender<Chunk>, stop: CancellationToken) -> Result<()> {
        let is_drained = |(name, (_, at)): (&String, &(ShardId, ShardMark))| (name.clone(), *at == ShardMark::Drained);
        let mut lineage = Lineage::resumed(self.marks.iter().map(is_drained));
        let mut readers = JoinSet::new();
        let mut drained: Vec<(ShardId, String)> = Vec::new();
        let mut next_id = self.marks.values().map(|(shard, _)| shard.0 + 1).max().unwrap_or(0);
        loop {
            let listed = self.list_shards().await?;
            for name in lineage.vanished(&listed) {
                warn!(shard = name, "the checkpoint stands in a shard that the stream no longer has: what it had after is lost");
                lineage.drained(&name);
                drained.extend(self.marks.get(&name).map(|(shard, _)| (*shard, name)));
            }
            let mut begun = Vec::new();
            for (name, start) in lineage.observe(&listed, &self.start) {
                let (shard, start) = match self.marks.get(&name) {
                    Some((shard, at)) => (*shard, begin(at)),
                    None => {
                        next_id += 1;
                        (ShardId(next_id - 1), start)
                    }
                };
                announce(shard, &name, &start, &chunks).await;
                begun.push((shard, name, start));
            }
            // Children are announced before their parents end, and all shards before the first of them brings rows: else
            // time would go on without those that are still to begin, and their rows would be late.
            for (shard, name) in drained.drain(..) {
                let mark = Some(Mark::Shard { name, at: ShardMark::Drained });
                let _ = chunks.send(Chunk { shard, payload: Payload::End, mark }).await; // the receiver may be gone
            }
            for (shard, name, start) in begun {
                self.start_reader(shard, name, start, &chunks, &stop, &mut readers);
            }
            // Asked after listing: the children of the last drained shard are known now.
            if lineage.is_finished() {
                break;
            }
            let interval = if readers.is_empty() { CREATION_INTERVAL } else { LIST_INTERVAL };
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(interval) => {}
                Some(ended) = readers.join_next() => match ended.context("a shard reader panicked")?? {
                    Some((shard, name)) => {
                        lineage.drained(&name);
                        drained.push((shard, name));
                    }
                    None => break, // the receiver is gone, or stop
                },
            }
        }
        while let Some(ended) = readers.join_next().await {
            ended.context("a shard reader panicked")??;
        }
        Ok(())
    }

    fn start_reader(
        &self,
        shard: ShardId,
        name: String,
        start: Start,
        chunks: &Sender<Chunk>,
        stop: &CancellationToken,
        readers: &mut JoinSet<Result<Option<(ShardId, String)>>>,
    ) {
        let name_for_reader = Arc::from(name.as_str());
        let reader = ShardReader::new(self.client.clone(), &self.stream, shard, name_for_reader, start, self.behind.clone());
        let (chunks, stop) = (chunks.clone(), stop.clone());
        readers.spawn(async move {
            let is_drained = tokio::select! {
                outcome = reader.run(&chunks) => outcome?,
                () = stop.cancelled() => false,
            };
            Ok(is_drained.then_some((shard, name)))
        });
    }

    async fn list_shards(&self) -> Result<Vec<ListedShard>> {
        let mut shards = Vec::new();
        let mut next_token = None;
        loop {
            // With a token the stream must not be named again.
            let stream = next_token.is_none().then(|| self.stream.clone());
            let request = self.client.list_shards().set_stream_name(stream).set_next_token(next_token);
            let page = request.send().await.map_err(|error| self.explain(error.into()))?;
            shards.extend(page.shards().iter().map(listed));
            next_token = page.next_token().map(str::to_owned);
            if next_token.is_none() {
                return Ok(shards);
            }
        }
    }

    fn explain(&self, error: aws_sdk_kinesis::Error) -> anyhow::Error {
        let (stream, place) = (&self.stream, &self.place);
        match error {
            aws_sdk_kinesis::Error::ResourceNotFoundException(_) => {
                anyhow!("there is no stream {stream} ({place}); check its name, the region and the account")
            }
            other => {
                let cause = DisplayErrorContext(&other).to_string();
                anyhow!(
                    "cannot list the shards of stream {stream} ({place}); check the endpoint, the network and the credentials: {cause}"
                )
            }
        }
    }
}

/// Tells that a shard will be read, so that the watermark waits for it.
async fn announce(shard: ShardId, name: &str, start: &Start, chunks: &Sender<Chunk>) {
    info!(shard = name, ?start, "reading shard");
    let at = match start {
        Start::TrimHorizon => ShardMark::Beginning,
        // Read again from here when it stops before the first record, or what comes until then would be skipped.
        Start::Latest => ShardMark::Since(now_ms()),
        Start::At(ms) => ShardMark::Since(*ms),
        Start::After(number) => ShardMark::After(number.clone()),
    };
    let mark = Some(Mark::Shard { name: name.to_owned(), at });
    let _ = chunks.send(Chunk { shard, payload: Payload::Begin, mark }).await; // a closed channel ends the reader too
}

/// Where to go on in a shard.
fn begin(at: &ShardMark) -> Start {
    match at {
        ShardMark::Beginning | ShardMark::Drained => Start::TrimHorizon, // a drained one is not read
        ShardMark::Since(ms) => Start::At(*ms),
        ShardMark::After(number) => Start::After(number.clone()),
    }
}

fn listed(shard: &aws_sdk_kinesis::types::Shard) -> ListedShard {
    let parents = [shard.parent_shard_id(), shard.adjacent_parent_shard_id()];
    ListedShard {
        name: shard.shard_id().to_owned(),
        parents: parents.into_iter().flatten().map(str::to_owned).collect(),
        is_open: shard.sequence_number_range().is_none_or(|range| range.ending_sequence_number().is_none()),
    }
}

/// Logs a fault that will be retried; once for each new text, so that a long outage is one line.
#[derive(Debug, Default)]
struct FaultLog {
    last: String,
}

impl FaultLog {
    fn report(&mut self, shard: &str, fault: &str) {
        if self.last != fault {
            warn!(shard, fault, "cannot read for now; retrying");
            self.last = fault.to_owned();
        }
    }

    fn recovered(&mut self, shard: &str) {
        if !self.last.is_empty() {
            info!(shard, "reading again");
            self.last.clear();
        }
    }
}
