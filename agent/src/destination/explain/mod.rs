//! Turns what a service or the network said into what a person must change.
//!
//! Pure: the answer and the time come as arguments. Codes: the API references of Kinesis and Firehose, "Common Errors".

use std::time::{Duration, SystemTime};

use super::failure::{Failure, Reason};
use crate::{
    aws::{Place, identity::Identity},
    settings::{Kind, Target},
};

/// Clocks further apart than this make signatures invalid. Source: AWS Signature Version 4.
const MAX_SKEW: Duration = Duration::from_secs(5 * 60);

/// A destination, as people know it.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    target: Target,
    place: Place,
}

/// An error answer of a service.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answer<'a> {
    pub(super) code: &'a str,
    pub(super) message: &'a str,
    /// None for a single record inside a good answer.
    pub(super) status: Option<u16>,
    /// The service's clock, as HTTP writes it.
    pub(super) date: Option<&'a str>,
}

impl Subject {
    pub(crate) fn new(target: Target, place: Place) -> Self {
        Self { target, place }
    }

    /// Where the records go.
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// An answer that says no.
    pub(super) fn of_answer(&self, answer: Answer<'_>, now: SystemTime) -> Failure {
        let reason = classify(self.target.kind, &answer);
        let remedy = match skew(answer.date, now).filter(|skew| is_about_time(reason, *skew)) {
            Some(skew) => return self.clock(&answer, skew),
            None => self.remedy(reason, answer.message),
        };
        Failure { cause: reason.cause(), reason, message: text(&answer), remedy }
    }

    /// No answer at all; `said` is the error with its causes.
    pub(super) fn of_network(&self, said: &str, is_timeout: bool) -> Failure {
        let reason = classify_network(said, is_timeout);
        Failure { cause: reason.cause(), reason, message: said.to_owned(), remedy: self.remedy(reason, said) }
    }

    /// No credentials, or none that can be used.
    pub(crate) fn of_credentials(&self, said: &str) -> Failure {
        let reason = if said.contains("Expired") { Reason::Expired } else { Reason::NoCredentials };
        Failure { cause: reason.cause(), reason, message: said.to_owned(), remedy: self.remedy(reason, said) }
    }

    /// Adds whose credentials they are: a stream that "does not exist" often exists in another account.
    pub(super) fn add_identity(failure: &mut Failure, identity: &Identity) {
        let Identity { account, arn } = identity;
        failure.remedy = format!("{} (the agent is {arn} of account {account})", failure.remedy);
    }

    fn clock(&self, answer: &Answer<'_>, skew: Skew) -> Failure {
        let (seconds, direction) = match skew {
            Skew::Behind(by) => (by.as_secs(), "behind"),
            Skew::Ahead(by) => (by.as_secs(), "ahead of"),
        };
        let host = self.host();
        let remedy = format!(
            "this host's clock is {seconds} s {direction} the clock of {host}; set it and keep it right with chrony or \
             systemd-timesyncd"
        );
        Failure { cause: Reason::ClockSkew.cause(), reason: Reason::ClockSkew, message: text(answer), remedy }
    }

