//! One request and its answer, whichever the service: what Kinesis and Firehose have in common.
//!
//! ```text
//! records ─▶ body ─▶ by example ─▶ accepted
//!                        │  └────▶ anything else ─┐
//!                        └ no example ─▶ the SDK ◀┘ sends it, or reads the answer that is here
//! ```

use std::time::Instant;

use aws_smithy_runtime_api::client::http::SharedHttpClient;
use bytes::Bytes;

use super::{
    answer::Shape,
    body::{Buffers, Layout},
    example::Outcome,
    explainer::Explainer,
    failure::{Failure, Reason},
    payload::{Payload, sha256_hex},
    transport::Transport,
};
use crate::record::Record;

/// Sends records in the layout of one API and counts those that were accepted.
#[derive(Debug)]
pub(super) struct Exchange {
    layout: Layout,
    shape: &'static Shape,
    buffers: Buffers,
    transport: Transport,
    /// Explains what the service refuses.
    pub(super) explainer: Explainer,
}

/// What goes into a request of the SDK.
#[derive(Debug)]
pub(super) struct Prepared {
    /// Takes the place of the SDK's body.
    pub(super) payload: Payload,
    /// Takes the place of the SDK's HTTP client, if there is one.
    pub(super) http: Option<SharedHttpClient>,
}

impl Exchange {
    pub(super) fn new(layout: Layout, shape: &'static Shape, explainer: Explainer) -> Self {
        Self { layout, shape, buffers: Buffers::default(), transport: Transport::default(), explainer }
    }

    /// Sends the records, by the SDK if need be: `by_sdk` sends a request of no records with what was prepared, and says
    /// what became of each record.
    pub(super) async fn send<F>(
        &self,
        records: &[Record],
        by_sdk: impl FnOnce(Prepared) -> F,
    ) -> Result<Vec<Option<Failure>>, Failure>
    where
        F: Future<Output = Result<Vec<Option<Failure>>, Failure>>,
    {
        let mut body = self.buffers.take();
        self.layout.write(records, &mut body);
        let body = Bytes::from(body);
        let outcomes = self.exchange(&body, by_sdk).await;
        self.buffers.give_back(body);
        let outcomes = outcomes?;
        if outcomes.len() != records.len() {
            let message = format!("the answer has {} results for {} records", outcomes.len(), records.len());
            return Err(Failure::new(Reason::Internal, message));
        }
        Ok(outcomes)
    }

