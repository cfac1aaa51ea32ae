//! `ADDEC2METADATA`.

use serde_json::{Value, json};
use tests::{
    stream::{NAME, Options, TestStream},
    wait,
};

use crate::{
    metadata::{self, Asked},
    setup::{DEADLINE, Setup},
};

#[tokio::test]
async fn records_carry_the_instance_s_facts_and_tags() {
    let asked = Asked::default();
    let (endpoint, stream) = (metadata::start(asked.clone()).await, TestStream::start(Options::default()).await.unwrap());
    let agent = json!({"kinesis.endpoint": stream.endpoint(), "ec2.endpoint": endpoint});
    let flow = json!({"kinesisStream": NAME, "dataProcessingOptions": [{"optionName": "ADDEC2METADATA", "logFormat": "SYSLOG"}]});
    let setup = Setup::new(3, &agent, &flow);
    let mut command = setup.agent(&["run"]);
    command.env_remove("AWS_EC2_METADATA_DISABLED").env("AWS_EC2_METADATA_SERVICE_ENDPOINT", &endpoint);
    let agent = setup.start(command);
    let arrived = || async { (stream.count() >= 3).then_some(()) };
    wait::until("the lines to arrive", DEADLINE, arrived).await.unwrap();
    let finished = agent.terminate(DEADLINE).await.unwrap().success().unwrap();

    let (signature, body) = asked.lock().unwrap().take().unwrap();
    assert!(signature.contains("/eu-west-1/ec2/aws4_request"), "{signature}");
    assert!(body.starts_with("Action=DescribeTags&") && body.ends_with("=i-1"), "{body}");
    let records = stream.records().await.unwrap();
    for record in records {
        let value: Value = serde_json::from_slice(&record.data).unwrap();
        assert_eq!(value["instanceId"], "i-1", "{}", finished.output);
        assert_eq!(value["tags"], json!({"team": "web"}));
        assert_eq!(value.as_object().unwrap().keys().next().unwrap(), "line");
    }
}
