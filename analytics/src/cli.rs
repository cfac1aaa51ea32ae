//! The command line, as typed. What the flags mean is [`crate::settings`]'s.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use config::generate::{CompletionsOptions, ManOptions};

use crate::checkpoint::CheckpointPlace;
use crate::program::RowTime;
use crate::references::ReferenceText;
use crate::sinks::{Format, SinkText};
use crate::source::kinesis::Start;
use crate::source::{Input, StreamText};

const EXAMPLES: &str = "\
Examples:
  Count requests per client in a log, exactly, by the time of each request:
    analytics --window 10s --input access.log.gz --format csv

  Follow the stream web-access-log, and serve the live counts over HTTP:
    analytics --window 10s --listen 127.0.0.1:8090
    curl 'http://127.0.0.1:8090/request_counts?limit=10'

  Count per status and method, from a stream on this machine:
    analytics --window 1m --group-by status,http_method --input kinesis:web-access-log --endpoint http://127.0.0.1:4567

  Run a Kinesis Analytics SQL program, over a file and over the stream that it was written for:
    analytics check requests_per_client.sql
    analytics run requests_per_client.sql --input access.log.gz --format csv
    analytics run requests_per_client.sql --input kinesis:web-access-log

  Run a program over a log of other columns:
    analytics discover orders.jsonl > orders.schema.sql
    analytics run orders.sql --schema orders.schema.sql --input orders.jsonl";

/// Continuous SQL over access-log lines, from a Kinesis stream or from files.
#[derive(Debug, Parser)]
#[command(name = "analytics", version, after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    #[command(flatten)]
    pub(crate) counts: CountArguments,
}

/// What to do, when it is not counting requests.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a Kinesis Analytics SQL program
    Run(Box<RunArguments>),
    /// Say of each statement of a program whether it runs, and what it does otherwise than the service did
    Check(ProgramArguments),
    /// Show the streams, pumps and operators of a program, and their plans
    Explain(ProgramArguments),
    /// Take the consumer of --efo off a stream, which ends what it costs
    Deregister(DeregisterArguments),
    /// Infer the columns of a stream or file from a sample, and print the schema that run --schema takes
    Discover(DiscoverArguments),
    /// Write the manual pages, for packages
    #[command(hide = true)]
    Man(ManOptions),
    /// Print the completions for a shell, for packages
    #[command(hide = true)]
    Completions(CompletionsOptions),
}

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum InputFormat {
    /// JSON objects, Apache's \xHH too
    Json,
    /// Fields between commas, for the declared columns in their order
    Csv,
    /// Apache's common log: client_ip, remote_user, request_time, http_method, request, protocol, status, size
    Common,
    /// The same with referer and userAgent
    Combined,
}

/// Counting requests in windows.
#[derive(Debug, Args)]
pub(crate) struct CountArguments {
    /// Width of the windows: 10s, 1m, 500ms
    #[arg(long, value_parser = humantime::parse_duration)]
    pub(crate) window: Option<Duration>,

    /// Fields of the log to count by
    #[arg(long, value_name = "FIELD", value_delimiter = ',', default_value = "client_ip")]
    pub(crate) group_by: Vec<String>,

    #[command(flatten)]
    pub(crate) flags: Flags,
}

/// A program and its input's columns.
#[derive(Debug, Args)]
pub(crate) struct ProgramArguments {
    /// The program
    #[arg(value_name = "PROGRAM.sql")]
    pub(crate) program: PathBuf,

    /// A file with CREATE STREAM for the input's columns [default: those of the access log]
    #[arg(long, value_name = "FILE.sql")]
    pub(crate) schema: Option<PathBuf>,

    /// The Kinesis stream to read: the same as --input kinesis:NAME. For a program with several inputs each one's source:
    /// --stream SOURCE_SQL_STREAM_001=kinesis:NAME --stream SOURCE_SQL_STREAM_002=FILE
    #[arg(long, value_name = "NAME|STREAM=SOURCE")]
    pub(crate) stream: Vec<StreamText>,

    /// A reference table that the program joins: CSV with a header, or JSON; may be given several times
    #[arg(long, value_name = "NAME=FILE")]
    pub(crate) reference: Vec<ReferenceText>,
}

/// Running a program.
#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    pub(crate) program: ProgramArguments,

    /// Streams to print; error_stream is one of them [default: those that no pump reads]
    #[arg(long, value_name = "STREAM", num_args = 1..)]
    pub(crate) print: Vec<String>,

    /// Write each stream to a file of its name in this folder, instead of standard output
    #[arg(long, value_name = "FOLDER")]
    pub(crate) output: Option<PathBuf>,

    /// Send a stream to a sink; may be given several times: STREAM=stdout, =table:FILE, =csv:FILE, =jsonl:FILE,
    /// =parquet:FOLDER, =webhook:URL, =kinesis:NAME or =firehose:NAME (with ,endpoint=URL ,region=NAME ,id=FIELD)
    #[arg(long, value_name = "STREAM=KIND:PLACE")]
    pub(crate) sink: Vec<SinkText>,

    /// Leave the moment at the start of RANGE INTERVAL … PRECEDING out of the window, as the service's developer guide shows it
    #[arg(long)]
    pub(crate) range_start_excluded: bool,

    /// How the lines of the input are written
    #[arg(long, value_enum, default_value_t = InputFormat::Json)]
    pub(crate) input_format: InputFormat,

    /// The field that holds the time of a row, for --rowtime event
    #[arg(long, value_name = "FIELD", default_value = crate::decode::TIME_FIELD)]
    pub(crate) time_field: String,

    /// A file with the arrival time of each line of the input, in microseconds since 1970
    #[arg(long, value_name = "FILE")]
    pub(crate) arrival: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) flags: Flags,
}

