//! Every request leaves one line, and the line tells the truth.

use std::fs;

use image::RgbImage;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{Running, full_picture_paths, jpeg, log_lines, wait_for_log, wait_until};
use crate::{access_log::KEYS, pages::PAGE};

#[tokio::test]
async fn every_request_leaves_a_line_with_the_size_that_was_received() {
    let site = Running::start().await;
    let ann = site.logged_in("Ann").await;
    let page = ann.upload(vec![("a.jpg", jpeg(&RgbImage::new(600, 400)))]).await.text().await.unwrap();
    let [path] = full_picture_paths(&page).try_into().unwrap();
    let picture = ann.get(&site.url(&path)).await.bytes().await.unwrap();
    let missing = ann.client.get(site.url("/caf%C3%A9?q=1")).header("referer", "http://e.test/\"x\"").send().await.unwrap();
    let missing_size = missing.bytes().await.unwrap().len();
    ann.client.head(site.page_url()).send().await.unwrap();

    // login, page, page for the token, upload, page, picture, missing, head
    let lines = wait_for_log(&site, 8).await;
    assert_eq!(lines.len(), 8);
    for line in &lines {
        assert_eq!(line.keys().collect::<Vec<_>>(), KEYS);
        assert!(line.values().all(serde_json::Value::is_string), "{line:?}");
    }
    let summary: Vec<String> =
        lines.iter().map(|line| format!("{} {}", line["http_method"], line["status"]).replace('"', "")).collect();
    assert_eq!(summary, ["POST 303", "GET 200", "GET 200", "POST 303", "GET 200", "GET 200", "GET 404", "HEAD 200"]);
    assert_eq!(lines[4]["size"], page.len().to_string());
    assert_eq!(lines[5]["size"], picture.len().to_string());
    assert_eq!(lines[6]["size"], missing_size.to_string());
    assert_eq!(lines[7]["size"], "0");
    assert_eq!(lines[6]["request"], "/café");
    assert_eq!(lines[6]["referer"], "http://e.test/\"x\"");
    assert_eq!(lines[0]["request"], PAGE);
    assert_eq!(lines[0]["client_ip"], "127.0.0.1");
    assert_eq!(lines[0]["client_hostname"], "127.0.0.1");
    assert_eq!(lines[0]["server_ip"], "127.0.0.1");
    assert_eq!(lines[0]["userAgent"], "probe/1");
    assert_eq!(lines[0]["referer"], "-");
}

#[tokio::test]
async fn a_known_picture_is_not_sent_again_and_logs_no_bytes() {
    let site = Running::start().await;
    let ann = site.logged_in("Ann").await;
    let page = ann.upload(vec![("a.jpg", jpeg(&RgbImage::new(8, 8)))]).await.text().await.unwrap();
    let url = site.url(&full_picture_paths(&page)[0]);
    let tag = ann.get(&url).await.headers()["etag"].clone();
    let again = ann.client.get(&url).header("if-none-match", tag).send().await.unwrap();
    assert_eq!(again.status(), 304);
    let lines = wait_for_log(&site, 7).await;
    assert_eq!((&lines[6]["status"], &lines[6]["size"]), (&"304".into(), &"0".into()));
}

#[tokio::test]
async fn stopping_leaves_no_line_behind() {
    let site = Running::start().await;
    for _ in 0..200 {
        site.visitor().get(&site.url("/healthz")).await;
    }
    let data = site.stop().await;
    assert_eq!(log_lines(&fs::read_to_string(data.path().join("access.log")).unwrap()).len(), 200);
}

#[tokio::test]
async fn after_reopening_lines_go_to_the_new_file() {
    let site = Running::start().await;
    site.visitor().get(&site.url("/healthz")).await;
    wait_for_log(&site, 1).await;
    let (file, rotated) = (site.log_file(), site.data.path().join("access.log.1"));
    fs::rename(&file, &rotated).unwrap();
    site.log.reopen();
    tokio::task::spawn_blocking(move || wait_until("the file is made again", || file.exists())).await.unwrap();
    site.visitor().page().await;
    let lines = wait_for_log(&site, 1).await;
    assert_eq!(lines[0]["request"], PAGE);
    assert_eq!(log_lines(&fs::read_to_string(rotated).unwrap()).len(), 1);
}

#[tokio::test]
async fn what_is_not_http_is_logged_without_method_and_path() {
    let site = Running::start().await;
    let mut stream = TcpStream::connect(site.address).await.unwrap();
    stream.write_all(b"\x16\x03\x01 hello\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    let [line] = wait_for_log(&site, 1).await.try_into().unwrap();
    assert_eq!((&line["status"], &line["http_method"], &line["request"]), (&"400".into(), &"-".into(), &"-".into()));
}

#[tokio::test]
async fn a_client_that_leaves_half_way_is_logged_all_the_same() {
    let site = Running::start().await;
    let mut stream = TcpStream::connect(site.address).await.unwrap();
    let head = format!(
        "POST {PAGE} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 12\r\nExpect: 100-continue\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.read_exact(&mut [0; 25]).await.unwrap(); // 100 Continue: the form is being read
    drop(stream);
    let [line] = wait_for_log(&site, 1).await.try_into().unwrap();
    assert_eq!((&line["http_method"], &line["request"]), (&"POST".into(), &PAGE.into()));
}
