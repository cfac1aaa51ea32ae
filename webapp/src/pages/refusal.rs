//! What a person is told instead of what they asked for.

use std::time::Duration;

use axum::http::StatusCode;

use crate::remote::StoreError;

/// A status for programs, sentences for people.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    /// What went wrong and what to do; one sentence or two for each problem.
    pub(super) problems: Vec<String>,
    /// What worked all the same.
    pub(super) notice: Option<String>,
    /// When it is worth another try.
    pub(super) retry_after: Option<Duration>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, problem: impl Into<String>) -> Self {
        Self { status, problems: vec![problem.into()], notice: None, retry_after: None }
    }

    pub(super) fn foreign_form() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "This form did not come from this page, or the page is old. Please reload the page and try again.",
        )
    }

    /// The form is none that we have.
    pub(super) fn unreadable_form() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "The form could not be read. Please reload the page and try again.")
    }

    /// Somebody must be signed in for this.
    pub(super) fn signed_out() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "You are not signed in, so nothing was changed. Please sign in, then try again.")
    }

    /// The client did this too often.
    pub(super) fn too_often(what: &str, wait: Duration) -> Self {
        let problem = format!("That were many {what} in a short time. Please try again in {} seconds.", wait.as_secs());
        Self { retry_after: Some(wait), ..Self::new(StatusCode::TOO_MANY_REQUESTS, problem) }
    }

    /// The sessions cannot be asked, so nobody can sign in, sign out or upload.
    pub(super) fn no_sessions() -> Self {
        let problem = "Signing in and uploading are not possible at the moment, because the sign-ins cannot be looked up. \
                       Photos can still be seen. Please try again in a moment.";
        Self { retry_after: Some(Duration::from_secs(5)), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, problem) }
    }

    /// The database cannot be asked.
    pub(super) fn no_database(error: &StoreError) -> Self {
        tracing::error!(error = error.chain(), "the database does not answer; a change was refused");
        let problem = "The database does not answer, so nothing was changed. Please try again in a moment.";
        Self { retry_after: Some(Duration::from_secs(5)), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, problem) }
    }
}
