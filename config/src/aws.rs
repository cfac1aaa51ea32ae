//! How a service reaches AWS, or something on this machine that speaks its protocol.

use aws_config::{BehaviorVersion, Region, SdkConfig};

/// Where requests go and what they are signed for.
#[derive(Debug, Clone, Default)]
pub struct AwsSettings {
    /// A URL, or a bare host name as the Java agent's `kinesis.endpoint` has it. Empty: AWS's own for the region.
    pub endpoint: Option<String>,
    /// Region to sign for. None: environment, profile, instance metadata; then guessed from the endpoint's name.
    pub region: Option<String>,
}

/// Loads the SDK's settings: credentials from the default chain, the endpoint and region as given.
pub async fn load(settings: &AwsSettings) -> SdkConfig {
    // Pinned: a newer behaviour version changes retries and time-outs under us.
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12());
    let endpoint = settings.endpoint.as_deref().filter(|text| !text.is_empty());
    if let Some(endpoint) = endpoint {
        loader = loader.endpoint_url(endpoint_url(endpoint));
    }
    if let Some(region) = settings.region.clone().or_else(|| endpoint.and_then(region_of)) {
        loader = loader.region(Region::new(region));
    }
    loader.load().await
}

/// A URL from what people write: a bare host gets `https://`.
pub fn endpoint_url(endpoint: &str) -> String {
    if endpoint.contains("://") { endpoint.to_owned() } else { format!("https://{endpoint}") }
}

/// The region in a host name such as `kinesis.us-east-1.amazonaws.com`; none in other names.
///
/// A loopback endpoint signs for us-east-1: emulators accept any region, but the SDK needs one.
pub fn region_of(endpoint: &str) -> Option<String> {
    let host = endpoint.split("://").last()?.split(['/', ':']).next()?;
    let mut labels = host.split('.').rev();
    if host == "localhost" || host.starts_with("127.") {
        return Some("us-east-1".to_owned());
    }
    let is_aws = host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn");
    if !is_aws {
        return None;
    }
    labels.find(|label| is_region(label)).map(str::to_owned)
}

fn is_region(label: &str) -> bool {
    let parts: Vec<&str> = label.split('-').collect();
    parts.len() >= 3 && parts.last().is_some_and(|last| !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_host_is_reached_over_https() {
        assert_eq!(endpoint_url("kinesis.us-east-1.amazonaws.com"), "https://kinesis.us-east-1.amazonaws.com");
        assert_eq!(endpoint_url("http://127.0.0.1:4567"), "http://127.0.0.1:4567");
    }

    #[test]
    fn the_region_comes_from_the_endpoint_name() {
        assert_eq!(region_of("kinesis.us-east-1.amazonaws.com").as_deref(), Some("us-east-1"));
        assert_eq!(region_of("https://vpce-0a-b.kinesis.eu-west-3.vpce.amazonaws.com/").as_deref(), Some("eu-west-3"));
        assert_eq!(region_of("http://127.0.0.1:4567").as_deref(), Some("us-east-1"));
        assert_eq!(region_of("proxy.example.com"), None);
    }
}
