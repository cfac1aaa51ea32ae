//! A Kinesis stream, read by polling or by enhanced fan-out.
//!
//! One task lists shards and starts readers, parents first; one reader task a shard fetches records. Both kinds of
//! reader hand over through `feed`, so they promise the same.

mod consumer;
mod fan_out;
mod feed;
mod polling;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::StalledStreamProtectionConfig;
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
pub(crate) use consumer::deregister;
use fan_out::Subscriber;
use feed::{FaultLog, ShardFeed};
use polling::Poller;

/// How often the shards are listed again, to find the children of a reshard that ended nothing we read.
const LIST_INTERVAL: Duration = Duration::from_secs(60);

/// The same while there is no shard at all, because the stream is being created; and after a list that failed.
const SHORT_INTERVAL: Duration = Duration::from_secs(1);

/// What to follow, and how.
pub(crate) struct StreamSettings {
    /// Which input of the program it feeds.
    pub(crate) input: usize,
    pub(crate) stream: String,
    pub(crate) start: Start,
    /// The consumer of enhanced fan-out; None: by polling.
    pub(crate) efo: Option<String>,
    pub(crate) aws: AwsSettings,
}

/// A stream to follow.
pub(crate) struct KinesisSource {
    client: Client,
    input: usize,
    stream: String,
    start: Start,
    efo: Option<String>,
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
    pub(crate) async fn connect(settings: StreamSettings, marks: &BTreeMap<ShardId, Mark>, behind: Behind) -> Result<Self> {
        let StreamSettings { input, stream, start, efo, aws } = settings;
        let sdk = config::aws::load(&aws).await;
        let region = sdk.region().map_or("no region", |region| region.as_ref()).to_owned();
        let place = aws.endpoint.as_ref().map_or_else(|| region.clone(), |endpoint| format!("{endpoint}, {region}"));
        let of_shard = |(shard, mark): (&ShardId, &Mark)| match mark {
            Mark::Shard { name, at } if shard.input() == input => Some((name.clone(), (*shard, at.clone()))),
            Mark::Shard { .. } | Mark::File(_) => None,
        };
        let marks = marks.iter().filter_map(of_shard).collect();
        let mut config = aws_sdk_kinesis::config::Builder::from(&sdk);
        if efo.is_some() {
            // A quiet shard sends less than the SDK takes for a living connection; subscribers watch over that themselves.
            config = config.stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        }
        let source = Self { client: Client::from_conf(config.build()), input, stream, start, efo, marks, behind, place };
        source.list_shards().await.map_err(|error| source.explain(error))?;
        Ok(source)
    }

    /// Follows the stream until `stop`, or until every shard of a stream that is closed for good has ended.
    pub(crate) async fn run(self: Box<Self>, chunks: Sender<Chunk>, stop: CancellationToken) -> Result<()> {
        let consumer = match &self.efo {
            Some(name) => tokio::select! {
                consumer = consumer::active(&self.client, &self.stream, name) => Some(consumer?),
                () = stop.cancelled() => return Ok(()),
            },
            None => None,
        };
        let is_drained = |(name, (_, at)): (&String, &(ShardId, ShardMark))| (name.clone(), *at == ShardMark::Drained);
        let lineage = Lineage::resumed(self.marks.iter().map(is_drained));
        let next_id = self.marks.values().map(|(shard, _)| ShardId(shard.0 + 1)).max();
        let next_id = next_id.unwrap_or(ShardId::of_input(self.input, 0));
        let following = Following {
            source: &self,
            consumer,
            chunks,
            stop,
            lineage,
            readers: JoinSet::new(),
            drained: Vec::new(),
            told: Vec::new(),
            next_id,
        };
        following.run().await
    }

