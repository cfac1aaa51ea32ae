//! Settings: the Java agent's `agent.json`, read into values that cannot be wrong.
//!
//! Keys are flat and keep their dots (`"kinesis.endpoint"`); comments are allowed; numbers and truth values
//! may be quoted. All problems of a file are reported together, and an unknown key is only a warning.

mod aws;
mod destination;
mod flow;
mod folder;
mod keys;
mod log;
mod observe;
mod options;
mod pattern;
mod privacy;
mod problem;
mod records;
pub(crate) mod schema;
#[cfg(test)]
mod tests;
mod tracking;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use config::aws::AwsSettings;
use json_comments::{CommentSettings, StripComments};
use serde::Deserialize as _;
use serde_json::{Map, Value};

pub use self::{
    aws::{AwsAccess, CredentialsSource, Keys, Proxy, Role},
    destination::{Arn, Kind, Target},
    flow::{BatchLimits, FlowSettings, InitialPosition, PartitionKeyOption, RetryLimits},
    log::LogSettings,
    observe::{CloudWatchSettings, ObserveSettings},
    pattern::FilePattern,
    problem::{Problem, SettingsError},
    tracking::{FollowLinks, Tracking},
};
use self::{flow::DAY_MILLIS, folder::Folder, problem::Fields};
pub(crate) use self::{
    flow::DEFAULT_REFRESH,
    pattern::Places,
    records::{FramingSettings, OnOversized, RecordSettings},
};

/// Where the state is kept unless the file or a flag says otherwise.
pub const DEFAULT_STATE_DIRECTORY: &str = "/var/lib/aws-kinesis-agent";

/// Memory for all flows: what the Java agent gave its heap.
const DEFAULT_MEMORY_BYTES: i64 = 512 << 20;

/// Everything the agent needs to run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// At least one, with ids that differ.
    pub flows: Vec<FlowSettings>,
    /// Checkpoints, the lock and the dead letters live here.
    pub state_directory: PathBuf,
    /// The checkpoint database of the Java agent, to be imported; none unless `checkpointFile` names one.
    pub java_checkpoints: Option<PathBuf>,
    /// Where Kinesis is.
    pub kinesis: AwsSettings,
    /// Where the other services are, and as whom the agent speaks to them.
    pub aws: AwsAccess,
    /// Longest time to open a connection.
    pub connect_timeout: Duration,
    /// Longest silence on a connection that has a request.
    pub read_timeout: Duration,
    /// Longest time between the stop signal and the end.
    pub shutdown_timeout: Duration,
    /// Time between two status lines.
    pub status_period: Duration,
    /// What others may see of it.
    pub observe: ObserveSettings,
    /// Bytes all flows may hold in memory together.
    pub max_memory_bytes: usize,
    /// Where the agent's own log goes.
    pub log: LogSettings,
    /// Keys that were ignored, each as one sentence.
    pub warnings: Vec<String>,
    /// Files of flows that were skipped because they cannot be read, each as one sentence.
    pub skipped_files: Vec<String>,
    /// As written, to tell what a reload changes.
    pub(crate) written: Written,
}

/// The text of the settings without blanks and comments. Never logged: it may hold secrets.
#[derive(Clone, Default)]
pub(crate) struct Written {
    /// Every key of the agent itself.
    pub(crate) agent: BTreeMap<String, String>,
    /// Every flow by its id.
    pub(crate) flows: BTreeMap<String, String>,
}

impl std::fmt::Debug for Written {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Written({} keys, {} flows)", self.agent.len(), self.flows.len())
    }
}

impl Settings {
    /// Reads a settings file.
    ///
    /// # Errors
    /// When it cannot be read, is not a JSON object, or holds values that are not allowed.
    pub fn load(path: &Path) -> Result<Self, SettingsError> {
        let text = fs::read(path).map_err(|source| SettingsError::Read { path: path.to_owned(), source })?;
        Self::parse(&text, path)
    }

    /// Reads a settings file, and the flows of every file in a folder, which need not be there.
    ///
    /// # Errors
    /// As [`Settings::load`]. A file of the folder that is no JSON is skipped, and named in `skipped_files`.
    pub fn load_with(path: &Path, folder: &Path) -> Result<Self, SettingsError> {
        let text = fs::read(path).map_err(|source| SettingsError::Read { path: path.to_owned(), source })?;
        Self::parse_with(&text, path, folder::read(folder))
    }

    /// Reads settings from text; `path` only names it in errors.
    ///
    /// # Errors
    /// As [`Settings::load`], but for reading.
    pub fn parse(text: &[u8], path: &Path) -> Result<Self, SettingsError> {
        Self::parse_with(text, path, Folder::default())
    }

    /// What the user should know although nothing is wrong, or nothing that stops the agent.
    pub(crate) fn notes(&self) -> impl Iterator<Item = &String> {
        self.skipped_files.iter().chain(&self.warnings)
    }

    fn parse_with(text: &[u8], path: &Path, folder: Folder) -> Result<Self, SettingsError> {
        let object = object_of(text).map_err(|source| SettingsError::Syntax { path: path.to_owned(), source })?;
        let mut problems = Vec::new();
        let mut settings = read_agent(&object, &mut problems);
        settings.warnings.extend(folder.warnings);
        settings.skipped_files = folder.skipped;
        read_flows(&object, path, &folder.files, &mut settings, &mut problems);
        if problems.is_empty() {
            return Ok(settings);
        }
        // What is missing may be in there.
        let skipped =
            |reason: String| Problem { key: "agent.d".to_owned(), value: Some("not read whole".to_owned()), remedy: reason };
        problems.extend(settings.skipped_files.into_iter().map(skipped));
        Err(SettingsError::Invalid { path: path.to_owned(), problems })
    }
}

