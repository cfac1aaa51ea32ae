//! What the flags mean, checked.

mod outputs;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use config::exit::Failure;

use crate::checkpoint::{CheckpointSettings, Identity};
use crate::cli::{CountArguments, Flags, InputFormat, ProgramArguments, RunArguments};
use crate::decode::{Form, InputPlan, Missing, TIME_FIELD};
use crate::engine::stream_schema;
use crate::live::Shown;
use crate::program::{self, Program, REQUEST_COUNTS, Reference, RowTime, StreamColumn, StreamId, StreamKind};
use crate::references;
use crate::sinks::{Layout, SinkPlan, Target};
use crate::source::Input;
use crate::source::kinesis::Start;
use crate::sql::{ColumnDefinition, SqlError};

/// Everything that a run needs to know.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) program: Program,
    pub(crate) source: SourceText,
    pub(crate) input_plan: InputPlan,
    pub(crate) inputs: Vec<Input>,
    pub(crate) arrivals: Option<PathBuf>,
    pub(crate) aws: config::aws::AwsSettings,
    pub(crate) start: Start,
    /// None: windows wait to the end of the input.
    pub(crate) allowed_lateness: Option<Duration>,
    pub(crate) idle_after: Duration,
    pub(crate) until_idle: Option<Duration>,
    /// How many times faster than its rows happened a file is replayed; None: as fast as it can be read.
    pub(crate) speed: Option<f64>,
    /// Where the rows of streams go.
    pub(crate) sinks: Vec<SinkPlan>,
    /// Streams that live readers see.
    pub(crate) shown: Vec<Shown>,
    pub(crate) bad_lines: Option<PathBuf>,
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) max_groups: usize,
    pub(crate) checkpoint: Option<CheckpointSettings>,
    /// How often checkpoints are made, or files of sinks are finished when there are none.
    pub(crate) checkpoint_interval: Duration,
}

/// The text of a program, to show errors in it.
#[derive(Debug, Clone)]
pub(crate) struct SourceText {
    pub(crate) file: String,
    pub(crate) text: String,
}

impl SourceText {
    /// An error with its line of the program.
    pub(crate) fn render(&self, error: &SqlError) -> String {
        error.render(&self.file, &self.text)
    }

    /// All errors of a program, as wrong usage.
    fn failure(&self, errors: &[SqlError]) -> Failure {
        Failure::usage(errors.iter().map(|error| self.render(error)).collect::<Vec<_>>().join("\n"))
    }
}

/// What a program is read from.
pub(crate) struct ProgramSource {
    pub(crate) text: SourceText,
    /// Those of an input that the program does not declare.
    pub(crate) columns: Vec<ColumnDefinition>,
    pub(crate) references: Vec<Reference>,
}

/// A program's text and all that belongs to it.
///
/// # Errors
/// When a file cannot be read, or the schema is none.
pub(crate) fn read_program(arguments: &ProgramArguments) -> Result<ProgramSource, Failure> {
    let source = read(&arguments.program)?;
    let schema = match &arguments.schema {
        Some(path) => read(path)?,
        None => SourceText { file: "sql/access_log.sql".to_owned(), text: program::LOG_SCHEMA.to_owned() },
    };
    let columns = program::schema_columns(&schema.text).map_err(|error| schema.failure(&[error]))?;
    let references = references::load_all(&arguments.reference).map_err(Failure::Usage)?;
    Ok(ProgramSource { text: source, columns, references })
}

fn read(path: &Path) -> Result<SourceText, Failure> {
    let file = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(SourceText { file, text }),
        Err(error) => Err(Failure::usage(format!("cannot read {file}: {error}"))),
    }
}

impl Settings {
    /// For counting requests: the shorthand, written as a program.
    ///
    /// # Errors
    /// When flags contradict each other, or are out of their range.
    pub(crate) fn counting(arguments: CountArguments) -> Result<Self, Failure> {
        let Some(width) = arguments.window else {
            return Err(Failure::usage(
                "--window says how long the windows are, such as --window 10s; or run a program: analytics run PROGRAM.sql",
            ));
        };
        let width_ms = width_ms(width)?;
        let program = program::request_counts(width_ms, &arguments.group_by)?;
        let flags = arguments.flags;
        let row_time = row_time(&flags, None)?;
        // Every line of the access log has these fields, so one without is bad.
        let input_plan = input_plan(&program, row_time, TIME_FIELD, Missing::Bad);
        let sink = |(stream, name): (StreamId, &str)| {
            let schema = stream_schema(&program.streams[stream.0]);
            let layout = Layout::of_request_counts(name, &schema, flags.format, width_ms % 1000 == 0);
            SinkPlan { stream, layout, target: Target::Stdout(flags.format) }
        };
        let streams: Vec<(StreamId, &str)> = named_streams(&program).filter(|(_, name)| *name == REQUEST_COUNTS).collect();
        let sinks = streams.iter().copied().map(sink).collect();
        let shown = streams.iter().map(|(stream, name)| shown(&program, *stream, name, 1)).collect();
        let source = SourceText { file: "--window".to_owned(), text: String::new() };
        Self::new(program, source, input_plan, sinks, shown, flags)
    }

