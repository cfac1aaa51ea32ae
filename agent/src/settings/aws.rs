//! Where AWS is, as whom the agent speaks to it, and how it introduces itself.

use std::fmt;

use config::aws::{AwsSettings, is_region};

use super::problem::Fields;

/// The Java class whose work the SDK does itself: a token of Kubernetes is exchanged for a role's credentials.
const WEB_IDENTITY_CLASS: &str = "CLIWebIdentityTokenCredentialsProvider";

/// How AWS is reached, for all flows.
#[derive(Debug, Clone, Default)]
pub struct AwsAccess {
    /// Where Firehose is.
    pub firehose: AwsSettings,
    /// Where CloudWatch is.
    pub cloudwatch: AwsSettings,
    /// Where EC2 is, for `ADDEC2METADATA`; none: AWS's own for the region.
    pub ec2_endpoint: Option<String>,
    /// Where STS is; none: AWS's own for the region.
    pub sts_endpoint: Option<String>,
    /// Where the credentials come from.
    pub credentials: CredentialsSource,
    /// A role to take on with them.
    pub role: Option<Role>,
    /// Endpoints with FIPS 140 cryptography; none: as the environment and the profile say.
    pub use_fips: Option<bool>,
    /// Endpoints that speak IPv6 too; none: as the environment and the profile say.
    pub use_dual_stack: Option<bool>,
    /// The way to AWS; none: as the environment says (`HTTPS_PROXY`, `NO_PROXY`).
    pub proxy: Option<Proxy>,
    /// What stands before the agent's own name in the `User-Agent` of each request.
    pub user_agent_prefix: Option<String>,
    /// What stands in its place.
    pub user_agent: Option<String>,
}

/// Where credentials come from.
#[derive(Debug, Clone, Default)]
pub enum CredentialsSource {
    /// Environment, profile, web identity, container, instance: the first that has any.
    #[default]
    Chain,
    /// The settings file.
    Keys(Keys),
    /// The web identity token named by the environment, and nothing else.
    WebIdentity,
}

/// An access key. Its secret is shown to nobody.
#[derive(Clone)]
pub struct Keys {
    /// `awsAccessKeyId`.
    pub id: String,
    /// `awsSecretAccessKey`.
    pub secret: String,
}

impl fmt::Debug for Keys {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Keys(..)")
    }
}

/// Which way requests take to AWS. This machine and the metadata service are never reached through a proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proxy {
    /// Straight, whatever the environment says.
    None,
    /// Through a proxy.
    Through {
        /// Its URL, perhaps with a name and a password.
        url: ProxyUrl,
        /// Hosts, domains and networks that are reached straight, as `NO_PROXY` has them: separated by commas.
        except: Option<String>,
    },
}

/// A URL that may hold a password, which is shown to nobody.
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyUrl(String);

impl ProxyUrl {
    /// The URL with its password.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ProxyUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("ProxyUrl(..)")
    }
}

/// A role to take on. The external id is shown to nobody.
#[derive(Clone, PartialEq, Eq)]
pub struct Role {
    /// Its ARN.
    pub arn: String,
    /// What the role's owner demands besides, if anything.
    pub external_id: Option<String>,
}

impl fmt::Debug for Role {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Role").field("arn", &self.arn).finish_non_exhaustive()
    }
}

/// Reads the keys that hold for all flows.
pub(super) fn read(fields: &mut Fields<'_>) -> AwsAccess {
    let firehose = service(fields, "firehose");
    let access = AwsAccess {
        firehose,
        cloudwatch: service(fields, "cloudwatch"),
        ec2_endpoint: endpoint(fields, "ec2.endpoint"),
        sts_endpoint: endpoint(fields, "sts.endpoint"),
        credentials: credentials(fields),
        role: role(fields),
        use_fips: optional_boolean(fields, "useFipsEndpoint"),
        use_dual_stack: optional_boolean(fields, "useDualStackEndpoint"),
        proxy: proxy(fields),
        user_agent_prefix: header(fields, "userAgent"),
        user_agent: header(fields, "userAgentOverride"),
    };
    if access.use_fips == Some(true) && has_endpoint(fields) {
        fields.problem("useFipsEndpoint", "an endpoint is set too; name a FIPS endpoint there, or remove one of the two");
    }
    access
}

/// `httpsProxy` and `noProxy`.
fn proxy(fields: &mut Fields<'_>) -> Option<Proxy> {
    let except = fields.text("noProxy").filter(|text| !text.is_empty());
    let Some(url) = fields.text("httpsProxy") else {
        if except.is_some() {
            fields.problem("noProxy", "it only counts beside httpsProxy; set that too, or NO_PROXY in the environment");
        }
        return None;
    };
    if url.is_empty() {
        return Some(Proxy::None);
    }
    let host = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://")).map(|_| config::aws::host_of(&url));
    if host.is_none_or(|host| host.is_empty()) || url.contains(char::is_whitespace) {
        let example = "allowed is a URL such as http://proxy.example.com:3128, with name:password@ before the host if it asks \
                       for them, or an empty text for no proxy";
        fields.problem_at("httpsProxy", None, example); // without the value: it may hold a password
        return None;
    }
    Some(Proxy::Through { url: ProxyUrl(url), except })
}

fn has_endpoint(fields: &Fields<'_>) -> bool {
    ["kinesis.endpoint", "firehose.endpoint"].iter().any(|key| fields.text(key).is_some_and(|text| !text.is_empty()))
}

/// `<name>.endpoint` and `<name>.region`.
pub(super) fn service(fields: &mut Fields<'_>, name: &str) -> AwsSettings {
    AwsSettings { endpoint: endpoint(fields, &format!("{name}.endpoint")), region: region(fields, &format!("{name}.region")) }
}

