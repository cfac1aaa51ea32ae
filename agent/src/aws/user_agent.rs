//! `userAgent` and `userAgentOverride`: how each request introduces itself.

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{Intercept, context::BeforeTransmitInterceptorContextMut},
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::config_bag::ConfigBag;

/// The agent's own part, before the SDK's.
const AGENT: &str = concat!("weir-agent/", env!("CARGO_PKG_VERSION"));

/// Rewrites the `User-Agent` header. It is not signed, so it may change last.
#[derive(Debug, Clone)]
pub(crate) struct UserAgent {
    text: String,
    /// Nothing of the SDK's follows.
    is_all: bool,
}

impl UserAgent {
    /// `prefix` stands before the agent's part; `all` stands alone.
    pub(super) fn new(prefix: Option<&str>, all: Option<&str>) -> Self {
        match (all, prefix) {
            (Some(all), _) => Self { text: all.to_owned(), is_all: true },
            (None, Some(prefix)) => Self { text: format!("{prefix} {AGENT}"), is_all: false },
            (None, None) => Self { text: AGENT.to_owned(), is_all: false },
        }
    }

    fn header(&self, of_sdk: Option<&str>) -> String {
        match of_sdk.filter(|_| !self.is_all) {
            Some(of_sdk) => format!("{} {of_sdk}", self.text),
            None => self.text.clone(),
        }
    }
}

impl Intercept for UserAgent {
    fn name(&self) -> &'static str {
        "UserAgent"
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let headers = context.request_mut().headers_mut();
        let header = self.header(headers.get("user-agent"));
        headers.insert("user-agent", header);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_stands_before_and_an_override_stands_alone() {
        assert_eq!(UserAgent::new(None, None).header(Some("aws-sdk-rust/1")), format!("{AGENT} aws-sdk-rust/1"));
        assert_eq!(UserAgent::new(Some("shop"), None).header(Some("aws-sdk-rust/1")), format!("shop {AGENT} aws-sdk-rust/1"));
        assert_eq!(UserAgent::new(Some("shop"), Some("only me")).header(Some("aws-sdk-rust/1")), "only me");
    }
}
