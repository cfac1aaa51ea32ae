//! Pictures and assets: files that never change under their address.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use tracing::error;

use super::not_found;
use crate::{site::Site, storage::PictureKey};

/// A year, the longest that is customary.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

pub(super) const STYLE: Asset = Asset::new("style.css", "text/css; charset=utf-8", include_bytes!("../../assets/style.css"));
pub(super) const SCRIPT: Asset =
    Asset::new("upload.js", "text/javascript; charset=utf-8", include_bytes!("../../assets/upload.js"));
pub(super) const ICON: Asset = Asset::new("icon.svg", "image/svg+xml", include_bytes!("../../assets/icon.svg"));

/// A file that is part of the program.
pub(super) struct Asset {
    name: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
    fingerprint: u64,
}

impl Asset {
    const fn new(name: &'static str, content_type: &'static str, bytes: &'static [u8]) -> Self {
        Self { name, content_type, bytes, fingerprint: fingerprint(bytes) }
    }

    /// Its address. It changes with the content, so browsers may keep it for ever.
    pub(super) fn url(&self) -> String {
        format!("/web-demo/assets/{}?v={:016x}", self.name, self.fingerprint)
    }
}

/// FNV-1a, which is short enough to run while compiling.
const fn fingerprint(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut index = 0;
    while index < bytes.len() {
        hash = (hash ^ bytes[index] as u64).wrapping_mul(0x0000_0100_0000_01b3);
        index += 1;
    }
    hash
}

pub(super) async fn asset(Path(name): Path<String>) -> Response {
    match [STYLE, SCRIPT, ICON].into_iter().find(|asset| asset.name == name) {
        Some(asset) => {
            ([(header::CONTENT_TYPE, asset.content_type), (header::CACHE_CONTROL, FOR_EVER)], asset.bytes).into_response()
        }
        None => not_found().await,
    }
}

pub(super) async fn picture(State(site): State<Arc<Site>>, Path(name): Path<String>, headers: HeaderMap) -> Response {
    let Some(key) = PictureKey::parse(&name) else { return not_found().await };
    let stored = match site.storage.read(key).await {
        Ok(Some(stored)) => stored,
        Ok(None) => return not_found().await,
        Err(error) => {
            error!(%key, error = error.chain(), "cannot read a picture");
            return (StatusCode::SERVICE_UNAVAILABLE, "the picture cannot be read at the moment\n").into_response();
        }
    };
    let tag = format!("\"{key}\"");
    let is_known = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    // Never anything but a picture, whatever its bytes are.
    let fixed = [
        (header::CONTENT_TYPE, key.content_type()),
        (header::CACHE_CONTROL, FOR_EVER),
        (header::CONTENT_DISPOSITION, "inline"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"),
    ];
    if is_known {
        return (StatusCode::NOT_MODIFIED, fixed, [(header::ETAG, tag)]).into_response();
    }
    (fixed, [(header::ETAG, tag), (header::CONTENT_LENGTH, stored.length.to_string())], stored.body).into_response()
}
