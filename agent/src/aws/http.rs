//! HTTP clients, by the proxy they go through.

use aws_smithy_http_client::{
    Builder, ConnectorBuilder,
    proxy::ProxyConfig,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

use crate::settings::Proxy;

/// As the SDK makes its own client, which heeds the environment's proxy and no other.
pub(super) fn client(proxy: &ProxyConfig) -> SharedHttpClient {
    let proxy = proxy.clone();
    Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = ConnectorBuilder::default().tls_provider(Provider::Rustls(CryptoMode::AwsLc));
        connector.set_connector_settings(settings.cloned());
        if let Some(components) = components {
            connector.set_sleep_impl(components.sleep_impl());
        }
        connector.proxy_config(proxy.clone()).build()
    })
}

/// What the settings say about proxies.
///
/// # Errors
/// When the proxy's URL is not one; the settings have checked it.
pub(super) fn proxy_config(proxy: &Proxy) -> anyhow::Result<ProxyConfig> {
    Ok(match proxy {
        Proxy::None => ProxyConfig::disabled(),
        Proxy::Through { url, except: None } => ProxyConfig::all(url.reveal())?,
        Proxy::Through { url, except: Some(except) } => ProxyConfig::all(url.reveal())?.no_proxy(except),
    })
}
