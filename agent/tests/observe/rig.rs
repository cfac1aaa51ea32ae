//! An agent with its folders, and ways to ask it.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    path::PathBuf,
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tests::{
    process::{Finished, Process, command},
    stream, wait,
};

/// How long anything may take on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// Folders, settings, and the program once it runs. All of it goes when it is dropped.
pub(crate) struct Rig {
    folder: TempDir,
    settings: Value,
}

impl Rig {
    /// Settings with one flow to `endpoint`, which are written when the agent starts.
    pub(crate) fn new(endpoint: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = json!({
            "cloudwatch.emitMetrics": false,
            "status.listen": "127.0.0.1:0",
            "kinesis.endpoint": endpoint,
            "stateDirectory": folder.path().join("state"),
            "flows": [{
                "filePattern": folder.path().join("app.log*"),
                "kinesisStream": stream::NAME,
                "initialPosition": "START_OF_FILE",
                "maxBufferAgeMillis": 1000,
            }],
        });
        Self { folder, settings }
    }

    /// Changes the settings.
    pub(crate) fn set(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.settings[key] = value.into();
        self
    }

    /// Changes the settings of the flow.
    pub(crate) fn set_flow(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.settings["flows"][0][key] = value.into();
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Appends lines to the log.
    pub(crate) fn write(&self, lines: &str) {
        let mut log = OpenOptions::new().create(true).append(true).open(self.path("app.log")).unwrap();
        log.write_all(lines.as_bytes()).unwrap();
    }

    /// Starts the agent.
    pub(crate) async fn start(&self) -> Process {
        fs::write(self.path("agent.json"), self.settings.to_string()).unwrap();
        let mut agent = command(env!("CARGO_BIN_EXE_agent"));
        agent.args(["run", "-c"]).arg(self.path("agent.json"));
        let mut agent = Process::start("agent", agent, self.folder.path()).unwrap();
        agent.line_with("Startup completed", DEADLINE).await.unwrap();
        agent
    }

    /// Runs another command of the program to its end.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Finished {
        fs::write(self.path("agent.json"), self.settings.to_string()).unwrap();
        let mut agent = command(env!("CARGO_BIN_EXE_agent"));
        agent.args(arguments).arg("-c").arg(self.path("agent.json")).current_dir(self.folder.path());
        Process::start(arguments[0], agent, self.folder.path()).unwrap().wait(DEADLINE).await.unwrap()
    }

    /// The URL the running agent says it listens on.
    pub(crate) fn url(&self, path: &str) -> String {
        let content: Value = serde_json::from_slice(&fs::read(self.path("state/status.json")).unwrap()).unwrap();
        format!("http://{}{path}", content["address"].as_str().unwrap())
    }

    /// The status and text of an answer.
    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        let answer = reqwest::get(self.url(path)).await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// Asks until the answer to `path` is as wanted.
    pub(crate) async fn wait_for(&self, path: &str, wanted: impl Fn(u16, &str) -> bool) -> String {
        let probe = async || {
            let (status, text) = self.get(path).await;
            wanted(status, &text).then_some(text)
        };
        wait::until(path, DEADLINE, probe).await.unwrap()
    }

    /// Waits until the flow's number in `/status` is as wanted.
    pub(crate) async fn wait_for_number(&self, key: &str, wanted: u64) -> Value {
        let text = self.wait_for("/status", |_, text| flow(text)[key].as_u64() == Some(wanted)).await;
        flow(&text)
    }
}

/// The first flow of a status.
pub(crate) fn flow(status: &str) -> Value {
    let mut status: Value = serde_json::from_str(status).unwrap();
    status["flows"][0].take()
}
