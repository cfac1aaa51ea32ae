//! Every sink that goes over the network, with a real receiver behind it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_firehose::types::{CompressionFormat, ExtendedS3DestinationConfiguration};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::Value;
use tests::process::command;
use tests::servers::{Kind, Server};
use tests::stream::{Options, TestStream};
use tests::wait;

/// Counts the test log, which has 1,340 rows of counts in windows of ten seconds.
const PROGRAM: &str = "CREATE STREAM counts (client_ip VARCHAR(64), requests INTEGER);
    CREATE PUMP counter AS INSERT INTO counts SELECT STREAM \"client_ip\", COUNT(*) FROM source_sql_stream_001 AS s
    GROUP BY \"client_ip\", STEP(s.ROWTIME BY INTERVAL '10' SECOND);";
const ROWS: usize = 1_340;
const REQUESTS: i64 = 41_294;
const DEADLINE: Duration = Duration::from_secs(60);

/// Runs the program over the test log with this sink.
async fn run(folder: &Path, sink: &str) {
    let program = folder.join("program.sql");
    std::fs::write(&program, PROGRAM).unwrap();
    let mut analytics = command(env!("CARGO_BIN_EXE_analytics"));
    analytics.arg("run").arg(program).arg("--input").arg(tests::data::apache_json("access.log.gz"));
    let output = analytics.args(["--sink", sink]).output().await.unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{told}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "whoever names a sink wants nothing printed");
}

