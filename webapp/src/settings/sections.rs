//! The sections about the site itself: connections, access log, page, uploads, demo.

use std::{path::PathBuf, time::Duration};

use serde::Deserialize;

use crate::{
    access_log::{ExtraKey, Format},
    client::Network,
};

/// Connections.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ServerSettings {
    /// Connections open at the same time; further ones wait to be accepted.
    pub(crate) max_connections: usize,
    /// Longest time a client may take to send a request's head, and to be idle between two requests.
    #[serde(with = "humantime_serde")]
    pub(crate) head_timeout: Duration,
    /// Longest pause within a request's body.
    #[serde(with = "humantime_serde")]
    pub(crate) body_timeout: Duration,
    /// How long open requests may take to finish after the stop signal.
    #[serde(with = "humantime_serde")]
    pub(crate) grace: Duration,
    /// After the stop signal, how long `/readyz` says no while requests are still taken, so that a balancer looks away.
    #[serde(with = "humantime_serde")]
    pub(crate) drain: Duration,
    /// The server's name on the page and in the access log; its address if empty.
    pub(crate) node: String,
    /// Networks of the proxies whose `X-Forwarded-For` is believed.
    pub(crate) trusted_proxies: Vec<Network>,
    /// Names the site is known by, without port; others are refused. Without any, every name is taken.
    pub(crate) hosts: Vec<String>,
}

/// The access log.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AccessLogSettings {
    /// The file; `access.log` in the data folder if not given.
    pub(super) file: Option<PathBuf>,
    /// Lines that may wait for the disk. When they are full, further lines are lost and counted.
    pub(crate) queue_lines: usize,
    /// How lines are written.
    pub(crate) format: Format,
    /// Keys after the ten, in this order; only for the formats `json` and `apache`.
    pub(crate) extra_keys: Vec<ExtraKey>,
}

/// The page.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PageSettings {
    /// How many of the newest pictures it shows.
    pub(crate) pictures: u32,
}

/// Uploads.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct UploadSettings {
    /// Largest upload, all its files together.
    pub(crate) max_mib: u64,
    /// Largest picture, in millions of pixels: decoding takes 3 to 8 bytes of memory for each.
    pub(crate) max_megapixels: u32,
    /// Uploads received at the same time; further ones wait.
    pub(crate) receivers: usize,
    /// Pictures decoded at the same time; further ones wait.
    pub(crate) decoders: usize,
    /// Photos one person may have. 0: no limit.
    pub(crate) max_photos_per_owner: u32,
    /// Bytes one person's photos may have, in MiB. 0: no limit.
    pub(crate) max_mib_per_owner: u64,
    /// How long a deleted photo can be brought back.
    #[serde(with = "humantime_serde")]
    pub(crate) undo: Duration,
}

/// Things that make a first look nicer.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct DemoSettings {
    /// Put ten drawn pictures into an empty database.
    pub(crate) pictures: bool,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            max_connections: 1024,
            head_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(30),
            grace: Duration::from_secs(10),
            drain: Duration::ZERO,
            node: String::new(),
            trusted_proxies: Vec::new(),
            hosts: Vec::new(),
        }
    }
}

impl Default for AccessLogSettings {
    fn default() -> Self {
        Self { file: None, queue_lines: 65_536, format: Format::Json, extra_keys: Vec::new() }
    }
}

impl Default for PageSettings {
    fn default() -> Self {
        Self { pictures: 10 }
    }
}

impl Default for UploadSettings {
    fn default() -> Self {
        Self {
            max_mib: 32,
            max_megapixels: 64,
            receivers: 32,
            decoders: 2,
            max_photos_per_owner: 1000,
            max_mib_per_owner: 4096,
            undo: Duration::from_secs(10 * 60),
        }
    }
}

impl Default for DemoSettings {
    fn default() -> Self {
        Self { pictures: true }
    }
}

impl UploadSettings {
    /// Largest upload in bytes.
    pub(crate) fn max_bytes(&self) -> u64 {
        self.max_mib * 1024 * 1024
    }

    /// Largest picture in pixels.
    pub(crate) fn max_pixels(&self) -> u64 {
        u64::from(self.max_megapixels) * 1_000_000
    }
}