    /// For a program.
    ///
    /// # Errors
    /// When the program is wrong, or flags contradict each other.
    pub(crate) fn running(mut arguments: RunArguments) -> Result<Self, Failure> {
        if let Some(stream) = arguments.stream.take() {
            arguments.flags.input = vec![Input::Kinesis(stream)];
        }
        let ProgramSource { text: source, columns, references } = read_program(&arguments.program)?;
        let mut program = program::load_with(&source.text, columns, references).map_err(|errors| source.failure(&errors))?;
        if arguments.range_start_excluded {
            program.exclude_range_start();
        }
        let row_time = row_time(&arguments.flags, arguments.arrival.as_deref())?;
        let form = form(&program, arguments.input_format);
        if row_time == RowTime::Event && !form.has(&arguments.time_field) {
            return Err(Failure::usage(format!(
                "--rowtime event takes the time of a row from {}, which this --input-format has not; name another --time-field",
                arguments.time_field
            )));
        }
        let input_plan = InputPlan { form, ..input_plan(&program, row_time, &arguments.time_field, Missing::Null) };
        let sinks = outputs::sinks(&program, &arguments)?;
        let shown = named_streams(&program).map(|(stream, name)| shown(&program, stream, name, 0)).collect();
        let settings = Self::new(program, source, input_plan, sinks, shown, arguments.flags)?;
        Ok(Self { arrivals: arguments.arrival, ..settings })
    }

    fn new(
        program: Program,
        source: SourceText,
        input_plan: InputPlan,
        sinks: Vec<SinkPlan>,
        shown: Vec<Shown>,
        flags: Flags,
    ) -> Result<Self, Failure> {
        let is_stream = flags.input.iter().any(|input| matches!(input, Input::Kinesis(_)));
        Ok(Self {
            program,
            source,
            input_plan,
            checkpoint: checkpoint(&flags)?,
            checkpoint_interval: flags.checkpoint_interval,
            inputs: flags.input,
            arrivals: None,
            aws: config::aws::AwsSettings { endpoint: flags.endpoint, region: flags.region },
            start: flags.start,
            allowed_lateness: flags.allowed_lateness.or(is_stream.then_some(Duration::ZERO)),
            idle_after: flags.idle_after,
            until_idle: flags.until_idle,
            speed: flags.speed,
            sinks,
            shown,
            bad_lines: flags.bad_lines,
            listen: flags.listen,
            max_groups: flags.max_groups,
        })
    }

    /// What a checkpoint of this run belongs to.
    pub(crate) fn identity(&self) -> Identity {
        let program = self.program.fingerprint(self.input_plan.row_time);
        Identity { program, inputs: self.inputs.iter().map(ToString::to_string).collect() }
    }
}

/// Where checkpoints go; checks that the input can be read again from the middle.
fn checkpoint(flags: &Flags) -> Result<Option<CheckpointSettings>, Failure> {
    let (Some(place), is_fresh) = (flags.checkpoint.clone(), flags.fresh) else {
        return if flags.fresh {
            Err(Failure::usage("--fresh forgets the state in the place of --checkpoint; name it"))
        } else {
            Ok(None)
        };
    };
    if flags.input.contains(&Input::Stdin) {
        return Err(Failure::usage("--checkpoint needs an input that can be read again: files or a stream, not standard input"));
    }
    if flags.rowtime == Some(RowTime::Clock) {
        return Err(Failure::usage(
            "--checkpoint needs a ROWTIME that is the same when a row is read again; --rowtime clock is not, use arrival or event",
        ));
    }
    Ok(Some(CheckpointSettings { place, is_fresh }))
}

/// How lines are written. The columns of CSV are those that the input declares, in their order.
fn form(program: &Program, format: InputFormat) -> Form {
    let columns = || program.streams[program.input.0].columns.iter().map(|column| column.name.clone()).collect();
    match format {
        InputFormat::Json => Form::Json,
        InputFormat::Csv => Form::Csv(columns()),
        InputFormat::Common | InputFormat::Combined => Form::Ncsa,
    }
}