    fn remedy(&self, reason: Reason, said: &str) -> String {
        let Self { target, place } = self;
        let (kind, noun, name, region) = (target.kind, target.kind.noun(), target.written(), &place.region);
        let (service, action) = (kind.service(), kind.action());
        match reason {
            Reason::Throttled if kind == Kind::Firehose => {
                format!("lines wait in their files; ask AWS for a higher Firehose quota in {region}, or send less to {name}")
            }
            Reason::Throttled => format!("lines wait in their files; add shards to stream {name} or make it on-demand"),
            Reason::Internal => format!("lines wait in their files; {service} in {region} says it cannot serve {name} now"),
            Reason::NoAnswer => {
                format!("lines wait in their files; check the way to {}: network, firewall, proxy, security group", self.host())
            }
            Reason::UnknownHost => format!(
                "the name {} cannot be resolved; check {} and {}, and this host's DNS",
                self.host(),
                self.key("endpoint"),
                self.key("region")
            ),
            Reason::NoConnection => {
                format!("nothing answers at {}; check {}, the firewall and HTTPS_PROXY", self.host(), self.key("endpoint"))
            }
            Reason::Untrusted => format!(
                "the certificate of {} is not trusted; a proxy that reads TLS needs its CA in the system's store or SSL_CERT_FILE, and the \
                 host name must be the endpoint's own",
                self.host()
            ),
            Reason::NotFound => {
                format!("{noun} {name} does not exist in {region}; check {} and {}, or create it", kind.key(), self.key("region"))
            }
            Reason::AccessDenied => self.denied(said, action),
            Reason::Key => format!(
                "{noun} {name} is encrypted with a KMS key that these credentials cannot use; enable the key and allow \
                 kms:GenerateDataKey on it"
            ),
            Reason::NoCredentials => no_credentials(said),
            Reason::Expired => "the credentials have expired; renew those of the environment or the profile, or let the agent \
                                use a role, which renews itself"
                .to_owned(),
            Reason::BadCredentials => "the service does not accept the access key; check awsAccessKeyId and awsSecretAccessKey \
                                       (or the environment's and the profile's) for copies that are cut or have blanks"
                .to_owned(),
            Reason::ClockSkew => {
                "this host's clock is wrong; set it and keep it right with chrony or systemd-timesyncd".to_owned()
            }
            Reason::WrongRegion => format!(
                "requests are signed for {service} in {region}, but {} expects another scope; set {} to the endpoint's region",
                self.host(),
                self.key("region")
            ),
            Reason::Refused => "the record at fault goes to the dead-letter file".to_owned(),
            Reason::Forbidden => {
                format!("{service} in {region} turns the request away; check the account, {} and a proxy", self.key("region"))
            }
        }
    }

    /// `User: arn:aws:iam::1:user/a is not authorized to perform: kinesis:PutRecords on resource: arn:.. because ..`
    fn denied(&self, said: &str, action: &str) -> String {
        let after = |mark: &str| said.split_once(mark).and_then(|(_, rest)| rest.split_whitespace().next());
        let action = after("to perform: ").unwrap_or(action);
        let resource = after("on resource: ").map_or_else(|| self.arn("*"), |arn| arn.trim_end_matches(['.', ',']).to_owned());
        let who = after("User: ").map(|user| format!(" {user}")).unwrap_or_default();
        let why = if said.contains("explicit deny") { ", and remove the policy that denies it" } else { "" };
        format!("allow{who} the action {action} on {resource}{why}")
    }

    /// The ARN of the destination; `account` stands in when it is not known.
    pub(crate) fn arn(&self, account: &str) -> String {
        let Target { kind, name, arn, .. } = &self.target;
        let known = arn.as_ref().map(|arn| arn.text.clone());
        let region = &self.place.region;
        let partition = match region {
            region if region.starts_with("cn-") => "aws-cn",
            region if region.starts_with("us-gov-") => "aws-us-gov",
            _ => "aws",
        };
        known.unwrap_or_else(|| format!("arn:{partition}:{}:{region}:{account}:{}/{name}", kind.service(), kind.resource()))
    }

    fn host(&self) -> String {
        match &self.place.endpoint {
            Some(endpoint) => endpoint.clone(),
            None => format!("{}.{}.amazonaws.com", self.target.kind.service(), self.place.region),
        }
    }

    /// The setting that decides this for the flow.
    fn key(&self, what: &str) -> String {
        let has_own = if what == "endpoint" { self.target.aws.endpoint.is_some() } else { self.target.aws.region.is_some() };
        if has_own { format!("the flow's {what}") } else { format!("{}.{what}", self.target.kind.service()) }
    }
}

fn text(answer: &Answer<'_>) -> String {
    format!("{}: {}", answer.code, if answer.message.is_empty() { "no message" } else { answer.message })
}

