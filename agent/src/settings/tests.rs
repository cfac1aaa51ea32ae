//! Whole files: what is understood, what is refused, and how it is said.

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
    let settings = parse(&one_flow(r#", "waitOnFullPublishQueueMillis": 1000, "waitOnEmptyPublishQueueMillis": 1000"#)).unwrap();
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
