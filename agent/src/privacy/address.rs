//! Hides the part of an address that names a person's connection.
//!
//! Levels: GoAccess' `--anonymize-level`. Bits hidden of IPv4: 8, 16, 24; of IPv6: 64, 80, 96.

use std::{
    borrow::Cow,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use super::NOTHING;

/// How much of an address is hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MaskLevel {
    /// 1.2.3.0, and the first 64 bits of IPv6.
    Default,
    /// 1.2.0.0, and the first 48 bits.
    Strong,
    /// 1.0.0.0, and the first 32 bits.
    Pedantic,
}

impl MaskLevel {
    /// 1, 2 or 3.
    pub(crate) fn of(level: i64) -> Option<Self> {
        match level {
            1 => Some(Self::Default),
            2 => Some(Self::Strong),
            3 => Some(Self::Pedantic),
            _ => None,
        }
    }

    fn apply(self, address: IpAddr) -> IpAddr {
        let (hidden_4, hidden_6) = match self {
            Self::Default => (8, 64),
            Self::Strong => (16, 80),
            Self::Pedantic => (24, 96),
        };
        let mask_4 = |address: Ipv4Addr| Ipv4Addr::from_bits(address.to_bits() & (u32::MAX << hidden_4));
        match address {
            IpAddr::V4(address) => mask_4(address).into(),
            // An IPv4 client of a socket for both: its bits are the last ones.
            IpAddr::V6(address) => match address.to_ipv4_mapped() {
                Some(mapped) => mask_4(mapped).to_ipv6_mapped().into(),
                None => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << hidden_6)).into(),
            },
        }
    }
}

/// A value that should be an address, or a list of them as proxies write it, with each masked. Ports and zones go: a
/// port tells the clients of one address apart. What is no address, such as a host name, cannot be masked and becomes
/// `-`.
pub(super) fn mask(value: &str, level: MaskLevel) -> String {
    if value.is_empty() {
        return String::new();
    }
    let one = |part: &str| parse(part.trim()).map_or(NOTHING.to_owned(), |address| level.apply(address).to_string());
    value.split(',').map(one).collect::<Vec<_>>().join(", ")
}

/// An address in its one spelling, so that equal clients have equal hashes; any other text as it is.
pub(super) fn canonical(value: &str) -> Cow<'_, str> {
    parse(value).map_or(Cow::Borrowed(value), |address| Cow::Owned(address.to_string()))
}

/// Free text with every address in it replaced.
pub(super) fn replace_all(text: &str, replacement: impl Fn(&str) -> String) -> String {
    let is_part = |character: char| character.is_ascii_alphanumeric() || ".:%[]_-".contains(character);
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while !rest.is_empty() {
        let length = rest.find(|character| !is_part(character)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(length);
        if parse(word.trim_end_matches(['.', ':'])).is_some() {
            out.push_str(&replacement(word.trim_end_matches(['.', ':'])));
        } else {
            out.push_str(word);
        }
        let skipped = after.find(is_part).unwrap_or(after.len());
        out.push_str(&after[..skipped]);
        rest = &after[skipped..];
    }
    out
}

/// An address with or without brackets, port and zone.
fn parse(text: &str) -> Option<IpAddr> {
    let without_zone = |text: &str| text.split_once('%').map_or(text, |(address, _)| address).parse().ok();
    if let Some(inside) = text.strip_prefix('[') {
        return without_zone(inside.split_once(']')?.0).filter(IpAddr::is_ipv6);
    }
    let with_port = || text.rsplit_once(':').filter(|(address, _)| !address.contains(':'))?.0.parse().ok();
    without_zone(text).or_else(with_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(value: &str) -> [String; 3] {
        [MaskLevel::Default, MaskLevel::Strong, MaskLevel::Pedantic].map(|level| mask(value, level))
    }

    #[test]
    fn the_levels_hide_what_goaccess_hides() {
        assert_eq!(masked("192.168.20.100"), ["192.168.20.0", "192.168.0.0", "192.0.0.0"]);
        assert_eq!(masked("2001:db8:85a3:1:2:8a2e:370:7334"), ["2001:db8:85a3:1::", "2001:db8:85a3::", "2001:db8::"]);
    }

    #[test]
    fn every_spelling_of_an_address_is_masked() {
        for value in ["1.2.3.4", "1.2.3.4:5678"] {
            assert_eq!(mask(value, MaskLevel::Default), "1.2.3.0");
        }
        assert_eq!(mask("::ffff:1.2.3.4", MaskLevel::Default), "::ffff:1.2.3.0");
        for value in ["fe80::1", "fe80::1%eth0", "[fe80::1]:80", "[fe80::1]"] {
            assert_eq!(mask(value, MaskLevel::Default), "fe80::", "{value}");
        }
    }

    #[test]
    fn each_address_of_a_list_is_masked_and_what_is_none_is_hidden() {
        assert_eq!(mask("1.2.3.4, 5.6.7.8,unknown", MaskLevel::Default), "1.2.3.0, 5.6.7.0, -");
        assert_eq!(mask("dialin-77.example.net", MaskLevel::Default), "-");
        assert_eq!((mask("-", MaskLevel::Default), mask("", MaskLevel::Default)), ("-".to_owned(), String::new()));
    }

    #[test]
    fn addresses_in_free_text_are_found() {
        let replaced = replace_all(" \"1.2.3.4\" [::1]:80 v1.2.3 12:30:45 (2001:db8::5). x", |_| "?".to_owned());
        assert_eq!(replaced, " \"?\" ? v1.2.3 12:30:45 (?). x");
    }
}
