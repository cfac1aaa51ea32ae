//! The names `agent.json` may hold: the Java agent's, and ours. The table decides what happens to a key
//! that this agent reads, ignores, or must refuse.

use serde_json::{Map, Value};

/// What this agent does with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// It is read.
    Read,
    /// It changes nothing that is sent; said once at the start when it is set.
    WithoutEffect,
    /// It would change what is sent, where, or as whom; never to be ignored in silence.
    Refused,
}
use Use::{Read, Refused, WithoutEffect};

/// Keys at the top of the file. Source: the Java agent's configuration classes, version 2.0.13.
pub(super) const AGENT: &[(&str, Use)] = &[
    ("flows", Read),
    ("stateDirectory", Read),
    ("cloudwatch.emitMetrics", Read),
    ("kinesis.endpoint", Read),
    ("kinesis.region", Read),
    ("log.statusReportingPeriodSeconds", Read),
    ("connectionTimeoutMillis", Read),
    ("socketTimeoutMillis", Read),
    ("shutdownTimeoutMillis", Read),
    ("firehose.endpoint", WithoutEffect),
    ("checkpointFile", WithoutEffect),
    ("checkpointTimeToLiveDays", WithoutEffect),
    ("checkpoints.queryTimeoutSeconds", WithoutEffect),
    ("checkpoints.connectionTimeoutSeconds", WithoutEffect),
    ("sts.endpoint", WithoutEffect),
    ("cloudwatch.endpoint", WithoutEffect),
    ("cloudwatch.namespace", WithoutEffect),
    ("cloudwatch.metricsBufferTimeMillis", WithoutEffect),
    ("cloudwatch.metricsQueueSize", WithoutEffect),
    ("cloudwatch.tagInstance", WithoutEffect),
    ("log.emitMetrics", WithoutEffect),
    ("log.emitInternalMetrics", WithoutEffect),
    ("log.level", WithoutEffect),
    ("log.file", WithoutEffect),
    ("log.maxBackupIndex", WithoutEffect),
    ("log.maxFileSize", WithoutEffect),
    ("maxSendingThreadsPerCore", WithoutEffect),
    ("maxSendingThreads", WithoutEffect),
    ("sendingThreadsMaxQueueSize", WithoutEffect),
    ("sendingThreadsKeepAliveMillis", WithoutEffect),
    ("maxConnections", WithoutEffect),
    ("connectionTTLMillis", WithoutEffect),
    ("useTcpKeepAlive", WithoutEffect),
    ("useHttpGzip", WithoutEffect),
    ("userAgent", WithoutEffect),
    ("userAgentOverride", WithoutEffect),
    ("awsAccessKeyId", Refused),
    ("awsSecretAccessKey", Refused),
    ("assumeRoleARN", Refused),
    ("assumeRoleExternalId", Refused),
    ("userDefinedCredentialsProvider.classname", Refused),
    ("userDefinedCredentialsProvider.location", Refused),
];

/// Keys of one flow. Source as above.
pub(super) const FLOW: &[(&str, Use)] = &[
    ("filePattern", Read),
    ("kinesisStream", Read),
    ("partitionKeyOption", Read),
    ("initialPosition", Read),
    ("maxBufferAgeMillis", Read),
    ("maxBufferSizeRecords", Read),
    ("maxBufferSizeBytes", Read),
    ("minTimeBetweenFilePollsMillis", Read),
    ("maxTimeBetweenFileTrackerRefreshMillis", Read),
    ("retryInitialBackoffMillis", Read),
    ("retryMaxBackoffMillis", Read),
    ("publishQueueCapacity", Read),
    ("dataProcessingOptions", Read),
    ("waitOnFullPublishQueueMillis", WithoutEffect),
    ("waitOnEmptyPublishQueueMillis", WithoutEffect),
    ("waitOnFullRetryQueueMillis", WithoutEffect),
    ("log.emitInternalMetrics", WithoutEffect),
    ("deliveryStream", Refused),
    // What a record is; from multiLineFlushMillis on they are ours.
    ("multiLineStartPattern", Read),
    ("fileFooterPattern", Read),
    ("skipHeaderLines", Read),
    ("truncatedRecordTerminator", Read),
    ("aggregatedRecordSizeBytes", Read),
    ("multiLineFlushMillis", Read),
    ("onOversizedRecord", Read),
    ("repairApacheJson", Read),
    ("privacy", Read),
    ("partitionKey", Read),
    ("aggregation", Read),
    ("aggregationSizeBytes", Read),
    ("compression", Read),
    ("compressionLevel", Read),
    ("compressedRecordSizeBytes", Read),
];

/// Values of a refused key that ask for nothing, so that a file which spells out a default still works.
pub(super) fn asks_for_nothing(key: &str, value: &Value) -> bool {
    match (key, value) {
        (_, Value::Null) => true,
        (_, Value::String(text)) if text.is_empty() => true,
        // Web identity tokens are part of the SDK's own chain.
        ("userDefinedCredentialsProvider.classname", Value::String(name)) => {
            name.ends_with("CLIWebIdentityTokenCredentialsProvider")
        }
        _ => false,
    }
}

/// One line for each key the table does not have, with the nearest one it has, and for each without effect.
pub(super) fn warnings(object: &Map<String, Value>, place: &str, table: &[(&str, Use)]) -> Vec<String> {
    object.keys().filter_map(|key| warning(key, place, table)).collect()
}

fn warning(key: &str, place: &str, table: &[(&str, Use)]) -> Option<String> {
    match table.iter().find(|(name, _)| *name == key) {
        Some((_, WithoutEffect)) => Some(format!("{place}{key} has no effect in this version of the agent")),
        Some(_) => None,
        None => Some(match nearest(key, table) {
            Some(name) => format!("{place}{key} is not a known key; did you mean {name}?"),
            None => format!("{place}{key} is not a known key and is ignored"),
        }),
    }
}

/// The known key a wrong one probably stands for.
fn nearest<'a>(key: &str, table: &[(&'a str, Use)]) -> Option<&'a str> {
    let scored = table.iter().map(|(name, _)| (strsim::jaro_winkler(&key.to_lowercase(), &name.to_lowercase()), *name));
    // Below this the two words only share letters.
    scored.filter(|(score, _)| *score > 0.8).max_by(|one, other| one.0.total_cmp(&other.0)).map(|(_, name)| name)
}
