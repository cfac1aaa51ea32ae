//! Programs as a whole: what is accepted, and what is said of the others.

use super::*;

fn fault(source: &str) -> String {
    let columns = schema_columns(LOG_SCHEMA).unwrap();
    match load(source, columns) {
        Ok(_) => panic!("accepted"),
        Err(errors) => errors
            .into_iter()
            .map(|error| format!("{}:{}: {}", error.place.line, error.place.column, error.message))
            .collect::<Vec<_>>()
            .join("\n"),
    }
}

/// A pump that reads the log and writes into a stream of one column.
fn pump(query: &str) -> String {
    format!("CREATE STREAM d (a VARCHAR(9));\nCREATE PUMP p AS INSERT INTO d\n{query}")
}

#[test]
fn the_fields_are_those_of_the_log_schema() {
    let columns: Vec<String> = schema_columns(LOG_SCHEMA).unwrap().into_iter().map(|column| column.name.name).collect();
    assert_eq!(columns, LOG_COLUMNS);
}

#[test]
fn faults_have_their_place() {
    for (query, expected) in [
        ("SELECT status FROM \"SOURCE_SQL_STREAM_001\"", "3:8: there is no column STATUS"),
        ("SELECT \"status\" FROM elsewhere", "3:22: there is no stream ELSEWHERE"),
        ("SELECT t.\"status\" FROM \"SOURCE_SQL_STREAM_001\" s", "3:8: there is no stream T in FROM"),
        ("SELECT FOO(\"status\") FROM \"SOURCE_SQL_STREAM_001\"", "3:8: there is no function FOO"),
        ("SELECT \"status\", \"size\" FROM \"SOURCE_SQL_STREAM_001\"", "2:30: \"D\" takes 1 columns here, and the query has 2"),
        (
            "SELECT \"status\" FROM \"SOURCE_SQL_STREAM_001\" GROUP BY \"status\"",
            "3:55: this query can never emit a row: GROUP BY has no key that moves with ROWTIME",
        ),
        (
            "SELECT \"size\" FROM \"SOURCE_SQL_STREAM_001\" s GROUP BY \"status\", FLOOR(s.ROWTIME TO MINUTE)",
            "3:8: size is neither in GROUP BY nor inside of an aggregate",
        ),
        ("SELECT \"status\" FROM \"SOURCE_SQL_STREAM_001\" WHERE COUNT(*) > 1", "3:52: the aggregate COUNT cannot stand here"),
        (
            "SELECT \"status\" FROM \"SOURCE_SQL_STREAM_001\" ORDER BY \"status\"",
            "3:55: ORDER BY of a stream begins with a time that moves with ROWTIME",
        ),
        ("SELECT COUNT(*) OVER (PARTITION BY \"status\") FROM \"SOURCE_SQL_STREAM_001\"", "3:8: this window has no rows"),
        ("SELECT COUNT(*) OVER w FROM \"SOURCE_SQL_STREAM_001\"", "3:22: there is no window W"),
        (
            "SELECT s.\"status\" FROM \"SOURCE_SQL_STREAM_001\" s JOIN d ON 1 = 1",
            "3:55: a join between streams is not supported yet",
        ),
        (
            "SELECT \"status\" FROM \"SOURCE_SQL_STREAM_001\" LIMIT 5",
            "3:1: a stream has no end, so a query has no LIMIT or FETCH",
        ),
    ] {
        assert_eq!(fault(&pump(query)), expected, "{query}");
    }
}

#[test]
fn pumps_in_a_circle_are_refused() {
    let source = "CREATE STREAM a (x INTEGER); CREATE STREAM b (x INTEGER);
        CREATE PUMP p AS INSERT INTO a SELECT x FROM b;
        CREATE PUMP q AS INSERT INTO b SELECT x FROM a;";
    assert_eq!(fault(source), "2:21: these pumps feed each other in a circle: \"P\", \"Q\"");
}

#[test]
fn a_stream_that_nobody_fills_is_refused() {
    let source = "CREATE STREAM a (x VARCHAR(9)); CREATE STREAM b (x VARCHAR(9));
        CREATE PUMP p AS INSERT INTO b SELECT x FROM a;
        CREATE PUMP q AS INSERT INTO b SELECT \"status\" FROM s_001;";
    assert_eq!(fault(source), "1:15: \"A\" is read, but nothing writes into it");
}

#[test]
fn a_program_may_have_several_inputs() {
    let source = "CREATE STREAM a (x VARCHAR(9)); CREATE STREAM b (x VARCHAR(9));
        CREATE PUMP p AS INSERT INTO b SELECT x FROM a;
        CREATE PUMP q AS INSERT INTO b SELECT \"status\" FROM s_001;
        CREATE PUMP r AS INSERT INTO b SELECT \"size\" FROM s_002;";
    let columns = || schema_columns(LOG_SCHEMA).unwrap();
    let program = load_with(source, columns(), vec![], &["a".to_owned()]).unwrap();
    let names: Vec<&str> = program.inputs.iter().map(|input| program.streams[input.0].name.as_str()).collect();
    assert_eq!(names, ["A", "S_001", "S_002"]);
    assert_eq!(load(source, columns()).unwrap_err()[0].message, "\"A\" is read, but nothing writes into it");
}

#[test]
fn every_wrong_statement_is_told() {
    let source = "CREATE STREAM a (x STRING); SELECT 1; CREATE STREAM error_stream (x INTEGER);";
    assert_eq!(
        fault(source),
        "1:20: there is no type STRING\n1:29: a statement cannot begin with `SELECT`\n1:53: the name ERROR_STREAM is reserved for row errors"
    );
}

#[test]
fn pumps_are_put_into_the_order_of_flow() {
    let source = "CREATE PUMP second AS INSERT INTO b SELECT x FROM a;
        CREATE STREAM a (x VARCHAR(9)); CREATE STREAM b (x VARCHAR(9));
        CREATE PUMP first AS INSERT INTO a SELECT \"status\" FROM \"SOURCE_SQL_STREAM_001\";";
    let program = load(source, schema_columns(LOG_SCHEMA).unwrap()).unwrap();
    let pumps: Vec<&str> = program.nodes.iter().map(|node| node.pump.as_str()).collect();
    assert_eq!(pumps, ["FIRST", "SECOND"]);
    let read: Vec<usize> = program.streams[program.inputs[0].0].read.iter().copied().collect();
    assert_eq!(read, [6]); // status
}

proptest::proptest! {
    #[test]
    fn no_program_makes_it_panic(words in proptest::collection::vec(proptest::sample::select(vec![
        "SELECT", "STREAM", "DISTINCT", "COUNT(*)", "SUM(a)", ",", "FROM", "s_001", "WHERE", "GROUP BY", "ORDER BY", "ROWTIME", "a",
        "STEP(s_001.ROWTIME BY INTERVAL '1' SECOND)", "FLOOR(ROWTIME TO MINUTE)", "OVER w", "WINDOW w AS (ROWS 2 PRECEDING)", "(", ")",
        "HAVING", "UNION ALL", "AS", "=", "1", "*", "-", "/", "CASE", "WHEN", "THEN", "END", "NULL", "IN", "LIKE", "'x'", "NOT",
    ]), 0..25)) {
        let source = format!("CREATE STREAM d (a INTEGER); CREATE PUMP p AS INSERT INTO d SELECT {}", words.join(" "));
        let _ = load(&source, schema_columns("CREATE STREAM i (a INTEGER)").unwrap());
    }
}
