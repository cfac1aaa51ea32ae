//! Where records go.
//!
//! A destination sends one request and says what became of each record. It never retries: the shipper does, because
//! only it knows what else is on its way.
//!
//! `kinesis` and `firehose` send. `failure` is what can go wrong, `explain` says (purely) what a person must change, and
//! `explainer` reads the SDK's errors for it. `clients` makes one client for all flows with equal settings.
//!
//! `exchange` is what both services share: a `body` of our own, sent as the `payload` of a request of the SDK, or past it by
//! the `example` of one; `answer` counts what was accepted, and `transport` is the SDK's HTTP client with these two in it.

mod answer;
mod base64;
mod body;
mod clients;
mod example;
mod exchange;
mod explain;
mod explainer;
mod failure;
mod firehose;
mod kinesis;
mod payload;
mod transport;

pub(crate) use self::{
    body::AROUND_RECORD,
    clients::{AnyDestination, Clients},
    explain::Subject,
    explainer::Explainer,
    failure::{Cause, Failure, Reason, chain},
    firehose::Firehose,
    kinesis::Kinesis,
};
use crate::record::Record;

/// Sends batches.
pub(crate) trait Destination: Send + Sync + 'static {
    /// Sends the records in one request. The result has one entry for each record, in their order: nothing when it
    /// was accepted, else why not.
    ///
    /// # Errors
    /// When the request failed as a whole; it may have arrived all the same.
    fn send(&self, records: &[Record]) -> impl Future<Output = Result<Vec<Option<Failure>>, Failure>> + Send;
}
