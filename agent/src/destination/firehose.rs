//! Firehose PutRecordBatch.

use aws_sdk_firehose::Client;

use super::{
    Destination,
    answer::PUT_RECORD_BATCH,
    body::Layout,
    exchange::{Exchange, Prepared},
    explainer::Explainer,
    failure::Failure,
};
use crate::record::Record;

/// One delivery stream.
#[derive(Debug)]
pub(crate) struct Firehose {
    client: Client,
    exchange: Exchange,
}

impl Firehose {
    pub(crate) fn new(client: Client, explainer: Explainer) -> Self {
        let layout = Layout::put_record_batch(&explainer.subject().target().name);
        Self { client, exchange: Exchange::new(layout, &PUT_RECORD_BATCH, explainer) }
    }

    /// Lets the SDK send what was prepared, or read the answer in it.
    async fn by_sdk(&self, Prepared { payload, http }: Prepared) -> Result<Vec<Option<Failure>>, Failure> {
        let explainer = &self.exchange.explainer;
        let name = &explainer.subject().target().name;
        // The records are in the payload.
        let request = self.client.put_record_batch().delivery_stream_name(name).set_records(Some(Vec::new()));
        let mut own = aws_sdk_firehose::Config::builder();
        own.set_http_client(http);
        match request.customize().interceptor(payload).config_override(own).send().await {
            Ok(answer) => {
                let results = answer.request_responses().iter().map(|result| (result.error_code(), result.error_message()));
                Ok(explainer.records(results))
            }
            Err(error) => Err(explainer.request(&error).await),
        }
    }
}

impl Destination for Firehose {
    async fn send(&self, records: &[Record]) -> Result<Vec<Option<Failure>>, Failure> {
        self.exchange.send(records, |prepared| self.by_sdk(prepared)).await
    }
}
