//! What the flags mean, checked.

mod inputs;
mod outputs;
mod row_time;
mod source;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use config::exit::Failure;

use crate::checkpoint::{CheckpointSettings, Identity};
use crate::cli::{CountArguments, Flags, InputFormat, RunArguments};
use crate::decode::{Form, InputPlan, Missing, TIME_FIELD};
use crate::engine::stream_schema;
use crate::live::Shown;
use crate::program::{self, Program, REQUEST_COUNTS, RowTime, StreamColumn, StreamId, StreamKind};
use crate::sinks::{Layout, SinkPlan, Target};
use crate::source::Input;
use crate::source::kinesis::Start;
use row_time::row_times;

pub(crate) use source::{ProgramSource, SourceText, read_program};

/// Everything that a run needs to know.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) program: Program,
    pub(crate) source: SourceText,
    /// In the order of the program's inputs.
    pub(crate) inputs: Vec<InputSettings>,
    pub(crate) arrivals: Option<PathBuf>,
    pub(crate) aws: config::aws::AwsSettings,
    pub(crate) start: Start,
    /// The consumer of enhanced fan-out; None: streams are polled.
    pub(crate) efo: Option<String>,
    /// None: windows wait to the end of the input.
    pub(crate) allowed_lateness: Option<Duration>,
    pub(crate) idle_after: Duration,
    pub(crate) until_idle: Option<Duration>,
    /// Whether files are followed, through their rotations.
    pub(crate) follow: bool,
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

/// An input of the program, what feeds it and how its rows are read.
#[derive(Debug, Clone)]
pub(crate) struct InputSettings {
    pub(crate) name: String,
    /// One stream, or files that follow each other.
    pub(crate) sources: Vec<Input>,
    pub(crate) plan: InputPlan,
}

impl InputSettings {
    /// Whether it is a stream; else it is files.
    pub(crate) fn is_stream(&self) -> bool {
        matches!(self.sources.as_slice(), [Input::Kinesis(_)])
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
        let sources = inputs::sources(&program, &[], flags.input.clone())?;
        let row_times = row_times(&flags, &sources, None)?;
        // Every line of the access log has these fields, so one without is bad.
        let plan = |input, row_time| input_plan(&program, input, row_time, TIME_FIELD, Missing::Bad);
        let inputs = inputs::all(&program, sources, &row_times, plan);
        let sink = |(stream, name): (StreamId, &str)| {
            let schema = stream_schema(&program.streams[stream.0]);
            let layout = Layout::of_request_counts(name, &schema, flags.format, width_ms % 1000 == 0);
            SinkPlan { stream, layout, target: Target::Stdout(flags.format) }
        };
        let streams: Vec<(StreamId, &str)> = named_streams(&program).filter(|(_, name)| *name == REQUEST_COUNTS).collect();
        let sinks = streams.iter().copied().map(sink).collect();
        let shown = streams.iter().map(|(stream, name)| shown(&program, *stream, name, 1)).collect();
        let source = SourceText { file: "--window".to_owned(), text: String::new() };
        Self::new(program, source, inputs, sinks, shown, flags)
    }

    /// For a program.
    ///
    /// # Errors
    /// When the program is wrong, or flags contradict each other.
    pub(crate) fn running(arguments: RunArguments) -> Result<Self, Failure> {
        let ProgramSource { text: source, columns, references, fed } = read_program(&arguments.program)?;
        let program = program::load_with(&source.text, columns, references, &fed);
        let mut program = program.map_err(|errors| source.failure(&errors))?;
        if arguments.range_start_excluded {
            program.exclude_range_start();
        }
        let sources = inputs::sources(&program, &arguments.program.stream, arguments.flags.input.clone())?;
        let row_times = row_times(&arguments.flags, &sources, arguments.arrival.as_deref())?;
        let time_field = &arguments.time_field;
        let plan = |input, row_time| {
            let form = form(&program, input, arguments.input_format);
            InputPlan { form, ..input_plan(&program, input, row_time, time_field, Missing::Null) }
        };
        let inputs = inputs::all(&program, sources, &row_times, plan);
        if inputs.iter().any(|input| input.plan.row_time == RowTime::Event && !input.plan.form.has(time_field)) {
            return Err(Failure::usage(format!(
                "--rowtime event takes the time of a row from {time_field}, which this --input-format has not; name another --time-field",
            )));
        }
        let sinks = outputs::sinks(&program, &arguments)?;
        let shown = named_streams(&program).map(|(stream, name)| shown(&program, stream, name, 0)).collect();
        let settings = Self::new(program, source, inputs, sinks, shown, arguments.flags)?;
        Ok(Self { arrivals: arguments.arrival, ..settings })
    }

