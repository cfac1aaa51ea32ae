//! One line of the access log, as bytes.
//!
//! Pure logic: the caller passes the time and does the writing.
//!
//! | format | what it is |
//! |---|---|
//! | `json` | the tutorial's ten keys in their order, every value a string, one blank inside the braces. Always legal JSON: bytes that are not UTF-8 become U+FFFD and control characters `\u00NN` |
//! | `apache` | the same keys as Apache writes them, byte for byte: `\xHH` for bytes outside of ASCII, paths resolved. Not always legal JSON |
//! | `common`, `combined` | the NCSA formats, escaped as Apache does |
//!
//! An absent header is `-`, an empty one `""`, everywhere.

use std::{borrow::Cow, net::IpAddr, time::Duration};

use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde::Deserialize;

use super::apache::{append_escaped, logged_path};

/// The keys in the order they are written; `sql/access_log.sql` declares the same columns.
#[cfg(test)]
pub(crate) const KEYS: [&str; 10] = [
    "request_time",
    "client_ip",
    "client_hostname",
    "server_ip",
    "request",
    "http_method",
    "status",
    "size",
    "userAgent",
    "referer",
];

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// Legal JSON.
    #[default]
    Json,
    /// The same line as Apache writes it with the tutorial's `LogFormat`.
    Apache,
    /// `%h %l %u %t "%r" %>s %b`
    Common,
    /// The same and `"%{Referer}i" "%{User-agent}i"`.
    Combined,
}

/// A key after the ten; readers of the tutorial's line ignore it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ExtraKey {
    /// From the request's arrival to the end of its response, in microseconds.
    DurationUs,
    /// The request's id, which its answer carries as `x-request-id`.
    RequestId,
    /// The name of the server that answered.
    Node,
}

/// What one finished request looked like.
pub(super) struct Line<'a> {
    /// When the request was received, although the line is written when the response is finished.
    pub(super) received: Timestamp,
    /// The client; an IPv4 client of a dual-stack socket as plain IPv4.
    pub(super) client_ip: IpAddr,
    /// The `Host` header as sent. Not the client's name: Apache's `%V`, which the tutorial calls `client_hostname`.
    pub(super) host: Option<&'a [u8]>,
    /// The local address of the connection.
    pub(super) server_ip: IpAddr,
    /// The path as sent, without query. Empty when there was no usable request line.
    pub(super) path: &'a str,
    /// What was asked for as sent, with its query. Empty when there was no usable request line.
    pub(super) target: &'a str,
    /// Any token, case kept. Empty when there was no usable request line.
    pub(super) method: &'a str,
    /// As in the request line: `HTTP/1.1`.
    pub(super) version: &'a str,
    /// The final status.
    pub(super) status: u16,
    /// Bytes of body handed to the network.
    pub(super) size: u64,
    pub(super) user_agent: Option<&'a [u8]>,
    pub(super) referer: Option<&'a [u8]>,
    pub(super) duration: Duration,
    pub(super) request_id: &'a str,
    pub(super) node: &'a str,
}

