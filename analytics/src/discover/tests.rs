//! What is discovered, and that it runs.

use clap::Parser;

use super::*;
use crate::chunk::ShardId;
use crate::cli::{Arguments, Command};
use crate::lines::Lines;
use crate::program;
use crate::settings::Settings;

fn chunk(text: &str) -> Chunk {
    Chunk::new(
        ShardId(0),
        Payload::Lines { lines: Lines::new(text.to_owned()), file: "f".into(), first_line: 1, arrivals_ms: vec![] },
    )
}

fn discovered(text: &str) -> String {
    schema(vec![chunk(text)], "f", None).unwrap()
}

/// The columns alone, blanks as one.
fn columns(text: &str) -> Vec<String> {
    let ddl = discovered(text);
    let columns = ddl.lines().filter(|line| line.starts_with("    \""));
    columns.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ").trim_end_matches(',').to_owned()).collect()
}

#[test]
fn the_fields_of_all_lines_are_columns_in_the_order_they_appear() {
    let log = "{\"ip\":\"::1\",\"status\":\"200\",\"ok\":true}\n{\"ip\":\"10.0.0.1\",\"ms\":1.5}\nrubbish\n{\"at\":\"2026-11-21T02:08:50Z\"}\n";
    let expected =
        ["\"ip\" VARCHAR(8)", "\"status\" INTEGER", "\"ok\" BOOLEAN", "\"ms\" DOUBLE", "\"COL_at\" TIMESTAMP PATH '$.at'"];
    assert_eq!(columns(log), expected);
    assert!(
        discovered(log).starts_with("-- Columns of f, inferred from 3 lines of JSON.\n-- 1 lines more could not be read so.\n")
    );
}

#[test]
fn what_cannot_be_a_name_gets_one_and_keeps_its_path() {
    let log = r#"{"USER":"a","a":{"id":1,"x y'":2},"b":{"id":{"c":3}},"list":[1,2],"@@":null}"#;
    let expected = [
        "\"COL_USER\" VARCHAR(4) PATH '$.USER'",
        "\"id\" INTEGER PATH '$.a.id'",
        "\"COL_xy\" INTEGER PATH '$.a.\"x y''\"'",
        "\"b_id\" VARCHAR(8) PATH '$.b.id'",
        "\"list\" VARCHAR(8)",
        "\"COL_0\" VARCHAR(256) PATH '$.@@' -- no value in the sample",
    ];
    assert_eq!(columns(log), expected);
}

#[test]
fn lines_that_are_not_json_are_told_by_their_looks() {
    assert_eq!(columns("id,name\n1,AK\n2,\n"), ["\"COL_0\" VARCHAR(4)", "\"COL_1\" VARCHAR(4)"]);
    assert_eq!(columns("1,AK\n2,\n"), ["\"COL_0\" INTEGER", "\"COL_1\" VARCHAR(4)"]);
    let common = "127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] \"GET /a.gif HTTP/1.0\" 200 2326\n";
    assert_eq!(columns(common).len(), 9);
    assert_eq!(columns(&common.replace("2326", "2326 \"-\" \"curl\"")).len(), 11);
    assert!(columns(common).contains(&"\"status\" INTEGER".to_owned()));
}

#[test]
fn a_source_without_anything_to_learn_from_is_told() {
    let error = schema(vec![chunk("\n\n")], "f", None).unwrap_err().to_string();
    assert!(error.starts_with("f gave no lines"), "{error}");
    let error = schema(vec![chunk("a\nb\n")], "f", Some(InputFormat::Json)).unwrap_err().to_string();
    assert_eq!(error, "no line of f could be read as JSON; say with --input-format how they are written");
    let many: String = (0..=MAX_COLUMNS).map(|key| format!("{{\"k{key}\":1}}\n")).collect();
    assert!(schema(vec![chunk(&many)], "f", None).unwrap_err().to_string().contains("more than 1000 different fields"));
}

