//! A bucket of S3 and a prefix in it: as typed, and the few requests that checkpoints and Parquet files need.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Result, anyhow};
use aws_sdk_s3::Client;
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use config::aws::AwsSettings;

/// The metadata of an object that says which request wrote it.
const WRITER: &str = "weir-writer";

/// `s3://BUCKET/PREFIX[,endpoint=URL][,region=NAME]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BucketPlace {
    bucket: String,
    prefix: String,
    aws: AwsSettings,
}

impl FromStr for BucketPlace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("{text:?} is not of the form s3://BUCKET/PREFIX, with ,endpoint=URL and ,region=NAME if need be");
        let rest = text.strip_prefix("s3://").ok_or_else(wrong)?;
        let mut parts = rest.split(',');
        let (bucket, prefix) = parts.next().and_then(|place| place.split_once('/')).ok_or_else(wrong)?;
        let prefix = prefix.trim_matches('/');
        if bucket.is_empty() || prefix.is_empty() {
            return Err(wrong());
        }
        let mut aws = AwsSettings::default();
        for part in parts {
            match part.split_once('=') {
                Some(("endpoint", url)) => aws.endpoint = Some(url.to_owned()),
                Some(("region", name)) => aws.region = Some(name.to_owned()),
                _ => return Err(wrong()),
            }
        }
        Ok(Self { bucket: bucket.to_owned(), prefix: prefix.to_owned(), aws })
    }
}

impl fmt::Display for BucketPlace {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "s3://{}/{}", self.bucket, self.prefix)
    }
}

/// When an object may be written.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Condition<'a> {
    Always,
    /// There is none of this name.
    Absent,
    /// It is the one with this ETag.
    Unchanged(&'a str),
}

/// An object that was read.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) bytes: Bytes,
    pub(crate) etag: String,
}

/// A bucket, under a prefix. Keys are relative to it.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    client: Client,
    place: BucketPlace,
}

impl Bucket {
    /// Nothing is asked yet.
    pub(crate) async fn open(place: &BucketPlace) -> Self {
        let sdk = config::aws::load(&place.aws).await;
        // Buckets are names of hosts at AWS; an address of one's own has no such names.
        let is_own = place.aws.endpoint.is_some() || std::env::var_os("AWS_ENDPOINT_URL_S3").is_some();
        let config = aws_sdk_s3::config::Builder::from(&sdk).force_path_style(is_own).build();
        Self { client: Client::from_conf(config), place: place.clone() }
    }

    /// One that believes any credentials.
    #[cfg(test)]
    pub(crate) fn of_emulator(place: &BucketPlace) -> Self {
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(config::aws::behavior_version())
            .region(aws_sdk_s3::config::Region::new("us-east-1"))
            .credentials_provider(aws_sdk_s3::config::Credentials::new("id", "secret", None, None, "test"))
            .endpoint_url(place.aws.endpoint.as_deref().unwrap_or_default())
            .force_path_style(true);
        Self { client: Client::from_conf(config.build()), place: place.clone() }
    }

    /// Where it is.
    pub(crate) fn place(&self) -> &BucketPlace {
        &self.place
    }

    /// An object; None when there is none.
    ///
    /// # Errors
    /// When it cannot be asked for.
    pub(crate) async fn get(&self, key: &str) -> Result<Option<Object>> {
        let answer = match self.client.get_object().bucket(&self.place.bucket).key(self.name(key)).send().await {
            Ok(answer) => answer,
            Err(error) if error.as_service_error().is_some_and(|error| error.is_no_such_key()) => return Ok(None),
            Err(error) => return Err(self.explain("read", key, error)),
        };
        let etag = answer.e_tag().unwrap_or_default().to_owned();
        let body = answer.body.collect().await.with_context(|| format!("cannot read {}/{key}", self.place))?;
        Ok(Some(Object { bytes: body.into_bytes(), etag }))
    }

