//! What this host knows about itself, and how it is reached: past any proxy.
//!
//! The metadata service is on the host's own link. A proxy that is set for everything else must not see these requests:
//! it would answer with its own host's identity, and it would read our credentials. The same holds for endpoints on this
//! machine, which a proxy cannot reach.

use std::sync::LazyLock;

use aws_config::{
    environment::EnvironmentVariableRegionProvider, imds, imds::region::ImdsRegionProvider, meta::region::RegionProviderChain,
    profile::ProfileFileRegionProvider, provider_config::ProviderConfig,
};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use config::aws::behavior_version;

use super::http;

/// An HTTP client that knows no proxy. One for the whole process.
pub(super) fn http_client() -> SharedHttpClient {
    static CLIENT: LazyLock<SharedHttpClient> = LazyLock::new(|| http::client(&ProxyConfig::disabled()));
    CLIENT.clone()
}

/// For providers that ask the host's own link.
pub(super) fn provider_config() -> ProviderConfig {
    ProviderConfig::without_region().with_behavior_version(Some(behavior_version())).with_http_client(http_client())
}

/// A client of the metadata service, version 2.
pub(crate) fn metadata_client() -> imds::Client {
    imds::Client::builder().configure(&provider_config()).build()
}

/// The region of the environment (`AWS_REGION`, `AWS_DEFAULT_REGION`), of the profile, of the instance.
pub(super) async fn host_region() -> Option<String> {
    let instance = ImdsRegionProvider::builder().configure(&provider_config()).imds_client(metadata_client());
    let chain = RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new())
        .or_else(ProfileFileRegionProvider::new())
        .or_else(instance.build());
    chain.region().await.map(|region| region.to_string())
}
