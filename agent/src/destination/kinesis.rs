//! Kinesis PutRecords.

use anyhow::Result;
use aws_sdk_kinesis::Client;
use bytes::Bytes;

use super::{
    Destination,
    answer::{PUT_RECORDS, Transport},
    body::{Buffers, Layout},
    explainer::Explainer,
    failure::{Failure, Reason},
    payload::Payload,
};
use crate::record::Record;

/// One stream.
#[derive(Debug)]
pub(crate) struct Kinesis {
    client: Client,
    layout: Layout,
    buffers: Buffers,
    explainer: Explainer,
    transport: Transport,
}

impl Kinesis {
    pub(crate) fn new(client: Client, explainer: Explainer) -> Self {
        let target = explainer.subject().target();
        let field = if target.arn.is_some() { "StreamARN" } else { "StreamName" };
        let (layout, buffers) = (Layout::put_records(field, target.written()), Buffers::default());
        Self { client, layout, buffers, explainer, transport: Transport::default() }
    }
}

impl Destination for Kinesis {
    async fn send(&self, records: &[Record]) -> Result<Vec<Option<Failure>>, Failure> {
        let mut body = self.buffers.take();
        self.layout.write(records, &mut body);
        let body = Bytes::from(body);
        let target = self.explainer.subject().target();
        let (http, accepted) = self.transport.watched(&PUT_RECORDS);
        // The records are in the body that replaces the SDK's.
        let request = self.client.put_records().set_records(Some(Vec::new()));
        let request = match &target.arn {
            Some(arn) => request.stream_arn(&arn.text), // the SDK reads the endpoint's account from it
            None => request.stream_name(&target.name),
        };
        let request = request.customize().interceptor(Payload::new(body.clone(), &self.transport));
        let mut own = aws_sdk_kinesis::Config::builder();
        own.set_http_client(http);
        let answer = request.config_override(own).send().await;
        self.buffers.give_back(body);
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return Err(self.explainer.request(&error).await),
        };
        let results = answer.records().iter().map(|result| (result.error_code(), result.error_message()));
        let outcomes = match accepted.count() {
            Some(count) => vec![None; count],
            None => self.explainer.records(results),
        };
        if outcomes.len() != records.len() {
            let message = format!("the answer has {} results for {} records", outcomes.len(), records.len());
            return Err(Failure::new(Reason::Internal, message));
        }
        Ok(outcomes)
    }
}
