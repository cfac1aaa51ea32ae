//! What the tests share: a server that speaks Kinesis' JSON 1.1 and fails on demand, and settings to start from.

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_sdk_kinesis::{
    Client,
    config::{BehaviorVersion, Credentials, Region, retry::RetryConfig},
};
use axum::{Router, body::Bytes, extract::State, http::StatusCode, response::IntoResponse};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::{
    aws::Place,
    destination::{Explainer, Kinesis, Subject},
    settings::{FlowSettings, Settings},
};

/// One flow with short waits over the files `pattern` in a directory.
pub(crate) fn flow(directory: &Path, pattern: &str, more: &str) -> FlowSettings {
    let text = format!(
        r#"{{"flows": [{{"filePattern": "{}/{pattern}", "kinesisStream": "s", "retryInitialBackoffMillis": 1,
            "retryMaxBackoffMillis": 5, "maxTimeBetweenFileTrackerRefreshMillis": 0, "minTimeBetweenFilePollsMillis": 1{more}}}]}}"#,
        directory.display()
    );
    Settings::parse(text.as_bytes(), Path::new("test")).unwrap().flows.remove(0)
}

/// A record as it arrived: its partition key and its bytes.
pub(crate) type Arrived = (String, Vec<u8>);

/// What the server answers to a request.
pub(crate) enum Reply {
    /// Each record by itself: true is accepted.
    Each(Vec<bool>),
    /// The whole request fails with this code.
    Error(u16, &'static str),
}

type Script = Box<dyn FnMut(&[Arrived]) -> Reply + Send>;

/// The server. It stops with the test's runtime.
pub(crate) struct FakeKinesis {
    address: std::net::SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    script: Script,
    accepted: Vec<Arrived>,
    requests: Vec<Vec<Arrived>>,
}

impl FakeKinesis {
    /// Starts a server that answers as `script` says.
    pub(crate) async fn start(script: impl FnMut(&[Arrived]) -> Reply + Send + 'static) -> Self {
        let shared = Shared { script: Box::new(script), accepted: Vec::new(), requests: Vec::new() };
        let shared = Arc::new(Mutex::new(shared));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let limit = axum::extract::DefaultBodyLimit::disable();
        let app = Router::new().fallback(answer).layer(limit).with_state(shared.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { address, shared }
    }

    /// A server that accepts everything.
    pub(crate) async fn accepting() -> Self {
        Self::start(|records| Reply::Each(vec![true; records.len()])).await
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn client(&self) -> Client {
        client(&self.endpoint())
    }

    /// The stream `s` of this server.
    pub(crate) fn destination(&self) -> Kinesis {
        let place = Place { region: "us-east-1".to_owned(), endpoint: Some(self.endpoint()), role: None };
        let target = flow(Path::new("/l"), "a.log", "").target;
        Kinesis::new(self.client(), Explainer::new(Subject::new(target, place), None))
    }

    /// Records that were accepted, in the order they arrived.
    pub(crate) fn accepted(&self) -> Vec<Arrived> {
        self.shared.lock().unwrap().accepted.clone()
    }

    /// The bytes of the records that were accepted, sorted.
    pub(crate) fn accepted_lines(&self) -> Vec<Vec<u8>> {
        let mut lines: Vec<_> = self.accepted().into_iter().map(|(_, data)| data).collect();
        lines.sort();
        lines
    }

    /// All requests, accepted or not.
    pub(crate) fn requests(&self) -> Vec<Vec<Arrived>> {
        self.shared.lock().unwrap().requests.clone()
    }

    /// Waits until so many records were accepted.
    pub(crate) async fn wait_for(&self, count: usize) {
        while self.shared.lock().unwrap().accepted.len() < count {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// A client with credentials of its own.
pub(crate) fn client(endpoint: &str) -> Client {
    let config = aws_sdk_kinesis::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .credentials_provider(Credentials::new("id", "secret", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .build();
    Client::from_conf(config)
}

async fn answer(State(shared): State<Arc<Mutex<Shared>>>, body: Bytes) -> impl IntoResponse {
    let body: Value = serde_json::from_slice(&body).unwrap();
    let text = |record: &Value, key: &str| record[key].as_str().unwrap().to_owned();
    let arrived = |record: &Value| (text(record, "PartitionKey"), BASE64_STANDARD.decode(text(record, "Data")).unwrap());
    let records: Vec<Arrived> = body["Records"].as_array().unwrap().iter().map(arrived).collect();
    let mut shared = shared.lock().unwrap();
    let reply = (shared.script)(&records);
    shared.requests.push(records.clone());
    let (status, answer) = match reply {
        Reply::Error(status, code) => (status, json!({"__type": code, "message": "as the test wants it"})),
        Reply::Each(accepted) => {
            let results: Vec<Value> = accepted.iter().map(|accepted| result(*accepted)).collect();
            let failed = accepted.iter().filter(|accepted| !**accepted).count();
            shared.accepted.extend(records.into_iter().zip(accepted).filter(|(_, accepted)| *accepted).map(|(record, _)| record));
            (200, json!({"FailedRecordCount": failed, "Records": results}))
        }
    };
    (StatusCode::from_u16(status).unwrap(), [("content-type", "application/x-amz-json-1.1")], answer.to_string())
}

fn result(accepted: bool) -> Value {
    if accepted {
        json!({"SequenceNumber": "1", "ShardId": "shardId-000000000000"})
    } else {
        json!({"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "slow down"})
    }
}
