//! Why something was not accepted.

use std::{error::Error, fmt};

/// Why a request or a record was not accepted.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    /// What to do about it, roughly.
    pub(crate) cause: Cause,
    /// What it is, exactly.
    pub(crate) reason: Reason,
    /// What the destination or the network said.
    pub(crate) message: String,
    /// What a person can change, with the names and numbers of this destination.
    pub(crate) remedy: String,
}

impl Failure {
    /// One that needs no names to be understood.
    pub(crate) fn new(reason: Reason, message: impl Into<String>) -> Self {
        let cause = reason.cause();
        Self { cause, reason, message: message.into(), remedy: cause.remedy().to_owned() }
    }
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
            Self::Unavailable => "lines wait in their files; check the network and the endpoint",
            Self::Misconfigured => "check the stream's name, its region, the credentials and their permissions",
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

/// What went wrong, as far as it can be told apart; each has a remedy of its own and is logged by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// More than the destination takes.
    Throttled,
    /// The service failed, or is not ready.
    Internal,
    /// Nothing came back in time.
    NoAnswer,
    /// The endpoint's name leads nowhere.
    UnknownHost,
    /// Nobody listens, or the connection broke.
    NoConnection,
    /// The other side's certificate is not trusted.
    Untrusted,
    /// The stream does not exist.
    NotFound,
    /// The credentials may not do this.
    AccessDenied,
    /// The stream's encryption key cannot be used.
    Key,
    /// There are no credentials.
    NoCredentials,
    /// The credentials are out of date.
    Expired,
    /// The service does not know the credentials, or their secret is wrong.
    BadCredentials,
    /// This host's clock is wrong.
    ClockSkew,
    /// The request is signed for another region or service than the endpoint's.
    WrongRegion,
    /// The request is not legal.
    Refused,
    /// Another reason for which a request is turned away.
    Forbidden,
}

impl Reason {
    /// All of them.
    pub(crate) const ALL: [Self; 16] = [
        Self::Throttled,
        Self::Internal,
        Self::NoAnswer,
        Self::UnknownHost,
        Self::NoConnection,
        Self::Untrusted,
        Self::NotFound,
        Self::AccessDenied,
        Self::Key,
        Self::NoCredentials,
        Self::Expired,
        Self::BadCredentials,
        Self::ClockSkew,
        Self::WrongRegion,
        Self::Refused,
        Self::Forbidden,
    ];

    /// The kind it belongs to.
    pub(crate) fn cause(self) -> Cause {
        match self {
            Self::Throttled => Cause::Throttled,
            Self::Internal | Self::NoAnswer | Self::UnknownHost | Self::NoConnection => Cause::Unavailable,
            Self::Refused => Cause::Refused,
            _ => Cause::Misconfigured,
        }
    }
}

/// An error with its causes, outermost first, each once.
pub(crate) fn chain(error: &dyn Error) -> String {
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
