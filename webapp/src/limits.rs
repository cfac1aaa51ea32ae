//! How often one client may do what costs us something.
//!
//! Invariant: bounded memory. Clients are forgotten once their allowance is full again; when there are too many at the
//! same time, those that are new share one allowance.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    num::NonZeroU32,
    time::Duration,
};

use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};

use crate::{client::Client, settings::LimitSettings};

/// Clients remembered at the same time, about 100 bytes each.
const MAX_CLIENTS: usize = 100_000;

/// The clients of an overflow.
const EVERYONE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// The limits of a site.
pub(crate) struct Limits {
    pub(crate) sign_ins: Limit,
    pub(crate) uploads: Limit,
    pub(crate) requests: Limit,
}

/// One allowance for each client; none limits nobody.
pub(crate) struct Limit(Option<DefaultKeyedRateLimiter<IpAddr>>);

impl Limits {
    pub(crate) fn new(settings: &LimitSettings) -> Self {
        Self {
            sign_ins: Limit::new(settings.sign_ins_per_minute, Quota::per_minute),
            uploads: Limit::new(settings.uploads_per_minute, Quota::per_minute),
            requests: Limit::new(settings.requests_per_second, Quota::per_second),
        }
    }
}

impl Limit {
    fn new(count: u32, per: fn(NonZeroU32) -> Quota) -> Self {
        Self(NonZeroU32::new(count).map(|count| RateLimiter::keyed(per(count))))
    }

    /// Takes one from the client's allowance.
    ///
    /// # Errors
    /// When it is used up; the time until the next one, at least a second and in whole ones.
    pub(crate) fn check(&self, client: Client) -> Result<(), Duration> {
        let Some(limiter) = &self.0 else { return Ok(()) };
        if limiter.len() >= MAX_CLIENTS {
            limiter.retain_recent();
        }
        let key = if limiter.len() >= MAX_CLIENTS { EVERYONE } else { key(client.0) };
        limiter.check_key(&key).map_err(|until| {
            let wait = until.wait_time_from(DefaultClock::default().now());
            Duration::from_secs(wait.as_secs() + 1)
        })
    }
}

/// One subscriber of IPv6 has a whole /64, and could be a new client with every request.
fn key(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(address: &str) -> Client {
        Client(address.parse().unwrap())
    }

    #[test]
    fn each_client_has_an_allowance_of_its_own() {
        let limit = Limit::new(2, Quota::per_minute);
        assert!(limit.check(client("192.0.2.1")).is_ok());
        assert!(limit.check(client("192.0.2.1")).is_ok());
        let wait = limit.check(client("192.0.2.1")).unwrap_err();
        assert!(wait >= Duration::from_secs(1) && wait <= Duration::from_secs(31), "{wait:?}");
        assert!(limit.check(client("192.0.2.2")).is_ok());
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one_client() {
        let limit = Limit::new(1, Quota::per_minute);
        assert!(limit.check(client("2001:db8::1")).is_ok());
        assert!(limit.check(client("2001:db8::2")).is_err());
        assert!(limit.check(client("2001:db8:0:1::2")).is_ok());
    }

    #[test]
    fn zero_limits_nobody() {
        let limit = Limit::new(0, Quota::per_minute);
        assert!((0..1000).all(|_| limit.check(client("192.0.2.1")).is_ok()));
    }
}