    async fn exchange<F>(&self, body: &Bytes, by_sdk: impl FnOnce(Prepared) -> F) -> Result<Vec<Option<Failure>>, Failure>
    where
        F: Future<Output = Result<Vec<Option<Failure>>, Failure>>,
    {
        let digest = sha256_hex(body);
        let sent = match self.transport.example(Instant::now()) {
            Some(example) => example.send(body.clone(), &digest, self.shape).await,
            None => Outcome::NotSent,
        };
        let (http, accepted) = match sent {
            Outcome::Accepted(count) => return Ok(vec![None; count]),
            Outcome::Other(answered) => {
                self.transport.forget_example();
                (Some(Transport::replayed(*answered)), None)
            }
            Outcome::NotSent => {
                let (http, accepted) = self.transport.watched(self.shape);
                (http, Some(accepted))
            }
        };
        let payload = Payload::new(body.clone(), digest, &self.transport);
        let outcomes = by_sdk(Prepared { payload, http }).await?;
        Ok(match accepted.and_then(|accepted| accepted.count()) {
            Some(count) => vec![None; count],
            None => outcomes,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{
        path::Path,
        sync::{
            Arc, Mutex,
            atomic::{AtomicUsize, Ordering::SeqCst},
        },
        time::{Duration, SystemTime},
    };

    use aws_credential_types::{
        Credentials,
        provider::{ProvideCredentials, future},
    };

    use super::{
        super::{
            Kinesis, Subject,
            payload::tests::{Seen, server, signature},
        },
        *,
    };
    use crate::{
        aws::Place,
        record::{FileId, PartitionKey},
        testing::{self, FakeKinesis, Reply},
    };

    fn kinesis(client: aws_sdk_kinesis::Client, endpoint: &str) -> Kinesis {
        let place = Place { region: "us-east-1".to_owned(), endpoint: Some(endpoint.to_owned()), role: None };
        let target = testing::flow(Path::new("/l"), "a.log", "").target;
        Kinesis::new(client, Explainer::new(Subject::new(target, place), None))
    }

    fn record(data: &'static str) -> Record {
        let data = Bytes::from_static(data.as_bytes());
        Record { data, key: PartitionKey::Random(7), file: FileId(0), end: 1, line_bytes: 1, packed: None }
    }

    /// Sends records, and says whether the SDK was needed.
    async fn send(kinesis: &Kinesis, records: &[Record]) -> (Result<Vec<Option<Failure>>, Failure>, bool) {
        let asked = AtomicUsize::new(0);
        let by_sdk = |prepared| {
            asked.fetch_add(1, SeqCst);
            kinesis.by_sdk(prepared)
        };
        let outcome = kinesis.exchange().send(records, by_sdk).await;
        (outcome, asked.into_inner() > 0)
    }

    #[tokio::test]
    async fn from_the_third_request_on_the_sdk_is_needed_only_for_what_is_not_plain_success() {
        let mut replies = [true, true, true, true, false, true, true].into_iter();
        let server = FakeKinesis::start(move |_| Reply::Each(vec![true, replies.next().unwrap()])).await;
        let kinesis = kinesis(server.client(), &server.endpoint());
        let mut needed = Vec::new();
        for _ in 0..7 {
            let (outcomes, by_sdk) = send(&kinesis, &[record("one\n"), record("two\n")]).await;
            needed.push((by_sdk, outcomes.unwrap()[1].is_none()));
        }
        // The first shows the SDK's HTTP client, the second is the example; after a failure there is a new one.
        let expected = [(true, true), (true, true), (false, true), (false, true), (true, false), (true, true), (false, true)];
        assert_eq!(needed, expected);
        assert_eq!(server.accepted().len(), 13);
        assert!(server.requests().iter().all(|request| request.len() == 2), "nothing is sent twice");
    }

    #[tokio::test]
    async fn a_request_by_example_has_its_own_signature_and_name() {
        let seen = Seen::default();
        let endpoint = server(seen.clone()).await;
        let kinesis = kinesis(testing::client(&endpoint), &endpoint);
        let mut invocations = Vec::new();
        for is_by_sdk in [true, true, false, false] {
            assert_eq!(send(&kinesis, &[]).await.1, is_by_sdk);
            let (headers, body) = seen.lock().unwrap().take().unwrap();
            assert_eq!(headers["content-length"], body.len().to_string().as_str());
            assert_eq!(headers["x-amz-target"], "Kinesis_20131202.PutRecords");
            assert!(headers["user-agent"].to_str().unwrap().contains("aws-sdk-rust"));
            let expected = format!("Signature={}", signature(&endpoint, &headers, &body));
            assert!(headers["authorization"].to_str().unwrap().ends_with(&expected), "{headers:?}");
            invocations.push(headers["amz-sdk-invocation-id"].clone());
        }
        assert!((1..4).all(|at| invocations[at] != invocations[at - 1]), "{invocations:?}");
    }

    #[tokio::test]
    async fn a_failure_reads_the_same_by_example_as_by_the_sdk() {
        for (status, code) in [(400, "ResourceNotFoundException"), (400, "ExpiredTokenException"), (500, "InternalFailure")] {
            let mut first = [Reply::Each(vec![true]), Reply::Each(vec![true])].into_iter();
            let server = FakeKinesis::start(move |_| first.next().unwrap_or(Reply::Error(status, code))).await;
            let (used, endpoint) = (kinesis(server.client(), &server.endpoint()), server.endpoint());
            for _ in 0..2 {
                send(&used, &[record("one\n")]).await.0.unwrap();
            }
            let by_example = send(&used, &[record("one\n")]).await.0.unwrap_err();
            assert_eq!(server.requests().len(), 3, "nothing is sent twice");
            let by_sdk = send(&kinesis(server.client(), &endpoint), &[record("one\n")]).await.0.unwrap_err();
            let said = |failure: Failure| (failure.reason, failure.message, failure.remedy);
            assert_eq!(said(by_example), said(by_sdk));
        }
    }

    #[tokio::test]
    async fn a_server_that_is_gone_reads_the_same_by_example_as_by_the_sdk() {
        let seen = Seen::default();
        let listening = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let endpoint = listening.spawn(server(seen.clone())).await.unwrap();
        let used = kinesis(testing::client(&endpoint), &endpoint);
        for _ in 0..2 {
            send(&used, &[]).await.0.unwrap();
        }
        listening.shutdown_background();
        let fresh = kinesis(testing::client(&endpoint), &endpoint);
        let by_sdk = loop {
            // The listener may outlive the shutdown by a moment.
            if let Err(failure) = send(&fresh, &[]).await.0 {
                break failure;
            }
        };
        let by_example = send(&used, &[]).await.0.unwrap_err();
        assert_eq!(by_example.reason.cause(), by_sdk.reason.cause());
    }

    /// Never gives the same credentials twice; they are too short-lived to be kept.
    #[derive(Debug, Default)]
    struct Rotating(Arc<Mutex<u32>>);

    impl ProvideCredentials for Rotating {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let mut count = self.0.lock().unwrap();
            *count += 1;
            let expiry = SystemTime::now() + Duration::from_secs(1);
            let (id, token) = (format!("id{count}"), Some("token".to_owned()));
            future::ProvideCredentials::ready(Ok(Credentials::new(id, "secret", token, Some(expiry), "test")))
        }
    }

    #[tokio::test]
    async fn credentials_that_expire_are_renewed_by_example_too() {
        let seen = Seen::default();
        let endpoint = server(seen.clone()).await;
        let config = testing::client(&endpoint).config().to_builder().credentials_provider(Rotating::default()).build();
        let kinesis = kinesis(aws_sdk_kinesis::Client::from_conf(config), &endpoint);
        let mut used = Vec::new();
        for is_by_sdk in [true, true, false, false] {
            assert_eq!(send(&kinesis, &[]).await.1, is_by_sdk);
            let (headers, _) = seen.lock().unwrap().take().unwrap();
            assert_eq!(headers.get_all("x-amz-security-token").iter().count(), 1);
            let text = headers["authorization"].to_str().unwrap().to_owned();
            used.push(text.split(['=', '/']).nth(1).unwrap().to_owned());
        }
        assert_eq!(used, ["id1", "id2", "id3", "id4"]);
    }
}
