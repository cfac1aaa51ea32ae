//! Proxies: AWS is reached through them, this machine and the metadata service never.

use std::sync::{Arc, Mutex};

use serde_json::json;
use tests::{
    stream::{self, NAME, Options, TestStream},
    wait,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
};

use crate::setup::{DEADLINE, Setup};

/// A proxy that leads everything to one server, whatever host is asked for, and notes the head of the first request of
/// each connection.
struct Proxy {
    url: String,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    async fn start(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let (notes, upstream) = (heads.clone(), upstream.trim_start_matches("http://").to_owned());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, upstream.clone(), notes.clone()));
            }
        });
        Self { url, heads }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    /// The first line of each.
    fn lines(&self) -> Vec<String> {
        self.heads().iter().map(|head| head.lines().next().unwrap_or_default().to_owned()).collect()
    }
}

async fn serve(mut client: TcpStream, upstream: String, notes: Arc<Mutex<Vec<String>>>) -> std::io::Result<()> {
    let mut head = vec![0; 16 * 1024];
    let length = client.read(&mut head).await?;
    let text = String::from_utf8_lossy(&head[..length]).into_owned();
    let is_tunnel = text.starts_with("CONNECT ");
    notes.lock().unwrap().push(text);
    let mut server = TcpStream::connect(upstream).await?;
    if is_tunnel {
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    } else {
        server.write_all(&head[..length]).await?;
    }
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

#[tokio::test]
async fn an_endpoint_far_away_is_reached_through_the_proxy() {
    let stream = TestStream::start(Options::default()).await.unwrap();
    let proxy = Proxy::start(stream.endpoint()).await;
    let agent = json!({"kinesis.endpoint": "http://kinesis.weir.invalid", "kinesis.region": "us-east-1", "userAgent": "shop"});
    let setup = Setup::new(50, &agent, &json!({"kinesisStream": NAME}));
    let mut command = setup.agent(&["run"]);
    command.env("HTTP_PROXY", &proxy.url);
    let agent = setup.start(command);
    let arrived = || async { (stream.count() >= 50).then_some(()) };
    let arrived = wait::until("the lines to arrive", DEADLINE, arrived).await;
    let finished = agent.terminate(DEADLINE).await.unwrap();
    arrived.unwrap_or_else(|error| panic!("{error}\n{}", finished.output));
    let records = stream::read_all(stream.client(), NAME).await.unwrap();
    assert_eq!(records.len(), 50);
    assert!(proxy.lines()[0].starts_with("POST http://kinesis.weir.invalid/"), "{:?}", proxy.lines());
    assert!(proxy.heads()[0].contains("user-agent: shop weir-agent/"), "{:?}", proxy.heads());
}

#[tokio::test]
async fn the_settings_proxy_comes_before_the_environments() {
    let stream = TestStream::start(Options::default()).await.unwrap();
    let (proxy, other) = (Proxy::start(stream.endpoint()).await, Proxy::start("http://127.0.0.1:1").await);
    let url = proxy.url.replace("http://", "http://shop:pass%20word@");
    let agent = json!({"kinesis.endpoint": "http://kinesis.weir.invalid", "kinesis.region": "us-east-1", "httpsProxy": url});
    let setup = Setup::new(50, &agent, &json!({"kinesisStream": NAME}));
    let mut command = setup.agent(&["run"]);
    command.env("HTTP_PROXY", &other.url).env("HTTPS_PROXY", &other.url);
    let agent = setup.start(command);
    let arrived = || async { (stream.count() >= 50).then_some(()) };
    let arrived = wait::until("the lines to arrive", DEADLINE, arrived).await;
    let finished = agent.terminate(DEADLINE).await.unwrap();
    arrived.unwrap_or_else(|error| panic!("{error}\n{}", finished.output));
    // "shop:pass word" in base64.
    assert!(proxy.heads()[0].contains("proxy-authorization: Basic c2hvcDpwYXNzIHdvcmQ="), "{:?}", proxy.heads());
    assert!(!finished.output.contains("pass%20word"), "{}", finished.output);
    assert_eq!(other.lines(), Vec::<String>::new());
}

#[tokio::test]
async fn hosts_of_no_proxy_are_reached_past_it() {
    let proxy = Proxy::start("http://127.0.0.1:1").await;
    let agent = json!({"kinesis.endpoint": "http://kinesis.weir.invalid", "kinesis.region": "us-east-1",
        "httpsProxy": proxy.url, "noProxy": "10.0.0.0/8,.weir.invalid"});
    let setup = Setup::new(1, &agent, &json!({"kinesisStream": NAME}));
    let checked = setup.start(setup.agent(&["check", "--online"])).wait(DEADLINE).await.unwrap();
    assert_eq!(checked.status.code(), Some(1), "{}", checked.output);
    assert!(!proxy.lines().iter().any(|line| line.contains("kinesis")), "{:?}", proxy.lines());
}

#[tokio::test]
async fn https_goes_through_a_tunnel() {
    // What is at its end speaks no TLS: the tunnel is what is looked at.
    let stream = TestStream::start(Options::default()).await.unwrap();
    let proxy = Proxy::start(stream.endpoint()).await;
    let setup = Setup::new(1, &json!({"kinesis.region": "eu-west-1"}), &json!({"kinesisStream": NAME}));
    let mut command = setup.agent(&["check", "--online"]);
    command.env("HTTPS_PROXY", &proxy.url);
    let checked = setup.start(command).wait(DEADLINE).await.unwrap();
    assert_eq!(checked.status.code(), Some(1), "{}", checked.output);
    let lines = proxy.lines();
    let connect = "CONNECT kinesis.eu-west-1.amazonaws.com:443 HTTP/1.1";
    assert!(lines.iter().any(|line| line == connect), "{lines:?}");
}

#[tokio::test]
async fn this_machine_is_never_reached_through_the_proxy() {
    let stream = TestStream::start(Options::default()).await.unwrap();
    let proxy = Proxy::start("http://127.0.0.1:1").await;
    let setup = Setup::new(50, &json!({"kinesis.endpoint": stream.endpoint()}), &json!({"kinesisStream": NAME}));
    let mut command = setup.agent(&["run"]);
    command.env("HTTP_PROXY", &proxy.url).env("ALL_PROXY", &proxy.url);
    let agent = setup.start(command);
    let arrived = || async { (stream.count() >= 50).then_some(()) };
    wait::until("the lines to arrive", DEADLINE, arrived).await.unwrap();
    agent.terminate(DEADLINE).await.unwrap().success().unwrap();
    assert_eq!(proxy.lines(), Vec::<String>::new());
}

#[tokio::test]
async fn the_metadata_service_is_never_asked_through_the_proxy() {
    let stream = TestStream::start(Options::default()).await.unwrap();
    let proxy = Proxy::start(stream.endpoint()).await;
    let agent = json!({"kinesis.endpoint": "http://kinesis.weir.invalid", "kinesis.region": "us-east-1"});
    let setup = Setup::new(1, &agent, &json!({"kinesisStream": NAME}));
    let mut command = setup.agent(&["check", "--online"]);
    command.env("HTTP_PROXY", &proxy.url).env("HTTPS_PROXY", &proxy.url).env("HOME", "/nonexistent");
    command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY").env_remove("AWS_EC2_METADATA_DISABLED");
    let checked = setup.start(command).wait(DEADLINE).await.unwrap();
    assert_eq!(checked.status.code(), Some(1), "{}", checked.output);
    assert!(checked.output.contains("the instance"), "{}", checked.output);
    assert!(!proxy.lines().iter().any(|line| line.contains("169.254") || line.contains("/latest/")), "{:?}", proxy.lines());
}
