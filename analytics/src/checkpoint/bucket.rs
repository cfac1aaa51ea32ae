//! The checkpoint of an application in S3: `state`, replaced as a whole, and `owner`, held by the active instance.
//!
//! The state is written on the condition that it is the one this instance read or wrote last. So even an instance that
//! believes to be active while another one is cannot mix its state into the other's.

use anyhow::{Context, Result, bail};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::owner::Owner;
pub(crate) use super::owner::Timing;
use super::{Checkpoint, Draft, Identity, SinkMarks, contents};
use crate::bucket::{Bucket, Condition};

const STATE: &str = "state";

/// The prefix, held by this instance until it is released.
pub(crate) struct CheckpointBucket {
    bucket: Bucket,
    place: String,
    identity: Identity,
    owner: Owner,
    /// Of the state that this instance read or wrote last; None: there is none.
    etag: Option<String>,
    runtime: Handle,
    stop: CancellationToken,
}

impl CheckpointBucket {
    /// Waits until no other instance is active; calls `stand_by` when one is. None when `stop` came first.
    ///
    /// # Errors
    /// When the bucket cannot be read or written.
    pub(crate) async fn take(
        bucket: Bucket,
        identity: Identity,
        timing: Timing,
        stand_by: impl Fn(),
        stop: &CancellationToken,
    ) -> Result<Option<Self>> {
        let Some(owner) = Owner::take(&bucket, timing, stand_by, stop).await? else { return Ok(None) };
        let (place, runtime, stop) = (bucket.place().to_string(), Handle::current(), stop.clone());
        Ok(Some(Self { bucket, place, identity, owner, etag: None, runtime, stop }))
    }

    /// The last checkpoint; None when there is none.
    ///
    /// # Errors
    /// When it is damaged, or of another program, input or version; each says what can be done.
    pub(crate) async fn load(&mut self) -> Result<Option<Checkpoint>> {
        let Some(found) = self.bucket.get(STATE).await.context("cannot read the checkpoint")? else { return Ok(None) };
        let checkpoint = contents::read(&format!("{}/{STATE}", self.place), &found.bytes, &self.identity)?;
        self.etag = Some(found.etag);
        Ok(Some(checkpoint))
    }

    /// Forgets the checkpoint.
    ///
    /// # Errors
    /// When the object cannot be removed.
    pub(crate) async fn forget(&mut self) -> Result<()> {
        self.bucket.remove(STATE).await?;
        warn!(place = self.place, "--fresh: the old checkpoint was forgotten, if there was one");
        self.etag = None;
        Ok(())
    }

    /// Replaces the checkpoint, all or nothing. Returns its size in bytes. Waits, so not from a thread of the runtime.
    ///
    /// # Errors
    /// When it cannot be written; the old one still stands. When another instance has written it, the work stops.
    pub(crate) fn save(&mut self, draft: Draft, sinks: SinkMarks) -> Result<u64> {
        if self.owner.lost.is_cancelled() {
            bail!("the checkpoint in {} is another instance's by now; this one stops", self.place);
        }
        let writer = format!("{} {}", self.owner.instance, draft.number);
        let mut bytes = Vec::new();
        contents::write(&mut bytes, &self.identity, draft, sinks)?;
        let size = bytes.len() as u64;
        let condition = self.etag.as_deref().map_or(Condition::Absent, Condition::Unchanged);
        let saved = self.runtime.block_on(self.bucket.put(STATE, bytes.into(), condition, &writer));
        match saved.context("cannot save the checkpoint")? {
            Some(etag) => {
                self.etag = Some(etag);
                Ok(size)
            }
            None => {
                self.stop.cancel();
                bail!("another instance has written the checkpoint in {}; this one stops", self.place)
            }
        }
    }

    /// Lets another instance take over at once. Waits, so not from a thread of the runtime.
    pub(crate) fn release(self) {
        self.runtime.block_on(self.owner.release(&self.bucket));
    }
}

