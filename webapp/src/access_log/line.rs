//! One line of the access log, as bytes.
//!
//! Pure logic: the caller passes the time and does the writing.
//!
//! Format: the tutorial's Apache `LogFormat`: ten keys, in this order, one blank inside the braces, every value a
//! string. Unlike Apache's, the line is always legal JSON: bytes that are not UTF-8 become U+FFFD and control
//! characters `\u00NN`. An absent header is `-`, an empty one `""`.

use std::{borrow::Cow, net::IpAddr};

use jiff::Timestamp;
use percent_encoding::percent_decode_str;

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

/// What one finished request looked like.
pub(super) struct Line<'a> {
    /// When the request was received, although the line is written when the response is finished.
    pub(super) received: Timestamp,
    /// The peer; an IPv4 client of a dual-stack socket as plain IPv4.
    pub(super) client_ip: IpAddr,
    /// The `Host` header as sent. Not the client's name: Apache's `%V`, which the tutorial calls `client_hostname`.
    pub(super) host: Option<&'a [u8]>,
    /// The local address of the connection.
    pub(super) server_ip: IpAddr,
    /// The path as sent, without query. Empty when there was no usable request line.
    pub(super) path: &'a str,
    /// Any token, case kept. Empty when there was no usable request line.
    pub(super) method: &'a str,
    /// The final status.
    pub(super) status: u16,
    /// Bytes of body handed to the network.
    pub(super) size: u64,
    pub(super) user_agent: Option<&'a [u8]>,
    pub(super) referer: Option<&'a [u8]>,
}

impl Line<'_> {
    /// Appends the line and its newline.
    pub(super) fn append_to(&self, out: &mut Vec<u8>) {
        let time = self.received.strftime("[%d/%b/%Y:%H:%M:%S +0000]").to_string();
        out.extend_from_slice(b"{ ");
        append_pair(out, "request_time", &time);
        append_next(out, "client_ip", &self.client_ip.to_canonical().to_string());
        append_next(out, "client_hostname", &self.host.map_or(Cow::Borrowed("-"), host_name));
        append_next(out, "server_ip", &self.server_ip.to_canonical().to_string());
        append_next(out, "request", &or_dash(percent_decode_str(self.path).decode_utf8_lossy()));
        append_next(out, "http_method", &or_dash(self.method.into()));
        append_next(out, "status", &self.status.to_string());
        append_next(out, "size", &self.size.to_string());
        append_next(out, "userAgent", &self.user_agent.map_or("-".into(), String::from_utf8_lossy));
        append_next(out, "referer", &self.referer.map_or("-".into(), String::from_utf8_lossy));
        out.extend_from_slice(b" }\n");
    }
}

fn append_next(out: &mut Vec<u8>, key: &str, value: &str) {
    out.extend_from_slice(b", ");
    append_pair(out, key, value);
}

fn append_pair(out: &mut Vec<u8>, key: &str, value: &str) {
    out.push(b'"');
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b"\":");
    serde_json::to_writer(out, value).expect("a string is always JSON, and memory takes every write");
}

fn or_dash(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.is_empty() { "-".into() } else { text }
}

/// The name the client asked for: lower case, without port, final dot and IPv6 brackets, as Apache's `%V`.
fn host_name(host: &[u8]) -> Cow<'_, str> {
    let host = String::from_utf8_lossy(host);
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _port)) => address,
        None => host.split(':').next().unwrap_or_default(),
    };
    or_dash(name.trim_end_matches('.').to_lowercase().into())
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
            method: "GET",
            status: 200,
            size: 1169,
            user_agent: Some(b"curl/8"),
            referer: None,
        }
    }

    fn written(line: &Line<'_>) -> String {
        let mut out = Vec::new();
        line.append_to(&mut out);
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
}
