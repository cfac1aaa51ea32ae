//! Registered consumers of a stream, which enhanced fan-out needs: found or registered, and taken off on demand only.
//!
//! A consumer costs money by the hour, and a new one takes a while until it can read. So it stays when the program stops:
//! the next start finds it. `analytics deregister` takes it off.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::error::DisplayErrorContext;
use aws_sdk_kinesis::types::ConsumerStatus;
use config::aws::AwsSettings;
use tracing::info;

/// How often a consumer that is being registered is looked at; the service allows 20 a second.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// The ARN of the stream's consumer of this name, once it can read. Registers it when there is none.
///
/// # Errors
/// When there is no such stream, no room for another consumer, or no permission.
pub(super) async fn active(client: &Client, stream: &str, name: &str) -> Result<Arc<str>> {
    let stream_arn = stream_arn(client, stream).await?;
    loop {
        match find(client, &stream_arn, name).await? {
            Some((arn, ConsumerStatus::Active)) => return Ok(Arc::from(arn)),
            Some(_) => tokio::time::sleep(LOOK_INTERVAL).await, // CREATING; or DELETING, and then it is registered anew
            None => register(client, &stream_arn, name).await?,
        }
    }
}

/// Takes the consumer of this name off the stream.
///
/// # Errors
/// When there is no such stream or consumer, or no permission.
pub(crate) async fn deregister(stream: &str, name: &str, aws: &AwsSettings) -> Result<()> {
    let client = Client::new(&config::aws::load(aws).await);
    let stream_arn = stream_arn(&client, stream).await?;
    if find(&client, &stream_arn, name).await?.is_none() {
        bail!("stream {stream} has no consumer {name}; aws kinesis list-stream-consumers shows those it has");
    }
    let request = client.deregister_stream_consumer().stream_arn(stream_arn).consumer_name(name);
    let done = request.send().await.map_err(|error| anyhow!("{}", DisplayErrorContext(&error)));
    done.with_context(|| format!("cannot deregister consumer {name} of stream {stream}")).map(drop)
}

async fn stream_arn(client: &Client, stream: &str) -> Result<String> {
    let answer = client.describe_stream_summary().stream_name(stream).send().await;
    let answer = answer.map_err(|error| anyhow!("cannot describe stream {stream}: {}", DisplayErrorContext(&error)))?;
    let summary = answer.stream_description_summary.context("the description of the stream is empty")?;
    Ok(summary.stream_arn)
}

/// The consumer's ARN and status; None when there is none.
async fn find(client: &Client, stream_arn: &str, name: &str) -> Result<Option<(String, ConsumerStatus)>> {
    let answer = client.describe_stream_consumer().stream_arn(stream_arn).consumer_name(name).send().await;
    match answer {
        Ok(answer) => Ok(answer.consumer_description.map(|consumer| (consumer.consumer_arn, consumer.consumer_status))),
        Err(error) if error.as_service_error().is_some_and(|error| error.is_resource_not_found_exception()) => Ok(None),
        Err(error) => Err(anyhow!("cannot look for consumer {name} of {stream_arn}: {}", DisplayErrorContext(&error))),
    }
}

async fn register(client: &Client, stream_arn: &str, name: &str) -> Result<()> {
    match client.register_stream_consumer().stream_arn(stream_arn).consumer_name(name).send().await {
        Ok(_) => info!(consumer = name, "registered the consumer; it stays until analytics deregister takes it off"),
        // Another instance was quicker; it is found at the next look.
        Err(error) if error.as_service_error().is_some_and(|error| error.is_resource_in_use_exception()) => {}
        Err(error) => {
            return Err(anyhow!(
                "cannot register consumer {name} of {stream_arn}; a stream has room for 20, and kinesis:RegisterStreamConsumer is \
                 needed: {}",
                DisplayErrorContext(&error)
            ));
        }
    }
    Ok(())
}
