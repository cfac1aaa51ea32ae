//! One agent on its own folder, and the recorder it ships to.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::{
    process::{Finished, Process, command},
    recorder::Recorder,
    wait,
};

/// For anything that should take seconds, on a machine that is busy.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// The agent's line when it has read its settings, its state, and waits for signals.
const READY: &str = "configured flow";

/// A folder with logs, settings and state; the agent on it, running or not; where it ships to.
pub(crate) struct Rig {
    folder: TempDir,
    pub(crate) recorder: Recorder,
    agent: Option<Process>,
    starts: usize,
    /// What the agent is started through, such as `setpriv`; empty for nothing.
    pub(crate) through: Vec<OsString>,
    /// Where the state is kept.
    pub(crate) state: PathBuf,
    program: PathBuf,
    environment: Vec<(String, OsString)>,
}

/// A flow of these files to `stream` with short waits.
pub(crate) fn flow(pattern: &str, stream: &str) -> Value {
    json!({
        "filePattern": pattern,
        "kinesisStream": stream,
        "initialPosition": "START_OF_FILE",
        "maxBufferAgeMillis": 50,
        "minTimeBetweenFilePollsMillis": 5,
        "maxTimeBetweenFileTrackerRefreshMillis": 100,
        "retryInitialBackoffMillis": 5,
        "retryMaxBackoffMillis": 100,
    })
}

/// `value` with other keys set.
pub(crate) fn with(mut value: Value, more: Value) -> Value {
    if let (Value::Object(value), Value::Object(more)) = (&mut value, more) {
        value.extend(more);
    }
    value
}

impl Rig {
    /// An agent that is not started, with an empty folder `logs`, and the recorder.
    pub(crate) async fn create() -> Result<Self> {
        let (folder, recorder) = (tempfile::tempdir()?, Recorder::start().await?);
        let state = folder.path().join("state");
        let program = PathBuf::from(env!("CARGO_BIN_EXE_agent"));
        let environment = Vec::new();
        let rig = Self { folder, recorder, agent: None, starts: 0, through: Vec::new(), state, program, environment };
        fs::create_dir(rig.logs())?;
        Ok(rig)
    }

    /// The same with one flow `logs/<pattern>` to the stream `s`.
    pub(crate) async fn with_flow(pattern: &str) -> Result<Self> {
        let rig = Self::create().await?;
        rig.settings(vec![flow(&rig.log(pattern).to_string_lossy(), "s")], json!({}))?;
        Ok(rig)
    }

    /// Writes agent.json.
    pub(crate) fn settings(&self, flows: Vec<Value>, more: Value) -> Result<()> {
        let base = json!({
            "cloudwatch.emitMetrics": false,
            "status.listen": "", // many run at once
            "kinesis.endpoint": self.recorder.endpoint(),
            "firehose.endpoint": self.recorder.endpoint(),
            "socketTimeoutMillis": 4_000,
            "shutdownTimeoutMillis": 30_000,
            "flows": flows,
        });
        Ok(fs::write(self.path("agent.json"), serde_json::to_vec_pretty(&with(base, more))?)?)
    }

    /// A path in the rig's folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The folder the logs are in.
    pub(crate) fn logs(&self) -> PathBuf {
        self.path("logs")
    }

