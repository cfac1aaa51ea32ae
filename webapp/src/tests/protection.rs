//! What other sites, strangers and long patience must not achieve.

use reqwest::{StatusCode, header};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{DEADLINE, Running};
use crate::pages::PAGE;

#[tokio::test]
async fn a_name_with_markup_is_shown_not_run() {
    let site = Running::start().await;
    let page = site.logged_in("<script>alert(1)</script>").await.page().await;
    assert!(page.contains("&#60;script&#62;alert(1)&#60;/script&#62;"), "{page}");
    assert!(!page.contains("<script>alert"), "{page}");
}

#[tokio::test]
async fn a_nameless_login_is_refused_with_a_sentence() {
    let site = Running::start().await;
    let refused = site.visitor().login("   ").await;
    assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text().await.unwrap().contains("Please give a name of 1 to 64 characters"));
}

#[tokio::test]
async fn another_sites_form_does_nothing() {
    let site = Running::start().await;
    let foreign =
        [(header::ORIGIN.as_str(), "http://evil.test"), ("sec-fetch-site", "cross-site"), (header::ORIGIN.as_str(), "null")];
    for (name, value) in foreign {
        let visitor = site.visitor();
        let login = visitor.client.post(site.page_url()).header(name, value);
        let form = login.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body("username=Mallory");
        assert_eq!(form.send().await.unwrap().status(), StatusCode::FORBIDDEN, "{name}: {value}");
        assert!(!visitor.page().await.contains("Mallory"));
    }
}

#[tokio::test]
async fn our_own_form_logs_in_with_its_origin() {
    let site = Running::start().await;
    let visitor = site.visitor();
    let login = visitor.client.post(site.page_url()).header(header::ORIGIN, site.url(""));
    let form = login.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body("username=Ann");
    assert!(form.send().await.unwrap().text().await.unwrap().contains("<strong><bdi>Ann</bdi></strong>"));
}

#[tokio::test]
async fn logging_out_needs_the_forms_token() {
    let site = Running::start().await;
    let ann = site.logged_in("Ann").await;
    let refused = ann.post_form(&[("logout", "yes"), ("csrf", "00000000000000000000000000000000")]).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    let token = ann.form_token().await;
    assert!(ann.post_form(&[("logout", "yes"), ("csrf", &token)]).await.text().await.unwrap().contains("Enter your name"));
}

#[tokio::test]
async fn uploading_needs_a_login_and_the_forms_token() {
    let site = Running::start().await;
    let stranger = site.visitor().upload(vec![("a.jpg", vec![0; 1024 * 1024])]).await;
    assert_eq!(stranger.status(), StatusCode::UNAUTHORIZED);
    assert!(stranger.text().await.unwrap().contains("Please sign in"));

    let ann = site.logged_in("Ann").await;
    let part = reqwest::multipart::Part::bytes(vec![0; 1024 * 1024]).file_name("a.jpg");
    let form = reqwest::multipart::Form::new().part("fileToUpload", part).text("csrf", ann.form_token().await);
    let refused = ann.client.post(site.page_url()).multipart(form).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::FORBIDDEN, "the token must come before the file");
}

#[tokio::test]
async fn only_a_login_makes_a_session_and_a_new_login_a_new_id() {
    let site = Running::start().await;
    let visitor = site.visitor();
    assert!(!visitor.get(&site.page_url()).await.headers().contains_key(header::SET_COOKIE));
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let login = async |cookie: &str| {
        let request = client.post(site.page_url()).header(header::COOKIE, cookie);
        let form = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body("username=Ann");
        let answer = form.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        answer.headers()[header::SET_COOKIE].to_str().unwrap().to_owned()
    };
    let chosen = "session=0123456789abcdef0123456789abcdef";
    let first = login(chosen).await;
    assert!(first.contains("HttpOnly") && first.contains("SameSite=Lax") && first.contains("Path=/"), "{first}");
    assert!(!first.starts_with(chosen));
    let first_pair = first.split(';').next().unwrap();
    let second = login(first_pair).await;
    assert!(!second.starts_with(first_pair));
    let old = client.get(site.page_url()).header(header::COOKIE, first_pair).send().await.unwrap();
    assert!(old.text().await.unwrap().contains("Enter your name"), "the first session is over");
}

#[tokio::test]
async fn sessions_are_bounded() {
    let site = Running::start_with(|settings| settings.sessions.max = 2).await;
    let (ann, bob, eve) = (site.logged_in("Ann").await, site.logged_in("Bob").await, site.logged_in("Eve").await);
    assert!(ann.page().await.contains("Enter your name"));
    assert!(bob.page().await.contains("<bdi>Bob</bdi>"));
    assert!(eve.page().await.contains("<bdi>Eve</bdi>"));
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let site = Running::start().await;
    for path in [
        PAGE,
        "/healthz",
        "/nothing/here",
        "/web-demo/uploads/",
        "/web-demo/uploads/../webapp.sqlite",
        "/web-demo/assets/style.css",
    ] {
        let answer = site.visitor().get(&site.url(path)).await;
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff", "{path}");
        let policy = answer.headers()["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
    }
}

#[tokio::test]
async fn only_the_page_assets_and_pictures_are_reachable() {
    let site = Running::start().await;
    for path in ["/web-demo/uploads/", "/web-demo/uploads/..%2Fwebapp.sqlite", "/web-demo/assets/../src/lib.rs", "/.git/config"] {
        assert_eq!(site.visitor().get(&site.url(path)).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(site.visitor().get(&site.url("/healthz")).await.text().await.unwrap(), "ok\n");
    assert!(site.visitor().get(&site.url("/")).await.url().path().ends_with(PAGE));
}

#[tokio::test]
async fn a_declared_length_over_the_limit_is_refused_before_the_body_comes() {
    let site = Running::start().await;
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let login =
        client.post(site.page_url()).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body("username=Ann");
    let cookie =
        login.send().await.unwrap().headers()[header::SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();

    let mut stream = TcpStream::connect(site.address).await.unwrap();
    let head = format!(
        "POST {PAGE} HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 99999999999\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    timeout(DEADLINE, stream.read_exact(&mut answer)).await.expect("answered without the body").unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
}

#[tokio::test]
async fn stopping_lets_an_open_request_finish() {
    let site = Running::start().await;
    let mut stream = TcpStream::connect(site.address).await.unwrap();
    let head = format!(
        "POST {PAGE} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 12\r\nExpect: 100-continue\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut go_on = [0; 25];
    timeout(DEADLINE, stream.read_exact(&mut go_on)).await.expect("the request is being read").unwrap();
    assert!(go_on.starts_with(b"HTTP/1.1 100"));
    site.stop.cancel();
    stream.write_all(b"username=Ann").await.unwrap();
    let mut answer = String::new();
    timeout(DEADLINE, stream.read_to_string(&mut answer)).await.expect("answered and closed").unwrap();
    assert!(answer.starts_with("HTTP/1.1 303"), "{answer}");
    site.stop().await;
}
