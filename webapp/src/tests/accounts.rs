//! Names with passwords.

use reqwest::{StatusCode, header};

use super::{Running, Visitor, wait_for_log};
use crate::settings::{Settings, SignInMode};

const PASSWORD: &str = "correct horse battery";

fn with_accounts(settings: &mut Settings) {
    settings.accounts.mode = SignInMode::Accounts;
    settings.limits.sign_ins_per_minute = 0;
}

async fn register(site: &Running, visitor: &Visitor, name: &str, password: &str) -> reqwest::Response {
    visitor.post_form_to(&site.url("/web-demo/register"), &[("username", name), ("password", password)]).await
}

async fn sign_in(site: &Running, visitor: &Visitor, name: &str, password: &str) -> reqwest::Response {
    visitor.post_form_to(&site.url("/web-demo/sign-in"), &[("username", name), ("password", password)]).await
}

#[tokio::test]
async fn who_registers_is_signed_in_and_can_come_back() {
    let site = Running::start_with(with_accounts).await;
    let page = register(&site, &site.visitor(), "Ann", PASSWORD).await.text().await.unwrap();
    assert!(page.contains("<bdi>Ann</bdi>") && !page.contains("Any name gets in"), "{page}");
    let back = sign_in(&site, &site.visitor(), "ann", PASSWORD).await.text().await.unwrap();
    assert!(back.contains("<bdi>Ann</bdi>"), "the name as it was registered, whatever its case: {back}");
    // The original's form, with a password beside the name.
    let original = site.visitor().post_form(&[("username", "Ann"), ("password", PASSWORD)]).await.text().await.unwrap();
    assert!(original.contains("<bdi>Ann</bdi>"), "{original}");
}

#[tokio::test]
async fn a_wrong_password_and_a_wrong_name_get_the_same_answer() {
    let site = Running::start_with(with_accounts).await;
    register(&site, &site.visitor(), "Ann", PASSWORD).await;
    let mut answers = Vec::new();
    for (name, password) in [("Ann", "correct horse batterx"), ("Bob", PASSWORD), ("Ann", "")] {
        let visitor = site.visitor();
        let refused = sign_in(&site, &visitor, name, password).await;
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "{name}");
        assert!(refused.headers().get(header::SET_COOKIE).is_none());
        answers.push(refused.text().await.unwrap());
        assert!(!visitor.page().await.contains("Logout"));
    }
    assert!(answers[0].contains("The name or the password is not right."), "{}", answers[0]);
    assert!(answers.iter().all(|answer| *answer == answers[0]));
}

#[tokio::test]
async fn a_bad_password_or_a_taken_name_is_refused_with_the_reason() {
    let site = Running::start_with(with_accounts).await;
    for (password, reason) in
        [("short", "at least 12 characters"), ("password1234", "tried first"), ("annannannann", "made from your name")]
    {
        let refused = register(&site, &site.visitor(), "Ann", password).await;
        assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY, "{password}");
        let page = refused.text().await.unwrap();
        assert!(page.contains(reason), "{password}: {page}");
    }
    register(&site, &site.visitor(), "Ann", PASSWORD).await;
    assert_eq!(register(&site, &site.visitor(), "ANN", PASSWORD).await.status(), StatusCode::CONFLICT);
}

#[tokio::test]
async fn registration_can_be_switched_off() {
    let site = Running::start_with(|settings| {
        with_accounts(settings);
        settings.accounts.registration = false;
    })
    .await;
    let page = site.visitor().get(&site.url("/web-demo/sign-in")).await.text().await.unwrap();
    assert!(page.contains("current-password") && !page.contains("new-password"), "{page}");
    assert_eq!(register(&site, &site.visitor(), "Ann", PASSWORD).await.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn demo_mode_says_what_it_is_and_makes_no_accounts() {
    let site = Running::start().await;
    assert!(site.visitor().page().await.contains("Any name gets in, without a password."));
    assert_eq!(register(&site, &site.visitor(), "Ann", PASSWORD).await.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn too_many_attempts_have_to_wait_and_are_told_how_long() {
    let site = Running::start_with(|settings| {
        with_accounts(settings);
        settings.limits.sign_ins_per_minute = 2;
        settings.server.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
    })
    .await;
    let visitor = site.visitor();
    for _ in 0..2 {
        assert_eq!(sign_in(&site, &visitor, "Ann", "wrong").await.status(), StatusCode::UNAUTHORIZED);
    }
    let limited = sign_in(&site, &visitor, "Ann", PASSWORD).await;
    assert_eq!(limited.status(), StatusCode::TOO_MANY_REQUESTS);
    let wait: u64 = limited.headers()[header::RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!((1..=31).contains(&wait), "{wait}");
    assert!(limited.text().await.unwrap().contains("Please try again in"));
    // Another client behind the same proxy is not made to wait.
    let other = site.visitor().client.post(site.page_url()).header("x-forwarded-for", "203.0.113.9");
    let other = other.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body("username=Bob&password=x");
    assert_eq!(other.send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn over_https_the_cookie_is_bound_to_the_host() {
    let site = Running::start_with(|settings| settings.sessions.secure_cookie = true).await;
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let form = client.post(site.page_url()).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let answer = form.body("username=Ann").send().await.unwrap();
    let cookie = answer.headers()[header::SET_COOKIE].to_str().unwrap();
    assert!(cookie.starts_with("__Host-session="), "{cookie}");
    for flag in ["HttpOnly", "Secure", "SameSite=Lax", "Path=/"] {
        assert!(cookie.contains(flag), "{flag}: {cookie}");
    }
    assert!(!cookie.contains("Domain"), "{cookie}");
    assert!(answer.headers().contains_key(header::STRICT_TRANSPORT_SECURITY));
}

#[tokio::test]
async fn a_password_never_gets_into_the_access_log() {
    let site = Running::start_with(with_accounts).await;
    sign_in(&site, &site.visitor(), "Ann", PASSWORD).await;
    wait_for_log(&site, 1).await;
    let text = std::fs::read_to_string(site.log_file()).unwrap();
    assert!(!text.contains("horse") && !text.contains("Ann"), "{text}");
}
