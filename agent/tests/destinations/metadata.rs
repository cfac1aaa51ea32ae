//! A metadata service of EC2, version 2, and EC2's answer about tags. moto's gives tokens without their time to live,
//! which the SDK refuses, and has no identity document.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::{get, post, put},
};
use serde_json::json;

/// The last request for tags: its signature and its body.
pub(crate) type Asked = Arc<Mutex<Option<(String, String)>>>;

const TOKEN: &str = "x-aws-ec2-metadata-token";

/// Starts a server for both.
pub(crate) async fn start(asked: Asked) -> String {
    let roles = "/latest/meta-data/iam/security-credentials/";
    let router = Router::new()
        .route("/latest/api/token", put(|| async { ([("x-aws-ec2-metadata-token-ttl-seconds", "21600")], "token") }))
        .route("/latest/dynamic/instance-identity/document", get(document))
        .route(roles, get(|| async { "logs" }))
        .route(&format!("{roles}logs"), get(credentials))
        .route("/container", get(|| async { key() }))
        .route("/", post(tags))
        .with_state(asked);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    endpoint
}

async fn document(headers: HeaderMap) -> Result<String, StatusCode> {
    let document = json!({"accountId": "123456789012", "availabilityZone": "eu-west-1a", "imageId": "ami-1", "instanceId": "i-1",
        "instanceType": "t3.micro", "privateIp": "10.0.0.1", "region": "eu-west-1"});
    with_token(&headers, document.to_string())
}

async fn credentials(headers: HeaderMap) -> Result<String, StatusCode> {
    with_token(&headers, key())
}

fn key() -> String {
    let key = json!({"Code": "Success", "LastUpdated": "2026-01-01T00:00:00Z", "Type": "AWS-HMAC",
        "AccessKeyId": "ASIAINSTANCE", "SecretAccessKey": "secret", "Token": "session", "Expiration": "2099-01-01T00:00:00Z"});
    key.to_string()
}

/// Version 2 answers nobody without a token.
fn with_token(headers: &HeaderMap, answer: String) -> Result<String, StatusCode> {
    if headers.get(TOKEN).is_some_and(|token| token == "token") { Ok(answer) } else { Err(StatusCode::UNAUTHORIZED) }
}

async fn tags(State(asked): State<Asked>, headers: HeaderMap, body: String) -> String {
    let signature = headers["authorization"].to_str().unwrap().to_owned();
    *asked.lock().unwrap() = Some((signature, body));
    let item = "<item><resourceId>i-1</resourceId><resourceType>instance</resourceType><key>Team</key><value>web</value></item>";
    format!(
        "<DescribeTagsResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><tagSet>{item}</tagSet></DescribeTagsResponse>"
    )
}
