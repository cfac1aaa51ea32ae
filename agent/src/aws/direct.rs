//! What this host knows about itself: the metadata service of EC2, and the region it is in.
//!
//! The metadata service is on the host's own link. A proxy that is set for everything else must not see these requests:
//! it would answer with its own host's identity, and it would read our credentials.

use aws_config::{
    environment::EnvironmentVariableRegionProvider, imds, imds::region::ImdsRegionProvider, meta::region::RegionProviderChain,
    profile::ProfileFileRegionProvider, provider_config::ProviderConfig,
};
use config::aws::behavior_version_without_proxy;

/// For providers that ask the host's own link.
pub(super) fn provider_config() -> ProviderConfig {
    ProviderConfig::without_region().with_behavior_version(Some(behavior_version_without_proxy()))
}

/// A client of the metadata service, version 2.
pub(crate) fn metadata_client() -> imds::Client {
    imds::Client::builder().configure(&provider_config()).build()
}

/// The region of the environment (`AWS_REGION`, `AWS_DEFAULT_REGION`), of the profile, of the instance.
pub(super) async fn host_region() -> Option<String> {
    let instance = ImdsRegionProvider::builder().configure(&provider_config()).imds_client(metadata_client()).build();
    let chain = RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new())
        .or_else(ProfileFileRegionProvider::new())
        .or_else(instance);
    chain.region().await.map(|region| region.to_string())
}
