//! What the people who run the site see.

use std::sync::atomic::Ordering;

use reqwest::{Client, StatusCode};
use serde_json::Value;

use super::{Running, wait_for_log};
use crate::{access_log::ExtraKey, pages::PAGE};

async fn json(client: &Client, url: &str) -> (StatusCode, Value) {
    let answer = client.get(url).send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

#[tokio::test]
async fn readiness_names_every_dependency_and_the_one_that_fails() {
    let site = Running::start().await;
    let client = Client::new();
    let (status, body) = json(&client, &site.url("/readyz")).await;
    assert_eq!((status, &body["ready"]), (StatusCode::OK, &Value::Bool(true)), "{body}");
    assert!(body["dependencies"].as_array().unwrap().iter().all(|dependency| dependency["ok"] == true), "{body}");

    std::fs::remove_dir_all(site.data.path().join("incoming")).unwrap();
    let (status, body) = json(&client, &site.url("/readyz")).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    let folder =
        body["dependencies"].as_array().unwrap().iter().find(|dependency| dependency["name"] == "picture folder").unwrap();
    assert!(folder["reason"].as_str().unwrap().contains("picture folder"), "{body}");
    assert_eq!(client.get(site.url("/healthz")).send().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn while_stopping_balancers_are_told_and_visitors_are_served() {
    let site = Running::start().await;
    site.site.is_stopping.store(true, Ordering::Relaxed);
    let (status, body) = json(&Client::new(), &site.url("/readyz")).await;
    assert_eq!((status, &body["stopping"]), (StatusCode::SERVICE_UNAVAILABLE, &Value::Bool(true)));
    assert_eq!(site.visitor().get(&site.page_url()).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn the_latency_knob_turns_while_the_site_runs() {
    let site = Running::start().await;
    let (admin, client) = (site.admin().await, Client::new());
    let turned = client.put(format!("{admin}/latency?delay_ms=40")).send().await.unwrap();
    assert_eq!(turned.status(), StatusCode::OK);
    let (_, knob) = json(&client, &format!("{admin}/latency")).await;
    assert_eq!((&knob["delay_ms"], &knob["share"]), (&40.into(), &1.0.into()));
    site.visitor().page().await;
    client.get(site.url("/healthz")).send().await.unwrap();
    let metrics = client.get(format!("{admin}/metrics")).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("webapp_page_duration_seconds_bucket{le=\"0.025\"} 0"), "{metrics}");
    assert!(metrics.contains("webapp_page_duration_seconds_count 1"), "only pages wait and are timed: {metrics}");
    assert!(metrics.contains("webapp_page_duration_recent_seconds{quantile=\"0.99\"} 0.0"), "{metrics}");

    for (query, reason) in
        [("delay_ms=60001", "allowed: 0 to 60000"), ("share=2", "allowed: 0.0 to 1.0"), ("delay=1", "delay_ms, jitter_ms, share")]
    {
        let refused = client.put(format!("{admin}/latency?{query}")).send().await.unwrap();
        assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY, "{query}");
        let text = refused.text().await.unwrap();
        assert!(text.contains(reason), "{query}: {text}");
    }
}

#[tokio::test]
async fn the_admin_address_is_not_for_web_pages() {
    let site = Running::start().await;
    let (admin, client) = (site.admin().await, Client::new());
    let rebound = client.get(format!("{admin}/metrics")).header("host", "evil.test").send().await.unwrap();
    assert_eq!(rebound.status(), StatusCode::FORBIDDEN);
    assert_eq!(client.post(format!("{admin}/latency?delay_ms=1")).send().await.unwrap().status(), StatusCode::METHOD_NOT_ALLOWED);
    for path in ["/metrics", "/latency"] {
        assert_eq!(client.get(site.url(path)).send().await.unwrap().status(), StatusCode::NOT_FOUND, "{path} on the site");
    }
}

#[tokio::test]
async fn only_known_hosts_are_served_but_probes_come_by_address() {
    let site = Running::start_with(|settings| settings.server.hosts = vec!["photos.test".to_owned()]).await;
    let client = Client::new();
    let get = async |path: &str, host: &str| client.get(site.url(path)).header("host", host).send().await.unwrap().status();
    assert_eq!(get(PAGE, "Photos.test:8080").await, StatusCode::OK);
    assert_eq!(get(PAGE, "evil.test").await, StatusCode::MISDIRECTED_REQUEST);
    assert_eq!(get("/healthz", "10.0.0.1").await, StatusCode::OK);
}

#[tokio::test]
async fn one_client_cannot_take_all_requests() {
    let site = Running::start_with(|settings| settings.limits.requests_per_second = 2).await;
    let visitor = site.visitor();
    let mut statuses = Vec::new();
    for _ in 0..20 {
        statuses.push(visitor.get(&site.url("/nothing")).await);
    }
    let limited = statuses.iter().find(|answer| answer.status() == StatusCode::TOO_MANY_REQUESTS).expect("one was limited");
    assert_eq!(limited.headers()["retry-after"], "1");
    assert_eq!(visitor.get(&site.url("/healthz")).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_request_id_is_the_same_in_the_answer_and_in_the_log() {
    let site = Running::start_with(|settings| {
        settings.access_log.extra_keys = vec![ExtraKey::RequestId, ExtraKey::Node, ExtraKey::DurationUs];
        settings.server.node = "left".to_owned();
    })
    .await;
    let sent = site.visitor().client.get(site.url("/healthz")).header("x-request-id", "forged").send().await.unwrap();
    let id = sent.headers()["x-request-id"].to_str().unwrap().to_owned();
    let [line] = wait_for_log(&site, 1).await.try_into().unwrap();
    assert_eq!((&line["request_id"], &line["node"]), (&id.as_str().into(), &"left".into()));
    assert!(id != "forged" && line["duration_us"].as_str().unwrap().parse::<u64>().unwrap() > 0);
    assert!(site.visitor().page().await.contains("<strong>left</strong>"));
}
