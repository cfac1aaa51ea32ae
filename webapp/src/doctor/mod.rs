//! `webapp doctor`: looks for what is wrong, and says why and what to do next, in plain words.
//!
//! | module | what it looks at |
//! |---|---|
//! | `files` | the data folder: can it be written, is there room |
//! | `reader` | the access log: may the agent's user read it; rights of the file and of every folder above; pure |
//! | `database` | the database: login, TLS, tables, time of a query |
//! | `memories` | memcached and Redis: login, TLS, time of a question |
//! | `bucket` | S3: credentials, time of a question, rights to put, read and remove |
//! | `network` | a server: does its name resolve, does its port answer, how fast |
//!
//! Changes nothing, except that it makes and removes a file in the data folder, and a small object in the bucket, to see that
//! this works.

mod bucket;
mod database;
mod files;
mod memories;
mod network;
mod reader;

use std::{
    fmt::{self, Display, Formatter},
    path::PathBuf,
};

use anyhow::{Context, anyhow};
use clap::Args;
use config::exit::Failure;
use serde::Serialize;

use crate::{
    cli,
    settings::{Overrides, Settings, SignInMode},
};

/// Flags of `doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorOptions {
    /// Settings file; without one, everything has its default
    #[arg(long, env = "WEBAPP_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    overrides: Overrides,
    /// The user who ships the access log
    #[arg(long, value_name = "USER", default_value = "aws-kinesis-agent-user")]
    reader: String,
    /// One JSON object for each finding
    #[arg(long)]
    json: bool,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Grade {
    /// As it should be.
    Good,
    /// Works, and somebody should know.
    Warning,
    /// The site or the agent cannot do its work.
    Bad,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
pub(crate) struct Finding {
    pub(crate) grade: Grade,
    /// What was looked at.
    pub(crate) what: String,
    /// What was found.
    pub(crate) found: String,
    /// What to do; empty if nothing.
    pub(crate) next: String,
}

impl Finding {
    pub(crate) fn good(what: impl Into<String>, found: impl Into<String>) -> Self {
        Self { grade: Grade::Good, what: what.into(), found: found.into(), next: String::new() }
    }

    pub(crate) fn warning(what: impl Into<String>, found: impl Into<String>, next: impl Into<String>) -> Self {
        Self { grade: Grade::Warning, what: what.into(), found: found.into(), next: next.into() }
    }

    pub(crate) fn bad(what: impl Into<String>, found: impl Into<String>, next: impl Into<String>) -> Self {
        Self { grade: Grade::Bad, what: what.into(), found: found.into(), next: next.into() }
    }
}

impl Display for Finding {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let mark = match self.grade {
            Grade::Good => "ok  ",
            Grade::Warning => "warn",
            Grade::Bad => "BAD ",
        };
        write!(formatter, "{mark}  {}: {}", self.what, self.found)?;
        if self.next.is_empty() { Ok(()) } else { write!(formatter, "\n      next: {}", self.next) }
    }
}

/// Looks at everything and prints what it finds.
///
/// # Errors
/// When something is bad.
pub(crate) fn doctor(options: &DoctorOptions) -> Result<(), Failure> {
    let settings = cli::load(options.config.clone(), options.overrides.clone())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start the runtime")?;
    let findings = runtime.block_on(examine(&settings, &options.reader));
    for finding in &findings {
        let line = if options.json { serde_json::to_string(finding).context("cannot write JSON")? } else { finding.to_string() };
        cli::say(&line)?;
    }
    let bad = findings.iter().filter(|finding| finding.grade == Grade::Bad).count();
    if bad == 0 { Ok(()) } else { Err(anyhow!("{bad} of {} checks are bad; see above for what to do", findings.len()).into()) }
}

async fn examine(settings: &Settings, reader: &str) -> Vec<Finding> {
    let mut findings = vec![Finding::good("settings", "every value is in its range")];
    findings.push(files::data_folder(&settings.data_dir));
    findings.push(reader::access_log(&settings.access_log_file, reader));
    findings.push(network::own_port(settings.listen).await);
    findings.push(sign_in(settings));
    findings.extend(database::database(settings).await);
    findings.extend(memories::memcached(&settings.memcached).await);
    findings.extend(memories::redis(&settings.redis).await);
    findings.extend(bucket::bucket(&settings.s3).await);
    findings
}

fn sign_in(settings: &Settings) -> Finding {
    let is_public = !settings.listen.ip().is_loopback();
    match (settings.accounts.mode, settings.sessions.secure_cookie) {
        (SignInMode::Demo, _) if is_public => Finding::warning(
            "sign-in",
            "demo mode: whoever reaches the site can use any name",
            "set [accounts] mode = \"accounts\", or keep strangers away",
        ),
        (SignInMode::Accounts, false) => Finding::warning(
            "sign-in",
            "accounts, but the cookie is not marked Secure",
            "set [sessions] secure_cookie = true when people reach the site over https",
        ),
        (SignInMode::Demo, _) => Finding::good("sign-in", "demo mode, on loopback only"),
        (SignInMode::Accounts, true) => Finding::good("sign-in", "accounts, over https"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(folder: &std::path::Path) -> Settings {
        let overrides = Overrides { data_dir: Some(folder.to_owned()), ..Overrides::default() };
        let mut settings = Settings::load(None, overrides).unwrap();
        settings.listen.set_port(0);
        settings
    }

    #[tokio::test]
    async fn a_folder_that_works_is_good_and_nothing_stays_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let found = files::data_folder(folder.path());
        assert_eq!(found.grade, Grade::Good, "{found}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_demo_beyond_loopback_is_a_warning_with_a_next_step() {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = settings(folder.path());
        assert_eq!(sign_in(&settings).grade, Grade::Good);
        settings.listen.set_ip([0, 0, 0, 0].into());
        let found = sign_in(&settings).to_string();
        assert!(found.starts_with("warn") && found.contains("next: set [accounts]"), "{found}");
    }

    #[tokio::test]
    async fn what_is_no_folder_is_bad() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let found = examine(&settings(&file), "nobody").await;
        let bad = found.iter().find(|finding| finding.what == "data folder").unwrap();
        assert_eq!(bad.grade, Grade::Bad, "{bad}");
        assert!(bad.found.contains("file"), "{bad}");
    }
}
