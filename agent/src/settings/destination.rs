//! Where the records of one flow go.

use config::aws::AwsSettings;

use super::{
    aws::{self, Role},
    problem::Fields,
};

/// A MiB.
const MIB: usize = 1024 * 1024;

/// The service that takes the records, with its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Kinesis Data Streams, PutRecords.
    Kinesis,
    /// Data Firehose, PutRecordBatch.
    Firehose,
}

impl Kind {
    /// Bytes in one request unless the flow asks for more, keys included. Source: the Java agent; Kinesis takes 10 MiB.
    pub fn max_request_bytes(self) -> usize {
        match self {
            Self::Kinesis => 5 * MIB,
            Self::Firehose => 4 * MIB,
        }
    }

    /// Bytes of one record, its key included. Source: PutRecords, the default of every stream; PutRecordBatch.
    pub fn max_record_bytes(self) -> usize {
        match self {
            Self::Kinesis => MIB,
            Self::Firehose => 1_024_000,
        }
    }

    /// The key of `agent.json` that names such a destination.
    pub fn key(self) -> &'static str {
        match self {
            Self::Kinesis => "kinesisStream",
            Self::Firehose => "deliveryStream",
        }
    }

    /// The service's name in ARNs, permissions and settings.
    pub fn service(self) -> &'static str {
        match self {
            Self::Kinesis => "kinesis",
            Self::Firehose => "firehose",
        }
    }

    /// The permission that sending needs.
    pub fn action(self) -> &'static str {
        match self {
            Self::Kinesis => "kinesis:PutRecords",
            Self::Firehose => "firehose:PutRecordBatch",
        }
    }

    /// What the service calls it.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Kinesis => "stream",
            Self::Firehose => "delivery stream",
        }
    }

    /// What stands before the name in an ARN.
    pub fn resource(self) -> &'static str {
        match self {
            Self::Kinesis => "stream",
            Self::Firehose => "deliverystream",
        }
    }

    /// How flow ids begin. Source: the Java agent.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Kinesis => "kinesis",
            Self::Firehose => "fh",
        }
    }
}

/// Where the records of one flow go, and what differs from the other flows on the way there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The service.
    pub kind: Kind,
    /// The name, without what an ARN has around it.
    pub name: String,
    /// The ARN, when the settings have one.
    pub arn: Option<Arn>,
    /// `region` and `endpoint` of the flow.
    pub aws: AwsSettings,
    /// The flow's own role.
    pub role: Option<Role>,
}

impl Target {
    /// As the settings have it: an ARN, or a name.
    pub fn written(&self) -> &str {
        self.arn.as_ref().map_or(&self.name, |arn| &arn.text)
    }
}

/// The ARN of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arn {
    /// As it is written.
    pub text: String,
    /// Its region.
    pub region: String,
    /// Its account.
    pub account: String,
}

/// Reads where a flow's records go. When both keys are there Firehose wins, as in the Java agent.
pub(super) fn read(fields: &mut Fields<'_>) -> Option<Target> {
    let is_firehose = fields.text("deliveryStream").is_some_and(|text| !text.is_empty());
    let kind = if is_firehose { Kind::Firehose } else { Kind::Kinesis };
    let aws = AwsSettings { endpoint: aws::endpoint(fields, "endpoint"), region: aws::region(fields, "region") };
    let role = aws::role(fields);
    let text = fields.required_text(kind.key(), "a flow needs the name or ARN of a Kinesis stream, or a deliveryStream");
    if text.is_empty() {
        return None;
    }
    let Some((name, arn)) = parse(kind, &text) else {
        let (longest, resource) = (longest(kind), kind.resource());
        let service = kind.service();
        let remedy = format!(
            "allowed are 1 to {longest} letters, digits, '_', '.', '-', or an ARN such as \
             arn:aws:{service}:eu-west-1:123456789012:{resource}/web"
        );
        fields.problem(kind.key(), &remedy);
        return None;
    };
    Some(Target { kind, name, arn, aws, role })
}

/// One line for each setting of a destination that is legal and yet most likely a mistake.
pub(super) fn warnings(target: &Target, service: &AwsSettings, place: &str) -> Vec<String> {
    let mut warnings = Vec::new();
    let from_endpoint = |aws: &AwsSettings| aws.endpoint.as_deref().and_then(config::aws::region_of);
    let explicit = target.aws.region.clone().or_else(|| from_endpoint(&target.aws));
    let region = explicit.or_else(|| service.region.clone());
    if let (Some(region), Some(arn)) = (&region, &target.arn)
        && *region != arn.region
    {
        let key = target.kind.key();
        warnings.push(format!("{place}{key} is in {}, but requests go to {region}, which will not find it", arn.region));
    }
    if let Some(region) = target.aws.region.as_deref().filter(|region| aws::looks_wrong(region)) {
        warnings.push(format!("{place}region is {region}, which AWS has not; it is used all the same"));
    }
    warnings
}

fn longest(kind: Kind) -> usize {
    match kind {
        Kind::Kinesis => 128,
        Kind::Firehose => 64,
    }
}

/// The name, and the ARN if it is one. Checked here because the service's own refusal would come for each request.
fn parse(kind: Kind, text: &str) -> Option<(String, Option<Arn>)> {
    let is_name = |name: &str| {
        let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        (1..=longest(kind)).contains(&name.len()) && name.bytes().all(is_legal)
    };
    if !text.starts_with("arn:") {
        return is_name(text).then(|| (text.to_owned(), None));
    }
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let [_, _, service, region, account, resource] = parts.as_slice() else { return None };
    let name = resource.strip_prefix(kind.resource())?.strip_prefix('/')?;
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    if *service != kind.service() || region.is_empty() || !is_account || !is_name(name) {
        return None;
    }
    let arn = Arn { text: text.to_owned(), region: (*region).to_owned(), account: (*account).to_owned() };
    Some((name.to_owned(), Some(arn)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_is_taken_apart() {
        let text = "arn:aws-cn:kinesis:cn-north-1:123456789012:stream/web.log_1";
        let (name, arn) = parse(Kind::Kinesis, text).unwrap();
        let arn = arn.unwrap();
        assert_eq!((name.as_str(), arn.region.as_str(), arn.account.as_str()), ("web.log_1", "cn-north-1", "123456789012"));
        assert!(parse(Kind::Firehose, text).is_none());
        assert!(parse(Kind::Firehose, "arn:aws:firehose:us-east-1:123456789012:deliverystream/d").is_some());
    }

    #[test]
    fn what_no_service_would_take_is_refused() {
        for wrong in ["", "a b", "arn:aws:kinesis:us-east-1:12345:stream/s", "arn:aws:kinesis:us-east-1:123456789012:s", "ä"] {
            assert!(parse(Kind::Kinesis, wrong).is_none(), "{wrong}");
        }
        assert!(parse(Kind::Kinesis, &"x".repeat(128)).is_some());
        assert!(parse(Kind::Firehose, &"x".repeat(65)).is_none());
    }
}
