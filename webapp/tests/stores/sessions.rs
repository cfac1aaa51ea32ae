//! Logins over several nodes: which stores share them, and what survives the loss of a server.

use std::time::Duration;

use anyhow::Result;
use reqwest::StatusCode;
use tests::{
    backends::{Memcached, Redis, RedisCluster},
    wait,
};

use crate::{node::Node, visitor::Visitor};

const PATIENCE: Duration = Duration::from_secs(30);

const REDIS_PASSWORD: (&str, &str) = ("WEBAPP_REDIS_PASSWORD", Redis::PASSWORD);

/// Two nodes with the same settings, and a browser that is signed in through the first.
struct Pair {
    first: Node,
    second: Node,
    ann: Visitor,
}

impl Pair {
    async fn start(settings: &str, environment: &[(&str, &str)]) -> Result<Self> {
        let first = Node::start(settings, environment).await?;
        let second = Node::start(settings, environment).await?;
        let ann = first.visitor()?;
        let page = ann.sign_in("Ann").await?;
        assert!(page.knows("Ann"), "{}", page.html);
        Ok(Self { first, second, ann })
    }

    fn on_first(&self) -> Visitor {
        self.ann.at(&format!("http://{}", self.first.address()))
    }

    fn on_second(&self) -> Visitor {
        self.ann.at(&format!("http://{}", self.second.address()))
    }
}

async fn three_memcached() -> Result<Option<[Memcached; 3]>> {
    let (Some(one), Some(two), Some(three)) = (Memcached::start().await?, Memcached::start().await?, Memcached::start().await?)
    else {
        return Ok(None);
    };
    Ok(Some([one, two, three]))
}

fn memcached_settings(nodes: &[Memcached]) -> String {
    let servers: Vec<String> = nodes.iter().map(|node| format!("\"{}\"", node.address())).collect();
    // A busy machine keeps a healthy node silent for longer than the ordinary 100 ms now and then.
    format!("[sessions]\nstore = \"memcached\"\n[memcached]\ntimeout = \"500ms\"\nservers = [{}]\n", servers.join(", "))
}

fn redis_settings(urls: &[String], cluster: bool) -> String {
    let urls: Vec<String> = urls.iter().map(|url| format!("\"{url}\"")).collect();
    format!("[sessions]\nstore = \"redis\"\n[redis]\ncluster = {cluster}\ntimeout = \"500ms\"\nurls = [{}]\n", urls.join(", "))
}

/// What every shared store does.
async fn is_shared(pair: &Pair) -> Result<()> {
    assert!(pair.on_second().page().await?.knows("Ann"), "the other node knows the login");
    pair.on_second().sign_out().await?;
    assert!(!pair.on_first().page().await?.knows("Ann"), "signing out on one node is signing out");
    Ok(())
}

#[tokio::test]
async fn a_local_login_is_unknown_to_the_other_node() -> Result<()> {
    let pair = Pair::start("[sessions]\nstore = \"local\"\n", &[]).await?;
    assert!(!pair.on_second().page().await?.knows("Ann"), "the lesson of level 1");
    assert!(pair.on_first().page().await?.knows("Ann"));
    Ok(())
}

#[tokio::test]
async fn a_signed_cookie_is_known_to_every_node_with_the_key() -> Result<()> {
    let key = [("WEBAPP_SESSION_KEY", "0123456789abcdef0123456789abcdef")];
    let pair = Pair::start("[sessions]\nstore = \"cookie\"\n", &key).await?;
    assert!(pair.on_second().page().await?.knows("Ann"));
    let stranger = Node::start("[sessions]\nstore = \"cookie\"\n", &[]).await?;
    assert!(!pair.ann.at(&format!("http://{}", stranger.address())).page().await?.knows("Ann"));
    assert!(!pair.on_second().sign_out().await?.knows("Ann"));
    Ok(())
}

#[tokio::test]
async fn logins_in_memcached_are_shared_and_survive_the_death_of_any_node() -> Result<()> {
    let Some(mut nodes) = three_memcached().await? else { return Ok(()) };
    let pair = Pair::start(&memcached_settings(&nodes), &[]).await?;
    for node in &mut nodes {
        node.kill().await?;
        assert!(pair.on_first().page().await?.knows("Ann") && pair.on_second().page().await?.knows("Ann"));
        node.revive().await?;
        let bob = pair.second.visitor()?;
        assert!(bob.sign_in("Bob").await?.knows("Bob"), "signing in works on");
        // It came back empty. Ann's login is written anew while both copies are there, as it is when it is renewed.
        pair.on_first().sign_in("Ann").await?;
    }
    is_shared(&pair).await
}

