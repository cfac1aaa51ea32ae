//! What this EC2 instance is, for `ADDEC2METADATA`: asked for at the start and then every `metadataTTL`, beside shipping.
//!
//! The identity comes from the metadata service, the tags from EC2. A failed attempt leaves what is known and comes
//! again soon; the Java agent waited a full `metadataTTL`.

use std::{path::Path, time::Duration};

use aws_config::imds;
use jiff::{Timestamp, tz::TimeZone};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::{
    aws::{Aws, ec2_query, metadata_client},
    settings::Settings,
    transform::{AddEc2Metadata, Facts, FactsCell, facts},
};

/// Where the metadata service has the instance's identity.
const DOCUMENT: &str = "/latest/dynamic/instance-identity/document";

/// Longest wait at the start: lines that are read before anything is known go without.
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// After a failure.
const RETRY: Duration = Duration::from_secs(60);

/// Keeps the facts of all flows that ask for them.
#[derive(Debug)]
pub(crate) struct InstanceFacts {
    cells: Vec<FactsCell>,
    ttl: Duration,
    metadata: imds::Client,
    aws: Aws,
}

impl InstanceFacts {
    /// Asks for the first time; nothing when no flow wants to know.
    pub(crate) async fn start(settings: &Settings) -> Option<Self> {
        let options: Vec<&AddEc2Metadata> = settings
            .flows
            .iter()
            .filter_map(|flow| flow.transform.as_ref())
            .flat_map(|transform| transform.ec2_options())
            .collect();
        let ttl = options.iter().map(|option| option.ttl).min()?;
        let cells = options.iter().map(|option| option.facts.clone()).collect();
        let facts = Self { cells, ttl, metadata: metadata_client(), aws: Aws::load(settings).await };
        if tokio::time::timeout(START_TIMEOUT, facts.refresh()).await.is_err() {
            warn!("the metadata service does not answer; records go without the instance's facts until it does");
        }
        Some(facts)
    }

    /// Keeps the facts fresh until `stop` is cancelled.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut wait = if self.is_known() { self.ttl } else { RETRY.min(self.ttl) };
        loop {
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = stop.cancelled() => return,
            }
            // Cancelled in the middle, nothing is lost: the cells change at once or not at all.
            let is_fresh = tokio::select! {
                is_fresh = self.refresh() => is_fresh,
                () = stop.cancelled() => return,
            };
            wait = if is_fresh { self.ttl } else { RETRY.min(self.ttl) };
        }
    }

    fn is_known(&self) -> bool {
        self.cells.iter().all(FactsCell::is_set)
    }

    /// Whether everything was learnt.
    async fn refresh(&self) -> bool {
        match self.ask().await {
            Ok((facts, is_complete)) => {
                self.cells.iter().for_each(|cell| cell.set(facts.clone()));
                debug!("the instance's facts are fresh");
                is_complete
            }
            Err(said) => {
                warn!(
                    reason = said,
                    "ADDEC2METADATA: the metadata service tells nothing of this instance, records go without; off EC2 remove the option, \
                     in a container allow HttpPutResponseHopLimit 2"
                );
                false
            }
        }
    }

    async fn ask(&self) -> Result<(Facts, bool), String> {
        let document = self.metadata.get(DOCUMENT).await.map_err(|error| crate::destination::chain(&error))?;
        let document: Value =
            serde_json::from_str(document.as_ref()).map_err(|error| format!("the identity is no JSON: {error}"))?;
        let text = |name: &str| document[name].as_str().ok_or(format!("the identity has no {name}"));
        let (region, instance) = (text("region")?, text("instanceId")?);
        let tags = ec2_query::tags(&self.aws.ec2(region).await, region, instance).await;
        if let Err(said) = &tags {
            warn!(reason = said, "ADDEC2METADATA: the tags of {instance} cannot be read; allow ec2:DescribeTags, or go without");
        }
        let now = Timestamp::now().to_zoned(local_zone()).strftime("%Y-%m-%dT%H:%M:%S%z").to_string();
        let tags = tags.ok();
        Ok((facts(&document, tags.as_deref(), &now), tags.is_some()))
    }
}

/// The zone `TZ` names, else the host's, else UTC.
fn local_zone() -> TimeZone {
    let name = std::env::var("TZ").unwrap_or_default();
    let name = name.trim_start_matches(':');
    let path = match name {
        "" => Path::new("/etc/localtime").to_owned(),
        name => Path::new("/usr/share/zoneinfo").join(name), // an absolute name stays as it is
    };
    let of_file = std::fs::read(path).ok().and_then(|bytes| TimeZone::tzif("local", &bytes).ok());
    of_file.or_else(|| TimeZone::posix(name).ok()).unwrap_or(TimeZone::UTC)
}