/// Checks that these are all rows of the log, each as the service wrote it.
fn check(rows: &[Value]) {
    assert_eq!(rows.len(), ROWS);
    assert_eq!(rows.iter().map(|row| row["REQUESTS"].as_i64().unwrap()).sum::<i64>(), REQUESTS);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kinesis_stream_gets_each_row_as_a_record_whose_key_is_its_id() {
    let folder = tempfile::tempdir().unwrap();
    let mut ids = Vec::new();
    for _ in 0..2 {
        let stream = TestStream::start(Options::default()).await.unwrap();
        run(folder.path(), &format!("COUNTS=kinesis:{},endpoint={}", tests::stream::NAME, stream.endpoint())).await;
        let records = stream.records().await.unwrap();
        check(&records.iter().map(|record| serde_json::from_slice(&record.data).unwrap()).collect::<Vec<_>>());
        let row: Value = serde_json::from_slice(&records[0].data).unwrap();
        assert_eq!(row.as_object().unwrap().keys().collect::<Vec<_>>(), ["CLIENT_IP", "REQUESTS"]);
        ids.push(records.into_iter().map(|record| record.partition_key).collect::<std::collections::BTreeSet<_>>());
    }
    assert_eq!(ids[0].len(), ROWS, "ids are different for different rows");
    assert_eq!(ids[0], ids[1], "and the same when a row is sent again");
}

#[tokio::test(flavor = "multi_thread")]
async fn firehose_gets_each_row_as_a_line_with_its_id() {
    let Some(moto) = Server::start(Kind::Moto).await.unwrap() else { return };
    let folder = tempfile::tempdir().unwrap();
    create_delivery_stream(moto.endpoint()).await;
    run(folder.path(), &format!("COUNTS=firehose:delivery,endpoint={},id=ID", moto.endpoint())).await;
    let everything = || async {
        let lines = String::from_utf8(objects(moto.endpoint()).await).unwrap();
        (lines.lines().count() >= ROWS).then_some(lines)
    };
    let lines = wait::until("every row to be in S3", DEADLINE, everything).await.unwrap();
    let rows: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    check(&rows);
    assert!(rows.iter().all(|row| row["ID"].as_str().is_some_and(|id| id.len() == 32)));
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_gets_parquet_files_by_date_and_keeps_the_checkpoint() {
    let Some(moto) = Server::start(Kind::Moto).await.unwrap() else { return };
    let folder = tempfile::tempdir().unwrap();
    let made = reqwest::Client::new().put(format!("{}/logs", moto.endpoint())).send().await.unwrap();
    assert!(made.status().is_success());
    let program = folder.path().join("program.sql");
    std::fs::write(&program, PROGRAM).unwrap();
    let place = |prefix: &str| format!("s3://logs/{prefix},endpoint={}", moto.endpoint());
    // The second run goes on from the checkpoint, behind the end of the file: it adds nothing.
    for _ in 0..2 {
        let mut analytics = command(env!("CARGO_BIN_EXE_analytics"));
        analytics.arg("run").arg(&program).arg("--input").arg(tests::data::apache_json("access.log.gz"));
        analytics.args(["--sink", &format!("COUNTS=parquet:{}", place("counts")), "--checkpoint", &place("state")]);
        let output = analytics.output().await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let keys = keys(moto.endpoint()).await;
        let (files, others): (Vec<String>, Vec<String>) =
            keys.into_iter().partition(|key| key.starts_with("counts/date=2026-11-21/COUNTS-"));
        assert_eq!(others, ["state/state"], "no part is left, and no owner");
        let mut rows = 0;
        for key in files {
            let file =
                parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(object(moto.endpoint(), &key).await);
            rows += file.unwrap().build().unwrap().map(|batch| batch.unwrap().num_rows()).sum::<usize>();
        }
        assert_eq!(rows, ROWS);
    }
}

/// A bucket and a delivery stream into it.
async fn create_delivery_stream(endpoint: &str) {
    let made = reqwest::Client::new().put(format!("{endpoint}/logs")).send().await.unwrap();
    assert!(made.status().is_success(), "{}", made.text().await.unwrap());
    let credentials = aws_sdk_firehose::config::Credentials::new("id", "secret", None, None, "test");
    let config = aws_sdk_firehose::Config::builder()
        .behavior_version(config::aws::behavior_version())
        .region(aws_sdk_firehose::config::Region::new("us-east-1"))
        .credentials_provider(credentials)
        .endpoint_url(endpoint);
    let role = "arn:aws:iam::123456789012:role/delivery";
    let bucket = ExtendedS3DestinationConfiguration::builder().role_arn(role).bucket_arn("arn:aws:s3:::logs");
    let bucket = bucket.compression_format(CompressionFormat::Uncompressed).build().unwrap();
    let client = aws_sdk_firehose::Client::from_conf(config.build());
    let stream = client.create_delivery_stream().delivery_stream_name("delivery");
    stream.extended_s3_destination_configuration(bucket).send().await.unwrap();
}

/// An object of the bucket, or its listing.
async fn object(endpoint: &str, key: &str) -> bytes::Bytes {
    // moto wants to know who asks, and believes anything.
    let signature = "AWS4-HMAC-SHA256 Credential=id/20261121/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=x";
    let request = reqwest::Client::new().get(format!("{endpoint}/logs/{key}")).header("authorization", signature);
    request.send().await.unwrap().error_for_status().unwrap().bytes().await.unwrap()
}

/// The keys of the bucket.
async fn keys(endpoint: &str) -> Vec<String> {
    let listing = String::from_utf8(object(endpoint, "?list-type=2&max-keys=1000").await.to_vec()).unwrap();
    let keys = listing.split("<Key>").skip(1).filter_map(|rest| rest.split_once("</Key>")).map(|(key, _)| key);
    keys.map(|key| key.replace("%3D", "=")).collect()
}

/// All objects of the bucket, one behind the other.
async fn objects(endpoint: &str) -> Vec<u8> {
    let mut all = Vec::new();
    for key in keys(endpoint).await {
        all.extend(object(endpoint, &key).await);
    }
    all
}

/// What a receiver was sent: each id's rows, and how many requests it turned away.
#[derive(Default)]
struct Received {
    windows: BTreeMap<String, Vec<Value>>,
    requests: usize,
    turned_away: usize,
}

/// Takes rows, but answers every third request with an error: once before it has taken them, once after.
async fn receive(State(received): State<Arc<Mutex<Received>>>, headers: HeaderMap, body: String) -> StatusCode {
    let mut received = received.lock().unwrap();
    received.requests += 1;
    let is_failure = received.requests.is_multiple_of(3);
    received.turned_away += usize::from(is_failure);
    let is_lost = is_failure && received.requests.is_multiple_of(2);
    if !is_lost {
        assert_eq!(headers["weir-stream"], "COUNTS");
        let id = headers["idempotency-key"].to_str().unwrap().to_owned();
        let rows: Vec<Value> = serde_json::from_str(&body).unwrap();
        let before = received.windows.insert(id, rows.clone());
        assert!(before.is_none_or(|before| before == rows), "one id has one content");
    }
    if is_failure { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_fails_now_and_then_has_each_window_under_one_id() {
    let folder = tempfile::tempdir().unwrap();
    let received = Arc::new(Mutex::new(Received::default()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/rows", listener.local_addr().unwrap());
    let router = Router::new().route("/rows", post(receive)).with_state(received.clone());
    let router = router.layer(axum::extract::DefaultBodyLimit::disable());
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    run(folder.path(), &format!("COUNTS=webhook:{url}")).await;
    server.abort();
    let received = received.lock().unwrap();
    assert!(received.turned_away > 0);
    check(&received.windows.values().flatten().cloned().collect::<Vec<_>>());
}
