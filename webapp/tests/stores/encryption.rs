//! TLS to the stores: who is trusted, and what is told when nobody can be.

use anyhow::{Context, Result};
use reqwest::StatusCode;
use tests::{
    backends::{Certificates, MariaDb, Redis},
    wait,
};

use crate::node::Node;

const SECRETS: [(&str, &str); 2] = [("WEBAPP_DATABASE_PASSWORD", MariaDb::PASSWORD), ("WEBAPP_REDIS_PASSWORD", Redis::PASSWORD)];

fn database(server: &MariaDb, rest: &str) -> String {
    format!("[database]\nurl = \"{}\"\n{rest}\n", server.url())
}

#[tokio::test]
async fn the_databases_certificate_is_checked_when_that_is_asked_for() -> Result<()> {
    let (Some(own), Some(other)) = (Certificates::make().await?, Certificates::make().await?) else { return Ok(()) };
    let Some(server) = MariaDb::start_with_tls(&own).await? else { return Ok(()) };
    let checked = |ca: &Certificates| format!("tls = \"verify-identity\"\ntls_ca = \"{}\"", ca.authority().display());
    let node = Node::start(&database(&server, &checked(&own)), &SECRETS).await?;
    assert_eq!(node.visitor()?.page().await?.status, StatusCode::OK);

    let refused = Node::start(&database(&server, &checked(&other)), &SECRETS).await;
    let told = format!("{:#}", refused.err().context("a stranger's certificate")?);
    assert!(told.contains("cannot open database web_demo on 127.0.0.1") && told.contains("database.tls"), "{told}");
    Ok(())
}

#[tokio::test]
async fn a_database_without_tls_is_not_used_when_tls_is_required() -> Result<()> {
    let Some(server) = MariaDb::start().await? else { return Ok(()) };
    let refused = Node::start(&database(&server, "tls = \"required\""), &SECRETS).await;
    let told = format!("{:#}", refused.err().context("nothing is sent in clear")?);
    assert!(told.contains("cannot open database web_demo on 127.0.0.1") && told.contains("TLS"), "{told}");
    Ok(())
}

#[tokio::test]
async fn sessions_are_kept_in_a_redis_behind_tls_whose_authority_is_known() -> Result<()> {
    let (Some(own), Some(other)) = (Certificates::make().await?, Certificates::make().await?) else { return Ok(()) };
    let Some(redis) = Redis::start_with_tls(&own).await? else { return Ok(()) };
    let settings = |ca: &Certificates| {
        let ca = ca.authority();
        let redis = format!("urls = [\"{}\"]\ntls_ca = \"{}\"\ntimeout = \"2s\"", redis.url(), ca.display());
        format!("[sessions]\nstore = \"redis\"\n[redis]\n{redis}\n")
    };
    let node = Node::start(&settings(&own), &SECRETS).await?;
    assert!(node.visitor()?.sign_in("Ann").await?.knows("Ann"));

    let stranger = Node::start(&settings(&other), &SECRETS).await?;
    assert_eq!(stranger.visitor()?.sign_in("Ann").await?.status, StatusCode::SERVICE_UNAVAILABLE);
    wait::until("the log to tell why", std::time::Duration::from_secs(20), || async {
        stranger.log().to_lowercase().contains("certificate").then_some(())
    })
    .await
}
