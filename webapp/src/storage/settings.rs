//! `[storage]` and `[s3]`: where pictures are kept, and how browsers get them.

use std::{path::PathBuf, time::Duration};

use serde::Deserialize;

use super::Kind;
use crate::settings::Problems;

/// Which storage takes new pictures, and the folder.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct StorageSettings {
    /// Where new pictures go; those that are elsewhere stay there until `webapp migrate-storage`.
    pub(crate) kind: Kind,
    /// The folder, absolute; the data folder if not given. Can be a share that is mounted on all nodes.
    pub(crate) folder: Option<PathBuf>,
    /// The folder must be a mounted share: without the mount, pictures would go to the local disk below it.
    pub(crate) folder_is_mount: bool,
    /// What stands before a file's name in addresses for browsers, such as a CDN whose origin is this site.
    pub(crate) base_url: Option<String>,
}

/// A bucket.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct S3Settings {
    /// Its name; without one there is no S3.
    pub(crate) bucket: Option<String>,
    /// In front of every key, with a slash between.
    pub(crate) prefix: String,
    /// Its region; the environment's if not given.
    pub(crate) region: Option<String>,
    /// Something else that speaks S3.
    pub(crate) endpoint: Option<String>,
    /// `endpoint/bucket/key` instead of `bucket.endpoint/key`.
    pub(crate) path_style: bool,
    /// How browsers get pictures from a private bucket.
    pub(crate) serve: Serve,
    /// How long a presigned address stays the same, so that browsers find it in their cache. It is valid for twice that.
    #[serde(with = "humantime_serde")]
    pub(crate) same_url_for: Duration,
    /// What stands before a key, such as a CDN whose origin is the bucket; then nothing is presigned.
    pub(crate) base_url: Option<String>,
    /// Longest time for a connection.
    #[serde(with = "humantime_serde")]
    pub(crate) connect_timeout: Duration,
    /// Longest time to store, find or remove a file.
    #[serde(with = "humantime_serde")]
    pub(crate) timeout: Duration,
}

/// How browsers get pictures from a private bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Serve {
    /// From the bucket itself, with a signed address.
    Presigned,
    /// Through this site.
    Proxied,
}

impl Default for StorageSettings {
    fn default() -> Self {
        Self { kind: Kind::Folder, folder: None, folder_is_mount: false, base_url: None }
    }
}

impl Default for S3Settings {
    fn default() -> Self {
        Self {
            bucket: None,
            prefix: "uploads".to_owned(),
            region: None,
            endpoint: None,
            path_style: false,
            serve: Serve::Presigned,
            same_url_for: Duration::from_secs(6 * 60 * 60),
            base_url: None,
            connect_timeout: Duration::from_secs(1),
            timeout: Duration::from_secs(10),
        }
    }
}

impl StorageSettings {
    /// Reports what is out of range.
    pub(crate) fn check(&self, s3: &S3Settings, problems: &mut Problems) {
        if let Some(folder) = &self.folder
            && !folder.is_absolute()
        {
            problems.0.push(format!("storage.folder is {}; allowed: an absolute path", folder.display()));
        }
        if self.folder_is_mount && self.folder.is_none() {
            problems
                .0
                .push("storage.folder_is_mount is true; give storage.folder, the path where the share is mounted".to_owned());
        }
        if self.kind == Kind::S3 && s3.bucket.is_none() {
            problems.0.push("storage.kind is s3, but s3.bucket is not given; give the bucket's name".to_owned());
        }
        check_url("storage.base_url", self.base_url.as_deref(), problems);
    }
}

impl S3Settings {
    /// Reports what is out of range.
    pub(crate) fn check(&self, problems: &mut Problems) {
        const MOMENT: Duration = Duration::from_millis(10);
        const MINUTE: Duration = Duration::from_secs(60);
        problems.range("s3.connect_timeout", self.connect_timeout, MOMENT..=MINUTE);
        problems.range("s3.timeout", self.timeout, MOMENT..=10 * MINUTE);
        // AWS signs for a week at most, and an address is valid for twice the time it stays the same.
        problems.range("s3.same_url_for", self.same_url_for, MINUTE..=84 * 60 * MINUTE);
        if self.bucket.as_deref().is_some_and(|name| name.is_empty() || name.contains(['/', ' '])) {
            problems
                .0
                .push(format!("s3.bucket is {:?}; allowed: the name of a bucket", self.bucket.as_deref().unwrap_or_default()));
        }
        check_url("s3.base_url", self.base_url.as_deref(), problems);
    }
}

fn check_url(key: &str, url: Option<&str>, problems: &mut Problems) {
    if let Some(url) = url
        && origin(url).is_none()
    {
        problems.0.push(format!("{key} is {url:?}; allowed: https://HOST/PATH or http://HOST/PATH"));
    }
}

/// Scheme, host and port of a URL, as a content security policy wants them.
pub(super) fn origin(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let host = rest.split(['/', '?', '#']).next()?;
    let is_host = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.:[]_".contains(&byte));
    (matches!(scheme, "http" | "https") && is_host).then(|| format!("{scheme}://{host}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_what_a_policy_takes() {
        assert_eq!(origin("https://d1.cloudfront.net/web-demo/").as_deref(), Some("https://d1.cloudfront.net"));
        assert_eq!(origin("http://127.0.0.1:5000").as_deref(), Some("http://127.0.0.1:5000"));
        for url in ["", "d1.cloudfront.net", "ftp://a/", "https://", "https://a;script-src *"] {
            assert_eq!(origin(url), None, "{url}");
        }
    }

    #[test]
    fn a_storage_that_is_half_configured_is_reported() {
        let mut problems = Problems(Vec::new());
        let s3 = S3Settings { base_url: Some("cdn".to_owned()), ..S3Settings::default() };
        let storage = StorageSettings { kind: Kind::S3, folder: Some("photos".into()), ..StorageSettings::default() };
        storage.check(&s3, &mut problems);
        s3.check(&mut problems);
        let [folder, bucket, url] = problems.0.try_into().unwrap();
        assert_eq!(folder, "storage.folder is photos; allowed: an absolute path");
        assert_eq!(bucket, "storage.kind is s3, but s3.bucket is not given; give the bucket's name");
        assert!(url.starts_with("s3.base_url is \"cdn\"; allowed: https://HOST/PATH"), "{url}");
    }
}
