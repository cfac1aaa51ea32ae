//! An agent with its folders, a stream, and flows that a test adds and changes.

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::{
    process::{Process, command},
    stream::{self, TestStream},
    wait,
};

/// How long anything may take on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(90);

/// Folders, a stream, and the settings as they were last written.
pub(crate) struct Rig {
    folder: TempDir,
    pub(crate) stream: TestStream,
}

impl Rig {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder, stream: TestStream::start(stream::Options::default()).await.unwrap() }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    /// A flow for one log.
    pub(crate) fn flow(&self, log: &str) -> Value {
        json!({
            "filePattern": self.path(log),
            "kinesisStream": stream::NAME,
            "initialPosition": "START_OF_FILE",
            "maxBufferAgeMillis": 1000,
        })
    }

    /// Settings with these flows.
    pub(crate) fn settings(&self, flows: &[Value]) -> Value {
        json!({
            "cloudwatch.emitMetrics": false,
            "status.listen": "",
            "kinesis.endpoint": self.stream.endpoint(),
            "stateDirectory": self.path("state"),
            "flows": flows,
        })
    }

    /// Writes the settings for the next start or reload.
    pub(crate) fn configure(&self, settings: &Value) {
        fs::write(self.path("agent.json"), settings.to_string()).unwrap();
    }

    /// Appends lines to a log.
    pub(crate) fn write(&self, log: &str, lines: std::ops::Range<u32>) {
        let mut file = OpenOptions::new().create(true).append(true).open(self.path(log)).unwrap();
        for line in lines {
            writeln!(file, "{log} {line:06}").unwrap();
        }
    }

    /// Starts the agent with flags and variables.
    pub(crate) async fn start_with(&self, flags: &[&str], variables: &[(&str, &str)]) -> Process {
        let mut agent = command(env!("CARGO_BIN_EXE_agent"));
        agent.args(flags).envs(variables.iter().copied()).current_dir(self.folder());
        Process::start("agent", agent, self.folder()).unwrap()
    }

    /// Starts the agent and waits until it runs.
    pub(crate) async fn start(&self) -> Process {
        let mut agent = self.start_with(&["-c", "agent.json"], &[]).await;
        agent.line_with("Startup completed", DEADLINE).await.unwrap();
        agent
    }

    /// Waits until the stream has so many records.
    pub(crate) async fn wait_for(&self, records: u64) {
        let probe = async || (self.stream.count() >= records).then_some(());
        wait::until(&format!("{records} records"), DEADLINE, probe).await.unwrap();
    }

    /// How often each line arrived.
    pub(crate) async fn arrived(&self) -> BTreeMap<String, u32> {
        let mut lines = BTreeMap::new();
        for record in self.stream.records().await.unwrap() {
            *lines.entry(String::from_utf8(record.data).unwrap()).or_default() += 1;
        }
        lines
    }
}

/// Every line of these logs, once.
pub(crate) fn once(logs: &[(&str, u32)]) -> BTreeMap<String, u32> {
    let lines = logs.iter().flat_map(|(log, count)| (0..*count).map(move |line| (format!("{log} {line:06}\n"), 1)));
    lines.collect()
}

/// Sends SIGHUP.
pub(crate) fn hang_up(agent: &Process) {
    let id = i32::try_from(agent.id().unwrap()).unwrap();
    kill_process(Pid::from_raw(id).unwrap(), Signal::HUP).unwrap();
}
