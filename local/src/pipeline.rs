//! Starts the components in the order in which they need each other.

use std::{ffi::OsString, fs, time::Duration};

use anyhow::{Context, Result, bail};
use aws_sdk_kinesis::{
    Client,
    config::{BehaviorVersion, Credentials, Region},
    types::{StreamDescriptionSummary, StreamStatus},
};
use tokio::time::{Instant, interval};

use crate::{arguments::Arguments, child::Child, component::Name, folders::Folders, screen::say};

/// The stream's name, as in the tutorial.
const STREAM: &str = "web-access-log";
/// How long the stream may take to become active.
const CREATION: Duration = Duration::from_secs(10);

/// Where the running components answer.
#[derive(Debug, Clone)]
pub(crate) struct Urls {
    /// The photo site's page.
    pub(crate) site: String,
    /// Kinesis.
    pub(crate) stream: String,
    /// Live counts.
    pub(crate) api: String,
}

/// Starts everything. What was started is in `children`, also when a later one fails.
///
/// # Errors
/// When a component does not become ready.
pub(crate) async fn start(arguments: &Arguments, folders: &Folders, children: &mut Vec<Child>) -> Result<Urls> {
    let stream = start_child(Name::Stream, &stream_flags(arguments, folders), folders, children)?;
    let site = start_child(Name::Webapp, &webapp_flags(arguments, folders), folders, children)?;
    let stream = children[stream].url().await?;
    create_stream(&stream, arguments.shards).await?;
    let site = children[site].url().await?;
    write_agent_json(folders, &stream)?;
    let agent = start_child(Name::Agent, &agent_flags(folders), folders, children)?;
    let analytics = start_child(Name::Analytics, &analytics_flags(arguments, &stream), folders, children)?;
    children[agent].line_with("configured flow").await?;
    let api = children[analytics].url().await?;
    Ok(Urls { site, stream, api: api.trim_end_matches('/').to_owned() })
}

/// Starts a component and gives its place among the children.
fn start_child(name: Name, flags: &[OsString], folders: &Folders, children: &mut Vec<Child>) -> Result<usize> {
    children.push(Child::start(name, flags, folders)?);
    Ok(children.len() - 1)
}

fn flags<const N: usize>(flags: [&dyn AsRef<std::ffi::OsStr>; N]) -> Vec<OsString> {
    flags.iter().map(|flag| flag.as_ref().to_owned()).collect()
}

fn stream_flags(arguments: &Arguments, folders: &Folders) -> Vec<OsString> {
    let listen = format!("127.0.0.1:{}", arguments.stream_port);
    flags([&"--listen", &listen, &"--dir", &folders.state("stream")])
}

fn webapp_flags(arguments: &Arguments, folders: &Folders) -> Vec<OsString> {
    let listen = format!("127.0.0.1:{}", arguments.port);
    flags([&"run", &"--listen", &listen, &"--data-dir", &folders.state("webapp"), &"--access-log", &folders.access_log()])
}

fn agent_flags(folders: &Folders) -> Vec<OsString> {
    flags([&"run", &"-c", &folders.agent_json(), &"--state-dir", &folders.state("agent")])
}

/// From the oldest record on, so that totals cover what the stream still holds from earlier runs. Two seconds of
/// allowed lateness: arrival times of the embedded stream are whole seconds.
fn analytics_flags(arguments: &Arguments, stream: &str) -> Vec<OsString> {
    let input = format!("kinesis:{STREAM}");
    let listen = format!("127.0.0.1:{}", arguments.api_port);
    let source = flags([&"--input", &input, &"--endpoint", &stream, &"--start", &"trim-horizon", &"--rowtime", &"arrival"]);
    let rest = flags([&"--window", &arguments.window, &"--allowed-lateness", &"2s", &"--format", &"csv", &"--listen", &listen]);
    [source, rest].concat()
}

/// The tutorial's agent.json, for this machine.
fn agent_json(log_pattern: &str, endpoint: &str) -> Result<String> {
    let (log_pattern, endpoint) = (serde_json::to_string(log_pattern)?, serde_json::to_string(endpoint)?);
    Ok(format!(
        r#"// Written by `local` at each start. The shape is the tutorial's; only the endpoint and the paths differ from AWS.
{{
  "cloudwatch.emitMetrics": false, // there is no CloudWatch on this machine
  "status.listen": "127.0.0.1:0", // any free port: another agent on this machine may have 9580
  "kinesis.endpoint": {endpoint}, // on AWS: kinesis.us-east-1.amazonaws.com
  "firehose.endpoint": "",

  "flows": [
    {{
      "filePattern": {log_pattern},
      "kinesisStream": "{STREAM}",
      "partitionKeyOption": "RANDOM",
      "initialPosition": "START_OF_FILE",
      "maxBufferAgeMillis": 1000 // how long a line may wait for its batch to fill; 60000 if not given
    }}
  ]
}}
"#
    ))
}

fn write_agent_json(folders: &Folders, endpoint: &str) -> Result<()> {
    let path = folders.agent_json();
    let log_pattern = format!("{}*", folders.access_log().display());
    fs::write(&path, agent_json(&log_pattern, endpoint)?).with_context(|| format!("cannot write {}", path.display()))
}

async fn create_stream(endpoint: &str, shards: i32) -> Result<()> {
    let config = aws_sdk_kinesis::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "the embedded stream asks for none"))
        .endpoint_url(endpoint)
        .build();
    let client = Client::from_conf(config);
    if let Some(stream) = describe(&client).await {
        let found = stream.open_shard_count();
        if found != shards {
            say(&format!(
                "the stream {STREAM} is from an earlier run and keeps its shards ({found}); --shards only counts when it is created"
            ));
        }
        return Ok(());
    }
    client.create_stream().stream_name(STREAM).shard_count(shards).send().await.context("cannot create the stream")?;
    let deadline = Instant::now() + CREATION;
    let mut ticks = interval(Duration::from_millis(20));
    while Instant::now() < deadline {
        ticks.tick().await;
        if describe(&client).await.is_some_and(|stream| stream.stream_status == StreamStatus::Active) {
            return Ok(());
        }
    }
    bail!("the stream {STREAM} did not become active within {CREATION:?}")
}

async fn describe(client: &Client) -> Option<StreamDescriptionSummary> {
    client.describe_stream_summary().stream_name(STREAM).send().await.ok()?.stream_description_summary
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agent_json_has_the_tutorials_keys() {
        let text = agent_json("/data/\"odd\"/access.log*", "http://127.0.0.1:4567").unwrap();
        let without_comments: String = text.lines().map(|line| line.split(" // ").next().unwrap_or_default()).skip(1).collect();
        let json: serde_json::Value = serde_json::from_str(&without_comments).unwrap();
        assert_eq!(json["kinesis.endpoint"], "http://127.0.0.1:4567");
        assert_eq!(json["flows"][0]["filePattern"], "/data/\"odd\"/access.log*");
        assert_eq!(json["flows"][0]["kinesisStream"], "web-access-log");
    }
}
