//! A component's process, seen from the outside.

use std::{
    env,
    ffi::OsString,
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    path::PathBuf,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    process::{ChildStdin, Command},
    time::{interval, timeout},
};

use crate::{component::Name, folders::Folders};

/// How long a component may take to start. The database of the photo site is created on the first one.
const START: Duration = Duration::from_secs(60);
/// How long it may take to stop; the agent drains and analytics writes its last windows.
const STOP: Duration = Duration::from_secs(30);
/// Lines of a dead component's log that the error shows.
const TAIL_LINES: usize = 12;

/// A running component.
#[derive(Debug)]
pub(crate) struct Child {
    name: Name,
    process: tokio::process::Child,
    /// Open as long as this process lives, which is how the component knows. Not left in `process`: waiting would
    /// close it, and the component would take that for a second request to stop.
    _stdin: Option<ChildStdin>,
    log: PathBuf,
    /// Where this run begins in the log, which earlier runs share.
    log_start: u64,
}

impl Child {
    /// Starts this program again as a component, in its own process group: Ctrl-C reaches only the parent, which
    /// stops the components in order.
    ///
    /// # Errors
    /// When the process or its log cannot be created.
    pub(crate) fn start(name: Name, arguments: &[OsString], folders: &Folders) -> Result<Self> {
        let log = folders.log(name.as_str());
        let file =
            File::options().create(true).append(true).open(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let log_start = file.metadata().with_context(|| format!("cannot read {}", log.display()))?.len();
        let program = env::current_exe().context("cannot find this program's own file")?;
        let mut process = Command::new(program)
            .args(["component", name.as_str()])
            .args(arguments)
            .env("AWS_ACCESS_KEY_ID", "local")
            .env("AWS_SECRET_ACCESS_KEY", "local")
            .env("AWS_REGION", "us-east-1")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env_remove("AWS_PROFILE")
            .env_remove("AWS_SESSION_TOKEN")
            .stdin(Stdio::piped())
            .stdout(file.try_clone().context("cannot share the log file")?)
            .stderr(file)
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", name.as_str()))?;
        Ok(Self { name, _stdin: process.stdin.take(), process, log, log_start })
    }

    /// Which component this is.
    pub(crate) fn name(&self) -> Name {
        self.name
    }

    /// Waits until it says where it listens, and gives the URL.
    ///
    /// # Errors
    /// When it ends first, or takes too long.
    pub(crate) async fn url(&mut self) -> Result<String> {
        let line = self.line_with("listening on http").await?;
        let url = line.split_whitespace().find(|word| word.starts_with("http://")).context("a line without a URL")?;
        Ok(url.to_owned())
    }

    /// Waits for a line that contains `text`.
    ///
    /// # Errors
    /// When it ends first, or takes too long.
    pub(crate) async fn line_with(&mut self, text: &str) -> Result<String> {
        let mut ticks = interval(Duration::from_millis(20));
        let found = timeout(START, async {
            loop {
                ticks.tick().await;
                if let Some(line) = self.log_lines().iter().find(|line| line.contains(text)) {
                    return Ok(line.clone());
                }
                self.check()?;
            }
        });
        let found = found.await;
        found.unwrap_or_else(|_| bail!("{} did not become ready within {START:?}{}", self.name.as_str(), self.tail()))
    }

    /// Checks that it still runs.
    ///
    /// # Errors
    /// When it has ended; the message has its status and the last lines of its log.
    pub(crate) fn check(&mut self) -> Result<()> {
        let ended = self.process.try_wait().with_context(|| format!("cannot see whether {} runs", self.name.as_str()))?;
        match ended {
            None => Ok(()),
            Some(status) => bail!("{} ended with {}{}", self.name.as_str(), describe(status), self.tail()),
        }
    }

    /// Asks it to stop and waits; ends it by force when it does not.
    ///
    /// # Errors
    /// When it had to be forced, or ended with an error.
    pub(crate) async fn stop(&mut self) -> Result<()> {
        let Some(id) = self.process.id().and_then(|id| Pid::from_raw(id.cast_signed())) else { return Ok(()) };
        kill_process(id, Signal::TERM).with_context(|| format!("cannot stop {}", self.name.as_str()))?;
        let Ok(status) = timeout(STOP, self.process.wait()).await else {
            self.process.kill().await.with_context(|| format!("cannot end {}", self.name.as_str()))?;
            bail!("{} did not stop within {STOP:?} and was ended by force{}", self.name.as_str(), self.tail());
        };
        let status = status.with_context(|| format!("cannot wait for {}", self.name.as_str()))?;
        if status.success() { Ok(()) } else { bail!("{} stopped with {}{}", self.name.as_str(), describe(status), self.tail()) }
    }

    /// What it printed since it was started. Bytes that are not UTF-8 are replaced.
    pub(crate) fn log_lines(&self) -> Vec<String> {
        let read = || -> std::io::Result<Vec<u8>> {
            let mut file = fs::File::open(&self.log)?;
            file.seek(SeekFrom::Start(self.log_start))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).map(|_| bytes)
        };
        let bytes = read().unwrap_or_default();
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1); // the rest is still being written
        let text = String::from_utf8_lossy(&bytes[..whole]).into_owned();
        text.lines().map(str::to_owned).collect()
    }

    fn tail(&self) -> String {
        let lines = self.log_lines();
        let last = &lines[lines.len().saturating_sub(TAIL_LINES)..];
        if last.is_empty() {
            return format!("; it wrote nothing to its log {}", self.log.display());
        }
        format!("; the last lines of its log {}:\n  {}", self.log.display(), last.join("\n  "))
    }
}

/// `exit status: 1` or `signal: 9 (SIGKILL)`, as the standard library words it.
fn describe(status: ExitStatus) -> String {
    status.to_string()
}
