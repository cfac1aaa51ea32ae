//! The programs that are measured, and how each is started.

use std::{
    fmt, fs,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::{child::Running, floor, sink::Sink, tls::Tls};

/// A program that ships a log to a sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Contender {
    Agent,
    Floor,
    Boto3,
}

impl fmt::Display for Contender {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(match self {
            Self::Agent => "agent",
            Self::Floor => "floor",
            Self::Boto3 => "boto3 script",
        })
    }
}

impl Contender {
    /// Starts it on a log from its beginning. `folder` is empty and its own.
    pub(crate) fn start(self, log: &Path, sink: &Sink, tls: Option<&Tls>, folder: &Path) -> Result<Running> {
        let command = match self {
            Self::Agent => return start_agent(&json!({}), log, sink, tls, folder),
            Self::Floor => {
                let mut command = Command::new(std::env::current_exe()?);
                command.args([floor::COMMAND, &sink.port().to_string()]).arg(log).args(tls.map(|tls| &tls.certificate));
                command
            }
            Self::Boto3 => {
                let mut command = Command::new(python());
                let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/shipping/naive.py");
                command.arg(script).arg(log).arg(sink.endpoint());
                command
            }
        };
        Running::start(&self.to_string(), command)
    }
}

/// Starts the agent on the files of a pattern, with `settings` in its flow beside those that every bench needs.
pub(crate) fn start_agent(settings: &Value, pattern: &Path, sink: &Sink, tls: Option<&Tls>, folder: &Path) -> Result<Running> {
    let mut flow = json!({
        "filePattern": pattern,
        "kinesisStream": "web-access-log",
        "initialPosition": "START_OF_FILE",
        // The last lines of a log fill no request; with the default they would arrive a minute later.
        "maxBufferAgeMillis": 1000,
    });
    let own = settings.as_object().context("the settings of a flow are an object")?;
    flow.as_object_mut().context("the flow is an object")?.extend(own.clone());
    let all = json!({"cloudwatch.emitMetrics": false, "kinesis.endpoint": sink.endpoint(), "flows": [flow]});
    let path = folder.join("agent.json");
    fs::write(&path, all.to_string())?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_agent"));
    command.args(["run", "-c"]).arg(&path).arg("--state-dir").arg(folder.join("state"));
    command.envs(tls.map(|tls| ("SSL_CERT_FILE", &tls.certificate)));
    command.env("AWS_ACCESS_KEY_ID", "id").env("AWS_SECRET_ACCESS_KEY", "secret").env("AWS_REGION", "us-east-1");
    command.env("AWS_EC2_METADATA_DISABLED", "true").env("RUST_LOG", "warn").env_remove("AWS_PROFILE");
    Running::start("agent", command)
}

/// Whether the script can run here; else why not.
pub(crate) fn has_boto3() -> Result<(), String> {
    let asked = Command::new(python()).args(["-c", "import boto3"]).stderr(Stdio::null()).status();
    match asked {
        Ok(status) if status.success() => Ok(()),
        _ => Err(format!("{} has no boto3; make a venv, pip install boto3, and set BENCH_PYTHON to its python", python())),
    }
}

fn python() -> String {
    std::env::var("BENCH_PYTHON").unwrap_or_else(|_| "python3".to_owned())
}
