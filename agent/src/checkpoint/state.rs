//! The checkpoint of one flow, as it stands on disk.
//!
//! ```json
//! {"version": 1, "flow": "kinesis:s:/var/log/access.log", "files": [
//!   {"path": "access.log", "device": 2049, "inode": 1311, "rotated": false, "offset": 5120,
//!    "fingerprint": {"length": 1024, "hash": "9e107d9d372bb6826bd81d3542a419d6"}}]}
//! ```
//!
//! It lists every file of the flow that exists or still has unsent lines. A file that is not in it is new and is
//! read from its start; so the checkpoint of a flow is written when the flow first starts, before anything is sent.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::record::Fingerprint;

/// The only version there is.
pub(crate) const VERSION: u32 = 1;

/// All that a flow must remember.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FlowState {
    /// Format of the rest.
    pub(crate) version: u32,
    /// The flow's id, so that a file put in the wrong place is noticed.
    pub(crate) flow: String,
    /// In the order they became known.
    pub(crate) files: Vec<FileState>,
    /// When it was saved, as the file system says; not part of the text.
    #[serde(skip)]
    pub(crate) saved_at: Option<SystemTime>,
}

/// One known file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileState {
    /// Name below the flow's base directory when it was last seen; absolute in a directory for rotated files.
    pub(crate) path: String,
    /// `st_dev`.
    pub(crate) device: u64,
    /// `st_ino`.
    pub(crate) inode: u64,
    /// Its first bytes.
    pub(crate) fingerprint: Fingerprint,
    /// Everything before it was accepted by the destination.
    pub(crate) offset: u64,
    /// Whether it was moved away from its live name.
    pub(crate) rotated: bool,
    /// Set when the file is gone and was sent to its end: since when, in seconds since the Unix epoch. Kept for
    /// `checkpointTimeToLiveDays`, so that a file which returns is not sent again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) gone: Option<u64>,
}
