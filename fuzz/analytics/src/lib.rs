//! Doors for the fuzz targets: bytes in, and a panic when a rule is broken.
//!
//! The modules are those of `analytics`, compiled from the same files. They are pure and know of DataFusion and Arrow only
//! the SQL parser, the arrays and their files, for which the small packages of these names beside this one stand.

#![allow(dead_code, unused_imports, reason = "only the doors use these modules here")]

mod checkpoint;
mod decode;
#[path = "../../../analytics/src/lines/mod.rs"]
mod lines;
#[path = "../../../analytics/src/sql/mod.rs"]
mod sql;

pub use checkpoint::checkpoint;
pub use decode::{contents, line};

/// A program: any text gives statements or errors, and every query a tree or an error, each at a place in the text.
pub fn program(source: &str) {
    let script = match sql::parse(source) {
        Ok(script) => script,
        Err(error) => return located(&error, source),
    };
    for (_, statement) in script.statements {
        match statement {
            Ok(sql::Statement::Pump(pump)) => {
                if let Err(error) = sql::parse_query(&pump.query) {
                    located(&error, source);
                }
            }
            Ok(sql::Statement::Stream(stream)) => {
                for column in stream.columns {
                    let Some((path, _)) = column.path else { continue };
                    assert_eq!(sql::FieldPath::parse(&path.to_string()), Ok(path), "a path changes when it is written");
                }
            }
            Err(error) => located(&error, source),
        }
    }
}

fn located(error: &sql::SqlError, source: &str) {
    assert!(!error.message.is_empty(), "an error that says nothing");
    assert!(error.place.line <= source.lines().count() + 1, "{} is outside of the text: {}", error.place, error.message);
    assert!(error.render("p.sql", source).contains(&error.message));
}
