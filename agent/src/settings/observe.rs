//! How the agent lets others see what it does: its listener, its logs, CloudWatch.

use std::{net::SocketAddr, time::Duration};

use config::aws::AwsSettings;

use super::{flow::DAY_MILLIS, problem::Fields};

/// Where the listener is unless told otherwise.
const DEFAULT_LISTEN: &str = "127.0.0.1:9580";

/// What others may see.
#[derive(Debug, Clone)]
pub struct ObserveSettings {
    /// Where `/metrics`, `/status`, `/livez`, `/readyz` and `/tap` are served: a loopback address; none is nowhere.
    pub listen: Option<SocketAddr>,
    /// Whether the counters of all flows are logged as JSON with each status line.
    pub internal_metrics: bool,
    /// Metrics for CloudWatch; none is off.
    pub cloudwatch: Option<CloudWatchSettings>,
}

/// Metrics for CloudWatch.
#[derive(Debug, Clone)]
pub struct CloudWatchSettings {
    /// The namespace of all metrics.
    pub namespace: String,
    /// Time between two calls.
    pub period: Duration,
    /// Pairs of metric and destination that may wait for a call.
    pub queue_size: usize,
    /// Whether each metric has the dimension `Instance`.
    pub tag_instance: bool,
    /// Whether metrics go along that the Java agent did not have.
    pub extra: bool,
}

/// Reads the keys. `kinesis` is where the records go: without keys of its own, CloudWatch is in the same region.
pub(super) fn read(fields: &mut Fields<'_>, kinesis: &AwsSettings) -> ObserveSettings {
    let cloudwatch = read_cloudwatch(fields, kinesis);
    ObserveSettings {
        listen: read_listen(fields),
        internal_metrics: fields.boolean("log.emitInternalMetrics", false),
        cloudwatch,
    }
}

fn read_listen(fields: &mut Fields<'_>) -> Option<SocketAddr> {
    let text = fields.text("status.listen").unwrap_or_else(|| DEFAULT_LISTEN.to_owned());
    if text.is_empty() {
        return None;
    }
    // Whoever reaches it may read names of files and streams, and there is no login.
    let address = text.parse().ok().filter(|address: &SocketAddr| address.ip().is_loopback());
    if address.is_none() {
        let remedy = "allowed is a loopback address with a port, such as 127.0.0.1:9580 (port 0 is any free one), or \"\" for none; put a proxy with authentication in front to reach it from elsewhere";
        fields.problem("status.listen", remedy);
    }
    address
}

fn read_cloudwatch(fields: &mut Fields<'_>, kinesis: &AwsSettings) -> Option<CloudWatchSettings> {
    let endpoint = fields.text("cloudwatch.endpoint").filter(|text| !text.is_empty());
    // The Java agent's default is true. Records that go to an emulator on this machine say that there is no AWS.
    let default = endpoint.is_some() || !kinesis.endpoint.as_deref().is_some_and(is_loopback);
    let namespace = fields.text("cloudwatch.namespace").filter(|text| !text.is_empty()).unwrap_or("AWSKinesisAgent".to_owned());
    if namespace.len() > 255 || namespace.starts_with(':') || namespace.starts_with("AWS/") {
        fields.problem("cloudwatch.namespace", "allowed are 1 to 255 characters, not beginning with ':' or AWS/");
    }
    let settings = CloudWatchSettings {
        namespace,
        // The Java agent takes any number; one so small that it would be a busy loop becomes a second.
        period: fields.millis("cloudwatch.metricsBufferTimeMillis", 30_000, 0..=DAY_MILLIS).max(Duration::from_secs(1)),
        queue_size: fields.size("cloudwatch.metricsQueueSize", 10_000, 1..=1_000_000),
        tag_instance: fields.boolean("cloudwatch.tagInstance", false),
        extra: fields.boolean("cloudwatch.emitExtraMetrics", false),
    };
    fields.boolean("cloudwatch.emitMetrics", default).then_some(settings)
}

fn is_loopback(endpoint: &str) -> bool {
    let host = endpoint.split("://").last().unwrap_or_default();
    host.starts_with("localhost") || host.starts_with("127.") || host.starts_with("[::1]")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Settings;

    fn parse(keys: &str) -> Result<super::ObserveSettings, String> {
        let text = format!(r#"{{{keys} "flows": [{{"filePattern": "/l/a", "kinesisStream": "s"}}]}}"#);
        let settings = Settings::parse(text.as_bytes(), Path::new("agent.json"));
        settings.map(|settings| settings.observe).map_err(|error| error.to_string())
    }

    #[test]
    fn the_defaults_are_the_java_agent_s_and_a_loopback_port() {
        let settings = parse("").unwrap();
        assert_eq!(settings.listen.unwrap().to_string(), "127.0.0.1:9580");
        assert!(!settings.internal_metrics);
        let cloudwatch = settings.cloudwatch.unwrap();
        assert_eq!(
            (cloudwatch.namespace.as_str(), cloudwatch.period.as_secs(), cloudwatch.queue_size),
            ("AWSKinesisAgent", 30, 10_000)
        );
        assert!(!cloudwatch.tag_instance && !cloudwatch.extra);
    }

    #[test]
    fn the_listener_stays_on_loopback_and_can_be_off() {
        assert_eq!(parse(r#""status.listen": "","#).unwrap().listen, None);
        assert_eq!(parse(r#""status.listen": "[::1]:0","#).unwrap().listen.unwrap().to_string(), "[::1]:0");
        for wrong in ["0.0.0.0:9580", "10.0.0.1:1", "9580", "localhost"] {
            let problem = parse(&format!(r#""status.listen": "{wrong}","#)).unwrap_err();
            assert!(problem.contains("status.listen") && problem.contains("loopback"), "{problem}");
        }
    }

    #[test]
    fn records_for_an_emulator_on_this_machine_send_no_metrics_to_aws_unless_asked() {
        let emulator = r#""kinesis.endpoint": "http://127.0.0.1:4567","#;
        assert!(parse(emulator).unwrap().cloudwatch.is_none());
        assert!(parse(&format!(r#"{emulator} "cloudwatch.emitMetrics": true,"#)).unwrap().cloudwatch.is_some());
        assert!(parse(&format!(r#"{emulator} "cloudwatch.endpoint": "http://127.0.0.1:1","#)).unwrap().cloudwatch.is_some());
        assert!(parse(r#""cloudwatch.emitMetrics": "no","#).unwrap().cloudwatch.is_none());
    }

    #[test]
    fn ranges_are_checked() {
        let problem = parse(r#""cloudwatch.namespace": "AWS/EC2", "cloudwatch.metricsBufferTimeMillis": -1,"#).unwrap_err();
        assert!(problem.contains("cloudwatch.namespace") && problem.contains("metricsBufferTimeMillis"), "{problem}");
    }
}