impl Settings {
    /// Where a kind of destination is, unless a flow says otherwise.
    pub fn service(&self, kind: Kind) -> &AwsSettings {
        match kind {
            Kind::Kinesis => &self.kinesis,
            Kind::Firehose => &self.aws.firehose,
        }
    }
}

/// The first JSON value in the text. What follows it is ignored, as the Java agent does.
pub(crate) fn object_of(text: &[u8]) -> Result<Map<String, Value>, serde_json::Error> {
    let plain = StripComments::with_settings(CommentSettings::c_style(), text);
    Map::deserialize(&mut serde_json::Deserializer::from_reader(plain))
}

fn read_agent(object: &Map<String, Value>, problems: &mut Vec<Problem>) -> Settings {
    let mut fields = Fields::new(object, String::new(), problems);
    tracking::check_agent(&mut fields);
    let kinesis = aws::service(&mut fields, "kinesis");
    Settings {
        flows: Vec::new(),
        state_directory: fields.text("stateDirectory").unwrap_or(DEFAULT_STATE_DIRECTORY.to_owned()).into(),
        java_checkpoints: fields.text("checkpointFile").filter(|text| !text.is_empty()).map(PathBuf::from),
        observe: observe::read(&mut fields, &kinesis),
        kinesis,
        aws: aws::read(&mut fields),
        connect_timeout: fields.millis("connectionTimeoutMillis", 10_000, 1..=DAY_MILLIS),
        read_timeout: fields.millis("socketTimeoutMillis", 50_000, 1..=DAY_MILLIS),
        shutdown_timeout: fields.millis("shutdownTimeoutMillis", 10_000, 0..=DAY_MILLIS),
        status_period: fields.millis("log.statusReportingPeriodSeconds", 30, 1..=86_400) * 1000,
        max_memory_bytes: fields.size("maxMemoryBytes", DEFAULT_MEMORY_BYTES, 16 << 20..=1 << 40),
        log: log::read(&mut fields),
        warnings: keys::warnings(object, "", keys::AGENT),
        skipped_files: Vec::new(),
        written: Written {
            agent: object
                .iter()
                .filter(|(key, _)| *key != "flows")
                .map(|(key, value)| (key.clone(), value.to_string()))
                .collect(),
            flows: BTreeMap::new(),
        },
    }
}

/// Reads the flows of the main file and then those of the folder's files.
fn read_flows(
    object: &Map<String, Value>,
    path: &Path,
    files: &[(PathBuf, Vec<Value>)],
    settings: &mut Settings,
    problems: &mut Vec<Problem>,
) {
    let no_flows = "there are no flows configured; add at least one with filePattern and kinesisStream or deliveryStream";
    let main = match object.get("flows") {
        Some(Value::Array(flows)) => flows.as_slice(),
        None | Some(Value::Null) => &[],
        Some(_) => return Fields::new(object, String::new(), problems).problem("flows", no_flows),
    };
    if main.is_empty() && files.iter().all(|(_, flows)| flows.is_empty()) {
        return Fields::new(object, String::new(), problems).problem("flows", no_flows);
    }
    let mut places = BTreeMap::new();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut source = Source { prefix: String::new(), name: name.into_owned(), agent: object, places: &mut places };
    read_list(main, &mut source, settings, problems);
    for (path, flows) in files {
        let folder = path.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
        let name = format!("{folder}/{}", path.file_name().unwrap_or_default().to_string_lossy());
        let mut source = Source { prefix: format!("{name}: "), name, agent: object, places: &mut places };
        read_list(flows, &mut source, settings, problems);
    }
}

/// Where a list of flows comes from.
struct Source<'a> {
    /// Put before the place in a problem; empty for the main file.
    prefix: String,
    /// The file.
    name: String,
    /// The keys of the whole agent, which some keys of a flow lean on.
    agent: &'a Map<String, Value>,
    /// Every flow so far: the file it comes from, and its place there.
    places: &'a mut BTreeMap<String, (String, String)>,
}

fn read_list(flows: &[Value], source: &mut Source<'_>, settings: &mut Settings, problems: &mut Vec<Problem>) {
    for (index, flow) in flows.iter().enumerate() {
        let key = format!("{}flows[{index}]", source.prefix);
        let place = format!("{key}.");
        let Value::Object(object) = flow else {
            let remedy = "a flow is an object with filePattern and kinesisStream or deliveryStream".to_owned();
            problems.push(Problem { key, value: Some(flow.to_string()), remedy });
            continue;
        };
        settings.warnings.extend(keys::warnings(object, &place, keys::FLOW));
        settings.warnings.extend(options::warnings(object, &place));
        settings.warnings.extend(records::warnings(object, &place));
        let Some(mut read) = flow::read(&mut Fields::new(object, place.clone(), problems)) else { continue };
        if read.batch.max_age < flow::JAVA_MIN_AGE {
            let warning = "maxBufferAgeMillis is below 1000: right for this agent, but the Java agent does not start with it";
            settings.warnings.push(format!("{place}{warning}"));
        }
        read.tracking = tracking::read(&mut Fields::new(object, place.clone(), problems), source.agent, read.files.directory());
        let here = (source.name.clone(), format!("flows[{index}]"));
        if let Some((file, place)) = source.places.insert(read.id.clone(), here) {
            let also = if file == source.name { String::new() } else { format!(" (also in {file}: {place})") };
            let remedy = format!("Duplicate flow: {}{also}", read.id);
            problems.push(Problem { key, value: Some("there twice".to_owned()), remedy });
        }
        let service = settings.service(read.target.kind);
        settings.warnings.extend(destination::warnings(&read.target, service, &place));
        settings.written.flows.insert(read.id.clone(), flow.to_string());
        settings.flows.push(read);
    }
}
