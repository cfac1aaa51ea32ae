//! Which region a flow's requests are signed for. Pure.

use config::aws::{AwsSettings, region_of};

use crate::settings::{Kind, Target};

/// The region of the Java agent's Firehose, CloudWatch and STS clients, wherever they ran.
pub(super) const JAVA_REGION: &str = "us-east-1";

/// What the settings say, the nearest to the flow first: the flow's own region, the one in its endpoint's name, the
/// service's region, the one in the service's endpoint, the one in the stream's ARN. None: the host's.
pub(super) fn of(target: &Target, service: &AwsSettings) -> Option<String> {
    let named = |aws: &AwsSettings| aws.region.clone().or_else(|| aws.endpoint.as_deref().and_then(region_of));
    named(&target.aws).or_else(|| named(service)).or_else(|| target.arn.as_ref().map(|arn| arn.region.clone()))
}

/// A region for a flow whose settings name none, with a sentence for the log if it may surprise.
///
/// # Errors
/// When there is none, with the remedy.
pub(super) fn of_host(target: &Target, host: Option<&str>) -> Result<(String, Option<String>), String> {
    let name = &target.name;
    match (target.kind, host) {
        (Kind::Firehose, Some(region)) if region != JAVA_REGION => {
            let warning = format!(
                "delivery stream {name} is looked for in {region}, the host's region; the Java agent used {JAVA_REGION} wherever \
                 it ran: set firehose.region to choose"
            );
            Ok((region.to_owned(), Some(warning)))
        }
        (_, Some(region)) => Ok((region.to_owned(), None)),
        (Kind::Firehose, None) => {
            let warning = format!(
                "no AWS region is known; delivery stream {name} is looked for in {JAVA_REGION}, as the Java agent did: set \
                 firehose.region to choose"
            );
            Ok((JAVA_REGION.to_owned(), Some(warning)))
        }
        (Kind::Kinesis, None) => Err(format!(
            "no AWS region is known for stream {name}; set kinesis.region in the settings, or AWS_REGION in the environment"
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::settings::Settings;

    /// The region of the only flow in settings with these keys at the top and in the flow.
    fn region(agent: &str, flow: &str) -> Option<String> {
        let text = format!(r#"{{{agent} "flows": [{{"filePattern": "/l/a", {flow}}}]}}"#);
        let settings = Settings::parse(text.as_bytes(), Path::new("test")).unwrap();
        let target = &settings.flows[0].target;
        of(target, settings.service(target.kind))
    }

    const STREAM: &str = r#""kinesisStream": "s""#;

    #[test]
    fn an_explicit_region_wins_over_the_endpoint_s_name() {
        let endpoint = r#""kinesis.endpoint": "vpce-1-a.kinesis.eu-west-3.vpce.amazonaws.com","#;
        assert_eq!(region(endpoint, STREAM).as_deref(), Some("eu-west-3"));
        assert_eq!(region(&format!(r#"{endpoint} "kinesis.region": "eu-north-1","#), STREAM).as_deref(), Some("eu-north-1"));
    }

    #[test]
    fn a_flow_s_own_settings_win_over_the_agent_s() {
        let agent = r#""kinesis.region": "eu-west-1","#;
        assert_eq!(region(agent, &format!(r#"{STREAM}, "region": "ap-south-1""#)).as_deref(), Some("ap-south-1"));
        let endpoint = format!(r#"{STREAM}, "endpoint": "https://kinesis.sa-east-1.amazonaws.com""#);
        assert_eq!(region(agent, &endpoint).as_deref(), Some("sa-east-1"));
    }

    #[test]
    fn an_arn_s_region_is_used_when_no_other_is_set() {
        let arn = r#""kinesisStream": "arn:aws:kinesis:eu-south-1:123456789012:stream/s""#;
        assert_eq!(region("", arn).as_deref(), Some("eu-south-1"));
        assert_eq!(region(r#""kinesis.region": "eu-west-1","#, arn).as_deref(), Some("eu-west-1"));
        assert_eq!(
            region("", r#""deliveryStream": "arn:aws:firehose:eu-south-1:123456789012:deliverystream/d""#).as_deref(),
            Some("eu-south-1")
        );
    }

    #[test]
    fn each_service_has_its_own_keys() {
        let agent = r#""kinesis.region": "eu-west-1", "firehose.region": "eu-west-2","#;
        assert_eq!(region(agent, STREAM).as_deref(), Some("eu-west-1"));
        assert_eq!(region(agent, r#""deliveryStream": "d""#).as_deref(), Some("eu-west-2"));
        assert_eq!(region(r#""kinesis.region": "eu-west-1","#, r#""deliveryStream": "d""#), None);
    }

    #[test]
    fn firehose_without_a_region_uses_the_host_s_and_says_that_the_java_agent_did_not() {
        let target = |flow: &str| {
            let text = format!(r#"{{"flows": [{{"filePattern": "/l/a", {flow}}}]}}"#);
            Settings::parse(text.as_bytes(), Path::new("test")).unwrap().flows.remove(0).target
        };
        let firehose = target(r#""deliveryStream": "d""#);
        let (region, warning) = of_host(&firehose, Some("eu-west-1")).unwrap();
        assert!(region == "eu-west-1" && warning.unwrap().contains("the Java agent used us-east-1"));
        assert_eq!(of_host(&firehose, Some("us-east-1")).unwrap(), ("us-east-1".to_owned(), None));
        assert_eq!(of_host(&firehose, None).unwrap().0, "us-east-1");
        let kinesis = target(STREAM);
        assert_eq!(of_host(&kinesis, Some("eu-west-1")).unwrap(), ("eu-west-1".to_owned(), None));
        assert!(of_host(&kinesis, None).unwrap_err().contains("set kinesis.region"));
    }
}