    async fn list_shards(&self) -> Result<Vec<ListedShard>, aws_sdk_kinesis::Error> {
        let mut shards = Vec::new();
        let mut next_token = None;
        loop {
            // With a token the stream must not be named again.
            let stream = next_token.is_none().then(|| self.stream.clone());
            let page = self.client.list_shards().set_stream_name(stream).set_next_token(next_token).send().await?;
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

/// A shard that was read to its end.
struct Ended {
    shard: ShardId,
    name: String,
    children: Vec<ListedShard>,
}

/// The state of following a stream.
struct Following<'a> {
    source: &'a KinesisSource,
    consumer: Option<Arc<str>>,
    chunks: Sender<Chunk>,
    stop: CancellationToken,
    lineage: Lineage,
    readers: JoinSet<Result<Option<Ended>>>,
    /// Ended, but not announced as such.
    drained: Vec<(ShardId, String)>,
    /// Children that ended shards told of and that are not listed yet.
    told: Vec<ListedShard>,
    next_id: ShardId,
}

impl Following<'_> {
    async fn run(mut self) -> Result<()> {
        let mut faults = FaultLog::default();
        loop {
            let is_listed = match self.source.list_shards().await {
                Ok(listed) => {
                    faults.recovered(&self.source.stream);
                    self.begin(listed).await;
                    // Asked after listing: the children of the last drained shard are known now.
                    if self.lineage.is_finished() {
                        break;
                    }
                    true
                }
                Err(gone @ aws_sdk_kinesis::Error::ResourceNotFoundException(_)) => return Err(self.source.explain(gone)),
                Err(error) => {
                    faults.report(&self.source.stream, &format!("{:#}", self.source.explain(error)));
                    false
                }
            };
            let interval = if is_listed && !self.readers.is_empty() { LIST_INTERVAL } else { SHORT_INTERVAL };
            tokio::select! {
                () = self.stop.cancelled() => break,
                () = tokio::time::sleep(interval) => {}
                Some(ended) = self.readers.join_next() => match ended.context("a shard reader panicked")?? {
                    Some(Ended { shard, name, children }) => {
                        self.lineage.drained(&name);
                        self.drained.push((shard, name));
                        self.told.extend(children);
                    }
                    None => break, // the receiver is gone, or stop
                },
            }
        }
        while let Some(ended) = self.readers.join_next().await {
            ended.context("a shard reader panicked")??;
        }
        Ok(())
    }

    /// Starts to read what may be read now, and tells what has ended.
    async fn begin(&mut self, mut listed: Vec<ListedShard>) {
        self.told.retain(|child| listed.iter().all(|shard| shard.name != child.name));
        listed.extend(self.told.iter().cloned());
        for name in self.lineage.vanished(&listed) {
            warn!(shard = name, "the checkpoint stands in a shard that the stream no longer has: what it had after is lost");
            self.lineage.drained(&name);
            self.drained.extend(self.source.marks.get(&name).map(|(shard, _)| (*shard, name)));
        }
        let mut begun = Vec::new();
        for (name, start) in self.lineage.observe(&listed, &self.source.start) {
            let (shard, start) = match self.source.marks.get(&name) {
                Some((shard, at)) => (*shard, begin(at)),
                None => {
                    let shard = self.next_id;
                    self.next_id = ShardId(shard.0 + 1);
                    (shard, start)
                }
            };
            announce(shard, &name, &start, &self.chunks).await;
            begun.push((shard, name, start));
        }
        // Children are announced before their parents end, and all shards before the first of them brings rows: else
        // time would go on without those that are still to begin, and their rows would be late.
        for (shard, name) in self.drained.drain(..) {
            let mark = Some(Mark::Shard { name, at: ShardMark::Drained });
            let _ = self.chunks.send(Chunk { shard, payload: Payload::End, mark }).await; // the receiver may be gone
        }
        for (shard, name, start) in begun {
            self.start_reader(shard, name, start);
        }
    }

    fn start_reader(&mut self, shard: ShardId, name: String, start: Start) {
        let KinesisSource { client, stream, behind, .. } = self.source;
        let feed = ShardFeed::new(shard, &name, start, behind.clone(), self.chunks.clone());
        let (client, stream, consumer, stop) = (client.clone(), stream.clone(), self.consumer.clone(), self.stop.clone());
        self.readers.spawn(async move {
            let read = async {
                match consumer {
                    Some(consumer) => Subscriber::new(client, consumer, feed).run().await,
                    None => Poller { client, stream, feed }.run().await,
                }
            };
            let children = tokio::select! {
                children = read => children,
                () = stop.cancelled() => None,
            };
            Ok(children.map(|children| Ended { shard, name, children }))
        });
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
