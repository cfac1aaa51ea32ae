//! Who is asking, behind how many proxies, and for which site.
//!
//! Pure logic over addresses and headers. `X-Forwarded-For` is believed only as far as it was written by proxies we were
//! told to trust: from the right, the first address that is no such proxy is the client, as Apache's mod_remoteip has it.

use std::{
    fmt::{self, Display, Formatter},
    net::IpAddr,
    str::FromStr,
};

use axum::http::{HeaderMap, HeaderName};
use serde::{Deserialize, Deserializer, de::Error};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The address a request is accounted to; every request carries it as an extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Client(pub(crate) IpAddr);

/// A range of addresses, such as `10.0.0.0/8`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Network {
    address: IpAddr,
    bits: u8,
}

/// A text that is no network, with what is allowed.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a network; allowed: an address, or an address and its leading bits such as 10.0.0.0/8 or fd00::/8")]
pub(crate) struct BadNetwork(String);

impl Network {
    fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (own.to_bits() ^ other.to_bits()).checked_shr(u32::from(32 - self.bits)).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                (own.to_bits() ^ other.to_bits()).checked_shr(u32::from(128 - self.bits)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = BadNetwork;

    fn from_str(text: &str) -> Result<Self, BadNetwork> {
        let bad = || BadNetwork(text.to_owned());
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.trim().parse().map_err(|_| bad())?;
        let all = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(all), |bits| bits.trim().parse().map_err(|_| bad()))?;
        if bits <= all { Ok(Self { address, bits }) } else { Err(bad()) }
    }
}

impl Display for Network {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.address, self.bits)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// Whether an address belongs to a proxy we trust.
pub(crate) fn is_trusted(address: IpAddr, trusted: &[Network]) -> bool {
    trusted.iter().any(|network| network.contains(address))
}

/// The right-most address on the way here that is no trusted proxy.
pub(crate) fn client_of(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> Client {
    let mut client = peer.to_canonical();
    let values: Vec<&str> = headers.get_all(X_FORWARDED_FOR).iter().map(|value| value.to_str().unwrap_or("?")).collect();
    for hop in values.iter().rev().flat_map(|value| value.rsplit(',')) {
        if !is_trusted(client, trusted) {
            break;
        }
        // What is no address says nothing about who stands behind it, nor does anything further to the left.
        let Ok(address) = hop.trim().parse::<IpAddr>() else { break };
        client = address.to_canonical();
    }
    Client(client)
}

/// Whether a `Host` header is well-formed: a name or an address, and perhaps a port. Everything else is somebody's trick.
pub(crate) fn is_host(host: &[u8]) -> bool {
    let Ok(host) = str::from_utf8(host) else { return false };
    let (name, rest) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) if address.parse::<std::net::Ipv6Addr>().is_ok() => (address, rest),
        Some(_) => return false,
        None => host.split_once(':').map_or((host, ""), |(name, _)| (name, &host[name.len()..])),
    };
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':'));
    let is_port = rest.is_empty() || rest.strip_prefix(':').is_some_and(|port| port.is_empty() || port.parse::<u16>().is_ok());
    !name.is_empty() && is_name && is_port
}

/// Whether a well-formed host is one of those the site was told it is known by; without any, every name is.
pub(crate) fn is_known_host(host: &str, known: &[String]) -> bool {
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _port)) => address,
        None => host.split(':').next().unwrap_or_default(),
    };
    let name = name.trim_end_matches('.');
    known.is_empty() || known.iter().any(|known| known.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn client(peer: &str, forwarded: &[&'static str]) -> String {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap(), "192.0.2.1".parse().unwrap()];
        let headers = forwarded.iter().map(|value| (X_FORWARDED_FOR, HeaderValue::from_static(value))).collect();
        client_of(peer.parse().unwrap(), &headers, &trusted).0.to_string()
    }

    #[test]
    fn the_client_is_the_right_most_hop_that_is_no_trusted_proxy() {
        assert_eq!(client("10.0.9.50", &["203.0.113.9"]), "203.0.113.9");
        assert_eq!(client("10.0.9.50", &["1.2.3.4, 203.0.113.77"]), "203.0.113.77", "the left one is whatever a client says");
        assert_eq!(client("10.0.9.50", &["203.0.113.9, 10.1.1.1,192.0.2.1"]), "203.0.113.9");
        assert_eq!(client("10.0.9.50", &["203.0.113.9", "10.1.1.1"]), "203.0.113.9", "several headers are one list");
        assert_eq!(client("::ffff:10.0.9.50", &["2001:db8::5"]), "2001:db8::5");
        assert_eq!(client("fd00::1", &["203.0.113.9"]), "203.0.113.9");
    }

    #[test]
    fn a_stranger_cannot_name_another_client() {
        assert_eq!(client("192.0.2.44", &["203.0.113.9"]), "192.0.2.44");
        assert_eq!(client("192.0.2.44", &[]), "192.0.2.44");
    }

    #[test]
    fn junk_ends_the_way_back() {
        for junk in ["unknown", "203.0.113.9:1234", "", "a, b", "not an address"] {
            assert_eq!(client("10.0.9.50", &[junk]), "10.0.9.50", "{junk}");
        }
        assert_eq!(client("10.0.9.50", &["203.0.113.9, junk, 10.0.0.2"]), "10.0.0.2");
    }

    #[test]
    fn networks_are_checked_when_read() {
        for good in ["0.0.0.0/0", "::/0", "10.0.0.1", "10.0.0.0/32", "fd00::/128"] {
            assert!(good.parse::<Network>().is_ok(), "{good}");
        }
        for bad in ["", "10.0.0.0/33", "10.0.0/8", "fd00::/129", "10.0.0.0/-1", "all"] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
        let everyone: Network = "0.0.0.0/0".parse().unwrap();
        assert!(everyone.contains("255.1.2.3".parse().unwrap()) && !everyone.contains("::1".parse().unwrap()));
    }

    #[test]
    fn a_host_is_a_name_or_an_address_with_a_port_at_most() {
        for good in ["photos.test", "PHOTOS.test.:8080", "my_host", "127.0.0.1:80", "[2001:db8::5]:80", "[::1]", "a:"] {
            assert!(is_host(good.as_bytes()), "{good}");
        }
        for bad in ["", "a\"b", "a b", "a/b", "user@host", "<script>", "a:99999", "a:b:c", "[a]", "bücher.test", ":80"] {
            assert!(!is_host(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn a_site_that_knows_its_names_knows_no_others() {
        let known = ["photos.test".to_owned(), "2001:db8::5".to_owned()];
        assert!(is_known_host("Photos.Test.:8080", &known) && is_known_host("[2001:db8::5]:80", &known));
        assert!(!is_known_host("evil.test", &known) && !is_known_host("photos.test.evil.test", &known));
        assert!(is_known_host("evil.test", &[]));
    }
}
