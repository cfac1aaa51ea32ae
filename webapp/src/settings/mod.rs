//! Settings: as typed in `webapp.toml` and on the command line, and as meant.
//!
//! Flags beat environment (both arrive as [`Overrides`]), they beat the file, the file beats the defaults. The only way
//! to a [`Settings`] is [`Settings::load`], which checks every value and reports all problems together.

mod sections;
mod visitors;

use std::{
    fmt::{Debug, Display},
    fs,
    net::SocketAddr,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, de::DeserializeOwned};
use toml::Table;

pub(crate) use self::{
    sections::{AccessLogSettings, DemoSettings, PageSettings, ServerSettings, UploadSettings},
    visitors::{AccountSettings, AdminSettings, LatencySettings, LimitSettings, SignInMode},
};
use crate::{
    access_log::Style,
    newest::{CacheSettings, CacheStore},
    records::DatabaseSettings,
    remote::{
        secret::Secret,
        settings::{MemcachedSettings, RedisSettings},
    },
    sessions::{SessionSettings, SessionStore},
    storage::{Kind, S3Settings, StorageSettings},
};

/// For the message about a key that is in none of them.
const SECTIONS: &str = "server, access_log, page, upload, database, sessions, cache, memcached, redis, storage, s3, demo, accounts, limits, admin, latency";

/// Everything the site needs to know; every value is in its allowed range.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Settings {
    /// Where to listen. Port 0 takes a free one.
    pub(crate) listen: SocketAddr,
    /// Folder for the database, pictures, and files being received.
    pub(crate) data_dir: PathBuf,
    /// The access log's file.
    pub(crate) access_log_file: PathBuf,
    pub(crate) server: ServerSettings,
    pub(crate) access_log: AccessLogSettings,
    pub(crate) page: PageSettings,
    pub(crate) upload: UploadSettings,
    pub(crate) database: DatabaseSettings,
    pub(crate) sessions: SessionSettings,
    pub(crate) cache: CacheSettings,
    pub(crate) memcached: MemcachedSettings,
    pub(crate) redis: RedisSettings,
    pub(crate) storage: StorageSettings,
    pub(crate) s3: S3Settings,
    pub(crate) demo: DemoSettings,
    pub(crate) accounts: AccountSettings,
    pub(crate) limits: LimitSettings,
    pub(crate) admin: AdminSettings,
    pub(crate) latency: LatencySettings,
}

/// What flags and environment variables say; they beat the file.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Overrides {
    /// Address to listen on; port 0 takes any free port [default: 127.0.0.1:8080]
    #[arg(long, env = "WEBAPP_LISTEN", value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,
    /// Folder for the database and the pictures [default: webapp-data]
    #[arg(long, env = "WEBAPP_DATA_DIR", value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// File of the access log [default: access.log in the data folder]
    #[arg(long, env = "WEBAPP_ACCESS_LOG", value_name = "FILE")]
    pub(crate) access_log: Option<PathBuf>,
    /// Database: mysql://USER@HOST/DATABASE or sqlite:FILE [default: webapp.sqlite in the data folder]
    #[arg(long, env = "WEBAPP_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub(crate) database_url: Option<Secret>,
    /// Where logins are kept [default: local]
    #[arg(long, env = "WEBAPP_SESSIONS", value_name = "STORE")]
    pub(crate) sessions: Option<SessionStore>,
    /// Where the front page's rows are cached [default: none]
    #[arg(long, env = "WEBAPP_CACHE", value_name = "STORE")]
    pub(crate) cache: Option<CacheStore>,
    /// Nodes of memcached: HOST:PORT,HOST:PORT
    #[arg(long, env = "WEBAPP_MEMCACHED", value_name = "SERVERS", value_delimiter = ',')]
    pub(crate) memcached: Option<Vec<String>>,
    /// Redis, or nodes of a Redis Cluster: redis://HOST:PORT,...
    #[arg(long, env = "WEBAPP_REDIS", value_name = "URLS", value_delimiter = ',', hide_env_values = true)]
    pub(crate) redis: Option<Vec<Secret>>,
    /// Where new pictures go [default: folder]
    #[arg(long, env = "WEBAPP_STORAGE", value_name = "KIND")]
    pub(crate) storage: Option<Kind>,
    /// The bucket for --storage s3
    #[arg(long, env = "WEBAPP_S3_BUCKET", value_name = "NAME")]
    pub(crate) s3_bucket: Option<String>,
    // Not for the command line, where other users of the machine can read it: the variable is what it is for.
    #[arg(long, env = "WEBAPP_DATABASE_PASSWORD", hide = true, hide_env_values = true)]
    pub(crate) database_password: Option<Secret>,
    #[arg(long, env = "WEBAPP_REDIS_PASSWORD", hide = true, hide_env_values = true)]
    pub(crate) redis_password: Option<Secret>,
    #[arg(long, env = "WEBAPP_SESSION_KEY", hide = true, hide_env_values = true)]
    pub(crate) session_key: Option<Secret>,
    /// Loopback address for metrics and the latency knob; port 0 takes any free port [default: none]
    #[arg(long, env = "WEBAPP_ADMIN_LISTEN", value_name = "ADDRESS")]
    pub(crate) admin_listen: Option<SocketAddr>,
}

