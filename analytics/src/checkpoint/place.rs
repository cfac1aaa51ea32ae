//! Where checkpoints are kept: a folder, or a prefix in a bucket of S3.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::Result;
use tokio_util::sync::CancellationToken;

use super::bucket::{CheckpointBucket, Timing};
use super::{Checkpoint, CheckpointFolder, Draft, Identity, SinkMarks};
use crate::bucket::{Bucket, BucketPlace};

/// What `--checkpoint` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CheckpointPlace {
    Folder(PathBuf),
    Bucket(BucketPlace),
}

impl FromStr for CheckpointPlace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with("s3://") { text.parse().map(Self::Bucket) } else { Ok(Self::Folder(text.into())) }
    }
}

impl fmt::Display for CheckpointPlace {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => write!(out, "{}", folder.display()),
            Self::Bucket(place) => place.fmt(out),
        }
    }
}

/// The checkpoint of an application, held by this instance.
pub(crate) enum CheckpointStore {
    Folder(CheckpointFolder),
    Bucket(Box<CheckpointBucket>),
}

impl CheckpointStore {
    /// Waits until no other instance is active; calls `stand_by` when one is. None when `stop` came first. An instance that
    /// loses its place to another one cancels `stop`.
    ///
    /// # Errors
    /// When the place cannot be written.
    pub(crate) async fn take(
        place: &CheckpointPlace,
        identity: Identity,
        stand_by: impl Fn(),
        stop: &CancellationToken,
    ) -> Result<Option<Self>> {
        Ok(match place {
            CheckpointPlace::Folder(folder) => CheckpointFolder::take(folder, identity, stand_by, stop).await?.map(Self::Folder),
            CheckpointPlace::Bucket(place) => {
                let bucket =
                    CheckpointBucket::take(Bucket::open(place).await, identity, Timing::default(), stand_by, stop).await?;
                bucket.map(|bucket| Self::Bucket(Box::new(bucket)))
            }
        })
    }

    /// The last checkpoint; None when there is none.
    ///
    /// # Errors
    /// When it cannot be read, or is of another program, input or version; each says what can be done.
    pub(crate) async fn load(&mut self) -> Result<Option<Checkpoint>> {
        match self {
            Self::Folder(folder) => folder.load(),
            Self::Bucket(bucket) => bucket.load().await,
        }
    }

    /// Forgets the checkpoint.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub(crate) async fn forget(&mut self) -> Result<()> {
        match self {
            Self::Folder(folder) => folder.forget(),
            Self::Bucket(bucket) => bucket.forget().await,
        }
    }

    /// Replaces the checkpoint, all or nothing. Returns its size in bytes. Waits, so not from a thread of the runtime.
    ///
    /// # Errors
    /// When it cannot be written; the old one still stands.
    pub(crate) fn save(&mut self, draft: Draft, sinks: SinkMarks) -> Result<u64> {
        match self {
            Self::Folder(folder) => folder.save(draft, sinks),
            Self::Bucket(bucket) => bucket.save(draft, sinks),
        }
    }

    /// Lets another instance take over at once. Waits, so not from a thread of the runtime.
    pub(crate) fn release(self) {
        if let Self::Bucket(bucket) = self {
            bucket.release();
        }
    }
}
