//! How the agent reaches AWS: regions, endpoints, credentials, and one configuration for all flows with equal settings.
//!
//! - `region` decides, from what the settings say, where requests go. Pure.
//! - `credentials` is the chain of places where credentials are looked for; it names the one that had them.
//! - `http` makes the clients that the settings' proxy asks for.
//! - `direct` reaches this machine and the metadata service past any proxy.
//! - `user_agent` introduces the agent as the settings say.
//! - `identity` asks STS who we are.
//! - `ec2_query` is the one call to EC2, without its SDK.

pub(crate) mod credentials;
mod direct;
pub(crate) mod ec2_query;
mod http;
pub(crate) mod identity;
mod region;
mod user_agent;

use std::time::Duration;

use anyhow::{Result, anyhow};
use aws_config::{Region, SdkConfig, sts::AssumeRoleProvider, timeout::TimeoutConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_types::retry::RetryConfig;
use config::aws::{AwsSettings, behavior_version, endpoint_url, is_nearby};
use tokio::sync::OnceCell;
use tracing::warn;

pub(crate) use self::{credentials::Chain, direct::metadata_client, user_agent::UserAgent};
use crate::settings::{AwsAccess, CredentialsSource, Kind, Role, Settings, Target};

/// Longest time for one request, its upload included; then its outcome counts as unknown and it is sent again.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// Everything that clients are made from.
#[derive(Debug)]
pub(crate) struct Aws {
    /// What the environment and the profile say, without a region and without credentials.
    base: SdkConfig,
    kinesis: AwsSettings,
    access: AwsAccess,
    timeouts: TimeoutConfig,
    /// Looked up once, and only if a flow needs it: away from EC2 the metadata service costs seconds.
    host_region: OnceCell<Option<String>>,
}

/// Where requests go, and as whom; equal ones share a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// For signing, and for the endpoint's name.
    pub(crate) region: String,
    /// None: AWS's own.
    pub(crate) endpoint: Option<String>,
    /// Taken on with the agent's credentials.
    pub(crate) role: Option<Role>,
}

impl Aws {
    /// Reads the environment and the profile. Asks nobody anything yet.
    pub(crate) async fn load(settings: &Settings) -> Self {
        let mut loader = aws_config::defaults(behavior_version()).region(None::<Region>).no_credentials();
        if let Some(use_fips) = settings.aws.use_fips {
            loader = loader.use_fips(use_fips);
        }
        if let Some(use_dual_stack) = settings.aws.use_dual_stack {
            loader = loader.use_dual_stack(use_dual_stack);
        }
        if let Some(proxy) = settings.aws.proxy.as_ref().and_then(|proxy| http::proxy_config(proxy).ok()) {
            loader = loader.http_client(http::client(&proxy));
        }
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(settings.connect_timeout)
            .read_timeout(settings.read_timeout)
            .operation_timeout(REQUEST_TIMEOUT)
            .build();
        let (kinesis, access) = (settings.kinesis.clone(), settings.aws.clone());
        Self { base: loader.load().await, kinesis, access, timeouts, host_region: OnceCell::new() }
    }

    /// Where the records of a flow go.
    ///
    /// # Errors
    /// When no region is known.
    pub(crate) async fn place(&self, target: &Target) -> Result<Place> {
        let service = match target.kind {
            Kind::Kinesis => &self.kinesis,
            Kind::Firehose => &self.access.firehose,
        };
        let region = match region::of(target, service) {
            Some(region) => region,
            None => {
                let (region, warning) = region::of_host(target, self.host_region().await).map_err(|error| anyhow!(error))?;
                warning.iter().for_each(|warning| warn!("{warning}"));
                region
            }
        };
        let endpoint = target.aws.endpoint.clone().or_else(|| service.endpoint.clone());
        Ok(Place { region, endpoint, role: target.role.clone().or_else(|| self.access.role.clone()) })
    }

    /// The SDK's settings for a place. A request is tried once: whoever sends it knows better what to repeat.
    pub(crate) async fn config(&self, place: &Place) -> SdkConfig {
        self.config_of(place, self.credentials(place).await).await
    }

    /// The SDK's settings for CloudWatch: its own region, else Kinesis', else the host's, else us-east-1.
    pub(crate) async fn cloudwatch(&self) -> SdkConfig {
        let named = |aws: &AwsSettings| aws.region.clone().or_else(|| aws.endpoint.as_deref().and_then(config::aws::region_of));
        let region = match named(&self.access.cloudwatch).or_else(|| named(&self.kinesis)) {
            Some(region) => region,
            None => self.host_region().await.unwrap_or(region::JAVA_REGION).to_owned(),
        };
        let place = Place { region, endpoint: self.access.cloudwatch.endpoint.clone(), role: self.access.role.clone() };
        self.config(&place).await
    }

    /// The SDK's settings for STS next to a place, with that place's credentials. None when the place is an emulator on
    /// this machine and STS is not: the real one knows nothing of it, and need not see its credentials.
    pub(crate) async fn sts(&self, place: &Place) -> Option<SdkConfig> {
        let endpoint = self.access.sts_endpoint.clone();
        if endpoint.is_none() && place.endpoint.as_deref().is_some_and(is_nearby) {
            return None;
        }
        let sts = Place { endpoint, ..place.clone() };
        Some(self.config_of(&sts, self.credentials(place).await).await)
    }

