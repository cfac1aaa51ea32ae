//! Firehose through moto, which really writes what it gets to S3.

use aws_sdk_firehose::{
    Client,
    config::{BehaviorVersion, Credentials, Region},
    types::{CompressionFormat, ExtendedS3DestinationConfiguration},
};
use serde_json::json;
use tests::{
    servers::{Kind, Server},
    wait,
};

use crate::setup::{DEADLINE, Setup, sorted};

#[tokio::test]
async fn every_line_is_in_the_objects_that_firehose_writes() {
    let Some(moto) = Server::start(Kind::Moto).await.unwrap() else { return };
    create(moto.endpoint()).await;
    let agent = json!({"firehose.endpoint": moto.endpoint()});
    // One at a time, because moto is not made for more; both keys, because Firehose wins then.
    let flow = json!({"deliveryStream": "delivery", "kinesisStream": "unused", "maxRequestsInFlight": 1});
    let setup = Setup::new(1_234, &agent, &flow);
    let agent = setup.ship();
    let expected = setup.lines();
    let everything = || async {
        let lines = sorted(&objects(moto.endpoint()).await);
        (lines.len() >= expected.len()).then_some(lines)
    };
    let arrived = wait::until("every line to be in S3", DEADLINE, everything).await;
    let finished = agent.terminate(DEADLINE).await.unwrap().success().unwrap();
    assert!(finished.output.contains("fh:delivery:"), "{}", finished.output);
    assert_eq!(arrived.unwrap_or_else(|error| panic!("{error}\n{}", finished.output)), expected);
}

/// A bucket and a delivery stream into it.
pub(crate) async fn create(endpoint: &str) {
    let made = reqwest::Client::new().put(format!("{endpoint}/logs")).send().await.unwrap();
    assert!(made.status().is_success(), "{}", made.text().await.unwrap());
    let config = aws_sdk_firehose::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("id", "secret", None, None, "test"))
        .endpoint_url(endpoint);
    let role = "arn:aws:iam::123456789012:role/delivery";
    let bucket = ExtendedS3DestinationConfiguration::builder().role_arn(role).bucket_arn("arn:aws:s3:::logs");
    let bucket = bucket.compression_format(CompressionFormat::Uncompressed).build().unwrap();
    let stream = Client::from_conf(config.build()).create_delivery_stream().delivery_stream_name("delivery");
    stream.extended_s3_destination_configuration(bucket).send().await.unwrap();
}

/// All objects of the bucket, one behind the other.
async fn objects(endpoint: &str) -> Vec<u8> {
    // moto wants to know who asks, and believes anything.
    let signature = "AWS4-HMAC-SHA256 Credential=id/20261121/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=x";
    let client = reqwest::Client::new();
    let get = async |path: String| {
        let answer = client.get(format!("{endpoint}/logs{path}")).header("authorization", signature).send().await.unwrap();
        answer.error_for_status().unwrap().bytes().await.unwrap()
    };
    let listing = String::from_utf8(get("?list-type=2&max-keys=1000".to_owned()).await.to_vec()).unwrap();
    let keys = listing.split("<Key>").skip(1).filter_map(|rest| rest.split_once("</Key>")).map(|(key, _)| key);
    let mut all = Vec::new();
    for key in keys {
        all.extend(get(format!("/{key}")).await);
    }
    all
}
