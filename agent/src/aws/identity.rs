//! Who we are to AWS: STS tells any holder of credentials, without any permission.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_smithy_types::retry::RetryConfig;

use crate::destination::chain;

/// Longest wait for the answer: it only makes a message better.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The owner of credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The account's number.
    pub(crate) account: String,
    /// The user or role.
    pub(crate) arn: String,
}

/// Asks STS.
///
/// # Errors
/// When it cannot be reached, or does not know the credentials; with what it said.
pub(crate) async fn ask(sts: &SdkConfig) -> Result<Identity, String> {
    let config = aws_sdk_sts::config::Builder::from(sts).retry_config(RetryConfig::disabled()).build();
    let request = aws_sdk_sts::Client::from_conf(config).get_caller_identity().send();
    let answer = tokio::time::timeout(TIMEOUT, request).await.map_err(|_| format!("no answer within {TIMEOUT:?}"))?;
    let answer = answer.map_err(|error| chain(&error))?;
    Ok(Identity { account: answer.account.unwrap_or_default(), arn: answer.arn.unwrap_or_default() })
}
