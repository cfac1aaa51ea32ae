//! What a put request says: PutRecords of Kinesis or PutRecordBatch of Firehose, JSON 1.1.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::Deserialize;

use crate::faults::http::{Message, header};

/// The service a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Kinesis Data Streams.
    Kinesis,
    /// Firehose.
    Firehose,
}

/// A put request, decoded.
#[derive(Debug, Clone)]
pub struct Put {
    /// Who is asked.
    pub service: Service,
    /// The stream's name.
    pub stream: String,
    /// The payloads, in their order.
    pub records: Vec<Vec<u8>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Body {
    #[serde(alias = "DeliveryStreamName")]
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    records: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    data: String,
}

impl Put {
    /// None when the request is no put.
    ///
    /// # Errors
    /// When it is one, but its body is not as the service's reference has it.
    pub(super) fn parse(request: &Message) -> Result<Option<Self>> {
        let target = header(&request.head, "x-amz-target").unwrap_or_default();
        let service = match target.split_once('.').map_or("", |(_, operation)| operation) {
            "PutRecords" => Service::Kinesis,
            "PutRecordBatch" => Service::Firehose,
            _ => return Ok(None),
        };
        let body: Body = serde_json::from_slice(&request.body).context("a put whose body is not as documented")?;
        let by_arn = || body.stream_arn.as_deref()?.rsplit_once('/').map(|(_, name)| name.to_owned());
        let stream = body.stream_name.clone().or_else(by_arn).context("a put without a stream")?;
        let decode = |entry: &Entry| BASE64_STANDARD.decode(&entry.data).context("data that is not base64");
        Ok(Some(Self { service, stream, records: body.records.iter().map(decode).collect::<Result<_>>()? }))
    }

    /// The service's answer with one result for each record; true is accepted.
    pub(super) fn answer(&self, accepted: &[bool]) -> Vec<u8> {
        let (results, failed) = match self.service {
            Service::Kinesis => ("Records", "FailedRecordCount"),
            Service::Firehose => ("RequestResponses", "FailedPutCount"),
        };
        let failures = accepted.iter().filter(|accepted| !**accepted).count();
        let mut body = format!("{{\"{failed}\":{failures},\"{results}\":[");
        for (place, accepted) in accepted.iter().enumerate() {
            let comma = if place > 0 { "," } else { "" };
            // Writing to a string cannot fail.
            let _ = write!(body, "{comma}{}", self.result(place, *accepted));
        }
        body.push_str("]}");
        body.into_bytes()
    }

    fn result(&self, place: usize, accepted: bool) -> String {
        match (self.service, accepted) {
            (Service::Kinesis, true) => {
                format!(r#"{{"SequenceNumber":"4954{place}","ShardId":"shardId-000000000000"}}"#)
            }
            (Service::Kinesis, false) => {
                r#"{"ErrorCode":"ProvisionedThroughputExceededException","ErrorMessage":"Rate exceeded for shard"}"#.to_owned()
            }
            (Service::Firehose, true) => format!(r#"{{"RecordId":"{place}"}}"#),
            (Service::Firehose, false) => r#"{"ErrorCode":"ServiceUnavailableException","ErrorMessage":"Slow down."}"#.to_owned(),
        }
    }
}
