//! What this host knows about itself, and how it is reached: past any proxy.
//!
//! The metadata service is on the host's own link. A proxy that is set for everything else must not see these requests:
//! it would answer with its own host's identity, and it would read our credentials. The same holds for endpoints on this
//! machine, which a proxy cannot reach.

use std::sync::{Arc, OnceLock};

use aws_config::{
    Region, environment::EnvironmentVariableRegionProvider, imds, imds::region::ImdsRegionProvider,
    meta::region::RegionProviderChain, profile::ProfileFileRegionProvider, provider_config::ProviderConfig,
};
use aws_credential_types::Credentials;
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        http::SharedHttpClient,
        interceptors::{Intercept, context::BeforeSerializationInterceptorContextMut},
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::config_bag::ConfigBag;
use config::aws::{behavior_version, behavior_version_without_proxy};
use tokio::sync::OnceCell;
use tracing::subscriber::{NoSubscriber, with_default};

/// An HTTP client that knows no proxy. One for the whole process.
pub(super) async fn http_client() -> Option<SharedHttpClient> {
    static CLIENT: OnceCell<Option<SharedHttpClient>> = OnceCell::const_new();
    CLIENT.get_or_init(take_http_client).await.clone()
}

/// The SDK's HTTP client is made inside of its service clients, and only an interceptor gets to see it. So this prepares
/// a request that is never sent.
async fn take_http_client() -> Option<SharedHttpClient> {
    let taken = Arc::new(OnceLock::new());
    let config = aws_sdk_sts::Config::builder()
        .behavior_version(behavior_version_without_proxy())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("none", "none", None, None, "none"))
        .interceptor(Take(taken.clone()))
        .build();
    // The SDK warns that so old a behaviour asks for an even older HTTP client, which is not part of this program.
    let client = with_default(NoSubscriber::default(), || aws_sdk_sts::Client::from_conf(config));
    let outcome = client.get_caller_identity().send().await;
    debug_assert!(outcome.is_err(), "the interceptor ends the request");
    taken.get().cloned()
}

/// Takes the HTTP client out of a request, and ends it.
#[derive(Debug)]
struct Take(Arc<OnceLock<SharedHttpClient>>);

impl Intercept for Take {
    fn name(&self) -> &'static str {
        "Take"
    }

    fn modify_before_serialization(
        &self,
        _context: &mut BeforeSerializationInterceptorContextMut<'_>,
        components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(client) = components.http_client() {
            self.0.get_or_init(|| client);
        }
        Err("this request is not meant to be sent".into())
    }
}

/// For providers that ask the host's own link.
pub(super) async fn provider_config() -> ProviderConfig {
    let config = ProviderConfig::without_region().with_behavior_version(Some(behavior_version()));
    match http_client().await {
        Some(client) => config.with_http_client(client),
        None => config,
    }
}

/// A client of the metadata service, version 2.
pub(crate) async fn metadata_client() -> imds::Client {
    imds::Client::builder().configure(&provider_config().await).build()
}

/// The region of the environment (`AWS_REGION`, `AWS_DEFAULT_REGION`), of the profile, of the instance.
pub(super) async fn host_region() -> Option<String> {
    let instance = ImdsRegionProvider::builder().configure(&provider_config().await).imds_client(metadata_client().await);
    let chain = RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new())
        .or_else(ProfileFileRegionProvider::new())
        .or_else(instance.build());
    chain.region().await.map(|region| region.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_sdk_s_http_client_is_there_to_be_taken() {
        assert!(take_http_client().await.is_some());
    }
}