/// The keys outside any section.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Top {
    listen: SocketAddr,
    data_dir: PathBuf,
}

impl Default for Top {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 8080)), data_dir: PathBuf::from("webapp-data") }
    }
}

/// What is wrong with the settings, each problem one sentence with its key, its value and what is allowed.
#[derive(Debug)]
pub(crate) struct Problems(pub(crate) Vec<String>);

impl Settings {
    /// Settings from a file, or the defaults without one, with flags and environment on top.
    ///
    /// # Errors
    /// Every problem found, not only the first.
    pub(crate) fn load(file: Option<&Path>, overrides: Overrides) -> Result<Self, Problems> {
        let text = match file {
            None => String::new(),
            Some(path) => fs::read_to_string(path).map_err(|error| {
                Problems(vec![format!(
                    "cannot read settings file {}: {error}; check --config and the file's permissions",
                    path.display()
                )])
            })?,
        };
        Self::parse(&text, overrides)
    }

    fn parse(text: &str, overrides: Overrides) -> Result<Self, Problems> {
        let mut table: Table = text.parse().map_err(|error: toml::de::Error| Problems(vec![error.to_string()]))?;
        let mut problems = Problems(Vec::new());
        let server: ServerSettings = problems.section(&mut table, "server");
        let access_log: AccessLogSettings = problems.section(&mut table, "access_log");
        let page: PageSettings = problems.section(&mut table, "page");
        let upload: UploadSettings = problems.section(&mut table, "upload");
        let mut database: DatabaseSettings = problems.section(&mut table, "database");
        let mut sessions: SessionSettings = problems.section(&mut table, "sessions");
        let mut cache: CacheSettings = problems.section(&mut table, "cache");
        let mut memcached: MemcachedSettings = problems.section(&mut table, "memcached");
        let mut redis: RedisSettings = problems.section(&mut table, "redis");
        let mut storage: StorageSettings = problems.section(&mut table, "storage");
        let mut s3: S3Settings = problems.section(&mut table, "s3");
        let demo: DemoSettings = problems.section(&mut table, "demo");
        let accounts: AccountSettings = problems.section(&mut table, "accounts");
        let limits: LimitSettings = problems.section(&mut table, "limits");
        let mut admin: AdminSettings = problems.section(&mut table, "admin");
        let latency: LatencySettings = problems.section(&mut table, "latency");
        let top: Top = problems.top(table);

        database.url = overrides.database_url.or(database.url);
        database.password = overrides.database_password.or(database.password);
        sessions.key = overrides.session_key.or(sessions.key);
        sessions.store = overrides.sessions.unwrap_or(sessions.store);
        cache.store = overrides.cache.unwrap_or(cache.store);
        memcached.servers = overrides.memcached.unwrap_or(memcached.servers);
        redis.urls = overrides.redis.unwrap_or(redis.urls);
        storage.kind = overrides.storage.unwrap_or(storage.kind);
        s3.bucket = overrides.s3_bucket.or(s3.bucket);
        redis.password = overrides.redis_password.or(redis.password);
        let data_dir = overrides.data_dir.unwrap_or(top.data_dir);
        admin.listen = overrides.admin_listen.or(admin.listen);
        let settings = Self {
            listen: overrides.listen.unwrap_or(top.listen),
            access_log_file: overrides.access_log.or(access_log.file.clone()).unwrap_or_else(|| data_dir.join("access.log")),
            data_dir,
            server,
            access_log,
            page,
            upload,
            database,
            sessions,
            cache,
            memcached,
            redis,
            storage,
            s3,
            demo,
            accounts,
            limits,
            admin,
            latency,
        };
        settings.check(&mut problems);
        if problems.0.is_empty() { Ok(settings) } else { Err(problems) }
    }

