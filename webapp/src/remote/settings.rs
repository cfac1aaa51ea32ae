//! `[memcached]` and `[redis]`: the shared memories, for sessions and for the cache.

use std::{path::PathBuf, time::Duration};

use redis::IntoConnectionInfo;
use serde::Deserialize;

use super::secret::Secret;
use crate::settings::Problems;

const MILLISECOND: Duration = Duration::from_millis(1);
const MINUTE: Duration = Duration::from_secs(60);

/// Nodes of memcached.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct MemcachedSettings {
    /// `host:port` of every node, in any order, the same on all nodes of the site.
    pub(crate) servers: Vec<String>,
    /// On how many nodes a session is kept: with 2, one node can die and nobody is logged out.
    pub(crate) copies: usize,
    /// Longest time for a connection, and for a question to one node.
    #[serde(with = "humantime_serde")]
    pub(crate) timeout: Duration,
}

/// A Redis server or cluster.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RedisSettings {
    /// `redis://host:port/database`, or `rediss://` with TLS. For a cluster, one or more of its nodes.
    pub(crate) urls: Vec<Secret>,
    /// The URLs are nodes of a Redis Cluster.
    pub(crate) cluster: bool,
    /// Who signs in there, if not the default user.
    pub(crate) username: Option<String>,
    /// The password, instead of one in the URLs.
    pub(crate) password: Option<Secret>,
    /// File of the authorities that may have signed the server's certificate (PEM); those of the web if not given.
    pub(crate) tls_ca: Option<PathBuf>,
    /// Longest time for a question, a new connection included.
    #[serde(with = "humantime_serde")]
    pub(crate) timeout: Duration,
}

impl Default for MemcachedSettings {
    fn default() -> Self {
        Self { servers: Vec::new(), copies: 2, timeout: Duration::from_millis(100) }
    }
}

impl Default for RedisSettings {
    fn default() -> Self {
        Self {
            urls: Vec::new(),
            cluster: false,
            username: None,
            password: None,
            tls_ca: None,
            timeout: Duration::from_millis(250),
        }
    }
}

impl MemcachedSettings {
    /// Reports what is out of range.
    pub(crate) fn check(&self, problems: &mut Problems) {
        problems.range("memcached.copies", self.copies, 1..=16);
        problems.range("memcached.timeout", self.timeout, MILLISECOND..=MINUTE);
        for server in &self.servers {
            let is_address = server
                .rsplit_once(':')
                .is_some_and(|(host, port)| !host.is_empty() && !host.contains('/') && port.parse::<u16>().is_ok());
            if !is_address {
                problems
                    .0
                    .push(format!("memcached.servers has {server:?}; allowed: HOST:PORT, such as cache1.example.com:11211"));
            }
        }
    }
}

impl RedisSettings {
    /// Reports what is out of range.
    pub(crate) fn check(&self, problems: &mut Problems) {
        problems.range("redis.timeout", self.timeout, MILLISECOND..=MINUTE);
        for url in &self.urls {
            let is_redis = url.expose().starts_with("redis://") || url.expose().starts_with("rediss://");
            if !is_redis || url.expose().into_connection_info().is_err() {
                problems.0.push(format!(
                    "redis.urls has {}; allowed: redis://HOST[:PORT][/DATABASE], or rediss:// with TLS",
                    url.without_password()
                ));
            }
        }
        if !self.cluster && self.urls.len() > 1 {
            problems.0.push(format!("redis.urls has {} entries; allowed: 1, or redis.cluster = true", self.urls.len()));
        }
        if let Some(file) = &self.tls_ca
            && !file.is_file()
        {
            problems.0.push(format!("redis.tls_ca is {}; no such file: give a PEM file of certificates", file.display()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_addresses_are_reported_with_what_is_allowed() {
        let mut problems = Problems(Vec::new());
        let servers = ["cache:11211", "cache", "cache:x", "http://cache:1"].map(str::to_owned).to_vec();
        MemcachedSettings { servers, copies: 0, ..MemcachedSettings::default() }.check(&mut problems);
        let urls = ["redis://:geheim@cache/1", "cache:6379"].map(|url| url.parse().unwrap()).to_vec();
        RedisSettings { urls, ..RedisSettings::default() }.check(&mut problems);
        let [copies, first, second, third, redis, several] = problems.0.try_into().unwrap();
        assert_eq!(copies, "memcached.copies is 0; allowed: 1 to 16");
        for (problem, server) in [(first, "\"cache\""), (second, "\"cache:x\""), (third, "\"http://cache:1\"")] {
            assert!(problem.starts_with(&format!("memcached.servers has {server}; allowed: HOST:PORT")), "{problem}");
        }
        assert!(redis.starts_with("redis.urls has (not a URL); allowed: redis://HOST"), "{redis}");
        assert!(several.starts_with("redis.urls has 2 entries; allowed: 1, or redis.cluster = true"), "{several}");
    }
}
