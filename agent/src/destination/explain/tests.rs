//! Answers as the services give them, and what a person reads.

use std::{path::Path, time::UNIX_EPOCH};

use super::*;
use crate::{destination::failure::Cause, settings::Settings};

/// 21 November 2026, 12:00:00 UTC.
const NOON: u64 = 1_795_262_400;

fn subject(flow: &str) -> Subject {
    let text = format!(r#"{{"flows": [{{"filePattern": "/l/a", {flow}}}]}}"#);
    let target = Settings::parse(text.as_bytes(), Path::new("test")).unwrap().flows.remove(0).target;
    Subject::new(target, Place { region: "eu-west-1".to_owned(), endpoint: None, role: None })
}

fn stream() -> Subject {
    subject(r#""kinesisStream": "web""#)
}

fn firehose() -> Subject {
    subject(r#""deliveryStream": "web""#)
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// What the subject makes of an answer with status 400 that was given at noon and received at noon.
fn told(subject: &Subject, code: &str, message: &str) -> Failure {
    let answer = Answer { code, message, status: Some(400), date: Some("Sat, 21 Nov 2026 12:00:00 GMT") };
    subject.of_answer(answer, at(NOON))
}

#[test]
fn a_stream_that_does_not_exist_is_named_with_its_region() {
    let failure = told(&stream(), "ResourceNotFoundException", "Stream web under account 123456789012 not found.");
    assert_eq!((failure.cause, failure.reason), (Cause::Misconfigured, Reason::NotFound));
    assert_eq!(failure.remedy, "stream web does not exist in eu-west-1; check kinesisStream and kinesis.region, or create it");
    let failure = told(&firehose(), "ResourceNotFoundException", "Firehose web under account 123456789012 not found.");
    assert!(failure.remedy.starts_with("delivery stream web does not exist in eu-west-1; check deliveryStream"), "{failure:?}");
}

#[test]
fn the_account_is_told_when_it_is_known() {
    let mut failure = told(&stream(), "ResourceNotFoundException", "");
    let identity =
        Identity { account: "123456789012".to_owned(), arn: "arn:aws:sts::123456789012:assumed-role/logs/i-1".to_owned() };
    Subject::add_identity(&mut failure, &identity);
    assert!(failure.remedy.ends_with("(the agent is arn:aws:sts::123456789012:assumed-role/logs/i-1 of account 123456789012)"));
}

#[test]
fn a_denied_access_names_the_action_and_the_resource() {
    let message = "User: arn:aws:sts::123456789012:assumed-role/logs/i-0abc is not authorized to perform: kinesis:PutRecords on \
                   resource: arn:aws:kinesis:eu-west-1:123456789012:stream/web because no identity-based policy allows the \
                   kinesis:PutRecords action";
    let failure = told(&stream(), "AccessDeniedException", message);
    assert_eq!(
        failure.remedy,
        "allow arn:aws:sts::123456789012:assumed-role/logs/i-0abc the action kinesis:PutRecords on \
         arn:aws:kinesis:eu-west-1:123456789012:stream/web"
    );
    // Services that say less leave the rest to us.
    let failure = told(&firehose(), "AccessDeniedException", "Access denied");
    assert_eq!(failure.remedy, "allow the action firehose:PutRecordBatch on arn:aws:firehose:eu-west-1:*:deliverystream/web");
}

#[test]
fn a_key_of_the_stream_that_cannot_be_used_is_told_apart_from_a_denied_stream() {
    let message = "User: arn:aws:iam::1:user/a is not authorized to perform: kms:GenerateDataKey on resource: arn:aws:kms:x";
    assert_eq!(told(&stream(), "KMSAccessDeniedException", message).reason, Reason::Key);
    assert_eq!(told(&stream(), "KMSDisabledException", "the key is disabled").reason, Reason::Key);
    assert_eq!(told(&stream(), "KMSThrottlingException", "Rate exceeded").reason, Reason::Throttled);
}

#[test]
fn a_wrong_clock_is_found_in_the_answer_s_date() {
    let message = "Signature expired: 20261121T113000Z is now earlier than 20261121T115500Z (20261121T120000Z - 5 min.)";
    let answer =
        Answer { code: "InvalidSignatureException", message, status: Some(400), date: Some("Sat, 21 Nov 2026 12:00:00 GMT") };
    let failure = stream().of_answer(answer, at(NOON - 1800));
    assert_eq!(failure.reason, Reason::ClockSkew);
    assert!(failure.remedy.starts_with("this host's clock is 1800 s behind the clock of kinesis.eu-west-1"), "{failure:?}");
    let ahead = stream().of_answer(Answer { message: "", ..answer }, at(NOON + 900));
    assert!(ahead.remedy.starts_with("this host's clock is 900 s ahead of"), "{ahead:?}");
    // With a right clock the same code means a wrong secret.
    let message = "The request signature we calculated does not match the signature you provided.";
    assert_eq!(told(&stream(), "InvalidSignatureException", message).reason, Reason::BadCredentials);
}

#[test]
fn expired_and_unknown_credentials_are_told_apart() {
    let failure = told(&stream(), "ExpiredTokenException", "The security token included in the request is expired");
    assert_eq!(failure.reason, Reason::Expired);
    assert!(failure.remedy.contains("have expired"));
    let failure = told(&stream(), "UnrecognizedClientException", "The security token included in the request is invalid.");
    assert_eq!(failure.reason, Reason::BadCredentials);
    assert!(failure.remedy.contains("awsAccessKeyId"));
}

#[test]
fn a_signature_for_another_region_names_the_setting() {
    let message = "Credential should be scoped to a valid region, not 'vpce'. ";
    let failure = told(&stream(), "InvalidSignatureException", message);
    assert_eq!(failure.reason, Reason::WrongRegion);
    assert!(failure.remedy.contains("signed for kinesis in eu-west-1") && failure.remedy.contains("set kinesis.region"));
    let own = subject(r#""kinesisStream": "web", "region": "eu-west-1""#);
    assert!(told(&own, "InvalidSignatureException", message).remedy.contains("set the flow's region"));
}

#[test]
fn throttling_is_told_apart_from_outages() {
    let kinesis = told(&stream(), "ProvisionedThroughputExceededException", "Rate exceeded for shard shardId-000000000000");
    assert_eq!((kinesis.cause, kinesis.reason), (Cause::Throttled, Reason::Throttled));
    let slow = Answer { code: "ServiceUnavailableException", message: "Slow down.", status: Some(503), date: None };
    assert_eq!(firehose().of_answer(slow, at(NOON)).reason, Reason::Throttled);
    assert_eq!(stream().of_answer(slow, at(NOON)).reason, Reason::Internal);
    let single = Answer { code: "InternalFailure", message: "Internal service failure", status: None, date: None };
    assert_eq!(stream().of_answer(single, at(NOON)).cause, Cause::Unavailable);
}

#[test]
fn what_no_service_will_ever_take_is_refused() {
    for code in ["ValidationException", "InvalidArgumentException", "SerializationException"] {
        assert_eq!(told(&stream(), code, "").cause, Cause::Refused, "{code}");
    }
    let large = Answer { code: "unknown error", message: "", status: Some(413), date: None };
    assert_eq!(stream().of_answer(large, at(NOON)).reason, Reason::Refused);
}

#[test]
fn a_host_that_does_not_exist_is_named() {
    let said = "dispatch failure: io error: client error (Connect): dns error: failed to lookup address information: Name or \
                service not known";
    let failure = stream().of_network(said, false);
    assert_eq!(failure.reason, Reason::UnknownHost);
    assert!(failure.remedy.starts_with("the name kinesis.eu-west-1.amazonaws.com cannot be resolved"), "{failure:?}");
}

#[test]
fn connection_time_out_and_trust_have_remedies_of_their_own() {
    let refused = "dispatch failure: io error: client error (Connect): tcp connect error: Connection refused (os error 111)";
    assert_eq!(stream().of_network(refused, false).reason, Reason::NoConnection);
    let slow = "request has timed out: operation timeout (all attempts including retries) occurred after 60s";
    assert_eq!(stream().of_network(slow, true).reason, Reason::NoAnswer);
    let tls = "dispatch failure: io error: client error (Connect): invalid peer certificate: UnknownIssuer";
    let failure = stream().of_network(tls, false);
    assert_eq!((failure.reason, failure.cause), (Reason::Untrusted, Cause::Misconfigured));
    assert!(failure.remedy.contains("SSL_CERT_FILE"));
}

#[test]
fn missing_credentials_hint_at_the_hop_limit_of_the_metadata_service() {
    let said = "dispatch failure: other: the credential provider was not enabled: nobody has credentials (the environment: \
                environment variable not set; the instance: could not communicate with IMDS)";
    let failure = stream().of_network(said, false);
    assert_eq!(failure.reason, Reason::NoCredentials);
    assert!(failure.remedy.contains("HttpPutResponseHopLimit"), "{failure:?}");
}
