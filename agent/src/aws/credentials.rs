//! Where credentials are looked for: the SDK's providers in the SDK's order, in a chain that names what it found.

use aws_config::{
    Region, SdkConfig, ecs::EcsCredentialsProvider, environment::EnvironmentVariableCredentialsProvider,
    imds::credentials::ImdsCredentialsProvider, profile::ProfileFileCredentialsProvider, provider_config::ProviderConfig,
    web_identity_token::WebIdentityTokenCredentialsProvider,
};
use aws_credential_types::{
    Credentials,
    provider::{self, ProvideCredentials, SharedCredentialsProvider, error::CredentialsError, future},
};
use config::aws::behavior_version;

use super::direct;
use crate::settings::Keys;

/// Providers, asked in order until one has credentials.
#[derive(Debug)]
pub(crate) struct Chain(Vec<(&'static str, SharedCredentialsProvider)>);

impl Chain {
    /// Environment, profile, web identity, container (ECS, EKS Pod Identity), instance.
    pub(super) async fn default_in(region: &str, base: &SdkConfig) -> Self {
        let (proxied, direct) = (proxied(region, base), direct::provider_config());
        let metadata = direct::metadata_client();
        let instance = || ImdsCredentialsProvider::builder().configure(&direct).imds_client(metadata.clone()).build();
        let container = || EcsCredentialsProvider::builder().configure(&direct).build();
        // A profile may name them as its source.
        let profile = ProfileFileCredentialsProvider::builder()
            .configure(&proxied)
            .with_custom_provider("Ec2InstanceMetadata", instance())
            .with_custom_provider("EcsContainer", container());
        Self(vec![
            ("the environment", SharedCredentialsProvider::new(EnvironmentVariableCredentialsProvider::new())),
            ("the profile", SharedCredentialsProvider::new(profile.build())),
            ("the web identity token", web_identity(&proxied)),
            ("the container", SharedCredentialsProvider::new(container())),
            ("the instance", SharedCredentialsProvider::new(instance())),
        ])
    }

    /// The web identity token alone.
    pub(super) fn web_identity(region: &str, base: &SdkConfig) -> Self {
        Self(vec![("the web identity token", web_identity(&proxied(region, base)))])
    }

    /// The settings file's access key.
    pub(super) fn keys(keys: &Keys) -> Self {
        let credentials = Credentials::new(&keys.id, &keys.secret, None, None, "agent.json");
        Self(vec![("awsAccessKeyId of the settings", SharedCredentialsProvider::new(credentials))])
    }

    /// The credentials, and where they come from.
    ///
    /// # Errors
    /// When nobody has any, with what each said; or when one that should have them fails.
    pub(crate) async fn find(&self) -> Result<(&'static str, Credentials), CredentialsError> {
        let mut answers = Vec::new();
        for (name, provider) in &self.0 {
            match provider.provide_credentials().await {
                Ok(credentials) => return Ok((name, credentials)),
                Err(error @ CredentialsError::CredentialsNotLoaded(_)) => answers.push(format!("{name}: {}", cause(&error))),
                Err(error) => {
                    let message = format!("{name} should have credentials: {}", cause(&error));
                    return Err(CredentialsError::provider_error(message));
                }
            }
        }
        Err(CredentialsError::not_loaded(format!("nobody has credentials ({})", answers.join("; "))))
    }
}

impl ProvideCredentials for Chain {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async { provider::Result::Ok(self.find().await?.1) })
    }
}

fn web_identity(config: &ProviderConfig) -> SharedCredentialsProvider {
    SharedCredentialsProvider::new(WebIdentityTokenCredentialsProvider::builder().configure(config).build())
}

/// For providers that ask AWS, through a proxy if there is one.
fn proxied(region: &str, base: &SdkConfig) -> ProviderConfig {
    ProviderConfig::without_region()
        .with_behavior_version(Some(behavior_version()))
        .with_region(Some(Region::new(region.to_owned())))
        .with_use_fips(base.use_fips())
        .with_use_dual_stack(base.use_dual_stack())
}

/// What lies beneath the SDK's general words.
fn cause(error: &CredentialsError) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), crate::destination::chain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    enum Link {
        Empty,
        Broken,
        Full,
    }

    impl ProvideCredentials for Link {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            future::ProvideCredentials::ready(match self {
                Self::Empty => Err(CredentialsError::not_loaded("nothing set")),
                Self::Broken => Err(CredentialsError::provider_error("the file is damaged")),
                Self::Full => Ok(Credentials::new("id", "secret", None, None, "test")),
            })
        }
    }

    fn chain(links: Vec<(&'static str, Link)>) -> Chain {
        Chain(links.into_iter().map(|(name, link)| (name, SharedCredentialsProvider::new(link))).collect())
    }

    #[tokio::test]
    async fn the_first_that_has_credentials_is_named() {
        let chain = chain(vec![("one", Link::Empty), ("two", Link::Full), ("three", Link::Broken)]);
        assert_eq!(chain.find().await.unwrap().0, "two");
    }

    #[tokio::test]
    async fn one_that_is_broken_ends_the_search() {
        let chain = chain(vec![("one", Link::Empty), ("two", Link::Broken), ("three", Link::Full)]);
        let error = chain.find().await.unwrap_err();
        assert!(crate::destination::chain(&error).contains("two should have credentials: the file is damaged"));
    }

    #[tokio::test]
    async fn when_nobody_has_any_each_says_why() {
        let chain = chain(vec![("one", Link::Empty), ("two", Link::Empty)]);
        let error = chain.find().await.unwrap_err();
        let message = crate::destination::chain(&error);
        assert!(message.contains("one: nothing set") && message.contains("two: nothing set"), "{message}");
    }

    #[test]
    fn no_debug_output_shows_a_secret() {
        let keys = Keys { id: "AKIDX".to_owned(), secret: "hush-hush".to_owned() };
        let chain = Chain::keys(&keys);
        let shown = format!("{keys:?} {chain:?}");
        assert!(!shown.contains("hush") && !shown.contains("AKIDX secret"), "{shown}");
    }
}
