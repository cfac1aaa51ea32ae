//! Looks into an answer before the SDK parses it.
//!
//! Nearly every answer says that each record was accepted, in 130 bytes for each. Parsing them is work, and allocations, as
//! large as building the request. So such an answer is only counted. Any other answer, and any doubt, is left to the SDK.

use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::ConnectorError};
use aws_smithy_types::{body::SdkBody, byte_stream::ByteStream};
use memchr::{memchr_iter, memmem};

/// What an API's answer looks like when nothing failed.
#[derive(Debug)]
pub(crate) struct Shape {
    /// In every answer without a failed record, and in no other.
    success: &'static [u8],
    /// What the SDK parses in its place.
    pub(super) short: &'static str,
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

/// How many records the answer says were accepted. None when one failed, or when it is not certain: then the answer is
/// as it was.
///
/// # Errors
/// When the connection ends before the answer does.
pub(super) async fn examine(answer: &mut HttpResponse, shape: &Shape) -> Result<Option<usize>, ConnectorError> {
    if !answer.status().is_success() {
        return Ok(None);
    }
    let body = std::mem::replace(answer.body_mut(), SdkBody::taken());
    let body = ByteStream::new(body).collect().await.map_err(|error| ConnectorError::io(error.into()))?.into_bytes();
    let accepted = shape.accepted(&body);
    *answer.body_mut() = SdkBody::from(body);
    Ok(accepted)
}

#[cfg(test)]
mod tests {
    use super::*;

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
