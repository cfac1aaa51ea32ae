//! `agent cost` on a real log.

use std::collections::BTreeMap;

use serde_json::Value;

use super::World;

#[test]
fn packing_a_real_log_saves_what_the_table_says() {
    let log = tests::data::access_log_lines().unwrap().join(&b'\n');
    let world = World::new(&[&log[..], b"\n"].concat(), "");
    let said = world.json("cost", &["--lines-per-second", "5000"]).remove(0);
    assert_eq!(said["lines"], 41_294);
    let ways: BTreeMap<&str, &Value> =
        said["ways"].as_array().unwrap().iter().map(|way| (way["way"].as_str().unwrap(), way)).collect();
    let number = |way: &str, key: &str| ways[way][key].as_u64().unwrap();
    let lines: usize = log.len() + 1;
    assert_eq!(number("one line a record", "records"), 41_294);
    assert_eq!(number("one line a record", "put_payload_units"), 41_294);
    assert!(number("one line a record", "bytes") > lines as u64, "keys count");
    assert_eq!(number("one line a record", "shards"), 5);
    assert!(number("one line a record", "firehose_bytes") == 41_294 * 5120);
    assert!(number("aggregation KPL", "put_payload_units") * 20 < 41_294);
    assert!(number("aggregation KPL", "bytes") < lines as u64 * 11 / 10);
    for way in ["compression gzip", "compression zstd"] {
        assert!(number(way, "bytes") * 5 < lines as u64, "{way}");
    }
    assert!(number("joined (Firehose)", "firehose_bytes") < lines as u64 * 11 / 10);
}

#[test]
fn the_table_names_the_pace_and_where_it_is_from() {
    let world = World::new(b"[01/Jan/2026:00:00:00 +0000] a\n[01/Jan/2026:00:00:30 +0000] b\n", "");
    let said = String::from_utf8(world.run("cost", &[]).stdout).unwrap();
    assert!(said.contains("2 lines through flow kinesis:s:") && said.contains("at 0.0 lines/s (the busiest minute"), "{said}");
    let wrong = world.run("cost", &["--lines-per-second", "0"]);
    assert_eq!(wrong.status.code(), Some(2));
}
