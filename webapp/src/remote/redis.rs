//! A Redis server, or a Redis Cluster, as a memory for small values.
//!
//! One connection carries everything. After a failure it is made anew, from the addresses in the settings; in a cluster
//! that also fetches the new map of masters. (A node that names no host in CLUSTER SLOTS means itself; the library knows.)

use std::{fs, time::Duration};

use anyhow::{Context, Result};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, FromRedisValue, IntoConnectionInfo, RedisError,
    ServerErrorKind, TlsCertificates,
    aio::MultiplexedConnection,
    cluster::{ClusterClient, ClusterConfig},
    cluster_async::ClusterConnection,
};
use tokio::sync::Mutex;

use super::{Guard, Outage, StoreError, settings::RedisSettings};

/// A server or a cluster.
pub(crate) struct Redis {
    way: Way,
    guard: Guard,
    timeout: Duration,
    /// None before the first question and after a failure.
    connection: Mutex<Option<Connection>>,
}

enum Way {
    Server(Box<Client>),
    Cluster(Box<ClusterClient>),
}

#[derive(Clone)]
enum Connection {
    Server(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Redis {
    /// Nothing is asked yet.
    ///
    /// # Errors
    /// When the certificates cannot be read.
    pub(crate) fn new(settings: &RedisSettings) -> Result<Self> {
        let shown: Vec<String> = settings.urls.iter().map(super::secret::Secret::without_password).collect();
        let what = format!("{} {}", if settings.cluster { "the Redis cluster" } else { "Redis" }, shown.join(", "));
        let nodes = settings.urls.iter().map(|url| node(url.expose(), settings)).collect::<Result<Vec<_>>>()?;
        let certificates = settings.tls_ca.as_ref().map(|file| {
            let pem = fs::read(file).with_context(|| format!("cannot read redis.tls_ca {}", file.display()))?;
            Ok::<_, anyhow::Error>(TlsCertificates { client_tls: None, root_cert: Some(pem) })
        });
        let certificates = certificates.transpose()?;
        let way = if settings.cluster {
            let mut builder = ClusterClient::builder(nodes).retries(2).min_retry_wait(10).max_retry_wait(50);
            if let Some(certificates) = certificates {
                builder = builder.certs(certificates);
            }
            Way::Cluster(Box::new(builder.build().context("cannot use redis.urls")?))
        } else {
            let node = nodes.into_iter().next().context("redis.urls is empty")?;
            Way::Server(Box::new(match certificates {
                Some(certificates) => Client::build_with_tls(node, certificates).context("cannot use redis.tls_ca")?,
                None => Client::open(node).context("cannot use redis.urls")?,
            }))
        };
        Ok(Self { way, guard: Guard::new(what, settings.timeout), timeout: settings.timeout, connection: Mutex::new(None) })
    }

    /// Values of several keys; in a cluster, keys of one slot.
    ///
    /// # Errors
    /// When Redis does not answer in time; so do all of these.
    pub(crate) async fn get(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        self.ask(redis::cmd("MGET").arg(keys)).await
    }

    /// Keeps a value.
    pub(crate) async fn set(&self, key: &str, value: &[u8], ttl: Duration) -> Result<(), StoreError> {
        self.ask(redis::cmd("SET").arg(key).arg(value).arg("EX").arg(ttl.as_secs().max(1))).await
    }

    /// Removes a value.
    pub(crate) async fn remove(&self, key: &str) -> Result<(), StoreError> {
        self.ask(redis::cmd("DEL").arg(key)).await
    }

    /// Whether it is there.
    pub(crate) async fn ping(&self) -> Result<(), StoreError> {
        self.ask(redis::cmd("GET").arg("weir-ping")).await
    }

    /// How it is called in messages.
    pub(crate) fn what(&self) -> &str {
        self.guard.what()
    }

    async fn ask<T: FromRedisValue>(&self, question: &Cmd) -> Result<T, StoreError> {
        let answer = self
            .guard
            .call(async {
                match self.connection().await? {
                    Connection::Server(mut connection) => question.query_async(&mut connection).await,
                    Connection::Cluster(mut connection) => question.query_async(&mut connection).await,
                }
            })
            .await;
        if matches!(answer, Err(StoreError::Unreachable { .. } | StoreError::TimedOut { .. })) {
            *self.connection.lock().await = None;
        }
        answer
    }

    async fn connection(&self) -> Result<Connection, RedisError> {
        let mut connection = self.connection.lock().await;
        if let Some(connection) = connection.as_ref() {
            return Ok(connection.clone());
        }
        let made = match &self.way {
            Way::Server(client) => {
                let config = AsyncConnectionConfig::new()
                    .set_connection_timeout(Some(self.timeout))
                    .set_response_timeout(Some(self.timeout));
                Connection::Server(client.get_multiplexed_async_connection_with_config(&config).await?)
            }
            Way::Cluster(client) => {
                let config = ClusterConfig::new().set_connection_timeout(self.timeout).set_response_timeout(self.timeout);
                Connection::Cluster(client.get_async_connection_with_config(config).await?)
            }
        };
        Ok(connection.insert(made).clone())
    }
}

/// Host and port of every server in the settings.
pub(crate) fn addresses(settings: &RedisSettings) -> Vec<(String, u16)> {
    let address = |url: &super::secret::Secret| match url.expose().into_connection_info().ok()?.addr() {
        ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => Some((host.clone(), *port)),
        _ => None,
    };
    settings.urls.iter().filter_map(address).collect()
}

fn node(url: &str, settings: &RedisSettings) -> Result<ConnectionInfo> {
    let info = url.into_connection_info().context("cannot use redis.urls")?;
    let mut login = info.redis_settings().clone();
    if let Some(username) = &settings.username {
        login = login.set_username(username);
    }
    if let Some(password) = &settings.password {
        login = login.set_password(password.expose());
    }
    Ok(info.set_redis_settings(login))
}

impl Outage for RedisError {
    fn is_outage(&self) -> bool {
        use ServerErrorKind::{BusyLoading, ClusterDown, MasterDown, ReadOnly};
        use redis::ErrorKind::{ClusterConnectionNotFound, Io, Server};
        matches!(self.kind(), Io | ClusterConnectionNotFound | Server(BusyLoading | ClusterDown | MasterDown | ReadOnly))
    }
}
