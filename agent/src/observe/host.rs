//! What this machine is called.

use std::time::Duration;

use tokio::time::timeout;

/// Longest wait for the instance metadata: on a machine that has none, the name must do.
const METADATA_TIMEOUT: Duration = Duration::from_secs(3);

/// The EC2 instance id; where there is none, the host name.
pub(crate) async fn instance() -> String {
    let is_off = std::env::var("AWS_EC2_METADATA_DISABLED").is_ok_and(|value| value.eq_ignore_ascii_case("true"));
    let client = aws_config::imds::Client::builder().build();
    let id = async { client.get("/latest/meta-data/instance-id").await.ok() };
    let id = if is_off { None } else { timeout(METADATA_TIMEOUT, id).await.ok().flatten() };
    id.map_or_else(name, |id| id.as_ref().to_owned())
}

/// The host name.
pub(crate) fn name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    if name.trim().is_empty() { "unknown-host".to_owned() } else { name.trim().to_owned() }
}
