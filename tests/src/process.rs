//! A child program whose output can be waited for, and that never outlives its test.

use std::{
    ffi::OsStr,
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, Command},
    sync::watch,
    task::JoinSet,
};

/// Lines of a log that an error shows.
const TAIL_LINES: usize = 25;

/// A running program. Dropped, it is killed by its process id.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    output: watch::Receiver<Vec<String>>,
    readers: JoinSet<Result<()>>,
}

/// What a program left behind.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// Its lines on stdout and stderr, mixed as they came.
    pub output: String,
}

/// A command whose AWS credentials are made up, and that cannot see those of this machine.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command
        .env("AWS_ACCESS_KEY_ID", "local")
        .env("AWS_SECRET_ACCESS_KEY", "local")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env_remove("AWS_PROFILE")
        .env_remove("AWS_SESSION_TOKEN")
        .env_remove("RUST_LOG");
    command
}

impl Process {
    /// Starts `command`; what it prints goes to `<folder>/<name>.log` and to memory. Its stdin is an open pipe.
    ///
    /// # Errors
    /// When the program or its log cannot be started.
    pub fn start(name: &str, mut command: Command, folder: &Path) -> Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let file =
            File::options().create(true).append(true).open(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let (sender, output) = watch::channel(Vec::new());
        let mut readers = JoinSet::new();
        let stdout = child.stdout.take().context("stdout is piped")?;
        let stderr = child.stderr.take().context("stderr is piped")?;
        readers.spawn(capture(stdout, sender.clone(), file.try_clone()?));
        readers.spawn(capture(stderr, sender, file));
        Ok(Self { name: name.to_owned(), child, log, output, readers })
    }

    /// The process id, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits for a line that contains `text`, from the first line on, and gives the whole line.
    ///
    /// # Errors
    /// When the deadline passes or the program ends first; the message has the last lines of its log.
    pub async fn line_with(&mut self, text: &str, deadline: Duration) -> Result<String> {
        let mut output = self.output.clone();
        let found = tokio::time::timeout(deadline, output.wait_for(|lines| find(lines, text).is_some())).await;
        match found {
            Ok(Ok(lines)) => Ok(find(&lines, text).expect("it was just found").clone()),
            Ok(Err(_)) => bail!("{} ended without printing {text:?}{}", self.name, self.tail()),
            Err(_) => bail!("{} did not print {text:?} within {deadline:?}{}", self.name, self.tail()),
        }
    }

    /// Everything printed so far.
    pub fn output(&self) -> String {
        self.output.borrow().join("\n")
    }

    /// Whether the program is still running.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Asks it to stop (SIGTERM) and waits.
    ///
    /// # Errors
    /// When it does not end within the deadline.
    pub async fn terminate(self, deadline: Duration) -> Result<Finished> {
        self.signal_and_wait(Signal::TERM, deadline).await
    }

    /// Presses Ctrl-C (SIGINT) and waits.
    ///
    /// # Errors
    /// When it does not end within the deadline.
    pub async fn interrupt(self, deadline: Duration) -> Result<Finished> {
        self.signal_and_wait(Signal::INT, deadline).await
    }

    /// Stops its clock (SIGSTOP): the kernel goes on accepting connections for it, and nobody answers.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn hang(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on (SIGCONT).
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn resume(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// Ends it at once (SIGKILL), as a crash or the kernel would, and waits.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub async fn kill(self) -> Result<Finished> {
        self.signal_and_wait(Signal::KILL, Duration::from_secs(10)).await
    }

    /// Waits for it to end by itself.
    ///
    /// # Errors
    /// When the deadline passes; the message has the last lines of its log.
    pub async fn wait(mut self, deadline: Duration) -> Result<Finished> {
        let waited = tokio::time::timeout(deadline, self.child.wait()).await;
        let status = waited.map_err(|_| anyhow!("{} still runs after {deadline:?}{}", self.name, self.tail()))??;
        while let Some(read) = self.readers.join_next().await {
            read.context("a reader panicked")??;
        }
        Ok(Finished { status, output: self.output() })
    }

    async fn signal_and_wait(self, signal: Signal, deadline: Duration) -> Result<Finished> {
        self.signal(signal)?;
        self.wait(deadline).await
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let id = self.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let id = id.with_context(|| format!("{} had already ended{}", self.name, self.tail()))?;
        kill_process(id, signal).with_context(|| format!("cannot signal {}", self.name))
    }

    fn tail(&self) -> String {
        let lines = self.output.borrow();
        let last = &lines[lines.len().saturating_sub(TAIL_LINES)..];
        format!("\nlast lines of {}:\n  {}", self.log.display(), last.join("\n  "))
    }
}

impl Finished {
    /// Checks the exit status.
    ///
    /// # Errors
    /// When it is not 0; the message has the output.
    pub fn success(self) -> Result<Self> {
        if self.status.success() { Ok(self) } else { bail!("ended with {}:\n{}", self.status, self.output) }
    }
}

fn find<'a>(lines: &'a [String], text: &str) -> Option<&'a String> {
    lines.iter().find(|line| line.contains(text))
}

async fn capture(pipe: impl AsyncRead + Unpin, lines: watch::Sender<Vec<String>>, mut file: File) -> Result<()> {
    let mut reader = BufReader::new(pipe);
    let mut bytes = Vec::new();
    while reader.read_until(b'\n', &mut bytes).await? > 0 {
        file.write_all(&bytes)?;
        let line = String::from_utf8_lossy(&bytes).trim_end_matches('\n').to_owned();
        lines.send_modify(|all| all.push(line));
        bytes.clear();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEADLINE: Duration = Duration::from_secs(10);

    fn shell(script: &str) -> Command {
        let mut shell = command("sh");
        shell.args(["-c", script]);
        shell
    }

    #[tokio::test]
    async fn a_line_is_found_on_either_output() {
        let folder = tempfile::tempdir().unwrap();
        let mut process = Process::start("both", shell("echo one; echo two >&2; read line"), folder.path()).unwrap();
        assert_eq!(process.line_with("one", DEADLINE).await.unwrap(), "one");
        assert_eq!(process.line_with("two", DEADLINE).await.unwrap(), "two");
        assert_eq!(process.terminate(DEADLINE).await.unwrap().status.code(), None);
    }

    #[tokio::test]
    async fn an_early_end_shows_the_last_lines() {
        let folder = tempfile::tempdir().unwrap();
        let mut process = Process::start("dies", shell("echo cannot bind; exit 1"), folder.path()).unwrap();
        let error = process.line_with("ready", DEADLINE).await.unwrap_err().to_string();
        assert!(error.contains("dies ended without printing \"ready\"") && error.contains("cannot bind"), "{error}");
    }
}
