//! Looks into an answer before the SDK parses it.
//!
//! Nearly every answer says that each record was accepted, in 130 bytes for each. Parsing them is work, and allocations, as
//! large as building the request. So the HTTP client of the SDK is wrapped for each request: such an answer is counted
//! and shortened to one without results. Any other answer, and any doubt, is left to the SDK as it is.

use std::sync::{Arc, OnceLock};

use aws_smithy_runtime_api::client::{
    http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector},
    orchestrator::HttpRequest,
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use aws_smithy_types::{body::SdkBody, byte_stream::ByteStream};
use memchr::{memchr_iter, memmem};

/// What an API's answer looks like when nothing failed.
#[derive(Debug)]
pub(crate) struct Shape {
    /// In every answer without a failed record, and in no other.
    success: &'static [u8],
    /// What the SDK parses in its place.
    short: &'static str,
}

/// Kinesis' answer to PutRecords. Source: its API reference.
pub(crate) const PUT_RECORDS: Shape =
    Shape { success: br#""FailedRecordCount":0"#, short: r#"{"FailedRecordCount":0,"Records":[]}"# };

/// Firehose's answer to PutRecordBatch. Source: its API reference.
pub(crate) const PUT_RECORD_BATCH: Shape =
    Shape { success: br#""FailedPutCount":0"#, short: r#"{"FailedPutCount":0,"RequestResponses":[]}"# };

impl Shape {
    /// How many records the answer says were accepted. None when one failed, or when it is not certain.
    fn accepted(&self, answer: &[u8]) -> Option<usize> {
        let behind = memmem::find(answer, self.success)? + self.success.len();
        let is_zero = matches!(answer.get(behind), Some(b',' | b'}'));
        if !is_zero || memmem::find(answer, b"ErrorCode").is_some() {
            return None;
        }
        // One object around all, and one for each result: no text in an answer contains a brace.
        memchr_iter(b'{', answer).count().checked_sub(1)
    }
}

/// The SDK's HTTP client, once a request has shown it: one that was not set by hand exists only inside of requests.
#[derive(Debug, Clone, Default)]
pub(crate) struct Transport(Arc<OnceLock<SharedHttpClient>>);

impl Transport {
    /// Keeps the client of a request under way.
    pub(crate) fn learn(&self, components: &RuntimeComponents) {
        if self.0.get().is_none()
            && let Some(client) = components.http_client()
        {
            let _ = self.0.set(client); // another request was quicker, with the same one
        }
    }

    /// A client for one request, and what it will know of the answer.
    pub(crate) fn watched(&self, shape: &'static Shape) -> (Option<SharedHttpClient>, Accepted) {
        let accepted = Accepted::default();
        let watch =
            |inner: &SharedHttpClient| SharedHttpClient::new(Watched { inner: inner.clone(), shape, accepted: accepted.clone() });
        (self.0.get().map(watch), accepted)
    }
}

/// How many records were accepted, if that was all of an answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Accepted(Arc<OnceLock<usize>>);

impl Accepted {
    /// Set when the answer was shortened.
    pub(crate) fn count(&self) -> Option<usize> {
        self.0.get().copied()
    }
}

#[derive(Debug)]
struct Watched<T> {
    inner: T,
    shape: &'static Shape,
    accepted: Accepted,
}

impl HttpClient for Watched<SharedHttpClient> {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(Watched { inner, shape: self.shape, accepted: self.accepted.clone() })
    }
}

impl HttpConnector for Watched<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (answer, shape, accepted) = (self.inner.call(request), self.shape, self.accepted.clone());
        HttpConnectorFuture::new(async move {
            let mut answer = answer.await?;
            if answer.status().is_success() {
                let body = std::mem::replace(answer.body_mut(), SdkBody::taken());
                let body = ByteStream::new(body).collect().await.map_err(|error| ConnectorError::io(error.into()))?.into_bytes();
                *answer.body_mut() = match shape.accepted(&body) {
                    Some(count) if accepted.0.set(count).is_ok() => SdkBody::from(shape.short),
                    _ => SdkBody::from(body),
                };
            }
            Ok(answer)
        })
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_kinesis::operation::put_records::PutRecordsOutput;
    use bytes::Bytes;

    use super::*;
    use crate::{
        destination::payload::Payload,
        testing::{FakeKinesis, Reply},
    };

    /// Sends two records, the second of which the server may not accept.
    async fn send_two(server: &FakeKinesis, transport: &Transport) -> (PutRecordsOutput, Accepted) {
        let body = r#"{"StreamName":"s","Records":[{"Data":"YQ==","PartitionKey":"1"},{"Data":"Yg==","PartitionKey":"2"}]}"#;
        let (http, accepted) = transport.watched(&PUT_RECORDS);
        let mut own = aws_sdk_kinesis::Config::builder();
        own.set_http_client(http);
        let request = server.client().put_records().stream_name("s").set_records(Some(Vec::new())).customize();
        let payload = Payload::new(Bytes::from_static(body.as_bytes()), transport);
        (request.interceptor(payload).config_override(own).send().await.unwrap(), accepted)
    }

    #[tokio::test]
    async fn from_the_second_request_on_success_is_counted_and_failure_is_parsed() {
        let mut replies = [true, true, false].into_iter();
        let server = FakeKinesis::start(move |_| Reply::Each(vec![true, replies.next().unwrap()])).await;
        let transport = Transport::default();
        let (answer, accepted) = send_two(&server, &transport).await;
        assert_eq!((answer.records().len(), accepted.count()), (2, None));
        let (answer, accepted) = send_two(&server, &transport).await;
        assert_eq!((answer.records().len(), accepted.count()), (0, Some(2)));
        let (answer, accepted) = send_two(&server, &transport).await;
        assert_eq!((answer.failed_record_count(), accepted.count()), (Some(1), None));
        assert!(answer.records()[1].error_code().is_some());
    }

    #[test]
    fn an_answer_without_failures_counts_its_results() {
        let accepted = |answer: &str| PUT_RECORDS.accepted(answer.as_bytes());
        let result = r#"{"SequenceNumber":"1","ShardId":"shardId-000000000000"}"#;
        assert_eq!(accepted(&format!(r#"{{"FailedRecordCount":0,"Records":[{result},{result}]}}"#)), Some(2));
        assert_eq!(accepted(&format!(r#"{{"EncryptionType":"KMS","Records":[{result}],"FailedRecordCount":0}}"#)), Some(1));
        assert_eq!(accepted(PUT_RECORDS.short), Some(0));
        let batch = r#"{"Encrypted":false,"FailedPutCount":0,"RequestResponses":[{"RecordId":"a+/="},{"RecordId":"b"}]}"#;
        assert_eq!(PUT_RECORD_BATCH.accepted(batch.as_bytes()), Some(2));
        assert_eq!(PUT_RECORD_BATCH.accepted(PUT_RECORD_BATCH.short.as_bytes()), Some(0));
    }

    #[test]
    fn whatever_else_an_answer_says_is_left_to_the_sdk() {
        let accepted = |answer: &str| PUT_RECORDS.accepted(answer.as_bytes());
        let failed = r#"{"ErrorCode":"InternalFailure","ErrorMessage":"m"}"#;
        assert_eq!(accepted(&format!(r#"{{"FailedRecordCount":1,"Records":[{failed}]}}"#)), None);
        assert_eq!(accepted(r#"{"FailedRecordCount":10,"Records":[]}"#), None);
        assert_eq!(accepted(r#"{"FailedRecordCount":0.5,"Records":[]}"#), None);
        assert_eq!(accepted(&format!(r#"{{"FailedRecordCount":0,"Records":[{failed}]}}"#)), None);
        assert_eq!(accepted(r#"{"FailedRecordCount": 0,"Records":[]}"#), None);
        assert_eq!(accepted(""), None);
    }
}
