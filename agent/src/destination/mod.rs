//! Where records go.
//!
//! A destination sends one request and says what became of each record. It never retries: the shipper does, because
//! only it knows what else is on its way.

mod answer;
mod base64;
mod body;
mod kinesis;
mod payload;

use std::fmt;

pub(crate) use self::{
    body::AROUND_RECORD,
    kinesis::{Kinesis, client},
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

/// Why a request or a record was not accepted.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    /// What to do about it.
    pub(crate) cause: Cause,
    /// What the destination or the network said.
    pub(crate) message: String,
}

/// The kinds of failure, by what helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// More than the destination takes; waiting helps.
    Throttled,
    /// No answer, or an internal error; waiting helps.
    Unavailable,
    /// Only a person can help.
    Misconfigured,
    /// This request will never be accepted.
    Refused,
}

impl Cause {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::Throttled, Self::Unavailable, Self::Misconfigured, Self::Refused];

    /// What a person can do.
    pub(crate) fn remedy(self) -> &'static str {
        match self {
            Self::Throttled => "lines wait in their files; add shards to the stream or make it on-demand",
            Self::Unavailable => "lines wait in their files; check the network and kinesis.endpoint",
            Self::Misconfigured => {
                "check the stream's name, kinesis.region, the credentials and the permission kinesis:PutRecords"
            }
            Self::Refused => "the record at fault goes to the dead-letter file",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
            Self::Misconfigured => "misconfigured",
            Self::Refused => "refused",
        })
    }
}