    /// A file in it.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.logs().join(name)
    }

    /// Sets a variable of the agent's environment.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.environment.push((name.to_owned(), value.into()));
    }

    /// Starts the agent through other programs, from a copy that other users may execute.
    pub(crate) fn run_through(&mut self, words: &[&str]) -> Result<()> {
        self.program = self.path("agent-copy");
        fs::copy(env!("CARGO_BIN_EXE_agent"), &self.program)?;
        self.through = words.iter().map(OsString::from).collect();
        Ok(())
    }

    /// Starts another process of the agent on the same settings and state.
    pub(crate) fn spawn(&mut self) -> Result<Process> {
        self.starts += 1;
        let mut words = self.through.iter().chain([self.program.as_os_str().to_owned()].iter()).cloned().collect::<Vec<_>>();
        let mut agent = command(words.remove(0));
        agent.args(words).args(["run", "-c"]).arg(self.path("agent.json")).arg("--state-dir").arg(&self.state);
        agent.envs(self.environment.iter().cloned());
        Process::start(&format!("agent-{}", self.starts), agent, self.folder.path())
    }

    /// Starts the agent.
    pub(crate) fn start(&mut self) -> Result<()> {
        ensure!(self.agent.is_none(), "it runs already");
        self.agent = Some(self.spawn()?);
        Ok(())
    }

    /// Starts the agent and waits until it takes signals.
    pub(crate) async fn start_ready(&mut self) -> Result<()> {
        self.start()?;
        self.line_with(READY).await.map(drop)
    }

    /// Whether it was started and not ended.
    pub(crate) fn is_running(&self) -> bool {
        self.agent.is_some()
    }

    /// Waits until the running agent prints a line with `text`.
    pub(crate) async fn line_with(&mut self, text: &str) -> Result<String> {
        self.agent.as_mut().context("no agent is running")?.line_with(text, DEADLINE).await
    }

    /// What the running agent has printed.
    pub(crate) fn output(&self) -> String {
        self.agent.as_ref().map(Process::output).unwrap_or_default()
    }

    /// Waits until the running agent has printed a line that has all `parts`.
    pub(crate) async fn says(&self, parts: &[&str]) -> Result<()> {
        let agent = self.agent.as_ref().context("no agent is running")?;
        let is_said = || agent.output().lines().any(|line| parts.iter().all(|part| line.contains(part)));
        let said = wait::until("a message", DEADLINE, || async { is_said().then_some(()) }).await;
        said.with_context(|| format!("no line has all of {parts:?} in:\n{}", agent.output()))
    }

    /// Waits until every flow has a saved state: `initialPosition` has done its work then.
    pub(crate) async fn baseline(&self, flows: usize) -> Result<()> {
        let is_there = || async { (self.checkpoints().len() >= flows).then_some(()) };
        wait::until("the first checkpoint of every flow", DEADLINE, is_there).await
    }

    /// The saved states of the flows.
    pub(crate) fn checkpoints(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.state).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).filter(|path| is_checkpoint(path)).collect()
    }

    /// Stops the agent as an operator does; it must end well.
    pub(crate) async fn stop(&mut self) -> Result<Finished> {
        self.terminate().await?.success()
    }

    /// Stops the agent as an operator does, however it ends.
    pub(crate) async fn terminate(&mut self) -> Result<Finished> {
        self.line_with(READY).await?;
        let agent = self.agent.take().context("no agent is running")?;
        let finished = agent.terminate(DEADLINE).await?;
        self.recorder.sender_ended(false).await?;
        Ok(finished)
    }

    /// Ends the agent with SIGKILL.
    pub(crate) async fn kill(&mut self) -> Result<()> {
        self.agent.take().context("no agent is running")?.kill().await?;
        self.recorder.sender_ended(true).await
    }

    /// Stops the agent, starts it again and stops it: the last run must send nothing.
    pub(crate) async fn stop_for_good(&mut self) -> Result<()> {
        let again = self.stop_twice().await?;
        ensure!(again == 0, "{again} records were sent again after a clean stop");
        Ok(())
    }

    /// Stops the agent, starts it again and stops it. Gives the records the last run sent.
    pub(crate) async fn stop_twice(&mut self) -> Result<usize> {
        self.stop().await?;
        let taken = self.recorder.ledger(|ledger| ledger.received());
        self.start_ready().await?;
        self.stop().await?;
        let again = self.recorder.ledger(|ledger| ledger.received()) - taken;
        let malformed = self.recorder.malformed();
        ensure!(malformed.is_empty(), "malformed requests: {malformed:?}");
        Ok(again)
    }

    /// Stops for good and compares what the stream `s` has with `written`.
    pub(crate) async fn finish(&mut self, written: &[Vec<u8>]) -> Result<()> {
        self.recorder.until_all("s", written, DEADLINE).await.with_context(|| self.output())?;
        self.stop_for_good().await?;
        let verdict = self.recorder.ledger(|ledger| ledger.verdict("s", written, &Default::default()));
        ensure!(verdict.is_good(), "{verdict:?}");
        Ok(())
    }

    /// The end of what each run of the agent printed.
    pub(crate) fn history(&self) -> String {
        let log = |start| fs::read_to_string(self.path(&format!("agent-{start}.log"))).unwrap_or_default();
        (1..=self.starts).map(|start| format!("--- run {start}\n{}", last_lines(&log(start), 40))).collect()
    }

    /// Keeps the folder for a look at it.
    pub(crate) fn keep(mut self) -> PathBuf {
        self.folder.disable_cleanup(true);
        self.folder.path().to_owned()
    }
}

/// Appends `lines` lines to a file, creating it if need be. Their numbers go on from `written`, where they are kept.
pub(crate) fn append(path: &Path, lines: usize, written: &mut Vec<Vec<u8>>) {
    let numbers = written.len()..written.len() + lines;
    let lines: Vec<Vec<u8>> = numbers.map(|number| format!("{number:07} a line of the log\n").into_bytes()).collect();
    append_bytes(path, &lines.concat());
    written.extend(lines);
}

/// Appends to a file with one write, creating it if need be.
pub(crate) fn append_bytes(path: &Path, bytes: &[u8]) {
    use std::io::Write as _;
    fs::OpenOptions::new().create(true).append(true).open(path).unwrap().write_all(bytes).unwrap();
}

/// A checkpoint, not the list of addresses that lies beside them.
fn is_checkpoint(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "json") && !path.ends_with("status.json")
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].iter().map(|line| format!("  {line}\n")).collect()
}