/// A consumer of enhanced fan-out.
#[derive(Debug, Args)]
pub(crate) struct DeregisterArguments {
    /// The Kinesis stream
    #[arg(long, value_name = "NAME")]
    pub(crate) stream: String,

    /// Its consumer
    #[arg(long, value_name = "CONSUMER")]
    pub(crate) efo: String,

    /// Where Kinesis is, if not at AWS
    #[arg(long, value_name = "URL", env = "AWS_ENDPOINT_URL_KINESIS")]
    pub(crate) endpoint: Option<String>,

    /// AWS region of the stream [default: from the environment]
    #[arg(long)]
    pub(crate) region: Option<String>,
}

/// Inferring columns.
#[derive(Debug, Args)]
pub(crate) struct DiscoverArguments {
    /// A file (plain, .gz, .zst), - for standard input, or kinesis:STREAM
    #[arg(value_name = "FILE|-|kinesis:STREAM")]
    pub(crate) source: Input,

    /// How its lines are written [default: as most of them look]
    #[arg(long, value_enum)]
    pub(crate) input_format: Option<InputFormat>,

    /// How many lines to look at, or a few more
    #[arg(long, value_name = "COUNT", default_value_t = 10_000)]
    pub(crate) lines: usize,

    /// How long to wait for them
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, default_value = "30s")]
    pub(crate) wait: Duration,

    /// Where to start in a stream: latest, trim-horizon, or a time such as 2026-11-21T10:00:00Z
    #[arg(long, value_name = "WHERE", default_value = "trim-horizon")]
    pub(crate) start: Start,

    /// Where Kinesis is, if not at AWS
    #[arg(long, value_name = "URL", env = "AWS_ENDPOINT_URL_KINESIS")]
    pub(crate) endpoint: Option<String>,

    /// AWS region of the stream [default: from the environment]
    #[arg(long)]
    pub(crate) region: Option<String>,
}

/// What every run has.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// Files (plain, .gz, .zst), - for standard input, or kinesis:STREAM [default: kinesis:web-access-log]
    #[arg(long, value_name = "FILE|-|kinesis:STREAM", num_args = 1..)]
    pub(crate) input: Vec<Input>,

    /// Where Kinesis is, if not at AWS
    #[arg(long, value_name = "URL", env = "AWS_ENDPOINT_URL_KINESIS")]
    pub(crate) endpoint: Option<String>,

    /// AWS region of the stream [default: from the environment]
    #[arg(long)]
    pub(crate) region: Option<String>,

    /// Where to start in a stream that no checkpoint knows: latest, trim-horizon, or a time such as 2026-11-21T10:00:00Z
    #[arg(long, value_name = "WHERE", default_value = "latest")]
    pub(crate) start: Start,

    /// Read a stream by enhanced fan-out, as the consumer of this name; it is registered if there is none, and stays
    #[arg(long, value_name = "CONSUMER")]
    pub(crate) efo: Option<String>,

    /// What the time of a row is [default: arrival on a stream, event in a file]
    #[arg(long, value_enum)]
    pub(crate) rowtime: Option<RowTime>,

    /// How long a window waits for late rows after its end [default: 0s on a stream, to the end in a file]
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub(crate) allowed_lateness: Option<Duration>,

    /// With --rowtime event: how long a shard may be quiet before windows close without it
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, default_value = "5s")]
    pub(crate) idle_after: Duration,

    /// Stop when no record has come for this long, and close all windows
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub(crate) until_idle: Option<Duration>,

    /// Go on at the end of a file with what is appended to it, through its rotations, until stopped
    #[arg(long)]
    pub(crate) follow: bool,

    /// Replay a file at the pace of its rows' times, or so many times faster: 1x, 10x [default: as fast as it can be read]
    #[arg(long, value_name = "FACTOR", value_parser = crate::pipeline::parse_speed)]
    pub(crate) speed: Option<f64>,

    /// Form of the results
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,

    /// Keep lines that could not be read in this file, as JSON lines
    #[arg(long, value_name = "FILE")]
    pub(crate) bad_lines: Option<PathBuf>,

    /// Serve live results over HTTP on this loopback address; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,

    /// Keep the state and the positions in this folder or under this prefix of S3, and go on from there after a stop or a
    /// crash; behind s3://BUCKET/PREFIX may stand ,endpoint=URL and ,region=NAME
    #[arg(long, value_name = "FOLDER|s3://BUCKET/PREFIX")]
    pub(crate) checkpoint: Option<CheckpointPlace>,

    /// How often the state is kept; without --checkpoint, how often sinks finish their files
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, default_value = "10s")]
    pub(crate) checkpoint_interval: Duration,

    /// Forget the state in the place of --checkpoint, and start over
    #[arg(long)]
    pub(crate) fresh: bool,

    /// Groups held in open windows; beyond it the oldest windows close early
    #[arg(long, value_name = "COUNT", default_value_t = 5_000_000)]
    pub(crate) max_groups: usize,
}
