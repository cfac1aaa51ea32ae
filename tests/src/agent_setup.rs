//! An agent with its folders: an agent.json of the tutorial's shape, a state directory, and a log to tail.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use serde_json::json;
use tempfile::TempDir;

use crate::{
    binaries,
    process::{Process, command},
    stream,
};

/// How long the agent may take to start and say so.
const START: Duration = Duration::from_secs(20);
/// Records in one request unless a test says otherwise: the Java agent's default.
const MAX_RECORDS_PER_REQUEST: usize = 500;

/// Everything an agent needs except the stream. The folders go when it is dropped.
#[derive(Debug)]
pub struct AgentSetup {
    folder: TempDir,
    starts: usize,
}

impl AgentSetup {
    /// Writes agent.json for a log in a fresh folder, shipped to `endpoint`.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn create(endpoint: &str) -> Result<Self> {
        Self::with_requests_of(MAX_RECORDS_PER_REQUEST, endpoint)
    }

    /// The same with at most `records` in one request.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn with_requests_of(records: usize, endpoint: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let setup = Self { folder, starts: 0 };
        fs::create_dir(setup.path("logs"))?;
        let settings = json!({
            "cloudwatch.emitMetrics": false,
            "status.listen": "127.0.0.1:0",
            "kinesis.endpoint": endpoint,
            "firehose.endpoint": "",
            "flows": [{
                // The rotated files too: a log that rotates twice while the agent is down is found by its new names.
                "filePattern": format!("{}*", setup.log().display()),
                "kinesisStream": stream::NAME,
                "partitionKeyOption": "RANDOM",
                "initialPosition": "START_OF_FILE",
                "maxBufferAgeMillis": 1_000,
                "maxBufferSizeRecords": records,
            }],
        });
        fs::write(setup.path("agent.json"), serde_json::to_vec_pretty(&settings)?)?;
        Ok(setup)
    }

    /// The log file to write.
    pub fn log(&self) -> PathBuf {
        self.path("logs/access.log")
    }

    /// The folder of everything, for the logs of other programs.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts the agent; a later call starts it again on the same state.
    ///
    /// # Errors
    /// When it is not built, or ends before it is ready.
    pub fn start(&mut self) -> Result<Process> {
        self.starts += 1;
        let mut agent = command(binaries::path("agent")?);
        agent.args(["run", "-c"]).arg(self.path("agent.json")).arg("--state-dir").arg(self.path("state"));
        Process::start(&format!("agent-{}", self.starts), agent, self.folder.path()).context("the agent did not start")
    }

    /// How long a started agent may take for anything.
    pub const fn deadline() -> Duration {
        START
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}