#[cfg(test)]
mod tests {
    use ::tests::servers::{Kind, Server};

    use super::*;
    use crate::bucket::BucketPlace;
    use crate::engine::tests::{counted, request_counts};

    async fn moto() -> Option<(Server, BucketPlace)> {
        let moto = Server::start(Kind::Moto).await.unwrap()?;
        let made = reqwest::Client::new().put(format!("{}/states", moto.endpoint())).send().await.unwrap();
        assert!(made.status().is_success());
        let place = format!("s3://states/app,endpoint={},region=us-east-1", moto.endpoint()).parse().unwrap();
        Some((moto, place))
    }

    async fn take(place: &BucketPlace, program: &str, stop: &CancellationToken) -> CheckpointBucket {
        let identity = Identity { program: program.to_owned(), inputs: vec!["a.log".to_owned()] };
        CheckpointBucket::take(Bucket::of_emulator(place), identity, Timing::quick(), || (), stop).await.unwrap().unwrap()
    }

    async fn save(mut bucket: CheckpointBucket, number: u64) -> (CheckpointBucket, Result<u64, String>) {
        let mut engine = request_counts();
        counted(&mut engine, &[(0, "::1")]);
        let draft = Draft { number, marks: Default::default(), image: engine.image().unwrap() };
        let saving = move || {
            let saved = bucket.save(draft, SinkMarks::new()).map_err(|error| format!("{error:#}"));
            (bucket, saved)
        };
        tokio::task::spawn_blocking(saving).await.unwrap()
    }

    async fn release(bucket: CheckpointBucket) {
        tokio::task::spawn_blocking(move || bucket.release()).await.unwrap();
    }

    /// One test with one server: each start of it takes seconds.
    #[tokio::test(flavor = "multi_thread")]
    async fn one_instance_at_a_time_keeps_its_state_in_a_bucket() {
        let Some((_moto, place)) = moto().await else { return };
        let stop = CancellationToken::new();

        // The last one that was saved is loaded, by the same program only.
        let mut first = take(&place, "p", &stop).await;
        assert!(first.load().await.unwrap().is_none());
        for number in [1, 2] {
            let (bucket, saved) = save(first, number).await;
            assert!(saved.unwrap() > 0);
            first = bucket;
        }
        assert_eq!(first.load().await.unwrap().unwrap().number, 2);

        // Another instance stands by, until the first one releases its place.
        let standing = tokio::spawn({
            let (place, stop) = (place.clone(), stop.clone());
            async move { take(&place, "p", &stop).await }
        });
        let (first, saved) = save(first, 3).await;
        saved.unwrap();
        assert!(!standing.is_finished());
        release(first).await;
        let mut second = standing.await.unwrap();
        assert_eq!(second.load().await.unwrap().unwrap().number, 3);

        // One that vanishes is replaced after a while; when it comes back, it can write nothing.
        second.owner.vanish();
        let stop_of_third = CancellationToken::new();
        let mut third = take(&place, "p", &stop_of_third).await;
        assert_eq!(third.load().await.unwrap().unwrap().number, 3);
        let (third, saved) = save(third, 4).await;
        saved.unwrap();
        let (second, refused) = save(second, 4).await;
        assert!(refused.unwrap_err().contains("another instance has written the checkpoint"));
        assert!(stop.is_cancelled() && !stop_of_third.is_cancelled());
        drop(second);

        // What belongs to another program is refused with a choice, and --fresh forgets it.
        release(third).await;
        let mut other = take(&place, "q", &CancellationToken::new()).await;
        let error = other.load().await.unwrap_err().to_string();
        assert!(error.contains("another program") && error.contains("--fresh"), "{error}");
        other.forget().await.unwrap();
        assert!(other.load().await.unwrap().is_none());
        let (other, saved) = save(other, 1).await;
        saved.unwrap();
        release(other).await;
    }
}