    /// Writes an object, all or nothing. Returns its ETag; None when the condition does not hold. `writer` names this one
    /// request: sent again by the SDK because its answer was lost, it finds what it wrote itself.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) async fn put(&self, key: &str, body: Bytes, condition: Condition<'_>, writer: &str) -> Result<Option<String>> {
        let request = self.client.put_object().bucket(&self.place.bucket).key(self.name(key));
        let request = request.body(ByteStream::from(body)).metadata(WRITER, writer);
        let request = match condition {
            Condition::Always => request,
            Condition::Absent => request.if_none_match("*"),
            Condition::Unchanged(etag) => request.if_match(etag),
        };
        match request.send().await {
            Ok(answer) => Ok(Some(answer.e_tag().unwrap_or_default().to_owned())),
            Err(error) if is_refused(&error) => {
                let found = self.client.head_object().bucket(&self.place.bucket).key(self.name(key)).send().await.ok();
                let own = found.filter(|found| {
                    found.metadata().and_then(|metadata| metadata.get(WRITER)).is_some_and(|found| found == writer)
                });
                Ok(own.map(|own| own.e_tag().unwrap_or_default().to_owned()))
            }
            Err(error) => Err(self.explain("write", key, error)),
        }
    }

    /// Copies an object. False when there is none.
    ///
    /// # Errors
    /// When it cannot be copied.
    pub(crate) async fn copy(&self, from: &str, to: &str) -> Result<bool> {
        let source = format!("{}/{}", self.place.bucket, self.name(from));
        let source = source.split('/').map(encoded).collect::<Vec<_>>().join("/");
        let request = self.client.copy_object().bucket(&self.place.bucket).key(self.name(to)).copy_source(source);
        match request.send().await {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some("NoSuchKey") => Ok(false),
            Err(error) => Err(self.explain("copy to", to, error)),
        }
    }

    /// The keys that begin so.
    ///
    /// # Errors
    /// When they cannot be asked for.
    pub(crate) async fn list(&self, begin: &str) -> Result<Vec<String>> {
        let request = self.client.list_objects_v2().bucket(&self.place.bucket).prefix(self.name(begin));
        let mut pages = request.into_paginator().send();
        let mut keys = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| self.explain("list", begin, error))?;
            let own = |object: &aws_sdk_s3::types::Object| object.key()?.strip_prefix(&self.name("")).map(str::to_owned);
            keys.extend(page.contents().iter().filter_map(own));
        }
        Ok(keys)
    }

    /// Removes an object, if it is there.
    ///
    /// # Errors
    /// When it cannot be asked for.
    pub(crate) async fn remove(&self, key: &str) -> Result<()> {
        let request = self.client.delete_object().bucket(&self.place.bucket).key(self.name(key));
        request.send().await.map(|_| ()).map_err(|error| self.explain("remove", key, error))
    }

    fn name(&self, key: &str) -> String {
        format!("{}/{key}", self.place.prefix)
    }

    fn explain<E>(&self, what: &str, key: &str, error: SdkError<E>) -> anyhow::Error
    where
        E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        let remedy =
            format!("cannot {what} {}/{key}; check the bucket, the endpoint, the region and the credentials", self.place);
        anyhow!("{}", DisplayErrorContext(error)).context(remedy)
    }
}

/// A part of a key as it stands in a header: anything but letters, digits and a few signs as `%HH`.
fn encoded(part: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    part.bytes().map(byte).collect()
}

/// Whether the condition of a write did not hold. 409: another write of the same object was on its way.
fn is_refused<E>(error: &SdkError<E>) -> bool {
    error.raw_response().is_some_and(|answer| matches!(answer.status().as_u16(), 404 | 409 | 412)) && !is_missing_bucket(error)
}

fn is_missing_bucket<E>(error: &SdkError<E>) -> bool {
    let body = error.raw_response().and_then(|answer| answer.body().bytes()).unwrap_or_default();
    memchr::memmem::find(body, b"NoSuchBucket").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_a_bucket_a_prefix_and_options() {
        let place: BucketPlace = "s3://b/p/q/,endpoint=http://h:1,region=eu-west-1".parse().unwrap();
        let aws = AwsSettings { endpoint: Some("http://h:1".to_owned()), region: Some("eu-west-1".to_owned()) };
        assert_eq!(place, BucketPlace { bucket: "b".to_owned(), prefix: "p/q".to_owned(), aws });
        assert_eq!(place.to_string(), "s3://b/p/q");
        for text in ["s3://b", "s3://b/", "s3:///p", "/tmp/x", "s3://b/p,x=1"] {
            assert!(text.parse::<BucketPlace>().is_err(), "{text}");
        }
    }
}
