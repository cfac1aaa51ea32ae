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

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Settings, SettingsError> {
        Settings::parse(text.as_bytes(), Path::new("agent.json"))
    }

    fn problems(text: &str) -> Vec<String> {
        match parse(text).unwrap_err() {
            SettingsError::Invalid { problems, .. } => problems.iter().map(ToString::to_string).collect(),
            other => panic!("{other}"),
        }
    }

    fn one_flow(more: &str) -> String {
        format!(r#"{{"flows": [{{"filePattern": "/l/a.log", "kinesisStream": "s"{more}}}]}}"#)
    }

    #[test]
    fn the_shipped_file_is_understood() {
        let settings = parse(include_str!("../../../config/agent.json")).unwrap();
        assert_eq!(settings.flows.iter().map(|flow| flow.target.name.as_str()).collect::<Vec<_>>(), ["web-access-log"]);
    }

    #[test]
    fn the_tutorial_s_file_is_understood_as_it_stands() {
        let settings = parse(
            r#"{
              "cloudwatch.emitMetrics": true,
              "kinesis.endpoint": "https://kinesis.us-east-1.amazonaws.com",
              "firehose.endpoint": "",

              "flows": [
                {
                  "filePattern": "/var/log/apache2/access.log",
                  "kinesisStream": "web-access-log",
                  "partitionKeyOption": "RANDOM"
                }
              ]
            }"#,
        )
        .unwrap();
        assert_eq!(settings.flows[0].id, "kinesis:web-access-log:/var/log/apache2/access.log");
        assert_eq!(settings.kinesis.endpoint.as_deref(), Some("https://kinesis.us-east-1.amazonaws.com"));
        assert_eq!(settings.flows[0].initial_position, InitialPosition::EndOfFile);
        assert_eq!(settings.flows[0].batch.max_age, Duration::from_secs(60));
        assert_eq!(settings.state_directory, Path::new("/var/lib/aws-kinesis-agent"));
    }

    #[test]
    fn comments_are_allowed_and_text_that_looks_like_one_is_kept() {
        let text = r#"{ // a line
            /* a block
            */ "kinesis.endpoint": "http://127.0.0.1:4567", "flows": [{"filePattern": "/l/*.log", "kinesisStream": "s"}]} trailing"#;
        let settings = parse(text).unwrap();
        assert_eq!(settings.kinesis.endpoint.as_deref(), Some("http://127.0.0.1:4567"));
        assert!(settings.flows[0].files.matches("a.log"));
    }

    #[test]
    fn quoted_numbers_and_java_s_radixes_are_numbers() {
        let settings = parse(&one_flow(r#", "maxBufferSizeRecords": "0x10", "maxBufferAgeMillis": "2000""#)).unwrap();
        assert_eq!(settings.flows[0].batch.max_records, 16);
        assert_eq!(settings.flows[0].batch.max_age, Duration::from_secs(2));
    }

    #[test]
    fn truth_values_have_java_s_spellings() {
        let is_on = |value: &str| {
            let text =
                format!(r#"{{"cloudwatch.tagInstance": {value}, "flows": [{{"filePattern": "/l/a", "kinesisStream": "s"}}]}}"#);
            parse(&text).map(|settings| settings.observe.cloudwatch.unwrap().tag_instance)
        };
        assert_eq!(["true", "\"Yes\"", "1", "\"t\""].map(|value| is_on(value).unwrap()), [true; 4]);
        assert_eq!(["false", "\"N\"", "0", "null"].map(|value| is_on(value).unwrap()), [false; 4]);
        assert!(is_on("\"maybe\"").unwrap_err().to_string().contains("true and false"));
    }

    #[test]
    fn null_means_the_default() {
        assert_eq!(parse(&one_flow(r#", "maxBufferSizeRecords": null"#)).unwrap().flows[0].batch.max_records, 500);
    }

    #[test]
    fn all_problems_are_reported_together_with_key_value_and_range() {
        let found = problems(
            r#"{"shutdownTimeoutMillis": "soon", "flows": [
                {"filePattern": "/l/a.log", "kinesisStream": "s", "maxBufferAgeMillis": 9, "partitionKeyOption": "random"},
                {"kinesisStream": "s"}, {"filePattern": "/l/b"}, 7]}"#,
        );
        assert_eq!(
            found,
            [
                r#"shutdownTimeoutMillis is "soon": allowed is a whole number from 0 to 86400000"#,
                "flows[0].maxBufferAgeMillis is 9: allowed is a whole number from 10 to 900000",
                r#"flows[0].partitionKeyOption is "random": allowed are RANDOM, DETERMINISTIC"#,
                "flows[1].filePattern is missing: a flow needs the files to read, such as /var/log/app.log*",
                "flows[2].kinesisStream is missing: a flow needs the name or ARN of a Kinesis stream, or a deliveryStream",
                "flows[3] is 7: a flow is an object with filePattern and kinesisStream or deliveryStream",
            ]
        );
    }

    #[test]
    fn a_buffer_age_the_java_agent_would_refuse_is_taken_with_a_warning() {
        let settings = parse(&one_flow(r#", "maxBufferAgeMillis": 10"#)).unwrap();
        assert_eq!(settings.flows[0].batch.max_age, Duration::from_millis(10));
        assert!(settings.warnings[0].starts_with("flows[0].maxBufferAgeMillis is below 1000"), "{:?}", settings.warnings);
    }

    #[test]
    fn an_unknown_key_is_a_warning_that_names_the_nearest() {
        let settings = parse(&one_flow(r#", "maxBufferAgeMilis": 5"#)).unwrap();
        assert_eq!(settings.warnings, ["flows[0].maxBufferAgeMilis is not a known key; did you mean maxBufferAgeMillis?"]);
    }

    #[test]
    fn every_key_of_the_java_agent_is_known() {
        let settings =
            parse(&one_flow(r#", "waitOnFullPublishQueueMillis": 1000, "waitOnEmptyPublishQueueMillis": 1000"#)).unwrap();
        assert!(settings.warnings.iter().all(|warning| warning.ends_with("has no effect in this version of the agent")));
    }

    #[test]
    fn a_secret_is_in_no_message() {
        let found = problems(r#"{"awsSecretAccessKey": "hush", "flows": [{"filePattern": "/l/a", "kinesisStream": "s"}]}"#);
        assert_eq!(found, ["awsAccessKeyId is missing: an access key has two halves; set both, or neither"]);
        let text = r#"{"awsAccessKeyId": "AKID", "awsSecretAccessKey": "hush", "assumeRoleARN": "arn:aws:iam::123456789012:role/r",
            "assumeRoleExternalId": "whisper", "flows": [{"filePattern": "/l/a", "kinesisStream": "s"}]}"#;
        let shown = format!("{:?}", parse(text).unwrap());
        assert!(!shown.contains("hush") && !shown.contains("whisper"), "{shown}");
    }

    #[test]
    fn firehose_wins_when_both_streams_are_there() {
        let settings = parse(&one_flow(r#", "deliveryStream": "d", "partitionKeyOption": "DETERMINISTIC""#)).unwrap();
        let flow = &settings.flows[0];
        assert_eq!((flow.id.as_str(), flow.target.kind), ("fh:d:/l/a.log", Kind::Firehose));
        assert_eq!(flow.partition_key, PartitionKeyOption::None);
        assert_eq!(flow.batch.max_bytes, 4_194_304);
    }

    #[test]
    fn each_destination_has_its_own_limits() {
        let bytes = |more: &str| parse(&one_flow(more)).map(|settings| settings.flows[0].batch.max_bytes);
        assert_eq!(bytes("").unwrap(), 5_242_880);
        assert!(bytes(r#", "maxBufferSizeBytes": 5242881"#).unwrap_err().to_string().contains("from 1 to 5242880"));
        assert_eq!(bytes(r#", "requestSizeLimitBytes": 10485760"#).unwrap(), 10_485_760);
        assert_eq!(bytes(r#", "requestSizeLimitBytes": 10485760, "maxBufferSizeBytes": 6000000"#).unwrap(), 6_000_000);
        assert!(bytes(r#", "deliveryStream": "d", "maxBufferSizeBytes": 4194305"#).unwrap_err().to_string().contains("4194304"));
        let refused = bytes(r#", "deliveryStream": "d", "requestSizeLimitBytes": 9"#).unwrap_err().to_string();
        assert!(refused.contains("Firehose's limit of 4 MiB is fixed"));
    }

    #[test]
    fn the_bundled_web_identity_class_is_the_native_provider_and_others_are_refused() {
        let class = |name: &str| {
            let text = format!(
                r#"{{"userDefinedCredentialsProvider.classname": "{name}", "flows": [{{"filePattern": "/l/a", "kinesisStream": "s"}}]}}"#
            );
            parse(&text).map(|settings| settings.aws.credentials)
        };
        let bundled = "com.amazon.kinesis.streaming.agent.providers.CLIWebIdentityTokenCredentialsProvider";
        assert!(matches!(class(bundled).unwrap(), CredentialsSource::WebIdentity));
        assert!(matches!(class("").unwrap(), CredentialsSource::Chain));
        assert!(class("com.example.Vault").unwrap_err().to_string().contains("a Java class cannot be loaded here"));
    }

    #[test]
    fn a_flow_may_have_its_own_way_to_aws() {
        let more = r#", "region": "eu-west-1", "endpoint": "vpce-1.kinesis.eu-west-1.vpce.amazonaws.com",
            "assumeRoleARN": "arn:aws:iam::123456789012:role/logs", "assumeRoleExternalId": "x", "maxRequestsInFlight": 1"#;
        let flow = parse(&one_flow(more)).unwrap().flows.remove(0);
        assert_eq!(flow.target.role.unwrap().external_id.as_deref(), Some("x"));
        assert_eq!((flow.target.aws.region.as_deref(), flow.max_requests), (Some("eu-west-1"), 1));
        let found = problems(&one_flow(r#", "assumeRoleARN": "logs", "endpoint": "ftp://x", "region": "a b""#));
        assert_eq!(found.len(), 3, "{found:?}");
    }

    #[test]
    fn an_arn_in_another_region_than_the_settings_is_a_warning() {
        let text = r#"{"kinesis.region": "eu-west-1", "flows": [
            {"filePattern": "/l/a", "kinesisStream": "arn:aws:kinesis:us-east-2:123456789012:stream/s"}]}"#;
        let settings = parse(text).unwrap();
        assert_eq!(settings.flows[0].id, "kinesis:arn:aws:kinesis:us-east-2:123456789012:stream/s:/l/a");
        assert!(settings.warnings[0].contains("is in us-east-2, but requests go to eu-west-1"), "{:?}", settings.warnings);
    }

    #[test]
    fn no_flows_and_duplicate_flows_are_refused() {
        assert!(problems("{}")[0].contains("no flows configured"));
        assert!(problems(r#"{"flows": []}"#)[0].contains("no flows configured"));
        let flow = r#"{"filePattern": "/l/a", "kinesisStream": "s"}"#;
        let found = problems(&format!(r#"{{"flows": [{flow}, {flow}]}}"#));
        assert_eq!(found, ["flows[1] is there twice: Duplicate flow: kinesis:s:/l/a"]);
    }
}