/// What the time of a row is; checks that the flags go together.
fn row_time(flags: &Flags, arrivals: Option<&Path>) -> Result<RowTime, Failure> {
    let is_stream = is_stream(&flags.input)?;
    let default = if is_stream || arrivals.is_some() { RowTime::Arrival } else { RowTime::Event };
    let row_time = flags.rowtime.unwrap_or(default);
    if !is_stream && row_time == RowTime::Arrival && arrivals.is_none() {
        return Err(Failure::usage(
            "--rowtime arrival needs a stream, or a file of arrival times with run --arrival; the lines of a file have none, so use event or clock",
        ));
    }
    if arrivals.is_some() && (is_stream || row_time != RowTime::Arrival) {
        return Err(Failure::usage(
            "--arrival gives the lines of a file their arrival times; it goes with --rowtime arrival and files",
        ));
    }
    if !is_stream && flags.until_idle.is_some() {
        return Err(Failure::usage("--until-idle needs a stream; a file is read to its end anyway"));
    }
    if flags.speed.is_some() && (is_stream || row_time == RowTime::Clock || flags.checkpoint.is_some()) {
        return Err(Failure::usage(
            "--speed replays files at the pace of their rows' times: not a stream, not --rowtime clock, and without --checkpoint",
        ));
    }
    Ok(row_time)
}

/// Whether the input is a stream; a stream stands alone, files may be several.
fn is_stream(inputs: &[Input]) -> Result<bool, Failure> {
    let streams = inputs.iter().filter(|input| matches!(input, Input::Kinesis(_))).count();
    if streams > 0 && inputs.len() > 1 {
        return Err(Failure::usage("--input takes one stream, or one or more files; not both, and not two streams"));
    }
    Ok(streams == 1)
}

fn width_ms(width: Duration) -> Result<i64, Failure> {
    match i64::try_from(width.as_millis()) {
        Ok(0) => Err(Failure::usage("--window is at least 1ms")),
        Ok(width_ms) if width.subsec_nanos().is_multiple_of(1_000_000) => Ok(width_ms),
        Ok(_) => Err(Failure::usage("--window is cut to the millisecond; write it in whole milliseconds")),
        Err(_) => Err(Failure::usage("--window is too long")),
    }
}

/// Only columns that some pump reads are read from lines.
pub(crate) fn input_plan(program: &Program, row_time: RowTime, time_field: &str, missing: Missing) -> InputPlan {
    let input = &program.streams[program.input.0];
    let columns: Vec<StreamColumn> = input.read.iter().map(|column| input.columns[*column].clone()).collect();
    let metadata = input.metadata.keys().copied().collect();
    InputPlan { columns, metadata, row_time, time_field: time_field.to_owned(), missing, form: Form::Json }
}

/// The streams that pumps write into.
fn named_streams(program: &Program) -> impl Iterator<Item = (StreamId, &str)> {
    let streams = program.streams.iter().enumerate();
    let declared = streams.filter(|(_, stream)| stream.kind == StreamKind::Declared);
    declared.map(|(index, stream)| (StreamId(index), stream.name.as_str()))
}

fn shown(program: &Program, stream: StreamId, name: &str, first_column: usize) -> Shown {
    let columns = (first_column..=program.streams[stream.0].columns.len()).collect();
    Shown { name: name.to_owned(), stream, columns }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::Arguments;

    fn settings(flags: &[&str]) -> Result<Settings, String> {
        let flags = Arguments::try_parse_from([&["analytics"], flags].concat()).map_err(|error| error.to_string())?;
        Settings::counting(flags.counts).map_err(|failure| match failure {
            Failure::Usage(error) | Failure::Run(error) => error.to_string(),
        })
    }

    #[test]
    fn a_stream_counts_by_arrival_and_a_file_by_event() {
        let stream = settings(&["--window", "10s"]).unwrap();
        assert_eq!((stream.input_plan.row_time, stream.allowed_lateness), (RowTime::Arrival, Some(Duration::ZERO)));
        let file = settings(&["--window", "10s", "--input", "a.log", "b.log"]).unwrap();
        assert_eq!((file.input_plan.row_time, file.allowed_lateness, file.inputs.len()), (RowTime::Event, None, 2));
    }

    #[test]
    fn a_stream_may_be_named_in_two_ways() {
        let program = ::tests::data::repository("sql/requests_per_client.sql").display().to_string();
        let inputs = |flag: &str, value: &str| {
            let flags = Arguments::try_parse_from(["analytics", "run", &program, flag, value]).unwrap();
            let Some(crate::cli::Command::Run(run)) = flags.command else { panic!("another command") };
            let Ok(settings) = Settings::running(*run) else { panic!("refused") };
            (settings.inputs, settings.input_plan.row_time, settings.allowed_lateness)
        };
        let named = (vec![Input::Kinesis("s".to_owned())], RowTime::Arrival, Some(Duration::ZERO));
        assert_eq!([inputs("--stream", "s"), inputs("--input", "kinesis:s")], [named.clone(), named]);
    }

    #[test]
    fn flags_that_contradict_each_other_are_refused() {
        for flags in [
            ["--window", "0s", "--input", "a"].as_slice(),
            &["--group-by", "status"],
            &["--window", "10s", "--input", "a", "kinesis:s"],
            &["--window", "10s", "--input", "a", "--rowtime", "arrival"],
            &["--window", "10s", "--input", "a", "--until-idle", "1s"],
        ] {
            let error = settings(flags).unwrap_err();
            assert!(error.starts_with("--"), "{error}");
        }
    }
}