/// A host or a URL; an empty one is none.
pub(super) fn endpoint(fields: &mut Fields<'_>, key: &str) -> Option<String> {
    let text = fields.text(key).filter(|text| !text.is_empty())?;
    let scheme = text.split_once("://").map(|(scheme, _)| scheme);
    let is_url = scheme.is_none_or(|scheme| scheme == "http" || scheme == "https");
    if !is_url || config::aws::host_of(&text).is_empty() || text.contains(char::is_whitespace) {
        fields.problem(key, "allowed is a host or a URL, such as kinesis.eu-west-1.amazonaws.com or http://127.0.0.1:4567");
        return None;
    }
    Some(text)
}

/// A region's name; an empty one is none. Emulators have regions of their own, so the form is not forced on anybody.
pub(super) fn region(fields: &mut Fields<'_>, key: &str) -> Option<String> {
    let text = fields.text(key).filter(|text| !text.is_empty())?;
    let is_label = text.len() <= 63 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if !is_label {
        fields.problem(key, "allowed is the name of a region, such as eu-west-1");
        return None;
    }
    Some(text)
}

/// Whether a region is one that AWS might have; a wrong one otherwise shows only as a host that does not exist.
pub(super) fn looks_wrong(region: &str) -> bool {
    !is_region(region)
}

/// `assumeRoleARN` and `assumeRoleExternalId`, of the agent or of one flow.
pub(super) fn role(fields: &mut Fields<'_>) -> Option<Role> {
    let external_id = fields.text("assumeRoleExternalId").filter(|text| !text.is_empty());
    let Some(arn) = fields.text("assumeRoleARN").filter(|text| !text.is_empty()) else {
        if external_id.is_some() {
            fields.problem("assumeRoleARN", "assumeRoleExternalId is set; name the role it belongs to");
        }
        return None;
    };
    if !(arn.starts_with("arn:") && arn.contains(":iam::") && arn.contains(":role/")) {
        fields.problem("assumeRoleARN", "allowed is the ARN of a role, such as arn:aws:iam::123456789012:role/logs");
        return None;
    }
    Some(Role { arn, external_id })
}

fn credentials(fields: &mut Fields<'_>) -> CredentialsSource {
    if let Some(class) = fields.text("userDefinedCredentialsProvider.classname").filter(|text| !text.is_empty()) {
        if class.rsplit('.').next() == Some(WEB_IDENTITY_CLASS) {
            return CredentialsSource::WebIdentity;
        }
        let advice = "a Java class cannot be loaded here; use environment variables, a profile with credential_process, a web \
                      identity token or the instance's role, all of which the agent finds by itself";
        fields.problem("userDefinedCredentialsProvider.classname", advice);
    }
    let (id, secret) = (fields.text("awsAccessKeyId"), fields.text("awsSecretAccessKey"));
    match (id.filter(|text| !text.is_empty()), secret.filter(|text| !text.is_empty())) {
        (Some(id), Some(secret)) => CredentialsSource::Keys(Keys { id, secret }),
        (None, None) => CredentialsSource::Chain,
        (id, _) => {
            let missing = if id.is_some() { "awsSecretAccessKey" } else { "awsAccessKeyId" };
            // The value of the other one is a secret and is not repeated.
            fields.problem_at(missing, None, "an access key has two halves; set both, or neither");
            CredentialsSource::Chain
        }
    }
}

fn optional_boolean(fields: &mut Fields<'_>, key: &str) -> Option<bool> {
    fields.value(key)?;
    Some(fields.boolean(key, false))
}

/// Text that may stand in a header; an empty one is none.
fn header(fields: &mut Fields<'_>, key: &str) -> Option<String> {
    let text = fields.text(key).filter(|text| !text.is_empty())?;
    if !text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        fields.problem(key, "allowed are printable ASCII characters");
        return None;
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::settings::Settings;

    fn proxy(agent: &str) -> Result<Option<Proxy>, String> {
        let text = format!(r#"{{{agent}, "flows": [{{"filePattern": "/l/a", "kinesisStream": "s"}}]}}"#);
        let settings = Settings::parse(text.as_bytes(), Path::new("test")).map_err(|error| error.to_string())?;
        assert!(!format!("{settings:?}").contains("hush"));
        Ok(settings.aws.proxy)
    }

    #[test]
    fn a_proxy_has_a_url_and_exceptions() {
        let url = "http://me:hush@proxy.example.com:3128";
        let through = |except: Option<&str>| Proxy::Through { url: ProxyUrl(url.to_owned()), except: except.map(str::to_owned) };
        assert_eq!(proxy(&format!(r#""httpsProxy": "{url}""#)), Ok(Some(through(None))));
        let both = format!(r#""httpsProxy": "{url}", "noProxy": "10.0.0.0/8,.example.com""#);
        assert_eq!(proxy(&both), Ok(Some(through(Some("10.0.0.0/8,.example.com")))));
        assert_eq!(proxy(r#""httpsProxy": """#), Ok(Some(Proxy::None)));
        assert_eq!(proxy(r#""kinesis.region": """#), Ok(None), "the environment says");
    }

    #[test]
    fn a_wrong_proxy_is_named_without_its_password() {
        let error = proxy(r#""httpsProxy": "socks5://me:hush@proxy""#).unwrap_err();
        assert!(error.contains("httpsProxy") && error.contains("http://proxy.example.com:3128"), "{error}");
        assert!(!error.contains("hush"), "{error}");
        assert!(proxy(r#""noProxy": "a""#).unwrap_err().contains("only counts beside httpsProxy"));
    }
}
