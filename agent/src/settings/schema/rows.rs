//! What each key may hold, for people and editors.

/// The form of a value.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// Text; numbers and truth values are taken as they are written.
    Text,
    /// Text that nobody must see.
    Secret,
    /// A whole number between the two, also in quotes.
    Integer(i64, i64),
    /// A truth value in any of Java's spellings.
    Boolean,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// One of these values, as JSON.
    Values(&'static [&'static str]),
    /// An array of texts.
    Texts,
    /// An object with keys of its own.
    Object,
}
use Kind::{Boolean, Choice, Integer, Object, Secret, Text};

/// One key.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) key: &'static str,
    pub(super) kind: Kind,
    /// As JSON; empty when there is none.
    pub(super) default: &'static str,
    pub(super) text: &'static str,
}

const fn row(key: &'static str, kind: Kind, default: &'static str, text: &'static str) -> Row {
    Row { key, kind, default, text }
}

const DAY: i64 = 24 * 60 * 60 * 1000;
/// Values of `followLinks`.
const LINKS: Kind = Kind::Values(&["true", "false", "\"trusted\""]);
const MIB: i64 = 1024 * 1024;

/// Keys at the top of the file. `flows` is not here: its form is the whole other table.
pub(super) const AGENT: &[Row] = &[
    row("stateDirectory", Text, "\"/var/lib/aws-kinesis-agent\"", "Where checkpoints and dead letters are kept."),
    row("maxMemoryBytes", Integer(16 * MIB, 1 << 40), "536870912", "Bytes all flows may hold in memory together."),
    row("kinesis.endpoint", Text, "\"\"", "Host or URL of Kinesis; AWS's own for the region when empty."),
    row("kinesis.region", Text, "", "Region of the streams."),
    row("firehose.endpoint", Text, "\"\"", "Host or URL of Firehose; AWS's own for the region when empty."),
    row("firehose.region", Text, "", "Region of the delivery streams."),
    row("sts.endpoint", Text, "", "Host or URL of STS, which gives the credentials of a role."),
    row("ec2.endpoint", Text, "", "Host or URL of EC2, which knows the tags of the instance."),
    row("cloudwatch.endpoint", Text, "", "Host or URL of CloudWatch."),
    row("cloudwatch.region", Text, "", "Region of CloudWatch; that of the records unless set."),
    row("cloudwatch.emitMetrics", Boolean, "true", "Whether metrics go to CloudWatch."),
    row("cloudwatch.emitExtraMetrics", Boolean, "false", "Whether metrics that the Java agent does not have go there too."),
    row("cloudwatch.namespace", Text, "\"AWSKinesisAgent\"", "Namespace of the metrics."),
    row("cloudwatch.metricsBufferTimeMillis", Integer(0, DAY), "30000", "Time between two calls to CloudWatch."),
    row("cloudwatch.metricsQueueSize", Integer(1, 1_000_000), "10000", "Metrics kept while CloudWatch takes none."),
    row("cloudwatch.tagInstance", Boolean, "false", "Whether metrics have a dimension Instance."),
    row("status.listen", Text, "\"127.0.0.1:9580\"", "Loopback address of /metrics, /status, /livez and /readyz; \"\" for none."),
    row("connectionTimeoutMillis", Integer(1, DAY), "10000", "Longest time to open a connection."),
    row("socketTimeoutMillis", Integer(1, DAY), "50000", "Longest silence on a connection that has a request."),
    row("shutdownTimeoutMillis", Integer(0, DAY), "10000", "Longest time between the stop signal and the end."),
    row("log.statusReportingPeriodSeconds", Integer(1, 86_400), "30", "Time between two status lines in the log."),
    row("log.emitInternalMetrics", Boolean, "false", "Whether internal counters are logged with the status."),
    row("log.level", Choice(&["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "OFF"]), "\"INFO\"", "How much is logged; -L beats it."),
    row("log.file", Text, "", "The file to log to; the journal or stderr unless set. -l beats it."),
    row("log.maxFileSize", Text, "", "Size past which the log file is renamed, such as 10MB; never unless set."),
    row("log.maxBackupIndex", Integer(-1, 1000), "1", "Renamed log files that are kept."),
    row("checkpointFile", Text, "", "Checkpoint database of the Java agent; imported once."),
    row("checkpointTimeToLiveDays", Integer(1, 36_500), "7", "Days a file that is gone stays known."),
    row(
        "followLinks",
        LINKS,
        "\"trusted\"",
        "Which symbolic links are followed: all, those inside of the folders, or those of trusted makers too.",
    ),
    row("userAgent", Text, "", "Put before the agent's own name in requests."),
    row("userAgentOverride", Text, "", "Takes the place of the agent's own name in requests."),
    row("useFipsEndpoint", Boolean, "false", "Whether AWS's FIPS endpoints are used."),
    row("useDualStackEndpoint", Boolean, "false", "Whether AWS's endpoints with IPv6 are used."),
    row("httpsProxy", Secret, "", "URL of the proxy to AWS, in place of the environment's; an empty text is none at all."),
    row("noProxy", Text, "", "Hosts, domains and networks that are reached past httpsProxy, separated by commas."),
    row("awsAccessKeyId", Secret, "", "Half of an access key; better left to the instance's role or the environment."),
    row("awsSecretAccessKey", Secret, "", "The other half."),
    row("assumeRoleARN", Text, "", "Role to take on for every request."),
    row("assumeRoleExternalId", Secret, "", "What the role's owner demands besides."),
    row("userDefinedCredentialsProvider.classname", Text, "", "Only the Java agent's own web identity class, which is built in."),
];

/// Keys of one flow. `dataProcessingOptions` is not here: it has a table of its own.
pub(super) const FLOW: &[Row] = &[
    row("filePattern", Text, "", "The files: a path whose file name may hold * ? [abc] {a,b}."),
    row("kinesisStream", Text, "", "Name of the Kinesis stream."),
    row("deliveryStream", Text, "", "Name of the Firehose delivery stream; it wins over kinesisStream."),
    row("region", Text, "", "Region of this flow's stream."),
    row("endpoint", Text, "", "Host or URL of this flow's service."),
    row("assumeRoleARN", Text, "", "Role to take on for this flow."),
    row("assumeRoleExternalId", Secret, "", "What the role's owner demands besides."),
    row("partitionKeyOption", Choice(&["RANDOM", "DETERMINISTIC"]), "\"RANDOM\"", "How records spread over the shards."),
    row("partitionKey", Object, "", "A field, a pattern or a constant that decides the shard."),
    row(
        "initialPosition",
        Choice(&["END_OF_FILE", "START_OF_FILE"]),
        "\"END_OF_FILE\"",
        "Where files that are there at the first start begin.",
    ),
    row("maxBufferAgeMillis", Integer(10, 900_000), "60000", "Longest time a record waits for its batch to fill."),
    row("maxBufferSizeRecords", Integer(1, 500), "500", "Records in one request."),
    row("maxBufferSizeBytes", Integer(1, 5 * MIB), "", "Bytes in one request; 5 MiB for Kinesis, 4 MiB for Firehose unless set."),
    row("requestSizeLimitBytes", Integer(1, 10 * MIB), "5242880", "Most that maxBufferSizeBytes may be; Kinesis takes 10 MiB."),
    row("maxRequestsInFlight", Integer(1, 64), "4", "Requests of this flow that may be on their way."),
    row("minTimeBetweenFilePollsMillis", Integer(0, DAY), "100", "Shortest time between two looks at the files."),
    row(
        "maxTimeBetweenFileTrackerRefreshMillis",
        Integer(0, DAY),
        "10000",
        "Longest time between two listings of the directory.",
    ),
    row("retryInitialBackoffMillis", Integer(0, DAY), "100", "Wait after the first failure."),
    row("retryMaxBackoffMillis", Integer(0, DAY), "10000", "Wait after many failures."),
    row("publishQueueCapacity", Integer(1, 1_000_000), "100", "Chunks of lines that may wait for the destination."),
    row("log.emitInternalMetrics", Boolean, "false", "Whether this flow's internal counters are logged with the status."),
    row(
        "followLinks",
        LINKS,
        "\"trusted\"",
        "Which symbolic links are followed: all, those inside of the folders, or those of trusted makers too.",
    ),
    row("rotatedDirectories", Kind::Texts, "", "Other folders that rotation moves files to."),
    row("multiLineStartPattern", Text, "", "Matches the first line of a record of several lines."),
    row("multiLineFlushMillis", Integer(0, DAY), "5000", "How long the last record of a file waits for more lines."),
    row("fileFooterPattern", Text, "", "Matches the record at which reading what is there stops."),
    row("skipHeaderLines", Integer(0, 2_147_483_647), "0", "Lines at the start of each file that are not sent."),
    row("truncatedRecordTerminator", Text, "\"\\n\"", "Ends a record that was cut."),
    row("onOversizedRecord", Choice(&["truncate", "deadletter"]), "\"truncate\"", "What becomes of a record that is too large."),
    row("repairApacheJson", Boolean, "false", "Whether Apache's \\xHH is turned into legal JSON."),
    row("privacy", Object, "", "What of a line must not be seen."),
    row("aggregation", Choice(&["NONE", "KPL"]), "\"NONE\"", "Whether lines travel together in KPL aggregates."),
    row("aggregationSizeBytes", Integer(1, 1_000_000), "51200", "Bytes of an aggregate."),
    row(
        "aggregatedRecordSizeBytes",
        Integer(0, 1_024_000),
        "0",
        "Bytes up to which lines are joined in a Firehose record; 0 is off.",
    ),
    row("compression", Choice(&["none", "gzip", "zstd"]), "\"none\"", "How records are compressed."),
    row("compressionLevel", Integer(1, 19), "", "How hard; 1 to 9 for gzip, 1 to 19 for zstd."),
    row(
        "compressedRecordSizeBytes",
        Integer(1, 1_000_000),
        "262144",
        "Bytes of lines in a compressed record, before compression.",
    ),
];
