//! Reads the SDK's errors, and asks STS who we are where that helps.

use std::time::SystemTime;

use aws_config::SdkConfig;
use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use tokio::sync::OnceCell;

use super::{
    explain::{Answer, Subject},
    failure::{Cause, Failure, Reason, chain},
};
use crate::aws::identity::{self, Identity};

/// Explains the failures of one destination.
#[derive(Debug)]
pub(crate) struct Explainer {
    subject: Subject,
    /// How STS is reached; none in tests.
    sts: Option<SdkConfig>,
    /// Asked once: it makes a message better, and must not add a request to each failure.
    identity: OnceCell<Option<Identity>>,
}

impl Explainer {
    pub(crate) fn new(subject: Subject, sts: Option<SdkConfig>) -> Self {
        Self { subject, sts, identity: OnceCell::new() }
    }

    /// What it explains.
    pub(crate) fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Why a whole request failed.
    pub(crate) async fn request<E>(&self, error: &SdkError<E, HttpResponse>) -> Failure
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let mut failure = self.of_error(error);
        if matches!(failure.reason, Reason::NotFound | Reason::AccessDenied)
            && let Some(identity) = self.identity().await
        {
            Subject::add_identity(&mut failure, identity);
        }
        failure
    }

    /// What became of each record of a request, from its error code and message. As a rule all failures are of one
    /// kind, and only the first of a kind is explained: there may be 500.
    pub(super) fn records<'a>(&self, results: impl Iterator<Item = (Option<&'a str>, Option<&'a str>)>) -> Vec<Option<Failure>> {
        let mut explained: Option<(&str, Cause, Reason)> = None;
        let outcome = |(code, message): (Option<&'a str>, Option<&'a str>)| {
            let code = code?;
            if let Some((_, cause, reason)) = explained.filter(|(known, ..)| *known == code) {
                return Some(Failure { cause, reason, message: String::new(), remedy: String::new() });
            }
            let failure = self.record(code, message);
            explained = Some((code, failure.cause, failure.reason));
            Some(failure)
        };
        results.map(outcome).collect()
    }

    fn record(&self, code: &str, message: Option<&str>) -> Failure {
        let answer = Answer { code, message: message.unwrap_or_default(), status: None, date: None };
        let failure = self.subject.of_answer(answer, SystemTime::now());
        // A single record is never refused for ever this way: what is wrong with the data fails the whole request.
        if failure.reason == Reason::Refused { Failure::new(Reason::Internal, failure.message) } else { failure }
    }

    fn of_error<E>(&self, error: &SdkError<E, HttpResponse>) -> Failure
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        match error {
            SdkError::ServiceError(context) => {
                let answer = Answer {
                    code: context.err().code().unwrap_or("unknown error"),
                    message: context.err().message().unwrap_or_default(),
                    status: Some(context.raw().status().as_u16()),
                    date: context.raw().headers().get("date"),
                };
                self.subject.of_answer(answer, SystemTime::now())
            }
            SdkError::ConstructionFailure(_) => {
                let said = chain(error);
                if said.contains("redentials") {
                    self.subject.of_credentials(&said)
                } else {
                    Failure::new(Reason::Forbidden, said)
                }
            }
            SdkError::TimeoutError(_) => self.subject.of_network(&chain(error), true),
            SdkError::DispatchFailure(dispatch) => self.subject.of_network(&chain(error), dispatch.is_timeout()),
            // An answer that is no answer of this service: something else listens there, or a connection broke off.
            _ => Failure::new(Reason::Internal, chain(error)),
        }
    }

    async fn identity(&self) -> Option<&Identity> {
        let ask = || async {
            match &self.sts {
                Some(sts) => identity::ask(sts).await.ok(),
                None => None,
            }
        };
        self.identity.get_or_init(ask).await.as_ref()
    }
}