impl Line<'_> {
    /// Appends the line and its newline. The extra keys belong to the two formats that have keys.
    pub(super) fn append_to(&self, out: &mut Vec<u8>, format: Format, extra: &[ExtraKey]) {
        match format {
            Format::Json => self.append_object(out, append_json, extra, &self.json_path()),
            Format::Apache => self.append_object(out, append_quoted, extra, &logged_path(self.path)),
            Format::Common => self.append_common(out),
            Format::Combined => {
                self.append_common(out);
                for header in [self.referer, self.user_agent] {
                    out.push(b' ');
                    append_quoted(out, header.unwrap_or(b"-"));
                }
            }
        }
        out.push(b'\n');
    }

    fn append_object(&self, out: &mut Vec<u8>, append_value: fn(&mut Vec<u8>, &[u8]), extra: &[ExtraKey], path: &[u8]) {
        let mut append = |key: &str, value: &[u8]| {
            out.extend_from_slice(if key == "request_time" { b"{ \"" } else { b", \"" });
            out.extend_from_slice(key.as_bytes());
            out.extend_from_slice(b"\":");
            append_value(out, value);
        };
        append("request_time", self.time().as_bytes());
        append("client_ip", self.client_ip.to_canonical().to_string().as_bytes());
        append("client_hostname", self.host.map_or(Cow::Borrowed("-"), host_name).as_bytes());
        append("server_ip", self.server_ip.to_canonical().to_string().as_bytes());
        append("request", or_dash(path));
        append("http_method", or_dash(self.method.as_bytes()));
        append("status", self.status.to_string().as_bytes());
        append("size", self.size.to_string().as_bytes());
        append("userAgent", self.user_agent.unwrap_or(b"-"));
        append("referer", self.referer.unwrap_or(b"-"));
        for key in extra {
            match key {
                ExtraKey::DurationUs => append("duration_us", self.duration.as_micros().to_string().as_bytes()),
                ExtraKey::RequestId => append("request_id", self.request_id.as_bytes()),
                ExtraKey::Node => append("node", self.node.as_bytes()),
            }
        }
        out.extend_from_slice(b" }");
    }

    fn append_common(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.client_ip.to_canonical().to_string().as_bytes());
        out.extend_from_slice(b" - - ");
        out.extend_from_slice(self.time().as_bytes());
        out.push(b' ');
        let request =
            if self.method.is_empty() { "-".to_owned() } else { format!("{} {} {}", self.method, self.target, self.version) };
        append_quoted(out, request.as_bytes());
        let size = if self.size == 0 { "-".to_owned() } else { self.size.to_string() };
        out.extend_from_slice(format!(" {} {size}", self.status).as_bytes());
    }

    /// Apache's `%t`, always in UTC.
    fn time(&self) -> String {
        self.received.strftime("[%d/%b/%Y:%H:%M:%S +0000]").to_string()
    }

    /// Decoded once, and otherwise as sent: slashes and dots say what a client tried.
    fn json_path(&self) -> Vec<u8> {
        percent_decode_str(self.path).collect()
    }
}

/// A JSON string; what is not UTF-8 becomes U+FFFD.
fn append_json(out: &mut Vec<u8>, value: &[u8]) {
    serde_json::to_writer(out, &String::from_utf8_lossy(value)).expect("a string is always JSON, and memory takes every write");
}

/// A string as Apache writes it.
fn append_quoted(out: &mut Vec<u8>, value: &[u8]) {
    out.push(b'"');
    append_escaped(out, value);
    out.push(b'"');
}

fn or_dash(text: &[u8]) -> &[u8] {
    if text.is_empty() { b"-" } else { text }
}

