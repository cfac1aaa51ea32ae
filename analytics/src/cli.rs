//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use config::exit::Failure;

use crate::program::{Program, RowTime, Window};
use crate::sinks::Format;
use crate::source::Input;
use crate::source::kinesis::Start;

const EXAMPLES: &str = "\
Examples:
  Count requests per client in a log, exactly, by the time of each request:
    analytics --window 10s --input access.log.gz --format csv

  Follow the stream web-access-log, and serve the live counts over HTTP:
    analytics --window 10s --listen 127.0.0.1:8090
    curl 'http://127.0.0.1:8090/request_counts?limit=10'

  Count per status and method, from a stream on this machine:
    analytics --window 1m --group-by status,http_method --input kinesis:web-access-log --endpoint http://127.0.0.1:4567";

/// Counts log lines per client in tumbling windows, from a Kinesis stream or from files.
#[derive(Debug, Parser)]
#[command(name = "analytics", version, after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Width of the windows: 10s, 1m, 500ms
    #[arg(long, value_parser = humantime::parse_duration)]
    window: Duration,

    /// Fields of the log to count by
    #[arg(long, value_name = "FIELD", value_delimiter = ',', default_value = "client_ip")]
    group_by: Vec<String>,

    /// Files (plain, .gz, .zst), - for standard input, or kinesis:STREAM
    #[arg(long, value_name = "FILE|-|kinesis:STREAM", num_args = 1.., default_value = "kinesis:web-access-log")]
    input: Vec<Input>,

    /// Where Kinesis is, if not at AWS
    #[arg(long, value_name = "URL", env = "AWS_ENDPOINT_URL_KINESIS")]
    endpoint: Option<String>,

    /// AWS region of the stream [default: from the environment]
    #[arg(long)]
    region: Option<String>,

    /// Where to start in a stream
    #[arg(long, value_enum, default_value_t = Start::Latest)]
    start: Start,

    /// What the time of a row is [default: arrival on a stream, event in a file]
    #[arg(long, value_enum)]
    rowtime: Option<RowTime>,

    /// How long a window waits for late rows after its end [default: 0s on a stream, to the end in a file]
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    allowed_lateness: Option<Duration>,

    /// How long a shard may be quiet before windows close without it
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, default_value = "5s")]
    idle_after: Duration,

    /// Stop when no record has come for this long, and close all windows
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    until_idle: Option<Duration>,

    /// Form of the results on standard output
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,

    /// Keep lines that could not be read in this file, as JSON lines
    #[arg(long, value_name = "FILE")]
    bad_lines: Option<PathBuf>,

    /// Serve live results over HTTP on this loopback address; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,

    /// Groups held in open windows; beyond it the oldest windows close early
    #[arg(long, value_name = "COUNT", default_value_t = 5_000_000)]
    max_groups: usize,
}

/// What the flags mean, checked.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) program: Program,
    pub(crate) inputs: Vec<Input>,
    pub(crate) aws: config::aws::AwsSettings,
    pub(crate) start: Start,
    pub(crate) row_time: RowTime,
    /// None: windows wait to the end of the input.
    pub(crate) allowed_lateness: Option<Duration>,
    pub(crate) idle_after: Duration,
    pub(crate) until_idle: Option<Duration>,
    pub(crate) format: Format,
    pub(crate) bad_lines: Option<PathBuf>,
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) max_groups: usize,
}

impl TryFrom<Arguments> for Settings {
    type Error = Failure;

    fn try_from(flags: Arguments) -> Result<Self, Failure> {
        let is_stream = is_stream(&flags.input)?;
        let row_time = flags.rowtime.unwrap_or(if is_stream { RowTime::Arrival } else { RowTime::Event });
        if !is_stream && row_time == RowTime::Arrival {
            return Err(Failure::usage(
                "--rowtime arrival needs a stream; the lines of a file have no arrival time, so use event or clock",
            ));
        }
        if !is_stream && flags.until_idle.is_some() {
            return Err(Failure::usage("--until-idle needs a stream; a file is read to its end anyway"));
        }
        let default_lateness = is_stream.then_some(Duration::ZERO);
        Ok(Self {
            program: Program::request_counts(window(flags.window)?, &flags.group_by)?,
            inputs: flags.input,
            aws: config::aws::AwsSettings { endpoint: flags.endpoint, region: flags.region },
            start: flags.start,
            row_time,
            allowed_lateness: flags.allowed_lateness.or(default_lateness),
            idle_after: flags.idle_after,
            until_idle: flags.until_idle,
            format: flags.format,
            bad_lines: flags.bad_lines,
            listen: flags.listen,
            max_groups: flags.max_groups,
        })
    }
}

/// Whether the input is a stream; a stream stands alone, files may be several.
fn is_stream(inputs: &[Input]) -> Result<bool, Failure> {
    let streams = inputs.iter().filter(|input| matches!(input, Input::Kinesis(_))).count();
    if streams > 0 && inputs.len() > 1 {
        return Err(Failure::usage("--input takes one stream, or one or more files; not both, and not two streams"));
    }
    Ok(streams == 1)
}

fn window(width: Duration) -> Result<Window, Failure> {
    match i64::try_from(width.as_millis()) {
        Ok(0) => Err(Failure::usage("--window is at least 1ms")),
        Ok(width_ms) if width.subsec_nanos().is_multiple_of(1_000_000) => Ok(Window::tumbling(width_ms)),
        Ok(_) => Err(Failure::usage("--window is cut to the millisecond; write it in whole milliseconds")),
        Err(_) => Err(Failure::usage("--window is too long")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(flags: &[&str]) -> Result<Settings, String> {
        let flags = Arguments::try_parse_from([&["analytics"], flags].concat()).map_err(|error| error.to_string())?;
        Settings::try_from(flags).map_err(|failure| match failure {
            Failure::Usage(error) | Failure::Run(error) => error.to_string(),
        })
    }

    #[test]
    fn a_stream_counts_by_arrival_and_a_file_by_event() {
        let stream = settings(&["--window", "10s"]).unwrap();
        assert_eq!((stream.row_time, stream.allowed_lateness), (RowTime::Arrival, Some(Duration::ZERO)));
        let file = settings(&["--window", "10s", "--input", "a.log", "b.log"]).unwrap();
        assert_eq!((file.row_time, file.allowed_lateness, file.inputs.len()), (RowTime::Event, None, 2));
    }

    #[test]
    fn flags_that_contradict_each_other_are_refused() {
        for flags in [
            ["--window", "0s", "--input", "a"].as_slice(),
            &["--window", "10s", "--input", "a", "kinesis:s"],
            &["--window", "10s", "--input", "a", "--rowtime", "arrival"],
            &["--window", "10s", "--input", "a", "--until-idle", "1s"],
        ] {
            let error = settings(flags).unwrap_err();
            assert!(error.starts_with("--"), "{error}");
        }
    }
}