    fn check(&self, problems: &mut Problems) {
        const SECOND: Duration = Duration::from_secs(1);
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        if self.data_dir.as_os_str().is_empty() {
            problems.0.push("data_dir is empty; give a folder that may be written to".to_owned());
        }
        problems.range("server.max_connections", self.server.max_connections, 1..=65_536);
        problems.range("server.head_timeout", self.server.head_timeout, SECOND..=DAY);
        problems.range("server.body_timeout", self.server.body_timeout, SECOND..=DAY);
        problems.range("server.grace", self.server.grace, Duration::ZERO..=DAY);
        problems.range("server.drain", self.server.drain, Duration::ZERO..=DAY);
        problems.range("access_log.queue_lines", self.access_log.queue_lines, 1..=1_048_576);
        problems.range("page.pictures", self.page.pictures, 1..=500);
        problems.range("upload.max_mib", self.upload.max_mib, 1..=1024);
        problems.range("upload.max_megapixels", self.upload.max_megapixels, 1..=1000);
        problems.range("upload.receivers", self.upload.receivers, 1..=1024);
        problems.range("upload.decoders", self.upload.decoders, 1..=256);
        self.database.check(problems);
        self.sessions.check(problems);
        problems.range("upload.undo", self.upload.undo, Duration::ZERO..=365 * DAY);
        self.accounts.check(problems);
        self.limits.check(problems);
        self.admin.check(problems);
        self.latency.check(problems);
        self.cache.check(problems);
        self.memcached.check(problems);
        self.redis.check(problems);
        self.storage.check(&self.s3, problems);
        self.s3.check(problems);
        let (sessions, cache) = (self.sessions.store, self.cache.store);
        if self.memcached.servers.is_empty() && (sessions == SessionStore::Memcached || cache == CacheStore::Memcached) {
            problems.0.push(
                "memcached.servers is empty; give HOST:PORT of every node, because sessions or cache are to be kept there"
                    .to_owned(),
            );
        }
        if self.redis.urls.is_empty() && (sessions == SessionStore::Redis || cache == CacheStore::Redis) {
            problems
                .0
                .push("redis.urls is empty; give redis://HOST:PORT, because sessions or cache are to be kept there".to_owned());
        }
    }

    /// How the access log is written.
    pub(crate) fn log_style(&self) -> Style {
        Style {
            format: self.access_log.format,
            extra_keys: self.access_log.extra_keys.clone(),
            node: self.server.node.clone(),
            trusted_proxies: self.server.trusted_proxies.clone(),
        }
    }
}

impl Problems {
    /// Takes a section out of the file. A missing one is all defaults, and so is a wrong one after it was reported.
    fn section<T: DeserializeOwned + Default>(&mut self, table: &mut Table, name: &str) -> T {
        let Some(section) = table.remove(name) else { return T::default() };
        section.try_into().unwrap_or_else(|error: toml::de::Error| {
            self.0.push(format!("[{name}] {}", error.message()));
            T::default()
        })
    }

    fn top(&mut self, rest: Table) -> Top {
        rest.try_into().unwrap_or_else(|error: toml::de::Error| {
            self.0.push(format!("{}; sections are {SECTIONS}", error.message()));
            Top::default()
        })
    }

    /// Reports a value outside of its range.
    pub(crate) fn range<T: PartialOrd + Debug>(&mut self, key: &str, value: T, allowed: RangeInclusive<T>) {
        if !allowed.contains(&value) {
            self.0.push(format!("{key} is {value:?}; allowed: {:?} to {:?}", allowed.start(), allowed.end()));
        }
    }
}

impl Display for Problems {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.as_slice() {
            [only] => formatter.write_str(only),
            several => {
                write!(formatter, "{} problems in the settings", several.len())?;
                several.iter().try_for_each(|problem| write!(formatter, "\n  {problem}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defaults() -> Settings {
        Settings::parse("", Overrides::default()).unwrap()
    }

    #[test]
    fn the_shipped_file_says_the_defaults() {
        let shipped = Settings::parse(include_str!("../../../config/webapp.toml"), Overrides::default()).unwrap();
        assert_eq!(shipped, defaults());
    }

    #[test]
    fn all_problems_are_reported_together() {
        let text = "colour = 1\n[upload]\nmax_mib = 0\n[page]\npicture = 3\n[server]\ngrace = \"soon\"";
        let problems = Settings::parse(text, Overrides::default()).unwrap_err().to_string();
        assert!(problems.contains("upload.max_mib is 0; allowed: 1 to 1024"), "{problems}");
        assert!(problems.contains("[page] unknown field `picture`, expected `pictures`"), "{problems}");
        assert!(problems.contains("[server] "), "{problems}");
        assert!(problems.contains("unknown field `colour`"), "{problems}");
        assert!(problems.starts_with("4 problems"), "{problems}");
    }

    #[test]
    fn flags_beat_the_file() {
        let overrides = Overrides { data_dir: Some("flag".into()), ..Overrides::default() };
        let settings = Settings::parse("data_dir = \"file\"\nlisten = \"127.0.0.1:1\"", overrides).unwrap();
        assert_eq!(settings.data_dir, Path::new("flag"));
        assert_eq!(settings.access_log_file, Path::new("flag/access.log"));
        assert_eq!(settings.listen.port(), 1);
    }

    #[test]
    fn a_missing_file_is_named() {
        let problems = Settings::load(Some(Path::new("/none/webapp.toml")), Overrides::default()).unwrap_err();
        assert!(problems.to_string().contains("/none/webapp.toml"), "{problems}");
    }
}
