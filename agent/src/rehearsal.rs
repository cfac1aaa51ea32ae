//! A file read through a flow without sending anything: what `agent parse` shows and `agent cost` measures.
//!
//! It goes the way a file goes in the tailer, by the same framing and recipe, and leaves the state alone.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context as _, anyhow};
use bytes::BytesMut;
use clap::Args;
use config::exit::Failure;

use crate::{
    cli::DEFAULT_CONFIGURATION,
    recipe::{Made, Recipe},
    record::FileId,
    settings::{FlowSettings, Settings},
    tail::{Framing, Line, Reading, read_piece, unix_ms},
};

/// Which file, and through which flow.
#[derive(Debug, Args)]
pub(crate) struct Source {
    /// The log file
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The settings, in the Java agent's format [default: /etc/aws-kinesis/agent.json if it is there, else a flow
    /// without options]
    #[arg(short = 'c', long = "configuration", value_name = "FILE")]
    configuration: Option<PathBuf>,
    /// The flow, by its id; needed when several flows match the file
    #[arg(long, value_name = "ID")]
    flow: Option<String>,
}

impl Source {
    /// The flow the file would go through.
    ///
    /// # Errors
    /// When the settings are wrong, or it is not clear which flow is meant.
    pub(crate) fn flow(&self) -> Result<FlowSettings, Failure> {
        let default = Path::new(DEFAULT_CONFIGURATION);
        let settings = match &self.configuration {
            Some(path) => Settings::load(path),
            None if default.exists() => Settings::load(default),
            None => plain_settings(),
        };
        let settings = settings.map_err(|error| Failure::Usage(error.into()))?;
        if self.configuration.is_none() && !default.exists() {
            return settings.flows.into_iter().next().ok_or_else(|| Failure::Usage(anyhow!("there is no flow")));
        }
        choose(settings.flows, self.flow.as_deref(), &self.file).map_err(Failure::Usage)
    }

    /// Reads the file from its start to its end. Returns whether its last line has no end.
    ///
    /// # Errors
    /// When it cannot be read, or `take` fails.
    pub(crate) fn read(&self, flow: &FlowSettings, mut take: impl FnMut(Made) -> io::Result<()>) -> anyhow::Result<bool> {
        let path = self.file.display();
        let file = File::open(&self.file).with_context(|| format!("cannot open {path}"))?;
        let (recipe, mut buffer, mut lines) = (Recipe::of(flow), BytesMut::new(), Vec::new());
        let (mut position, now) = (0, Instant::now());
        let mut framing = Framing::new(&flow.records.framing, flow.records.limit, position);
        let mut is_end = false;
        let mut is_unfinished = false;
        while !is_end {
            let from = position + framing.held();
            let (length, end) = read_piece(&file, &mut buffer, from, &framing).with_context(|| format!("cannot read {path}"))?;
            let size = from + length as u64;
            position = framing.split(&buffer[..length], position, Reading { is_end: end, size, now, block: None }, &mut lines);
            if end {
                is_unfinished = buffer[..length].last().is_some_and(|last| *last != b'\n');
                // What the framing did not take of this piece is what it holds no copy of.
                let rest = &buffer[..length][usize::try_from(position + framing.held() - from)?..];
                position = framing.take_rest(rest, position, &mut lines);
            }
            is_end = end;
            make(&recipe, &mut lines, &mut take)?;
        }
        Ok(is_unfinished)
    }
}

fn make(recipe: &Recipe, lines: &mut Vec<Line>, take: &mut impl FnMut(Made) -> io::Result<()>) -> io::Result<()> {
    let mut session = recipe.at(unix_ms());
    lines.drain(..).try_for_each(|line| take(session.make(line, FileId(0))))
}

/// One flow that sends each line as it is.
fn plain_settings() -> Result<Settings, crate::settings::SettingsError> {
    let text = br#"{"flows": [{"filePattern": "/any.log", "kinesisStream": "any"}]}"#;
    Settings::parse(text, Path::new("the defaults"))
}

/// The flow that is named, or the only one there is, or the only one that matches the file.
fn choose(flows: Vec<FlowSettings>, id: Option<&str>, file: &Path) -> anyhow::Result<FlowSettings> {
    let ids = |flows: &[FlowSettings]| flows.iter().map(|flow| flow.id.as_str()).collect::<Vec<_>>().join(", ");
    let known = ids(&flows);
    if let Some(id) = id {
        let found = flows.into_iter().find(|flow| flow.id == id);
        return found.with_context(|| format!("there is no flow {id}; the flows are {known}"));
    }
    if flows.len() == 1 {
        return flows.into_iter().next().context("there is no flow");
    }
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let mut matching: Vec<FlowSettings> = flows.into_iter().filter(|flow| flow.files.matches(name)).collect();
    match matching.len() {
        1 => matching.pop().context("there is no flow"),
        0 => Err(anyhow!("no flow reads a file of the name {name}; choose one with --flow, of {known}")),
        _ => Err(anyhow!("several flows read a file of the name {name}; choose one with --flow, of {}", ids(&matching))),
    }
}

/// Success when whoever reads the output has had enough.
///
/// # Errors
/// Any other failure as it is.
pub(crate) fn unless_pipe_closed(result: anyhow::Result<()>) -> Result<(), Failure> {
    let is_closed = |error: &anyhow::Error| {
        error
            .chain()
            .any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe))
    };
    match result {
        Err(error) if !is_closed(&error) => Err(error.into()),
        _ => Ok(()),
    }
}