#[tokio::test]
async fn a_hung_memcached_node_hangs_no_page_and_loses_no_login() -> Result<()> {
    let Some(nodes) = three_memcached().await? else { return Ok(()) };
    let pair = Pair::start(&memcached_settings(&nodes), &[]).await?;
    for node in &nodes {
        node.process().hang()?;
        for _ in 0..5 {
            assert!(pair.on_first().page().await?.knows("Ann") && pair.on_second().page().await?.knows("Ann"));
        }
        node.process().resume()?;
        // Until then a login has one copy less, and the next node that hangs may have it.
        for visitor in [pair.on_first(), pair.on_second()] {
            let asks_all = || async { visitor.get("/readyz").await.ok()?.0.is_success().then_some(()) };
            wait::until("all nodes to be asked again", PATIENCE, asks_all).await?;
        }
        assert!(pair.on_first().sign_in("Ann").await?.knows("Ann"));
    }
    Ok(())
}

#[tokio::test]
async fn without_any_session_server_pages_show_and_signing_in_says_why_not() -> Result<()> {
    let Some(mut nodes) = three_memcached().await? else { return Ok(()) };
    let pair = Pair::start(&memcached_settings(&nodes), &[]).await?;
    nodes[0].process().hang()?;
    for node in &mut nodes[1..] {
        node.kill().await?;
    }
    let page = pair.on_first().page().await?;
    assert_eq!(page.status, StatusCode::OK);
    assert!(!page.knows("Ann") && page.html.contains("not possible at the moment"), "{}", page.html);
    let refused = pair.first.visitor()?.sign_in("Bob").await?;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.html.contains("not possible at the moment"), "{}", refused.html);
    nodes[0].process().resume()?;
    nodes[1].revive().await?;
    nodes[2].revive().await?;
    let bob = pair.second.visitor()?;
    wait::until("signing in to be possible again", PATIENCE, || async {
        bob.sign_in("Bob").await.ok()?.knows("Bob").then_some(())
    })
    .await
}

#[tokio::test]
async fn logins_in_redis_are_shared_and_a_hung_redis_hangs_no_page() -> Result<()> {
    let Some(redis) = Redis::start().await? else { return Ok(()) };
    let pair = Pair::start(&redis_settings(&[redis.url()], false), &[REDIS_PASSWORD]).await?;
    redis.process().hang()?;
    let page = pair.on_first().page().await?;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.html.contains("not possible at the moment"), "{}", page.html);
    assert_eq!(pair.first.visitor()?.sign_in("Bob").await?.status, StatusCode::SERVICE_UNAVAILABLE);
    redis.process().resume()?;
    wait::until("the login to be found again", PATIENCE, || async {
        pair.on_first().page().await.ok()?.knows("Ann").then_some(())
    })
    .await?;
    is_shared(&pair).await
}

#[tokio::test]
async fn a_redis_that_refuses_the_password_is_told_in_the_log() -> Result<()> {
    let Some(redis) = Redis::start().await? else { return Ok(()) };
    let node = Node::start(&redis_settings(&[redis.url()], false), &[("WEBAPP_REDIS_PASSWORD", "mellon")]).await?;
    assert_eq!(node.visitor()?.sign_in("Ann").await?.status, StatusCode::SERVICE_UNAVAILABLE);
    let told = wait::until("the log to tell why", PATIENCE, || async {
        Some(node.log()).filter(|log| log.contains("Password authentication failed"))
    });
    assert!(!told.await?.contains("mellon"), "without the password");
    Ok(())
}

#[tokio::test]
async fn logins_in_a_redis_cluster_outlive_one_of_its_masters() -> Result<()> {
    let Some(mut cluster) = RedisCluster::start().await? else { return Ok(()) };
    let pair = Pair::start(&redis_settings(&cluster.urls(), true), &[]).await?;
    assert!(pair.on_second().page().await?.knows("Ann"));
    cluster.kill_a_master().await?;
    assert_eq!(pair.on_first().page().await?.status, StatusCode::OK, "pages show meanwhile");
    wait::until("a replica to take over, so that old and new logins are found", PATIENCE, || async {
        let is_new = pair.on_second().sign_in("Ann").await.ok()?.knows("Ann");
        let is_found = pair.on_first().page().await.ok()?.knows("Ann");
        (is_new && is_found).then_some(())
    })
    .await?;
    is_shared(&pair).await
}