/// The name the client asked for: lower case, without port, final dot and IPv6 brackets, as Apache's `%V`.
fn host_name(host: &[u8]) -> Cow<'_, str> {
    let host = String::from_utf8_lossy(host);
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _port)) => address,
        None => host.split(':').next().unwrap_or_default(),
    };
    let name = name.trim_end_matches('.').to_lowercase();
    if name.is_empty() { "-".into() } else { name.into() }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn sample() -> Line<'static> {
        Line {
            received: "2026-11-21T02:08:50.999Z".parse().unwrap(),
            client_ip: "127.0.0.2".parse().unwrap(),
            host: Some(b"localhost:8080"),
            server_ip: "127.0.0.1".parse().unwrap(),
            path: "/web-demo/index.php",
            target: "/web-demo/index.php?x=1",
            method: "GET",
            version: "HTTP/1.1",
            status: 200,
            size: 1169,
            user_agent: Some(b"curl/8"),
            referer: None,
            duration: Duration::from_micros(1500),
            request_id: "abc",
            node: "left",
        }
    }

    fn written(line: &Line<'_>) -> String {
        let mut out = Vec::new();
        line.append_to(&mut out, Format::Json, &[]);
        String::from_utf8(out).unwrap()
    }

    fn written_as(line: &Line<'_>, format: Format, extra: &[ExtraKey]) -> String {
        let mut out = Vec::new();
        line.append_to(&mut out, format, extra);
        String::from_utf8(out).unwrap()
    }

    fn value(line: &Line<'_>, key: &str) -> String {
        let object: Value = serde_json::from_str(&written(line)).unwrap();
        object[key].as_str().unwrap().to_owned()
    }

    #[test]
    fn the_line_is_the_tutorials_to_the_byte() {
        let expected = concat!(
            r#"{ "request_time":"[21/Nov/2026:02:08:50 +0000]", "client_ip":"127.0.0.2", "client_hostname":"localhost", "#,
            r#""server_ip":"127.0.0.1", "request":"/web-demo/index.php", "http_method":"GET", "status":"200", "#,
            r#""size":"1169", "userAgent":"curl/8", "referer":"-" }"#,
            "\n"
        );
        assert_eq!(written(&sample()), expected);
    }

    #[test]
    fn the_stream_in_sql_declares_the_keys_of_the_line_in_their_order() {
        let declared: Vec<&str> = include_str!("../../../sql/access_log.sql")
            .lines()
            .filter_map(|line| line.trim().strip_prefix('"')?.split_once("\" ").map(|(name, _type)| name))
            .collect();
        let object: serde_json::Map<String, Value> = serde_json::from_str(&written(&sample())).unwrap();
        let written: Vec<&str> = object.keys().map(String::as_str).collect();
        assert_eq!(declared, KEYS);
        assert_eq!(written, KEYS);
    }

    #[test]
    fn quotes_and_control_characters_cannot_forge_a_second_line() {
        let line = Line { user_agent: Some(b"x\", \"status\":\"500\"\n{\x01\x0b\x7f\\"), ..sample() };
        assert_eq!(written(&line).matches('\n').count(), 1);
        assert_eq!(value(&line, "userAgent"), "x\", \"status\":\"500\"\n{\u{1}\u{b}\u{7f}\\");
        assert_eq!(value(&line, "status"), "200");
    }

    #[test]
    fn bytes_that_are_not_text_become_the_replacement_character() {
        let line = Line { referer: Some(b"caf\xe9"), path: "/caf%C3%A9/%FF", ..sample() };
        assert_eq!(value(&line, "referer"), "caf\u{fffd}");
        assert_eq!(value(&line, "request"), "/café/\u{fffd}");
    }

    #[test]
    fn the_path_is_decoded_once() {
        assert_eq!(value(&Line { path: "/a%2522%0A", ..sample() }, "request"), "/a%22\n");
    }

    #[test]
    fn an_absent_header_is_a_dash_and_an_empty_one_is_empty() {
        let line = Line { host: None, user_agent: None, referer: Some(b""), ..sample() };
        assert_eq!(value(&line, "client_hostname"), "-");
        assert_eq!(value(&line, "userAgent"), "-");
        assert_eq!(value(&line, "referer"), "");
    }

    #[test]
    fn the_host_name_has_no_port_brackets_or_capitals() {
        assert_eq!(host_name(b"Photos.Example.test.:8080"), "photos.example.test");
        assert_eq!(host_name(b"[::1]:8080"), "::1");
        assert_eq!(host_name(b":80"), "-");
    }

    #[test]
    fn an_ipv4_client_of_a_dual_stack_socket_is_plain_ipv4() {
        assert_eq!(value(&Line { client_ip: "::ffff:10.0.0.7".parse().unwrap(), ..sample() }, "client_ip"), "10.0.0.7");
        assert_eq!(value(&Line { client_ip: "2001:db8::7".parse().unwrap(), ..sample() }, "client_ip"), "2001:db8::7");
    }

    #[test]
    fn common_and_combined_are_apaches() {
        let line = Line { referer: Some(b"a\"b"), user_agent: Some(b"caf\xe9"), size: 0, ..sample() };
        let common = r#"127.0.0.2 - - [21/Nov/2026:02:08:50 +0000] "GET /web-demo/index.php?x=1 HTTP/1.1" 200 -"#;
        assert_eq!(written_as(&line, Format::Common, &[]), format!("{common}\n"));
        assert_eq!(written_as(&line, Format::Combined, &[ExtraKey::Node]), format!("{common} \"a\\\"b\" \"caf\\xe9\"\n"));
        let refused = Line { method: "", status: 400, ..line };
        assert!(written_as(&refused, Format::Common, &[]).ends_with("\"-\" 400 -\n"));
    }

    #[test]
    fn extra_keys_come_after_the_ten_in_the_order_asked_for() {
        let extra = [ExtraKey::Node, ExtraKey::DurationUs, ExtraKey::RequestId];
        for format in [Format::Json, Format::Apache] {
            let line = written_as(&sample(), format, &extra);
            let expected = r#""referer":"-", "node":"left", "duration_us":"1500", "request_id":"abc" }"#;
            assert_eq!(line.trim_end().split_once(r#""referer""#).unwrap().1, &expected[9..]);
        }
    }

    #[test]
    fn the_apache_format_keeps_bytes_that_are_not_text() {
        let line = Line { user_agent: Some(b"caf\xe9\x0b"), path: "/a//b%C3%A9", ..sample() };
        let text = written_as(&line, Format::Apache, &[]);
        assert!(text.contains(r#""userAgent":"caf\xe9\v""#), "{text}");
        assert!(text.contains(r#""request":"/a/b\xc3\xa9""#), "{text}");
    }
}
