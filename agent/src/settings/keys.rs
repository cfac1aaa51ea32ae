//! The names `agent.json` may hold: the Java agent's, and ours. The table says whether
//! this agent reads a key or takes it without effect.

use serde_json::{Map, Value};

/// What this agent does with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// It is read.
    Read,
    /// It changes nothing that is sent; said once at the start when it is set.
    WithoutEffect,
}
use Use::{Read, WithoutEffect};

/// Keys at the top of the file. Source: the Java agent's configuration classes, version 2.0.13.
pub(super) const AGENT: &[(&str, Use)] = &[
    ("flows", Read),
    ("stateDirectory", Read),
    ("followLinks", Read),
    ("maxMemoryBytes", Read),
    ("cloudwatch.emitMetrics", Read),
    ("kinesis.endpoint", Read),
    ("kinesis.region", Read),
    ("log.statusReportingPeriodSeconds", Read),
    ("connectionTimeoutMillis", Read),
    ("socketTimeoutMillis", Read),
    ("shutdownTimeoutMillis", Read),
    ("firehose.endpoint", Read),
    ("firehose.region", Read),
    ("checkpointFile", Read),
    ("checkpointTimeToLiveDays", Read),
    ("checkpoints.queryTimeoutSeconds", WithoutEffect),
    ("checkpoints.connectionTimeoutSeconds", WithoutEffect),
    ("sts.endpoint", Read),
    ("cloudwatch.endpoint", Read),
    ("cloudwatch.namespace", Read),
    ("cloudwatch.metricsBufferTimeMillis", Read),
    ("cloudwatch.metricsQueueSize", Read),
    ("cloudwatch.tagInstance", Read),
    ("log.emitMetrics", WithoutEffect),
    ("log.emitInternalMetrics", Read),
    ("log.level", Read),
    ("log.file", Read),
    ("log.maxBackupIndex", Read),
    ("log.maxFileSize", Read),
    ("maxSendingThreadsPerCore", WithoutEffect),
    ("maxSendingThreads", WithoutEffect),
    ("sendingThreadsMaxQueueSize", WithoutEffect),
    ("sendingThreadsKeepAliveMillis", WithoutEffect),
    ("maxConnections", WithoutEffect),
    ("connectionTTLMillis", WithoutEffect),
    ("useTcpKeepAlive", WithoutEffect),
    ("useHttpGzip", WithoutEffect),
    ("userAgent", Read),
    ("userAgentOverride", Read),
    ("awsAccessKeyId", Read),
    ("awsSecretAccessKey", Read),
    ("assumeRoleARN", Read),
    ("assumeRoleExternalId", Read),
    ("userDefinedCredentialsProvider.classname", Read),
    // Only says where the class is.
    ("userDefinedCredentialsProvider.location", WithoutEffect),
    // Ours.
    ("ec2.endpoint", Read),
    ("useFipsEndpoint", Read),
    ("useDualStackEndpoint", Read),
    ("httpsProxy", Read),
    ("noProxy", Read),
    ("status.listen", Read),
    ("cloudwatch.region", Read),
    ("cloudwatch.emitExtraMetrics", Read),
];

/// Keys of one flow. Source as above.
pub(super) const FLOW: &[(&str, Use)] = &[
    ("filePattern", Read),
    ("followLinks", Read),
    ("rotatedDirectories", Read),
    ("kinesisStream", Read),
    ("deliveryStream", Read),
    ("region", Read),
    ("endpoint", Read),
    ("assumeRoleARN", Read),
    ("assumeRoleExternalId", Read),
    ("requestSizeLimitBytes", Read),
    ("maxRequestsInFlight", Read),
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
    ("log.emitInternalMetrics", Read),
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
