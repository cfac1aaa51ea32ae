//! What is sent of whole lines.

use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn masking() -> Privacy {
    Privacy { mask: Some(MaskLevel::Default), address_fields: texts(&["client_ip"]), ..Privacy::default() }
}

fn seen(privacy: &Privacy, line: &str) -> String {
    String::from_utf8(privacy.at(0).apply(line.as_bytes()).unwrap().line.into_owned()).unwrap()
}

const COMBINED: &str =
    "1.2.3.4 - frank [27/Oct/2000:09:27:09 -0400] \"GET /a?t=1 HTTP/1.0\" 200 5 \"http://h/?u=2\" \"M \\\"x\\\" 9.9.9.9\"\n";

#[test]
fn an_address_is_masked_and_the_rest_stays_byte_for_byte() {
    let line = "{ \"a\": \"caf\\xc3\\xa9\", \"client_ip\" : \"1.2.3.4\",\"n\":{\"client_ip\":[\"::1\",7,null]} }\r\n";
    let expected = "{ \"a\": \"caf\\xc3\\xa9\", \"client_ip\" : \"1.2.3.0\",\"n\":{\"client_ip\":[\"::\",\"-\",null]} }\r\n";
    assert_eq!(seen(&masking(), line), expected);
}

#[test]
fn a_field_is_found_however_its_name_is_written_and_each_time_it_is_there() {
    let line = r#"{"client\u005fip":"1.2.3.4","client_ip":"1.2.3.4","\x63lient_ip":"1.2.3.4"}"#;
    assert!(!seen(&masking(), line).contains("1.2.3.4"));
}

#[test]
fn dropped_fields_are_gone_and_the_line_is_still_json() {
    let privacy = Privacy { drop_fields: texts(&["a", "c"]), ..Privacy::default() };
    for (line, expected) in [
        (r#"{"a":1,"b":2,"c":3}"#, r#"{"b":2}"#),
        (r#"{ "b" : 2 , "a" : "," }"#, r#"{ "b" : 2 }"#),
        (r#"{"a":1,"c":2}"#, "{}"),
        (r#"{"x":{"a":1,"b":[{"c":1,"d":2}]}}"#, r#"{"x":{"b":[{"d":2}]}}"#),
    ] {
        assert_eq!(seen(&privacy, line), expected);
    }
}

#[test]
fn only_the_fields_that_are_kept_are_sent() {
    let privacy = Privacy { keep_fields: Some(texts(&["b", "host", "response"])), ..Privacy::default() };
    assert_eq!(seen(&privacy, r#"{"a":1,"b":{"a":2},"c":3}"#), r#"{"b":{"a":2}}"#);
    assert_eq!(seen(&privacy, COMBINED), "1.2.3.4 - - [-] \"-\" 200 - \"-\" \"-\"\n");
}

#[test]
fn equal_values_have_equal_hashes_and_what_is_not_there_has_none() {
    let hash = Some(HashKey::new(b"a key of some length", None));
    let privacy = Privacy { hash, hash_fields: texts(&["client_ip"]), ..Privacy::default() };
    let hashed = |value: &str| {
        let line: Value = serde_json::from_str(&seen(&privacy, &format!("{{\"client_ip\":\"{value}\"}}"))).unwrap();
        line["client_ip"].as_str().unwrap().to_owned()
    };
    assert_eq!(hashed("2001:db8::1"), hashed("2001:0DB8:0:0::1"));
    assert_ne!(hashed("1.2.3.4"), hashed("1.2.3.5"));
    assert_eq!((hashed("-"), hashed("")), ("-".to_owned(), String::new()));
    assert!(seen(&privacy, COMBINED).starts_with(&format!("{} - frank", hashed("1.2.3.4"))));
}

#[test]
fn text_lines_are_masked_scrubbed_and_keep_their_places() {
    let privacy = Privacy { query: Some(Query::All), drop_fields: texts(&["authuser", "userAgent"]), ..masking() };
    let expected = "1.2.3.0 - - [27/Oct/2000:09:27:09 -0400] \"GET /a HTTP/1.0\" 200 5 \"http://h/\" \"-\"\n";
    assert_eq!(seen(&privacy, COMBINED), expected);
    let common = "::1 - - [27/Oct/2000:09:27:09 -0400] \"GET /a?b HTTP/1.0\" 200 - 1.2.3.4 \"x?y=z\"\r\n";
    let expected = ":: - - [27/Oct/2000:09:27:09 -0400] \"GET /a HTTP/1.0\" 200 - 1.2.3.0 \"x\"\r\n";
    assert_eq!(seen(&privacy, common), expected, "what follows the known fields too");
}

#[test]
fn queries_of_json_fields_are_scrubbed() {
    let privacy = Privacy { query: Some(Query::Named(texts(&["t"]))), query_fields: texts(&["request"]), ..Privacy::default() };
    assert_eq!(seen(&privacy, r#"{"request":"/a?t=1&u=2","x":"/a?t=1"}"#), r#"{"request":"/a?t=-&u=2","x":"/a?t=1"}"#);
}

#[test]
fn an_object_without_any_of_the_named_fields_is_told() {
    let is_unnamed = |line: &str| masking().at(0).apply(line.as_bytes()).unwrap().is_unnamed;
    assert!(is_unnamed(r#"{"clientip":"1.2.3.4"}"#));
    assert!(!is_unnamed(r#"{"x":{"client_ip":"-"}}"#) && !is_unnamed(COMBINED) && !is_unnamed("\n"));
}

#[test]
fn what_cannot_be_read_is_an_error_and_nothing_of_it_is_used() {
    for line in [
        "1.2.3.4 said hello\n",
        "{\"client_ip\":\"1.2.3.4\"\n",
        "{\"client_ip\":\"1.2.3.4\"} 1.2.3.4\n",
        "[{\"client_ip\":\"1.2.3.4\"}]\n",
        "x\t{\"client_ip\":\"1.2.3.4\"}\n",
    ] {
        assert_eq!(masking().at(0).apply(line.as_bytes()), Err(Unreadable), "{line}");
    }
    assert_eq!(seen(&masking(), "\r\n"), "\r\n", "nothing is in it");
}

proptest! {
    #[test]
    fn no_line_that_is_sent_holds_the_address(before in ".{0,20}", key in "[a-z_]{1,5}", after in ".{0,20}") {
        let value = serde_json::json!({key.as_str(): before, "client_ip": "203.0.113.77", "z": {"client_ip": "203.0.113.77", "y": after}});
        let seen = seen(&masking(), &value.to_string());
        prop_assert!(!seen.contains("203.0.113.77"));
        prop_assert_eq!(&serde_json::from_str::<Value>(&seen).unwrap()["z"]["y"], &value["z"]["y"]);
    }

    #[test]
    fn no_bytes_make_it_panic(line in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'"'), Just(b'{'), Just(b' ')], 0..80)) {
        let privacy = Privacy { query: Some(Query::All), drop_fields: texts(&["a"]), ..masking() };
        let _ = privacy.at(0).apply(&line);
        let _ = privacy.at(0).apply(&[b"{\"client_ip\":", &line[..], b"}"].concat());
        let _ = privacy.at(0).apply(&[b"1.2.3.4 - - [1/1:1] \"", &line[..], b"\" 200 1 x"].concat());
    }
}
