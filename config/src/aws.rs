//! How a service reaches AWS, or something on this machine that speaks its protocol.

use aws_config::{BehaviorVersion, Region, SdkConfig};

/// The SDK's defaults this code was written for. Pinned: a newer version changes retries and time-outs under us.
pub fn behavior_version() -> BehaviorVersion {
    BehaviorVersion::v2026_01_12()
}

/// Where requests go and what they are signed for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AwsSettings {
    /// A URL, or a bare host name as the Java agent's `kinesis.endpoint` has it. Empty: AWS's own for the region.
    pub endpoint: Option<String>,
    /// Region to sign for. None: environment, profile, instance metadata; then guessed from the endpoint's name.
    pub region: Option<String>,
}

/// Loads the SDK's settings: credentials from the default chain, the endpoint and region as given.
pub async fn load(settings: &AwsSettings) -> SdkConfig {
    let mut loader = aws_config::defaults(behavior_version());
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

/// The host name of an endpoint, without user, port and path.
pub fn host_of(endpoint: &str) -> &str {
    let rest = endpoint.split_once("://").map_or(endpoint, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    match host.strip_prefix('[') {
        Some(ipv6) => ipv6.split(']').next().unwrap_or(ipv6),
        None => host.split(':').next().unwrap_or(host),
    }
}

/// Whether an endpoint is on this machine or its link, where no proxy can help.
pub fn is_nearby(endpoint: &str) -> bool {
    let host = host_of(endpoint);
    let is_near = |address: std::net::IpAddr| match address {
        std::net::IpAddr::V4(v4) => v4.is_loopback() || v4.is_link_local(),
        std::net::IpAddr::V6(v6) => v6.is_loopback() || v6.is_unicast_link_local(),
    };
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(is_near)
}

/// The region in a host name such as `kinesis.us-east-1.amazonaws.com`; none in other names.
///
/// In the name of a VPC endpoint it stands before `vpce`, which the Java agent took for the region. A loopback endpoint
/// signs for us-east-1: emulators accept any region, but the SDK needs one.
pub fn region_of(endpoint: &str) -> Option<String> {
    const SUFFIXES: [&str; 5] = [".amazonaws.com", ".amazonaws.com.cn", ".api.aws", ".amazonaws.eu", ".amazonwebservices.com.cn"];
    let host = host_of(endpoint).to_ascii_lowercase();
    if is_nearby(endpoint) {
        return Some("us-east-1".to_owned());
    }
    if !SUFFIXES.iter().any(|suffix| host.ends_with(suffix)) {
        return None;
    }
    host.split('.').rev().find(|label| is_region(label)).map(str::to_owned)
}

/// Whether a text has the form of a region's name, such as `us-gov-west-1`.
pub fn is_region(label: &str) -> bool {
    let parts: Vec<&str> = label.split('-').collect();
    let is_word = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    match parts.split_last() {
        Some((last, words)) if words.len() >= 2 => {
            words.iter().all(is_word) && !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit())
        }
        _ => false,
    }
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
        assert_eq!(region_of("https://kinesis-fips.us-gov-west-1.amazonaws.com").as_deref(), Some("us-gov-west-1"));
        assert_eq!(region_of("firehose.eu-central-1.api.aws:443").as_deref(), Some("eu-central-1"));
        assert_eq!(region_of("http://127.0.0.1:4567").as_deref(), Some("us-east-1"));
        assert_eq!(region_of("proxy.example.com"), None);
    }

    #[test]
    fn the_region_of_a_vpc_endpoint_is_not_vpce() {
        assert_eq!(region_of("https://vpce-0a-b.kinesis.eu-west-3.vpce.amazonaws.com/").as_deref(), Some("eu-west-3"));
        let zonal = "vpce-0123abcd-x1y2-us-east-1a.firehose.us-east-1.vpce.amazonaws.com";
        assert_eq!(region_of(zonal).as_deref(), Some("us-east-1"));
    }

    #[test]
    fn what_is_nearby_needs_no_proxy() {
        for near in ["http://127.0.0.1:4567", "https://localhost", "http://169.254.169.254/", "http://[::1]:80", "LOCALHOST:1"] {
            assert!(is_nearby(near), "{near}");
        }
        for far in ["kinesis.us-east-1.amazonaws.com", "http://10.0.0.1", "http://127.0.0.1.example.com", "http://a@10.0.0.1"] {
            assert!(!is_nearby(far), "{far}");
        }
    }
}
