//! Kinesis PutRecords.

use std::{error::Error, time::Duration};

use anyhow::{Result, bail};
use aws_sdk_kinesis::{
    Client,
    config::{http::HttpResponse, retry::RetryConfig, timeout::TimeoutConfig},
    error::{ProvideErrorMetadata as _, SdkError},
    operation::put_records::PutRecordsError,
    types::PutRecordsResultEntry,
};
use bytes::Bytes;

use super::{
    Cause, Destination, Failure,
    answer::{PUT_RECORDS, Transport},
    body::{Buffers, Layout},
    payload::Payload,
};
use crate::{record::Record, settings::Settings};

/// Longest time for one request, its upload included; then its outcome counts as unknown and it is sent again.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// A client that tries once and gives up in time.
///
/// # Errors
/// When no region is set anywhere.
pub(crate) async fn client(settings: &Settings) -> Result<Client> {
    let sdk = config::aws::load(&settings.kinesis).await;
    if sdk.region().is_none() {
        bail!("no AWS region is known; set kinesis.region in the settings, or AWS_REGION in the environment");
    }
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(settings.connect_timeout)
        .read_timeout(settings.read_timeout)
        .operation_timeout(REQUEST_TIMEOUT)
        .build();
    // The shipper retries, and only what failed; the SDK would repeat whole requests behind its back.
    let config = aws_sdk_kinesis::config::Builder::from(&sdk).retry_config(RetryConfig::disabled()).timeout_config(timeouts);
    Ok(Client::from_conf(config.build()))
}

/// One stream.
#[derive(Debug)]
pub(crate) struct Kinesis {
    client: Client,
    stream: String,
    layout: Layout,
    buffers: Buffers,
    transport: Transport,
}

impl Kinesis {
    pub(crate) fn new(client: Client, stream: String) -> Self {
        let (layout, buffers) = (Layout::put_records("StreamName", &stream), Buffers::default());
        Self { client, layout, stream, buffers, transport: Transport::default() }
    }
}

impl Destination for Kinesis {
    async fn send(&self, records: &[Record]) -> Result<Vec<Option<Failure>>, Failure> {
        let mut body = self.buffers.take();
        self.layout.write(records, &mut body);
        let body = Bytes::from(body);
        let (http, accepted) = self.transport.watched(&PUT_RECORDS);
        // The records are in the body that replaces the SDK's.
        let request = self.client.put_records().stream_name(&self.stream).set_records(Some(Vec::new()));
        let request = request.customize().interceptor(Payload::new(body.clone(), &self.transport));
        let mut own = aws_sdk_kinesis::Config::builder();
        own.set_http_client(http);
        let answer = request.config_override(own).send().await;
        self.buffers.give_back(body);
        let answer = answer.map_err(|error| call_failure(&error))?;
        let outcomes: Vec<_> = match accepted.count() {
            Some(count) => vec![None; count],
            None => answer.records().iter().map(record_failure).collect(),
        };
        if outcomes.len() != records.len() {
            let message = format!("the answer has {} results for {} records", outcomes.len(), records.len());
            return Err(Failure { cause: Cause::Unavailable, message });
        }
        Ok(outcomes)
    }
}

fn record_failure(result: &PutRecordsResultEntry) -> Option<Failure> {
    let code = result.error_code()?;
    let message = format!("{code}: {}", result.error_message().unwrap_or("no message"));
    // A single record is never refused for ever this way: what is wrong with the data fails the whole request.
    let cause = match classify(code, None) {
        Cause::Refused => Cause::Unavailable,
        other => other,
    };
    Some(Failure { cause, message })
}

fn call_failure(error: &SdkError<PutRecordsError, HttpResponse>) -> Failure {
    if let SdkError::ServiceError(context) = error {
        let code = context.err().code().unwrap_or("unknown error");
        let message = format!("{code}: {}", context.err().message().unwrap_or("no message"));
        return Failure { cause: classify(code, Some(context.raw().status().as_u16())), message };
    }
    let message = chain(error);
    let is_setup = matches!(error, SdkError::ConstructionFailure(_)) || message.contains("credentials");
    Failure { cause: if is_setup { Cause::Misconfigured } else { Cause::Unavailable }, message }
}

/// Sorts an error code by what helps. Codes: the Kinesis API reference, PutRecords, and "Common Errors".
fn classify(code: &str, status: Option<u16>) -> Cause {
    let has = |parts: &[&str]| parts.iter().any(|part| code.contains(part));
    if has(&["Throttling", "ThroughputExceeded", "LimitExceeded", "TooManyRequests"]) || status == Some(429) {
        Cause::Throttled
    } else if has(&["ValidationException", "InvalidArgument", "SerializationException"]) || status == Some(413) {
        Cause::Refused
    } else if has(&["NotFound", "AccessDenied", "KMS", "Kms", "Token", "Signature", "OptIn", "Unrecognized", "NotAuthorized"])
        || matches!(status, Some(401 | 403 | 404))
    {
        Cause::Misconfigured
    } else {
        Cause::Unavailable
    }
}

/// An error with its causes, outermost first, each once.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let next = cause.to_string();
        if !text.ends_with(&next) {
            text = format!("{text}: {next}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_sorted_by_what_helps() {
        assert_eq!(classify("ProvisionedThroughputExceededException", Some(400)), Cause::Throttled);
        assert_eq!(classify("KMSThrottlingException", Some(400)), Cause::Throttled);
        assert_eq!(classify("InternalFailure", None), Cause::Unavailable);
        assert_eq!(classify("ServiceUnavailable", Some(503)), Cause::Unavailable);
        assert_eq!(classify("ResourceNotFoundException", Some(400)), Cause::Misconfigured);
        assert_eq!(classify("ExpiredTokenException", Some(400)), Cause::Misconfigured);
        assert_eq!(classify("KMSDisabledException", None), Cause::Misconfigured);
        assert_eq!(classify("ValidationException", Some(400)), Cause::Refused);
        assert_eq!(classify("unknown error", Some(413)), Cause::Refused);
    }
}
