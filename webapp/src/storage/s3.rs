//! Pictures in a private bucket.
//!
//! Keys are `<prefix>/<name>`, with the same names as in the folder, so that a picture keeps its name wherever it is.

use std::{
    fmt::Display,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_sdk_s3::{
    Client,
    config::{retry::RetryConfig, timeout::TimeoutConfig},
    error::{DisplayErrorContext, SdkError},
    operation::get_object::GetObjectError,
    presigning::PresigningConfig,
    primitives::ByteStream,
};
use axum::body::Body;
use config::aws::AwsSettings;
use tempfile::NamedTempFile;
use tokio::task::JoinSet;
use tokio_util::io::ReaderStream;

use super::{
    CHUNK_BYTES, Stored,
    key::{PictureKey, Rendition},
    settings::S3Settings,
};
use crate::remote::{Guard, Outage, StoreError};

/// As the site itself serves pictures: they never change under their name.
const CACHE_CONTROL: &str = "public, max-age=31536000, immutable";

/// A bucket.
pub(super) struct S3 {
    client: Client,
    bucket: String,
    prefix: String,
    same_url_for: Duration,
    guard: Guard,
}

/// What is done with an object, and the right it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Put,
    Get,
    Delete,
}

/// What the SDK said, in one line.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub(super) struct S3Error {
    text: String,
    is_outage: bool,
    /// Of the answer, if there was one.
    pub(super) status: Option<u16>,
}

