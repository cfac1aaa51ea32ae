//! Asks the configured bucket alone, without a site around it: where it is, and what is wrong with it.

use std::{error::Error, time::Duration};

use config::aws::{endpoint_url, host_of};
use tokio::time::timeout;

pub(crate) use super::s3::Step;
use super::{
    S3Settings,
    s3::{S3, S3Error},
};
use crate::random::RandomId;

/// What the object says that is put to see whether that works, should somebody find it.
const TRIAL: &[u8] = b"`webapp doctor` put this here to see whether it may. It can be removed.\n";

/// The bucket of the settings.
pub(crate) struct Bucket {
    s3: S3,
    name: String,
    endpoint: Option<String>,
    path_style: bool,
}

/// What is wrong with a bucket.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BucketProblem {
    /// Requests cannot be signed.
    #[error("there are no credentials")]
    NoCredentials,
    /// It is there, or not, and is none of our business.
    #[error("access is denied")]
    Denied,
    /// There is none of this name.
    #[error("there is no such bucket")]
    Missing,
    /// It is somewhere else.
    #[error("it is in another region")]
    OtherRegion,
    /// It takes connections, and that is all.
    #[error("no answer within {0:?}")]
    Silent(Duration),
    /// Anything else.
    #[error(transparent)]
    Other(Box<dyn Error + Send + Sync>),
}

impl Bucket {
    /// The bucket of the settings, if there is one. Nothing is asked yet.
    pub(crate) async fn of(settings: &S3Settings) -> Option<Self> {
        let name = settings.bucket.clone()?;
        let s3 = S3::open(settings, &name).await;
        let endpoint = settings.endpoint.as_deref().map(endpoint_url);
        Some(Self { s3, name, endpoint, path_style: settings.path_style })
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Host and port that requests go to; none if not even the region is known.
    pub(crate) fn address(&self) -> Option<(String, u16)> {
        let Some(endpoint) = &self.endpoint else {
            let host = format!("s3.{}.amazonaws.com", self.s3.region()?);
            return Some((if self.path_style { host } else { format!("{}.{host}", self.name) }, 443));
        };
        let host = host_of(endpoint);
        let behind_host = endpoint.split_once(host).map_or("", |(_, rest)| rest.trim_start_matches(']'));
        let port = behind_host.strip_prefix(':').and_then(|port| port.split('/').next()?.parse().ok());
        Some((host.to_owned(), port.unwrap_or(if endpoint.starts_with("http://") { 80 } else { 443 })))
    }

    /// Whether it may be used, within a limit.
    ///
    /// # Errors
    /// What is wrong.
    pub(crate) async fn ask(&self, limit: Duration) -> Result<(), BucketProblem> {
        match timeout(limit, self.s3.head()).await {
            Ok(answer) => answer.map_err(BucketProblem::from),
            Err(_) => Err(BucketProblem::Silent(limit)),
        }
    }

    /// The name of an object to try the bucket with: beside the pictures, whose rights count, and never one of them.
    pub(crate) fn trial_name(&self) -> String {
        self.s3.name_of(&format!("webapp-doctor-{}.txt", RandomId::new()))
    }

    /// Whether a small object can be put, read and removed, within a limit.
    ///
    /// # Errors
    /// What does not work, and why. None as the step: there was no answer in time.
    pub(crate) async fn try_object(&self, name: &str, limit: Duration) -> Result<(), (Option<Step>, BucketProblem)> {
        match timeout(limit, self.s3.try_object(name, TRIAL)).await {
            Ok(tried) => tried.map_err(|(step, error)| (Some(step), error.into())),
            Err(_) => Err((None, BucketProblem::Silent(limit))),
        }
    }
}

impl From<S3Error> for BucketProblem {
    fn from(error: S3Error) -> Self {
        match error.status {
            Some(400 | 401 | 403) => Self::Denied,
            Some(404) => Self::Missing,
            Some(301 | 307) => Self::OtherRegion,
            None if error.to_string().to_lowercase().contains("credentials") => Self::NoCredentials,
            _ => Self::Other(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_address_is_the_one_that_requests_go_to() {
        let address = async |endpoint: Option<&str>, path_style| {
            let settings = S3Settings {
                bucket: Some("photos".to_owned()),
                region: Some("eu-west-1".to_owned()),
                endpoint: endpoint.map(str::to_owned),
                path_style,
                ..S3Settings::default()
            };
            Bucket::of(&settings).await.unwrap().address().unwrap()
        };
        assert_eq!(address(None, false).await, ("photos.s3.eu-west-1.amazonaws.com".to_owned(), 443));
        assert_eq!(address(None, true).await, ("s3.eu-west-1.amazonaws.com".to_owned(), 443));
        assert_eq!(address(Some("http://127.0.0.1:9000/"), true).await, ("127.0.0.1".to_owned(), 9000));
        assert_eq!(address(Some("http://[::1]:9000"), true).await, ("::1".to_owned(), 9000));
        assert_eq!(address(Some("https://s3.example"), true).await, ("s3.example".to_owned(), 443));
    }
}
