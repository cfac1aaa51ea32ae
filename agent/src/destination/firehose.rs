//! Firehose PutRecordBatch.

use anyhow::Result;
use aws_sdk_firehose::Client;
use bytes::Bytes;

use super::{
    Destination,
    answer::{PUT_RECORD_BATCH, Transport},
    body::{Buffers, Layout},
    explainer::Explainer,
    failure::{Failure, Reason},
    payload::Payload,
};
use crate::record::Record;

/// One delivery stream.
#[derive(Debug)]
pub(crate) struct Firehose {
    client: Client,
    layout: Layout,
    buffers: Buffers,
    explainer: Explainer,
    transport: Transport,
}

impl Firehose {
    pub(crate) fn new(client: Client, explainer: Explainer) -> Self {
        let layout = Layout::put_record_batch(&explainer.subject().target().name);
        Self { client, layout, buffers: Buffers::default(), explainer, transport: Transport::default() }
    }
}

impl Destination for Firehose {
    async fn send(&self, records: &[Record]) -> Result<Vec<Option<Failure>>, Failure> {
        let mut body = self.buffers.take();
        self.layout.write(records, &mut body);
        let body = Bytes::from(body);
        let (http, accepted) = self.transport.watched(&PUT_RECORD_BATCH);
        let name = &self.explainer.subject().target().name;
        // The records are in the body that replaces the SDK's.
        let request = self.client.put_record_batch().delivery_stream_name(name).set_records(Some(Vec::new()));
        let request = request.customize().interceptor(Payload::new(body.clone(), &self.transport));
        let mut own = aws_sdk_firehose::Config::builder();
        own.set_http_client(http);
        let answer = request.config_override(own).send().await;
        self.buffers.give_back(body);
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return Err(self.explainer.request(&error).await),
        };
        let results = answer.request_responses().iter().map(|result| (result.error_code(), result.error_message()));
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
