//! memcached and Redis, step by step: name, port, TLS and login, time of a question.

use std::time::{Duration, Instant};

use super::{Finding, Grade, network};
use crate::remote::{
    StoreError,
    memcached::Memcached,
    redis::{self, Redis},
    settings::{MemcachedSettings, RedisSettings},
};

/// For a question. Longer than the site waits, so that what is slow is told from what is dead.
const LIMIT: Duration = Duration::from_secs(5);

/// Looks at every node of memcached.
pub(super) async fn memcached(settings: &MemcachedSettings) -> Vec<Finding> {
    let mut findings = Vec::new();
    for server in &settings.servers {
        let what = format!("memcached {server}");
        let Some((host, port)) = server.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?))) else {
            continue; // the settings are refused before
        };
        let reached = network::reach(&what, host.trim_matches(['[', ']']), port).await;
        let is_reached = reached.grade != Grade::Bad;
        findings.push(reached);
        if is_reached {
            let alone = MemcachedSettings { servers: vec![server.clone()], timeout: LIMIT, ..settings.clone() };
            let began = Instant::now();
            let answer = Memcached::new(&alone).ping().await.pop().map_or(Ok(()), |(_, answer)| answer);
            findings.push(match answer {
                Ok(()) => in_time(&what, "memcached.timeout", settings.timeout, began.elapsed()),
                Err(error) => Finding::bad(
                    what,
                    error.chain(),
                    "check that the port is memcached's (11211 as a rule), and the server's load",
                ),
            });
        }
    }
    findings
}

/// Looks at the Redis server, or at each node of the cluster that is named, and then at the cluster as a whole.
pub(super) async fn redis(settings: &RedisSettings) -> Vec<Finding> {
    let what = if settings.cluster { "Redis cluster" } else { "Redis" };
    let mut findings = Vec::new();
    for (host, port) in redis::addresses(settings) {
        findings.push(network::reach(&format!("Redis {host}:{port}"), &host, port).await);
    }
    if findings.iter().all(|finding| finding.grade == Grade::Bad) {
        return findings;
    }
    let patient = RedisSettings { timeout: LIMIT, ..settings.clone() };
    let began = Instant::now();
    let answer = match Redis::new(&patient) {
        Ok(redis) => redis.ping().await,
        Err(error) => {
            findings.push(Finding::bad(what, format!("{error:#}"), "correct [redis]"));
            return findings;
        }
    };
    findings.push(match answer {
        Ok(()) => in_time(what, "redis.timeout", settings.timeout, began.elapsed()),
        Err(error) => Finding::bad(what, error.chain(), redis_remedy(settings, &error)),
    });
    findings
}

/// An answer that comes later than the site waits for it is none.
fn in_time(what: &str, key: &str, limit: Duration, took: Duration) -> Finding {
    let shown = format!("connection, login and a question took {:.1} ms", took.as_secs_f64() * 1000.0);
    if took <= limit {
        return Finding::good(what, format!("{shown}, of {} ms allowed", limit.as_millis()));
    }
    let found = format!("{shown}, but {key} allows {} ms: the site goes on without it", limit.as_millis());
    Finding::warning(what, found, format!("look for load on the server and for distance to it, or raise {key}"))
}

fn redis_remedy(settings: &RedisSettings, error: &StoreError) -> &'static str {
    let text = error.chain().to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let is_tls = settings.urls.iter().any(|url| url.expose().starts_with("rediss://"));
    if has(&["noauth", "wrongpass", "authentication", "password"]) {
        "check redis.username, and the password in WEBAPP_REDIS_PASSWORD"
    } else if has(&["certificate"]) {
        "check redis.tls_ca: it must hold the authority that signed the server's certificate, which must name this host"
    } else if has(&["moved", "crossslot"]) {
        "this is a node of a cluster: set redis.cluster = true"
    } else if settings.cluster {
        "check that the nodes form a cluster (redis-cli cluster info), and that this machine reaches the addresses they tell"
    } else if is_tls {
        "check that the server speaks TLS on this port; if not, write redis:// instead of rediss://"
    } else {
        "check that the port is Redis' (6379 as a rule); if the server speaks TLS, write rediss://"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_after_the_sites_own_limit_is_a_warning() {
        let limit = Duration::from_millis(100);
        assert_eq!(in_time("Redis", "redis.timeout", limit, Duration::from_millis(3)).grade, Grade::Good);
        let late = in_time("Redis", "redis.timeout", limit, Duration::from_millis(400));
        assert!(late.grade == Grade::Warning && late.next.contains("raise redis.timeout"), "{late}");
    }
}