#[test]
fn the_name_of_the_source_ends_no_comment() {
    let ddl = schema(vec![chunk("{\"a\":1}")], "x\nDROP", None).unwrap();
    assert_eq!(program::schema_columns(&ddl).unwrap().len(), 1);
}

/// The log of a real Apache, its nasty lines too: read whole, with the types that AWS's "Discover schema" finds.
#[test]
fn the_real_log_is_discovered() {
    let path = ::tests::data::apache_json("nasty.log");
    let log = String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
    let expected = program::schema_columns(program::LOG_SCHEMA).unwrap();
    let found = program::schema_columns(&discovered(&log)).unwrap();
    let names =
        |columns: &[crate::sql::ColumnDefinition]| columns.iter().map(|column| column.name.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&found), names(&expected));
    let log = ::tests::data::access_log_lines().unwrap();
    let log: Vec<String> = log.iter().map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    let types: Vec<String> = columns(&log.join("\n"))
        .iter()
        .map(|column| column.split(' ').nth(1).unwrap().trim_end_matches(',').to_owned())
        .collect();
    assert_eq!((types[0].as_str(), types[6].as_str(), types[7].as_str()), ("VARCHAR(32)", "INTEGER", "INTEGER"));
    assert!(types.iter().all(|sql_type| sql_type.starts_with("VARCHAR(") || sql_type == "INTEGER"), "{types:?}");
}

/// Every value of a sample comes out of a program that selects all columns, as the sample has it.
#[tokio::test]
async fn what_is_discovered_runs() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).display().to_string();
    let log = "{\"USER\":\"ann\",\"a\":{\"id\":7,\"it's\":true},\"n\":\"12345678901\",\"x\":0.25,\"at\":\"2026-11-21T02:08:50Z\"}\n\
               {\"USER\":\"bob\",\"a\":{\"id\":-1},\"n\":5,\"x\":1,\"at\":\"2026-11-22\"}\n";
    std::fs::write(place("in.jsonl"), log).unwrap();
    let arguments = Arguments::try_parse_from(["analytics", "discover", &place("in.jsonl")]).unwrap();
    let Some(Command::Discover(arguments)) = arguments.command else { panic!("another command") };
    let ddl = tokio::task::spawn_blocking(move || discover(&arguments)).await.unwrap();
    let Ok(ddl) = ddl else { panic!("refused") };
    std::fs::write(place("schema.sql"), &ddl).unwrap();
    let program = "CREATE STREAM d (u VARCHAR(9), i INTEGER, b BOOLEAN, n BIGINT, x DOUBLE, t TIMESTAMP);
        CREATE PUMP p AS INSERT INTO d SELECT STREAM \"COL_USER\", \"id\", \"COL_its\", \"n\", \"x\", \"COL_at\" FROM source_sql_stream_001;";
    std::fs::write(place("p.sql"), program).unwrap();
    let (program, schema, input, out) = (place("p.sql"), place("schema.sql"), place("in.jsonl"), place("out"));
    let flags = ["analytics", "run", &program, "--schema", &schema, "--input", &input, "--output", &out];
    let flags = flags.into_iter().chain(["--rowtime", "clock", "--format", "csv"]);
    let Some(Command::Run(run)) = Arguments::try_parse_from(flags).unwrap().command else { panic!("another command") };
    let Ok(settings) = Settings::running(*run) else { panic!("the schema does not run:\n{ddl}") };
    crate::pipeline::run(settings, tokio_util::sync::CancellationToken::new()).await.unwrap();
    let csv = std::fs::read_to_string(folder.path().join("out/D.csv")).unwrap();
    let rows: Vec<&str> = csv.lines().skip(1).map(|row| row.split_once(',').unwrap().1).collect();
    assert_eq!(rows, ["ann,7,true,12345678901,0.25,2026-11-21T02:08:50Z", "bob,-1,,5,1.0,2026-11-22T00:00:00Z"], "{csv}");
}
