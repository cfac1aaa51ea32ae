//! The HTTP client of the SDK, with our own eyes and ears.
//!
//! The SDK takes another HTTP client for each request. [`Transport::watched`] makes one that looks into the answer, and
//! keeps the request as an [`Example`] if everything was accepted. [`Transport::replayed`] makes one that gives the SDK an
//! answer that is here already, so that there is one place where failures are understood.

use std::{
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Instant,
};

use aws_smithy_runtime_api::client::{
    connection::CaptureSmithyConnection,
    http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector},
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use aws_smithy_types::body::SdkBody;

use super::{
    answer::{Shape, examine},
    example::{Answered, Example},
};

/// What the requests of one destination share.
#[derive(Debug, Clone, Default)]
pub(crate) struct Transport(Arc<Known>);

#[derive(Debug, Default)]
struct Known {
    /// The SDK's HTTP client, once a request has shown it: one that was not set by hand exists only inside of requests.
    client: OnceLock<SharedHttpClient>,
    example: Mutex<Option<Arc<Example>>>,
}

impl Transport {
    /// Keeps the client of a request under way.
    pub(crate) fn learn(&self, components: &RuntimeComponents) {
        if self.0.client.get().is_none()
            && let Some(client) = components.http_client()
        {
            let _ = self.0.client.set(client); // another request was quicker, with the same one
        }
    }

    /// A client for one request of the SDK, and what it will know of the answer.
    pub(crate) fn watched(&self, shape: &'static Shape) -> (Option<SharedHttpClient>, Accepted) {
        let accepted = Accepted::default();
        let watch = |inner: &SharedHttpClient| {
            let (transport, accepted) = (self.clone(), accepted.clone());
            SharedHttpClient::new(Watched { inner: inner.clone(), shape, accepted, transport })
        };
        (self.0.client.get().map(watch), accepted)
    }

    /// A client that has the answer, for a request of the SDK that is not to be sent.
    pub(super) fn replayed(answered: Answered) -> SharedHttpClient {
        SharedHttpClient::new(Replayed(Arc::new(Mutex::new(Some(answered)))))
    }

    /// The request to imitate, unless there is none, or it is too old.
    pub(super) fn example(&self, now: Instant) -> Option<Arc<Example>> {
        self.lock().clone().filter(|example| example.is_fresh(now))
    }

    /// Goes through the SDK again the next time: something may have changed.
    pub(super) fn forget_example(&self) {
        self.lock().take();
    }

    fn keep(&self, example: Option<Example>) {
        *self.lock() = example.map(Arc::new);
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Example>>> {
        self.0.example.lock().unwrap_or_else(PoisonError::into_inner) // it is replaced whole
    }
}

/// How many records were accepted, if that was all of an answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Accepted(Arc<OnceLock<usize>>);

impl Accepted {
    /// Set when the answer was shortened.
    pub(crate) fn count(&self) -> Option<usize> {
        self.0.get().copied()
    }
}

/// Looks into the answer.
#[derive(Debug)]
struct Watched {
    inner: SharedHttpClient,
    shape: &'static Shape,
    accepted: Accepted,
    transport: Transport,
}

impl HttpClient for Watched {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(WatchedConnector {
            inner: self.inner.http_connector(settings, components),
            components: components.clone(),
            shape: self.shape,
            accepted: self.accepted.clone(),
            transport: self.transport.clone(),
        })
    }
}

#[derive(Debug)]
struct WatchedConnector {
    inner: SharedHttpConnector,
    components: RuntimeComponents,
    shape: &'static Shape,
    accepted: Accepted,
    transport: Transport,
}

impl HttpConnector for WatchedConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let example = Example::of(&request, &self.inner, &self.components);
        let answer = self.inner.call(request);
        let (shape, accepted, transport) = (self.shape, self.accepted.clone(), self.transport.clone());
        HttpConnectorFuture::new(async move {
            let mut answer = answer.await?;
            if let Some(count) = examine(&mut answer, shape).await?
                && accepted.0.set(count).is_ok()
            {
                *answer.body_mut() = SdkBody::from(shape.short);
                transport.keep(example);
            }
            Ok(answer)
        })
    }
}

/// Has the answer already.
#[derive(Debug, Clone)]
struct Replayed(Arc<Mutex<Option<Answered>>>);

impl HttpClient for Replayed {
    fn http_connector(&self, _settings: &HttpConnectorSettings, _components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Replayed {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let answered = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Answered { answer, connection }) = answered else {
            return HttpConnectorFuture::ready(Err(ConnectorError::other("an answer is given once".into(), None)));
        };
        // The SDK closes the connection that a failure came over.
        if let Some(capture) = request.extension::<CaptureSmithyConnection>() {
            capture.set_connection_retriever(move || connection.get());
        }
        HttpConnectorFuture::ready(answer as Result<HttpResponse, ConnectorError>)
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_kinesis::operation::put_records::PutRecordsOutput;
    use bytes::Bytes;

    use super::*;
    use crate::{
        destination::{
            answer::PUT_RECORDS,
            payload::{Payload, sha256_hex},
        },
        testing::{FakeKinesis, Reply},
    };

    /// Sends two records, the second of which the server may not accept.
    async fn send_two(server: &FakeKinesis, transport: &Transport) -> (PutRecordsOutput, Accepted) {
        let body = r#"{"StreamName":"s","Records":[{"Data":"YQ==","PartitionKey":"1"},{"Data":"Yg==","PartitionKey":"2"}]}"#;
        let (http, accepted) = transport.watched(&PUT_RECORDS);
        let mut own = aws_sdk_kinesis::Config::builder();
        own.set_http_client(http);
        let request = server.client().put_records().stream_name("s").set_records(Some(Vec::new())).customize();
        let payload = Payload::new(Bytes::from_static(body.as_bytes()), sha256_hex(body.as_bytes()), transport);
        (request.interceptor(payload).config_override(own).send().await.unwrap(), accepted)
    }

    #[tokio::test]
    async fn from_the_second_request_on_success_is_counted_and_failure_is_parsed() {
        let mut replies = [true, true, false].into_iter();
        let server = FakeKinesis::start(move |_| Reply::Each(vec![true, replies.next().unwrap()])).await;
        let transport = Transport::default();
        let (answer, accepted) = send_two(&server, &transport).await;
        assert_eq!((answer.records().len(), accepted.count()), (2, None));
        let (answer, accepted) = send_two(&server, &transport).await;
        assert_eq!((answer.records().len(), accepted.count()), (0, Some(2)));
        let (answer, accepted) = send_two(&server, &transport).await;
        assert_eq!((answer.failed_record_count(), accepted.count()), (Some(1), None));
        assert!(answer.records()[1].error_code().is_some());
    }
}
