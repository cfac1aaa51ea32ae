//! What of a program its state depends on, as one short text.

use std::fmt::Write;

use md5::{Digest, Md5};

use super::{Operator, Program, RowTime};

impl Program {
    /// The same for programs whose state is of the same form: comments, blanks and the order of statements do not count.
    pub(crate) fn fingerprint(&self, row_time: RowTime) -> String {
        let mut text = format!("{row_time:?}");
        for stream in &self.streams {
            let metadata: Vec<_> = stream.metadata.keys().collect();
            let (name, kind, columns, read) = (&stream.name, stream.kind, &stream.columns, &stream.read);
            let _ = write!(text, "|{name} {kind:?} {columns:?} {read:?} {metadata:?}"); // a String takes all
        }
        for node in &self.nodes {
            let (input, output) = (node.input, node.output);
            let (pump, columns, targets) = (&node.pump, &node.columns, &node.targets);
            let _ = write!(text, "|{pump} {input:?} {output:?} {columns:?} {targets:?} ");
            let _ = match &node.operator {
                // The rows of the table may change.
                Operator::Lookup(lookup) => {
                    write!(text, "{} {:?} {:?} {}", lookup.rows, lookup.keys, lookup.columns, lookup.is_left)
                }
                other => write!(text, "{other:?}"),
            };
        }
        Md5::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program;

    fn fingerprint(pump: &str) -> String {
        let source = format!("CREATE STREAM d (a VARCHAR(16), n INTEGER); CREATE PUMP p AS INSERT INTO d {pump};");
        let columns = program::schema_columns(program::LOG_SCHEMA).unwrap();
        program::load(&source, columns).unwrap().fingerprint(RowTime::Arrival)
    }

    #[test]
    fn what_changes_results_changes_it_and_comments_do_not() {
        let count = |seconds: &str| {
            format!(
                "SELECT STREAM \"client_ip\", COUNT(*) FROM source_sql_stream_001 AS s\n-- why\nGROUP BY \"client_ip\",
                 STEP(s.ROWTIME BY INTERVAL '{seconds}' SECOND)"
            )
        };
        assert_eq!(fingerprint(&count("10")), fingerprint(&count("10").replace("-- why", "")));
        assert_ne!(fingerprint(&count("10")), fingerprint(&count("11")));
    }
}
