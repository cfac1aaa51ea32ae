//! One agent with its folders, and settings a test writes itself.

use std::{fs, path::PathBuf, time::Duration};

use serde_json::{Value, json};
use tempfile::TempDir;
use tests::process::{Finished, Process, command};
use tokio::process::Command;

/// How long anything may take on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// The folders of one agent; they go when it is dropped.
pub(crate) struct Setup {
    folder: TempDir,
}

impl Setup {
    /// A log of `lines` lines, and settings with these keys at the top and in the only flow.
    pub(crate) fn new(lines: usize, agent: &Value, flow: &Value) -> Self {
        let setup = Self { folder: tempfile::tempdir().unwrap() };
        let text: String = (0..lines).map(|line| format!("{{\"line\":{line}.50}}\n")).collect();
        fs::write(setup.path("access.log"), text).unwrap();
        let mut settings = json!({"cloudwatch.emitMetrics": false, "stateDirectory": setup.path("state")});
        let mut all = json!({
            "filePattern": setup.path("access.log"),
            "initialPosition": "START_OF_FILE",
            "maxBufferAgeMillis": 1000,
            "maxBufferSizeRecords": 100,
            "retryInitialBackoffMillis": 10,
        });
        merge(&mut all, flow);
        settings["flows"] = json!([all]);
        merge(&mut settings, agent);
        fs::write(setup.path("agent.json"), settings.to_string()).unwrap();
        setup
    }

    /// What the log holds, sorted.
    pub(crate) fn lines(&self) -> Vec<Vec<u8>> {
        sorted(&fs::read(self.path("access.log")).unwrap())
    }

    /// The program with a subcommand and these settings.
    pub(crate) fn agent(&self, arguments: &[&str]) -> Command {
        let mut agent = command(env!("CARGO_BIN_EXE_agent"));
        agent.args(arguments).arg("-c").arg(self.path("agent.json"));
        // A test says itself what the environment holds.
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
            agent.env_remove(name);
        }
        agent
    }

    /// Starts shipping.
    pub(crate) fn ship(&self) -> Process {
        self.start(self.agent(&["run"]))
    }

    /// Runs `check --online` to its end.
    pub(crate) async fn check(&self) -> Finished {
        self.start(self.agent(&["check", "--online"])).wait(DEADLINE).await.unwrap()
    }

    /// Starts a command of this agent.
    pub(crate) fn start(&self, command: Command) -> Process {
        Process::start("agent", command, self.folder.path()).unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// Lines of a text, each with its `\n`, sorted.
pub(crate) fn sorted(text: &[u8]) -> Vec<Vec<u8>> {
    let mut lines: Vec<Vec<u8>> = text.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    lines.sort();
    lines
}

fn merge(into: &mut Value, from: &Value) {
    let from = from.as_object().unwrap().clone();
    into.as_object_mut().unwrap().extend(from);
}