fn no_credentials(said: &str) -> String {
    let mut remedy = "give the host an instance role, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY for the service, or a \
                      profile of the agent's user"
        .to_owned();
    let asks_instance = ["imds", "IMDS", "metadata", "instance"].iter().any(|word| said.contains(word));
    if asks_instance {
        remedy.push_str("; in a container on EC2 the metadata service answers only with HttpPutResponseHopLimit 2 or more");
    }
    remedy
}

/// How far this host's clock is from another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Skew {
    Behind(Duration),
    Ahead(Duration),
}

impl Skew {
    fn length(self) -> Duration {
        match self {
            Self::Behind(by) | Self::Ahead(by) => by,
        }
    }
}

/// `Sat, 21 Nov 2026 12:00:00 GMT` against this host's clock.
fn skew(date: Option<&str>, now: SystemTime) -> Option<Skew> {
    let theirs = jiff::fmt::rfc2822::parse(date?).ok()?.timestamp();
    let theirs = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(theirs.as_second()).ok()?);
    Some(match now.duration_since(theirs) {
        Ok(ahead) => Skew::Ahead(ahead),
        Err(behind) => Skew::Behind(behind.duration()),
    })
}

/// A signature that fails while the clocks differ fails because of that; expiry of a token does not.
fn is_about_time(reason: Reason, skew: Skew) -> bool {
    match reason {
        Reason::ClockSkew => skew.length() > Duration::from_secs(1),
        Reason::BadCredentials | Reason::Forbidden | Reason::Expired => skew.length() > MAX_SKEW,
        _ => false,
    }
}

fn classify(kind: Kind, answer: &Answer<'_>) -> Reason {
    let (code, message) = (answer.code, answer.message);
    let has = |parts: &[&str]| parts.iter().any(|part| code.contains(part));
    let says = |parts: &[&str]| parts.iter().any(|part| message.contains(part));
    let throttles = ["Throttling", "ThroughputExceeded", "LimitExceeded", "TooManyRequests"];
    // Firehose has one code for "too much" and for "not now".
    let is_slow_down = kind == Kind::Firehose && has(&["ServiceUnavailable"]) && answer.status != Some(500);
    if has(&throttles) || is_slow_down || answer.status == Some(429) {
        Reason::Throttled
    } else if has(&["RequestTimeTooSkewed", "RequestExpired"]) || says(&["Signature expired", "Signature not yet current"]) {
        Reason::ClockSkew
    } else if says(&["Credential should be scoped"]) {
        Reason::WrongRegion
    } else if has(&["ExpiredToken", "TokenRefreshRequired"]) || says(&["security token included in the request is expired"]) {
        Reason::Expired
    } else if has(&["UnrecognizedClient", "InvalidClientTokenId", "Signature", "InvalidAccessKeyId", "AuthFailure"]) {
        Reason::BadCredentials
    } else if has(&["KMS", "Kms"]) || says(&["perform: kms:"]) {
        Reason::Key
    } else if has(&["AccessDenied", "NotAuthorized", "UnauthorizedOperation"]) {
        Reason::AccessDenied
    } else if has(&["ResourceNotFound"]) {
        Reason::NotFound
    } else if has(&["ValidationException", "InvalidArgument", "SerializationException"]) || answer.status == Some(413) {
        Reason::Refused
    } else if has(&["OptIn", "MissingAuthenticationToken", "UnknownOperation"]) || matches!(answer.status, Some(401 | 403 | 404))
    {
        Reason::Forbidden
    } else {
        Reason::Internal
    }
}

fn classify_network(said: &str, is_timeout: bool) -> Reason {
    let lower = said.to_ascii_lowercase();
    let says = |parts: &[&str]| parts.iter().any(|part| lower.contains(part));
    if says(&["expiredtoken"]) {
        Reason::Expired
    } else if says(&["credentials", "identity"]) {
        Reason::NoCredentials
    } else if says(&["dns error", "failed to lookup", "name or service not known", "nodename nor servname"]) {
        Reason::UnknownHost
    } else if says(&["certificate", "unknownissuer", "notvalidforname"]) {
        Reason::Untrusted
    } else if is_timeout {
        Reason::NoAnswer
    } else {
        Reason::NoConnection
    }
}

#[cfg(test)]
mod tests;
