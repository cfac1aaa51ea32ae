//! The access log against Apache's own: 217 requests that a real Apache has answered, sent here as bytes.

use std::fs;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{DEADLINE, Running};
use crate::access_log::Format;

const REQUESTS: &str = include_str!("../../../tests/data/apache-json/nasty.requests");
const APACHE: &str = include_str!("../../../tests/data/apache-json/nasty.log");
const COMBINED: &str = include_str!("../../../tests/data/apache-json/nasty.combined.log");
const EXPECTED: &str = include_str!("../../../tests/data/apache-json/nasty.expected.jsonl");

/// The name of Apache's machine: logged when a request failed before Apache took its host for valid.
const NOT_PARSED: &str = r#""client_hostname":"ip-10-0-1-11""#;

/// What Apache's modules made of the path, where we have no such module: mod_dir appends an index file.
const REWRITTEN: [&str; 2] = ["path-root", "path-connect"];

/// These never get to the end of their head or body, so no answer comes.
const CUT_SHORT: &str = "st-408-";

/// One request, and the line or lines it left.
struct Case {
    id: &'static str,
    apache: &'static str,
    combined: &'static str,
    expected: Value,
    lines: Vec<String>,
}

#[tokio::test]
async fn in_apache_mode_a_line_is_apaches_to_the_byte() {
    let mut compared = 0;
    for case in run(Format::Apache).await {
        let Some(line) = case.comparable_line(|line| !line.contains(r#""http_method":"-""#)) else { continue };
        assert_eq!(masked(line), masked(case.apache), "{}", case.id);
        compared += 1;
    }
    assert!(compared >= 130, "only {compared} requests were comparable");
}

#[tokio::test]
async fn in_combined_mode_a_line_is_apaches_to_the_byte() {
    let without_times = |line: &str| -> String {
        let (before, rest) = line.split_once(" - - [").unwrap();
        assert!(before.parse::<std::net::IpAddr>().is_ok(), "{line}");
        let rest = rest.split_once("] ").unwrap().1;
        // "request" status size "referer" "agent": the quote before the status is the first that no backslash escapes.
        let end = (1..rest.len()).find(|&at| rest[at..].starts_with('"') && !ends_in_escape(&rest[..at])).unwrap();
        let headers = rest[end + 1..].splitn(4, ' ').nth(3).unwrap();
        format!("{} {headers}", &rest[..=end])
    };
    let mut compared = 0;
    for case in run(Format::Combined).await {
        if case.id == "path-connect" {
            continue;
        }
        let Some(line) = case.comparable_line(|line| !line.contains("] \"-\" ")) else { continue };
        assert_eq!(without_times(line), without_times(case.combined), "{}", case.id);
        compared += 1;
    }
    assert!(compared >= 130, "only {compared} requests were comparable");
}

#[tokio::test]
async fn in_json_mode_every_line_is_json_and_says_what_was_sent() {
    let mut compared = 0;
    for case in run(Format::Json).await {
        for line in &case.lines {
            let object: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{}: {error} in {line}", case.id));
            assert_eq!(object.as_object().unwrap().len(), 10, "{}", case.id);
        }
        let Some(line) = case.comparable_line(|line| !line.contains(r#""http_method":"-""#)) else { continue };
        let object: Value = serde_json::from_str(line).unwrap();
        for key in ["client_hostname", "http_method", "userAgent", "referer"] {
            assert_eq!(object[key], case.expected["fields"][key], "{} {key}", case.id);
        }
        compared += 1;
    }
    assert!(compared >= 130, "only {compared} requests were comparable");
}

#[tokio::test]
async fn behind_a_trusted_proxy_the_client_is_the_one_apache_finds() {
    let mut compared = 0;
    for case in run_with(Format::Apache, &["127.0.0.1"], |id| id.starts_with("xff-remoteip")).await {
        let found = super::first_between(&case.lines[0], r#""client_ip":""#, "\"").unwrap();
        let apache = case.expected["fields"]["client_ip"].as_str().unwrap();
        match case.id {
            "xff-remoteip-untrusted" => continue, // there the peer is no proxy; here it is
            // Nothing usable is said: the peer, which was another address there.
            "xff-remoteip-junk" | "xff-remoteip-port" => assert_eq!(found, "127.0.0.1", "{}", case.id),
            _ => assert_eq!(found, apache, "{}", case.id),
        }
        compared += 1;
    }
    assert_eq!(compared, 5);
}

impl Case {
    /// Our line, if both servers understood the request. There must be one, unless the client went away too early.
    fn comparable_line(&self, is_understood: impl Fn(&str) -> bool) -> Option<&str> {
        if self.id.starts_with(CUT_SHORT) {
            assert!(self.lines.len() <= 1, "{}: {:?}", self.id, self.lines);
            return None;
        }
        let [line] = &self.lines[..] else { panic!("{} left {:?}", self.id, self.lines) };
        let is_comparable = !self.apache.contains(NOT_PARSED) && !REWRITTEN.contains(&self.id) && is_understood(line);
        is_comparable.then_some(line)
    }
}

/// A line of ours or Apache's without what the two sites cannot have in common: time, addresses, their answer.
fn masked(line: &str) -> String {
    let keys = ["request_time", "client_ip", "server_ip", "status", "size"];
    keys.iter().fold(line.to_owned(), |line, key| {
        let start = line.find(&format!("\"{key}\":\"")).unwrap() + key.len() + 4;
        let end = start + line[start..].find('"').unwrap();
        format!("{}*{}", &line[..start], &line[end..])
    })
}

async fn run(format: Format) -> Vec<Case> {
    run_with(format, &[], |_| true).await
}

/// Sends each request on a connection of its own, with a marker after it, so that its lines can be told apart.
async fn run_with(format: Format, trusted: &[&str], is_wanted: impl Fn(&str) -> bool) -> Vec<Case> {
    let site = Running::start_with(|settings| {
        settings.access_log.format = format;
        settings.server.trusted_proxies = trusted.iter().map(|network| network.parse().unwrap()).collect();
    })
    .await;
    let mut cases = Vec::new();
    let sources = REQUESTS.lines().zip(APACHE.lines()).zip(COMBINED.lines()).zip(EXPECTED.lines());
    for (((request, apache), combined), expected) in sources {
        let (id, bytes) = request.split_once('\t').unwrap();
        if !is_wanted(id) {
            continue;
        }
        send(&site, &unescaped(bytes)).await;
        let marker = format!("GET /marker-{} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", cases.len());
        send(&site, marker.as_bytes()).await;
        cases.push(Case { id, apache, combined, expected: serde_json::from_str(expected).unwrap(), lines: Vec::new() });
    }
    assert!(!cases.is_empty());
    let data = site.stop().await;
    let text = fs::read_to_string(data.path().join("access.log")).unwrap();
    let mut number = 0;
    for line in text.lines() {
        if line.contains(&format!("/marker-{number}")) {
            number += 1;
        } else {
            cases[number].lines.push(line.to_owned());
        }
    }
    assert_eq!(number, cases.len());
    cases
}

/// Sends bytes and reads the whole answer.
async fn send(site: &Running, bytes: &[u8]) {
    let mut stream = TcpStream::connect(site.address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let is_whole = bytes.windows(4).any(|end| end == b"\r\n\r\n") && !bytes.ends_with(b"user");
    let reading = async {
        if is_whole {
            let _ = stream.read(&mut [0; 1]).await; // a reset is an answer too
        }
        let _ = stream.shutdown().await; // ends a connection kept alive, and what is cut short
        let _ = stream.read_to_end(&mut Vec::new()).await;
    };
    timeout(DEADLINE, reading).await.unwrap_or_else(|_| panic!("no answer to {}", String::from_utf8_lossy(bytes)));
}

fn ends_in_escape(text: &str) -> bool {
    text.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

/// Undoes Apache's escaping.
fn unescaped(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        out.push(match bytes.next().unwrap() {
            b'b' => 8,
            b't' => b'\t',
            b'n' => b'\n',
            b'v' => 0x0b,
            b'r' => b'\r',
            b'x' => {
                let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                u8::from_str_radix(str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            other => other,
        });
    }
    out
}
