//! Where credentials come from, and whose they are.

use serde_json::{Value, json};
use tests::servers::{Kind, Server};

use crate::{
    firehose,
    metadata::{self, Asked},
    setup::{DEADLINE, Setup},
};

/// Settings for a delivery stream in moto, with STS there too.
fn setup(moto: &Server, more: &Value) -> Setup {
    let agent = json!({"firehose.endpoint": moto.endpoint(), "sts.endpoint": moto.endpoint()});
    let mut flow = json!({"deliveryStream": "delivery"});
    flow.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Setup::new(1, &agent, &flow)
}

#[tokio::test]
async fn a_role_is_taken_on_under_the_java_agent_s_session_name() {
    let Some(moto) = Server::start(Kind::Moto).await.unwrap() else { return };
    firehose::create(moto.endpoint()).await;
    let role = json!({"assumeRoleARN": "arn:aws:iam::123456789012:role/logs", "assumeRoleExternalId": "hush"});
    let checked = setup(&moto, &role).check().await.success().unwrap();
    let credentials = checked.output.lines().find(|line| line.starts_with("  credentials")).unwrap().to_owned();
    assert!(credentials.contains("the environment, then arn:aws:iam::123456789012:role/logs"), "{credentials}");
    assert!(credentials.contains("assumed-role/logs/AWSKinesisAgent of account 123456789012"), "{credentials}");
    assert!(!checked.output.contains("hush"));
}

#[tokio::test]
async fn an_instance_s_role_is_found_through_the_metadata_service() {
    let Some(moto) = Server::start(Kind::Moto).await.unwrap() else { return };
    firehose::create(moto.endpoint()).await;
    let metadata = metadata::start(Asked::default()).await;
    let setup = setup(&moto, &json!({}));
    let mut agent = setup.agent(&["check", "--online"]);
    agent.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY").env_remove("AWS_EC2_METADATA_DISABLED");
    agent.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata).env("HOME", "/nonexistent");
    let checked = setup.start(agent).wait(DEADLINE).await.unwrap().success().unwrap();
    assert!(checked.output.contains("credentials     the instance: "), "{}", checked.output);
    assert!(checked.output.contains("delivery in us-east-1: ACTIVE"), "{}", checked.output);
}

#[tokio::test]
async fn a_container_s_role_is_found_where_its_environment_says() {
    let Some(moto) = Server::start(Kind::Moto).await.unwrap() else { return };
    firehose::create(moto.endpoint()).await;
    let metadata = metadata::start(Asked::default()).await;
    let setup = setup(&moto, &json!({}));
    let mut agent = setup.agent(&["check", "--online"]);
    agent.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY").env("HOME", "/nonexistent");
    agent.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{metadata}/container"));
    // Nobody listens there: it must not be asked.
    agent.env("HTTP_PROXY", "http://127.0.0.1:1");
    let checked = setup.start(agent).wait(DEADLINE).await.unwrap().success().unwrap();
    assert!(checked.output.contains("credentials     the container: "), "{}", checked.output);
}

#[tokio::test]
async fn the_java_agent_s_web_identity_class_takes_the_token_of_the_environment() {
    let Some(moto) = Server::start(Kind::Moto).await.unwrap() else { return };
    firehose::create(moto.endpoint()).await;
    let class = "com.amazon.kinesis.streaming.agent.providers.CLIWebIdentityTokenCredentialsProvider";
    let agent = json!({"firehose.endpoint": moto.endpoint(), "sts.endpoint": moto.endpoint(),
        "userDefinedCredentialsProvider.classname": class});
    let setup = Setup::new(1, &agent, &json!({"deliveryStream": "delivery"}));
    let token = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(token.path(), "a.b.c").unwrap();
    let mut agent = setup.agent(&["check", "--online"]);
    agent.env("AWS_WEB_IDENTITY_TOKEN_FILE", token.path()).env("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/pod");
    agent.env("AWS_ROLE_SESSION_NAME", "pod").env("AWS_ENDPOINT_URL_STS", moto.endpoint());
    let checked = setup.start(agent).wait(DEADLINE).await.unwrap().success().unwrap();
    assert!(
        checked.output.contains("the web identity token: arn:aws:sts::123456789012:assumed-role/pod/pod"),
        "{}",
        checked.output
    );
}

#[tokio::test]
async fn without_any_credentials_each_place_says_why_it_has_none() {
    let setup = Setup::new(1, &json!({"kinesis.region": "eu-west-1"}), &json!({"kinesisStream": "web"}));
    let mut agent = setup.agent(&["check", "--online"]);
    agent.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY").env("HOME", "/nonexistent");
    let checked = setup.start(agent).wait(DEADLINE).await.unwrap();
    assert_eq!(checked.status.code(), Some(1), "{}", checked.output);
    for place in ["the environment:", "the profile:", "the web identity token:", "the container:", "the instance:"] {
        assert!(checked.output.contains(place), "{place} is not in\n{}", checked.output);
    }
    assert!(checked.output.contains("give the host an instance role"), "{}", checked.output);
}
