//! `[database]`: which database holds the rows, and how long it may take.

use std::{
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use serde::Deserialize;
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};

use crate::{remote::secret::Secret, settings::Problems};

/// The database of records and accounts.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct DatabaseSettings {
    /// `mysql://user@host:port/database` (MySQL, MariaDB) or `sqlite:FILE`; `webapp.sqlite` in the data folder if not given.
    pub(crate) url: Option<Secret>,
    /// The user's password, instead of one in the URL.
    pub(crate) password: Option<Secret>,
    /// Connections to MySQL at the same time; further queries wait, within their time limit.
    pub(crate) max_connections: u32,
    /// Longest time to get a connection.
    #[serde(with = "humantime_serde")]
    pub(crate) connect_timeout: Duration,
    /// Longest time for a query, with waiting for its connection.
    #[serde(with = "humantime_serde")]
    pub(crate) timeout: Duration,
    /// TLS to MySQL.
    pub(crate) tls: Tls,
    /// File of the authorities that may have signed the server's certificate (PEM); those of the web if not given.
    pub(crate) tls_ca: Option<PathBuf>,
}

/// How much of TLS is demanded, in MySQL's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Tls {
    /// Never.
    Disabled,
    /// If the server offers it, whoever it is.
    Preferred,
    /// Always, whoever the server is.
    Required,
    /// Always, with a certificate that an authority signed.
    VerifyCa,
    /// Always, with a certificate for this very host.
    VerifyIdentity,
}

/// Where the rows are.
pub(crate) enum Target {
    /// In a file.
    Sqlite(PathBuf),
    /// On a server.
    MySql(Box<MySqlConnectOptions>),
}

impl Default for DatabaseSettings {
    fn default() -> Self {
        Self {
            url: None,
            password: None,
            max_connections: 8,
            connect_timeout: Duration::from_secs(1),
            timeout: Duration::from_secs(2),
            tls: Tls::Preferred,
            tls_ca: None,
        }
    }
}

impl DatabaseSettings {
    /// Reports what is out of range.
    pub(crate) fn check(&self, problems: &mut Problems) {
        const MOMENT: Duration = Duration::from_millis(10);
        const MINUTE: Duration = Duration::from_secs(60);
        problems.range("database.max_connections", self.max_connections, 1..=1000);
        problems.range("database.connect_timeout", self.connect_timeout, MOMENT..=MINUTE);
        problems.range("database.timeout", self.timeout, MOMENT..=MINUTE);
        if let Some(file) = &self.tls_ca
            && !file.is_file()
        {
            problems.0.push(format!("database.tls_ca is {}; no such file: give a PEM file of certificates", file.display()));
        }
        if let Err(problem) = self.target(Path::new("")) {
            problems.0.push(problem);
        }
    }

    /// What the URL means.
    ///
    /// # Errors
    /// A sentence with key, value and what is allowed.
    pub(crate) fn target(&self, data_dir: &Path) -> Result<Target, String> {
        let Some(url) = &self.url else { return Ok(Target::Sqlite(data_dir.join("webapp.sqlite"))) };
        let shown = url.without_password();
        let allowed = "allowed: mysql://USER@HOST[:PORT]/DATABASE or sqlite:FILE";
        match url.expose().split_once(':') {
            Some(("sqlite", file)) if !file.trim_start_matches("//").is_empty() => {
                Ok(Target::Sqlite(PathBuf::from(file.trim_start_matches("//"))))
            }
            Some(("mysql" | "mariadb", _)) => {
                self.mysql(url.expose()).map_err(|why| format!("database.url is {shown}: {why}; {allowed}"))
            }
            _ => Err(format!("database.url is {shown}; {allowed}")),
        }
    }

    fn mysql(&self, url: &str) -> Result<Target, String> {
        let mut options = MySqlConnectOptions::from_str(url).map_err(|error| error.to_string())?;
        if options.get_database().is_none_or(str::is_empty) {
            return Err("it names no database".to_owned());
        }
        if let Some(password) = &self.password {
            options = options.password(password.expose());
        }
        if !url.contains("ssl-mode=") {
            options = options.ssl_mode(self.tls.into());
        }
        if let Some(file) = &self.tls_ca {
            options = options.ssl_ca(file);
        }
        Ok(Target::MySql(Box::new(options.charset("utf8mb4"))))
    }
}

impl From<Tls> for MySqlSslMode {
    fn from(tls: Tls) -> Self {
        match tls {
            Tls::Disabled => Self::Disabled,
            Tls::Preferred => Self::Preferred,
            Tls::Required => Self::Required,
            Tls::VerifyCa => Self::VerifyCa,
            Tls::VerifyIdentity => Self::VerifyIdentity,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Result<Target, String> {
        let settings = DatabaseSettings { url: Some(url.parse().unwrap()), ..DatabaseSettings::default() };
        settings.target(Path::new("data"))
    }

    #[test]
    fn a_url_says_which_engine() {
        assert!(matches!(target("sqlite:/srv/a.sqlite"), Ok(Target::Sqlite(file)) if file == Path::new("/srv/a.sqlite")));
        assert!(matches!(target("sqlite://a.sqlite"), Ok(Target::Sqlite(file)) if file == Path::new("a.sqlite")));
        let Ok(Target::MySql(options)) = target("mysql://web@db.test/web_demo") else { panic!("not MySQL") };
        assert_eq!((options.get_host(), options.get_port(), options.get_database()), ("db.test", 3306, Some("web_demo")));
        let nothing = DatabaseSettings::default().target(Path::new("data"));
        assert!(matches!(nothing, Ok(Target::Sqlite(file)) if file == Path::new("data/webapp.sqlite")));
    }

    #[test]
    fn a_wrong_url_is_reported_without_its_password() {
        for url in ["postgres://web:geheim@db/web", "mysql://web:geheim@db", "web:geheim", "sqlite:"] {
            let problem = target(url).err().unwrap();
            assert!(problem.contains("database.url is ") && problem.contains("allowed: mysql://"), "{problem}");
            assert!(!problem.contains("geheim"), "{problem}");
        }
    }
}
