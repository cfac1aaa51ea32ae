//! `agent parse`.

use std::{
    io::Read as _,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::json;

use super::{World, run};

#[test]
fn it_prints_what_would_be_sent_byte_for_byte() {
    let world = World::new(b"one\r\ntwo \xff\nlast", "");
    let output = world.run("parse", &[]);
    assert_eq!(output.stdout, b"one\r\ntwo \xff\nlast");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("3 records of 3 lines, 15 bytes; 0 dropped, 0 dead letters"), "{said}");
    assert!(said.contains("the last line has no end yet"), "{said}");
}

#[test]
fn json_says_what_becomes_of_each_line_and_why() {
    let more = r#", "partitionKey": {"field": "client_ip"}, "privacy": {"maskAddresses": 1, "onPrivacyError": "deadletter"}"#;
    let world = World::new(b"{\"client_ip\":\"1.2.3.4\"}\nsecret\n", more);
    let said = world.json("parse", &[]);
    assert_eq!(
        said,
        [
            json!({"outcome": "sent", "offset": 0, "end": 24, "lines": 1, "size": 31, "partition_key": "1.2.3.0",
                   "data": "{\"client_ip\":\"1.2.3.0\"}\n"}),
            json!({"outcome": "deadletter", "offset": 24, "end": 31, "reason": "not a line that privacy can be applied to"}),
        ]
    );
}

#[test]
fn records_of_several_lines_headers_and_packing_are_shown_as_they_are_sent() {
    let more = r#", "skipHeaderLines": 1, "multiLineStartPattern": "[A-Z]", "compression": "gzip""#;
    let world = World::new(b"header\nA\n a\nB\n b\n", more);
    let output = world.run("parse", &[]);
    let mut text = String::new();
    flate2::read::GzDecoder::new(&output.stdout[..]).read_to_string(&mut text).unwrap();
    assert_eq!(text, "A\n a\nB\n b\n");
    let said = world.json("parse", &[]);
    assert_eq!((said[0]["lines"].as_u64(), said[0]["offset"].as_u64(), said[0]["end"].as_u64()), (Some(2), Some(7), Some(17)));
}

#[test]
fn a_reader_that_has_enough_is_no_error() {
    let world = World::new(&b"a line that is sent\n".repeat(100_000), "");
    let mut child = Command::new(env!("CARGO_BIN_EXE_agent"))
        .args([Path::new("parse"), &world.log()])
        .arg("-c")
        .arg(world.folder.path().join("agent.json"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdout.take().unwrap().read_exact(&mut [0; 10]).unwrap(); // and closed
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty());
}

#[test]
fn mistakes_are_said_with_what_to_do() {
    let world = World::new(b"", "");
    let no_flow = world.run("parse", &["--flow", "kinesis:x:/y"]);
    assert_eq!(no_flow.status.code(), Some(2));
    let said = String::from_utf8(no_flow.stderr).unwrap();
    assert!(said.contains("there is no flow kinesis:x:/y; the flows are kinesis:s:"), "{said}");
    let no_file = run(&[Path::new("parse"), Path::new("/no/such/file")]);
    assert_eq!(no_file.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&no_file.stderr).contains("cannot open /no/such/file"));
}