    /// The SDK's settings for EC2 in a region, for [`ec2_query`].
    pub(crate) async fn ec2(&self, region: &str) -> SdkConfig {
        let endpoint = self.access.ec2_endpoint.clone();
        self.config(&Place { region: region.to_owned(), endpoint, role: self.access.role.clone() }).await
    }

    /// The agent's own introduction, to be added to each client.
    pub(crate) fn user_agent(&self) -> UserAgent {
        UserAgent::new(self.access.user_agent_prefix.as_deref(), self.access.user_agent.as_deref())
    }

    /// Where the credentials of a region come from, before any role.
    pub(crate) async fn chain(&self, region: &str) -> Chain {
        match &self.access.credentials {
            CredentialsSource::Chain => Chain::default_in(region, &self.base).await,
            CredentialsSource::Keys(keys) => Chain::keys(keys),
            CredentialsSource::WebIdentity => Chain::web_identity(region, &self.base),
        }
    }

    async fn credentials(&self, place: &Place) -> SharedCredentialsProvider {
        let chain = SharedCredentialsProvider::new(self.chain(&place.region).await);
        let Some(role) = &place.role else { return chain };
        let sts = Place { endpoint: self.access.sts_endpoint.clone(), region: place.region.clone(), role: None };
        let sts = self.config_of(&sts, chain).await;
        // Name and duration as in the Java agent: rules in roles' trust policies may look at them.
        let mut builder = AssumeRoleProvider::builder(&role.arn)
            .session_name("AWSKinesisAgent")
            .session_length(Duration::from_secs(3600))
            .region(Region::new(place.region.clone()))
            .configure(&sts);
        if let Some(external_id) = &role.external_id {
            builder = builder.external_id(external_id);
        }
        SharedCredentialsProvider::new(builder.build().await)
    }

    async fn config_of(&self, place: &Place, credentials: SharedCredentialsProvider) -> SdkConfig {
        let mut builder = self
            .base
            .to_builder()
            .region(Region::new(place.region.clone()))
            .credentials_provider(credentials)
            .timeout_config(self.timeouts.clone())
            .retry_config(RetryConfig::disabled());
        if let Some(endpoint) = &place.endpoint {
            // An endpoint is meant as it is written; the SDK would refuse to look for a variant of it.
            builder.set_use_fips(None).set_use_dual_stack(None);
            builder.set_endpoint_url(Some(endpoint_url(endpoint)));
            if is_nearby(endpoint) {
                builder.set_http_client(Some(direct::http_client()));
            }
        }
        builder.build()
    }

    async fn host_region(&self) -> Option<&str> {
        self.host_region.get_or_init(direct::host_region).await.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    async fn aws(agent: &str) -> Aws {
        let text = format!(r#"{{{agent} "flows": [{{"filePattern": "/l/a", "kinesisStream": "s"}}]}}"#);
        Aws::load(&Settings::parse(text.as_bytes(), Path::new("test")).unwrap()).await
    }

    fn place(endpoint: Option<&str>) -> Place {
        Place { region: "us-gov-west-1".to_owned(), endpoint: endpoint.map(str::to_owned), role: None }
    }

    #[tokio::test]
    async fn fips_and_dual_stack_are_asked_for_where_no_endpoint_is_named() {
        let aws = aws(r#""useFipsEndpoint": true, "useDualStackEndpoint": true,"#).await;
        let config = aws.config(&place(None)).await;
        assert_eq!((config.use_fips(), config.use_dual_stack(), config.endpoint_url()), (Some(true), Some(true), None));
        let config = aws.config(&place(Some("vpce-1.kinesis.us-gov-west-1.vpce.amazonaws.com"))).await;
        assert_eq!((config.use_fips(), config.use_dual_stack()), (None, None));
        assert_eq!(config.endpoint_url(), Some("https://vpce-1.kinesis.us-gov-west-1.vpce.amazonaws.com"));
    }

    #[tokio::test]
    async fn a_request_is_tried_once_and_given_up_in_time() {
        let config = aws(r#""connectionTimeoutMillis": 1500, "socketTimeoutMillis": 2500,"#).await.config(&place(None)).await;
        let timeouts = config.timeout_config().unwrap();
        assert_eq!(timeouts.connect_timeout(), Some(Duration::from_millis(1500)));
        assert_eq!(timeouts.read_timeout(), Some(Duration::from_millis(2500)));
        assert_eq!(config.retry_config().unwrap().max_attempts(), 1);
    }

    #[tokio::test]
    async fn cloudwatch_has_its_own_region_or_kinesis() {
        let region = async |agent: &str| aws(agent).await.cloudwatch().await.region().unwrap().to_string();
        assert_eq!(region(r#""cloudwatch.region": "eu-west-1", "kinesis.region": "eu-west-2","#).await, "eu-west-1");
        assert_eq!(region(r#""cloudwatch.endpoint": "monitoring.eu-west-3.amazonaws.com","#).await, "eu-west-3");
        assert_eq!(region(r#""kinesis.region": "eu-west-2","#).await, "eu-west-2");
    }

    #[tokio::test]
    async fn an_emulator_s_credentials_never_go_to_the_real_sts() {
        let emulator = place(Some("http://127.0.0.1:4567"));
        assert!(aws("").await.sts(&emulator).await.is_none());
        let sts = aws(r#""sts.endpoint": "http://127.0.0.1:5000","#).await.sts(&emulator).await.unwrap();
        assert_eq!(sts.endpoint_url(), Some("http://127.0.0.1:5000"));
        assert!(aws("").await.sts(&place(None)).await.is_some());
    }
}
