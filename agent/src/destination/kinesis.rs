//! Kinesis PutRecords.

use aws_sdk_kinesis::Client;

use super::{
    Destination,
    answer::PUT_RECORDS,
    body::Layout,
    exchange::{Exchange, Prepared},
    explainer::Explainer,
    failure::Failure,
};
use crate::record::Record;

/// One stream.
#[derive(Debug)]
pub(crate) struct Kinesis {
    client: Client,
    exchange: Exchange,
}

impl Kinesis {
    pub(crate) fn new(client: Client, explainer: Explainer) -> Self {
        let target = explainer.subject().target();
        let field = if target.arn.is_some() { "StreamARN" } else { "StreamName" };
        let layout = Layout::put_records(field, target.written());
        Self { client, exchange: Exchange::new(layout, &PUT_RECORDS, explainer) }
    }

    /// What it shares with Firehose.
    #[cfg(test)]
    pub(super) fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    /// Lets the SDK send what was prepared, or read the answer in it.
    pub(super) async fn by_sdk(&self, Prepared { payload, http }: Prepared) -> Result<Vec<Option<Failure>>, Failure> {
        let explainer = &self.exchange.explainer;
        let target = explainer.subject().target();
        // The records are in the payload.
        let request = self.client.put_records().set_records(Some(Vec::new()));
        let request = match &target.arn {
            Some(arn) => request.stream_arn(&arn.text), // the SDK reads the endpoint's account from it
            None => request.stream_name(&target.name),
        };
        let mut own = aws_sdk_kinesis::Config::builder();
        own.set_http_client(http);
        match request.customize().interceptor(payload).config_override(own).send().await {
            Ok(answer) => {
                let results = answer.records().iter().map(|result| (result.error_code(), result.error_message()));
                Ok(explainer.records(results))
            }
            Err(error) => Err(explainer.request(&error).await),
        }
    }
}

impl Destination for Kinesis {
    async fn send(&self, records: &[Record]) -> Result<Vec<Option<Failure>>, Failure> {
        self.exchange.send(records, |prepared| self.by_sdk(prepared)).await
    }
}