impl S3 {
    /// Opens the bucket. Nothing is asked yet.
    pub(super) async fn open(settings: &S3Settings, bucket: &str) -> Self {
        let aws = AwsSettings { endpoint: settings.endpoint.clone(), region: settings.region.clone() };
        let timeouts =
            TimeoutConfig::builder().connect_timeout(settings.connect_timeout).operation_timeout(settings.timeout).build();
        let config = aws_sdk_s3::config::Builder::from(&config::aws::load(&aws).await)
            .force_path_style(settings.path_style)
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard().with_max_attempts(2))
            .build();
        Self {
            client: Client::from_conf(config),
            bucket: bucket.to_owned(),
            prefix: settings.prefix.trim_matches('/').to_owned(),
            same_url_for: settings.same_url_for,
            guard: Guard::new(format!("the S3 bucket {bucket}"), settings.timeout),
        }
    }

    /// Puts files into the bucket at the same time, all within one time limit. What an outage leaves half done is for the
    /// orphan sweep.
    pub(super) async fn keep(&self, files: &[(PictureKey, NamedTempFile)]) -> Result<(), StoreError> {
        let kept = self.guard.call(async {
            let mut puts: JoinSet<_> = files.iter().map(|(key, file)| self.put(*key, file)).collect();
            let mut outcome = Ok(());
            // All are waited for: one that goes on could end after its file was removed.
            while let Some(put) = puts.join_next().await {
                outcome = outcome.and(put.unwrap_or_else(|panic| Err(S3Error::from_text(panic))));
            }
            outcome
        });
        let outcome = kept.await;
        if matches!(outcome, Err(StoreError::Refused { .. })) {
            for (key, _) in files {
                let _ = self.remove_file(*key).await; // for the orphan sweep then
            }
        }
        outcome
    }

    /// Removes all files of a picture.
    pub(super) async fn remove(&self, key: PictureKey) -> Result<(), StoreError> {
        for rendition in Rendition::ALL {
            self.remove_file(key.with(rendition)).await?;
        }
        Ok(())
    }

    /// Opens a file for reading.
    pub(super) async fn read(&self, key: PictureKey) -> Result<Option<Stored>, StoreError> {
        let get = async {
            match self.client.get_object().bucket(&self.bucket).key(self.name(key)).send().await {
                Ok(object) => Ok(Some(object)),
                Err(error) if error.as_service_error().is_some_and(GetObjectError::is_no_such_key) => Ok(None),
                Err(error) => Err(S3Error::from(error)),
            }
        };
        Ok(self.guard.call(get).await?.map(|object| Stored {
            length: u64::try_from(object.content_length().unwrap_or(0)).unwrap_or(0),
            body: Body::from_stream(ReaderStream::with_capacity(object.body.into_async_read(), CHUNK_BYTES)),
        }))
    }

    /// A signed address. It stays the same for a while, so that a browser finds the picture in its cache.
    pub(super) async fn presign(&self, key: PictureKey) -> Result<String, StoreError> {
        let start = round_down(SystemTime::now(), self.same_url_for);
        let signing = PresigningConfig::builder().start_time(start).expires_in(self.same_url_for * 2).build();
        let sign = async {
            let signing = signing.map_err(S3Error::from_text)?;
            let request = self.client.get_object().bucket(&self.bucket).key(self.name(key)).presigned(signing);
            Ok::<_, S3Error>(request.await.map_err(S3Error::from)?.uri().to_owned())
        };
        self.guard.call(sign).await
    }

    /// What stands for a file in addresses behind a CDN's base.
    pub(super) fn name(&self, key: PictureKey) -> String {
        self.name_of(&key.to_string())
    }

    /// Whether the bucket is there and may be listed or read.
    pub(super) async fn ping(&self) -> Result<(), StoreError> {
        self.guard.call(self.head()).await
    }

    /// As [`S3::ping`], with what exactly was answered.
    pub(super) async fn head(&self) -> Result<(), S3Error> {
        Ok(self.client.head_bucket().bucket(&self.bucket).send().await.map(drop)?)
    }

    /// The region that requests are signed for, if one is known.
    pub(super) fn region(&self) -> Option<&str> {
        self.client.config().region().map(AsRef::as_ref)
    }

    /// Pictures of which some file is older than a moment, at most `count`.
    pub(super) async fn older_than(&self, moment: SystemTime, count: usize) -> Result<Vec<PictureKey>, StoreError> {
        let mut found = Vec::new();
        let mut next = None;
        loop {
            let list = self.client.list_objects_v2().bucket(&self.bucket).prefix(&self.prefix).set_continuation_token(next);
            let page = self.guard.call(async { list.send().await.map_err(S3Error::from) }).await?;
            let old = page.contents().iter().filter(|object| {
                let written = object.last_modified().and_then(|time| SystemTime::try_from(*time).ok());
                written.is_some_and(|written| written < moment)
            });
            let keys = old.filter_map(|object| PictureKey::parse(object.key()?.rsplit('/').next()?));
            for key in keys.map(|key| key.with(Rendition::Full)) {
                if !found.contains(&key) {
                    found.push(key);
                }
            }
            next = page.next_continuation_token().map(str::to_owned);
            if next.is_none() || found.len() >= count {
                found.truncate(count);
                return Ok(found);
            }
        }
    }

    /// Puts a small object beside the pictures, reads it and removes it, as uploads, pages and deletions do.
    ///
    /// # Errors
    /// Which of the three failed first, and why. The object is removed whenever that works.
    pub(super) async fn try_object(&self, name: &str, content: &'static [u8]) -> Result<(), (Step, S3Error)> {
        let put = self.client.put_object().bucket(&self.bucket).key(name).content_type("text/plain");
        put.body(ByteStream::from_static(content)).send().await.map_err(|error| (Step::Put, error.into()))?;
        let read = self.get(name).await;
        let removed = self.client.delete_object().bucket(&self.bucket).key(name).send().await;
        if read.map_err(|error| (Step::Get, error))? != content {
            return Err((Step::Get, S3Error::from_text("it reads back differently")));
        }
        removed.map(drop).map_err(|error| (Step::Delete, error.into()))
    }

    async fn get(&self, name: &str) -> Result<Vec<u8>, S3Error> {
        let object = self.client.get_object().bucket(&self.bucket).key(name).send().await?;
        Ok(object.body.collect().await.map_err(S3Error::from_text)?.to_vec())
    }

    /// The name of an object that is no picture.
    pub(super) fn name_of(&self, name: &str) -> String {
        if self.prefix.is_empty() { name.to_owned() } else { format!("{}/{name}", self.prefix) }
    }

    /// Puts a file into the bucket; borrows nothing, so that several can be on their way.
    fn put(&self, key: PictureKey, file: &NamedTempFile) -> impl Future<Output = Result<(), S3Error>> + use<> {
        let request = self.client.put_object().bucket(&self.bucket).key(self.name(key));
        let request = request.content_type(key.content_type()).content_disposition("inline").cache_control(CACHE_CONTROL);
        let path = file.path().to_owned();
        async move {
            let body = ByteStream::from_path(path).await.map_err(S3Error::from_text)?;
            request.body(body).send().await.map(drop).map_err(S3Error::from)
        }
    }

    async fn remove_file(&self, key: PictureKey) -> Result<(), StoreError> {
        let delete = self.client.delete_object().bucket(&self.bucket).key(self.name(key));
        self.guard.call(async { delete.send().await.map(drop).map_err(S3Error::from) }).await
    }
}

/// The last multiple of a period.
fn round_down(time: SystemTime, period: Duration) -> SystemTime {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    UNIX_EPOCH + Duration::from_secs(seconds - seconds % period.as_secs().max(1))
}

impl S3Error {
    /// An error on our side of the wire.
    fn from_text(error: impl Display) -> Self {
        Self { text: error.to_string(), is_outage: false, status: None }
    }
}

impl<E: std::error::Error + Send + Sync + 'static> From<SdkError<E>> for S3Error {
    fn from(error: SdkError<E>) -> Self {
        let status = error.raw_response().map(|response| response.status().as_u16());
        let is_outage = match &error {
            SdkError::ServiceError(_) => status.is_some_and(|status| status >= 500),
            SdkError::ConstructionFailure(_) => false,
            _ => true,
        };
        Self { is_outage, status, text: DisplayErrorContext(error).to_string() }
    }
}

impl Outage for S3Error {
    fn is_outage(&self) -> bool {
        self.is_outage
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_stays_the_same_within_its_period() {
        let period = Duration::from_secs(3600);
        let at = |seconds| round_down(UNIX_EPOCH + Duration::from_secs(seconds), period);
        assert_eq!(at(7200), at(10_799));
        assert_eq!(at(10_800), UNIX_EPOCH + Duration::from_secs(10_800));
    }
}