    fn new(
        program: Program,
        source: SourceText,
        inputs: Vec<InputSettings>,
        sinks: Vec<SinkPlan>,
        shown: Vec<Shown>,
        flags: Flags,
    ) -> Result<Self, Failure> {
        // Windows of what never ends cannot wait to the end.
        let is_endless = flags.follow || inputs.iter().any(InputSettings::is_stream);
        Ok(Self {
            program,
            source,
            checkpoint: checkpoint(&flags, &inputs)?,
            checkpoint_interval: flags.checkpoint_interval,
            inputs,
            arrivals: None,
            aws: config::aws::AwsSettings { endpoint: flags.endpoint, region: flags.region },
            start: flags.start,
            efo: flags.efo,
            allowed_lateness: flags.allowed_lateness.or(is_endless.then_some(Duration::ZERO)),
            idle_after: flags.idle_after,
            until_idle: flags.until_idle,
            follow: flags.follow,
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
        let program = self.program.fingerprint(self.row_time());
        let is_alone = self.inputs.len() == 1;
        let name = |input: &InputSettings, source: &Input| {
            if is_alone { source.to_string() } else { format!("{}={source}", input.name) }
        };
        let names = |input: &InputSettings| -> Vec<String> { input.sources.iter().map(|source| name(input, source)).collect() };
        Identity { program, inputs: self.inputs.iter().flat_map(names).collect() }
    }

    /// What the time of a stream's rows is; of a file's when there is no stream.
    pub(crate) fn row_time(&self) -> RowTime {
        let input = self.inputs.iter().find(|input| input.is_stream()).or(self.inputs.first());
        input.map_or(RowTime::Event, |input| input.plan.row_time)
    }
}

/// Where checkpoints go; checks that the input can be read again from the middle.
fn checkpoint(flags: &Flags, inputs: &[InputSettings]) -> Result<Option<CheckpointSettings>, Failure> {
    let (Some(place), is_fresh) = (flags.checkpoint.clone(), flags.fresh) else {
        return if flags.fresh {
            Err(Failure::usage("--fresh forgets the state in the place of --checkpoint; name it"))
        } else {
            Ok(None)
        };
    };
    if inputs.iter().any(|input| input.sources.contains(&Input::Stdin)) {
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
fn form(program: &Program, input: StreamId, format: InputFormat) -> Form {
    let columns = || program.streams[input.0].columns.iter().map(|column| column.name.clone()).collect();
    match format {
        InputFormat::Json => Form::Json,
        InputFormat::Csv => Form::Csv(columns()),
        InputFormat::Common | InputFormat::Combined => Form::Ncsa,
    }
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
pub(crate) fn input_plan(program: &Program, input: StreamId, row_time: RowTime, time_field: &str, missing: Missing) -> InputPlan {
    let input = &program.streams[input.0];
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
        assert_eq!((stream.inputs[0].plan.row_time, stream.allowed_lateness), (RowTime::Arrival, Some(Duration::ZERO)));
        let file = settings(&["--window", "10s", "--input", "a.log", "b.log"]).unwrap();
        assert_eq!(
            (file.inputs[0].plan.row_time, file.allowed_lateness, file.inputs[0].sources.len()),
            (RowTime::Event, None, 2)
        );
    }

    #[test]
    fn a_stream_may_be_named_in_two_ways() {
        let program = ::tests::data::repository("sql/requests_per_client.sql").display().to_string();
        let inputs = |flag: &str, value: &str| {
            let flags = Arguments::try_parse_from(["analytics", "run", &program, flag, value]).unwrap();
            let Some(crate::cli::Command::Run(run)) = flags.command else { panic!("another command") };
            let Ok(settings) = Settings::running(*run) else { panic!("refused") };
            (settings.inputs[0].sources.clone(), settings.inputs[0].plan.row_time, settings.allowed_lateness)
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
            &["--window", "10s", "--input", "a", "--efo", "reader"],
            &["--window", "10s", "--follow"],
            &["--window", "10s", "--input", "-", "--follow"],
            &["--window", "10s", "--input", "a", "b", "--follow"],
            &["--window", "10s", "--input", "a", "--follow", "--speed", "1x"],
        ] {
            let error = settings(flags).unwrap_err();
            assert!(error.starts_with("--"), "{error}");
        }
    }
}
