//! Reads the rows of the original's table out of a dump by `mysqldump`, such as its `web_demo.sql`.
//!
//! Pure logic. Only `INSERT INTO upload_images` matters; everything else in the file is passed over, and nothing is executed.

use jiff::{Timestamp, civil::DateTime, tz::Offset};

/// A row of the original's table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OldRow {
    pub(crate) id: i64,
    pub(crate) username: String,
    /// The file's name in the original's folder, or its key in the bucket, prefix included.
    pub(crate) filename: String,
    /// UTC, as `mysqldump` writes times.
    pub(crate) uploaded: Timestamp,
}

/// What is wrong with a dump, and where.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub(crate) struct BadDump {
    line: usize,
    what: String,
}

/// The original's columns, in its order.
const COLUMNS: [&str; 4] = ["id", "username", "filename", "timeline"];

/// All rows, in the order they are in.
///
/// # Errors
/// When a row of the table is not one of the original's.
pub(crate) fn parse(dump: &[u8]) -> Result<Vec<OldRow>, BadDump> {
    // The original's table is latin1; its dump is UTF-8 as a rule.
    let text = match std::str::from_utf8(dump) {
        Ok(text) => text.to_owned(),
        Err(_) => dump.iter().map(|byte| char::from(*byte)).collect(),
    };
    let mut reader = Reader { text: &text, rest: &text };
    let mut rows = Vec::new();
    while reader.skip_to_insert() {
        reader.read_insert(&mut rows)?;
    }
    Ok(rows)
}

struct Reader<'a> {
    text: &'a str,
    rest: &'a str,
}

impl<'a> Reader<'a> {
    /// Goes behind the next `INSERT INTO upload_images` that begins a line: in a quoted text there are no line ends.
    fn skip_to_insert(&mut self) -> bool {
        loop {
            let line = self.rest.trim_start();
            for table in ["`upload_images`", "upload_images"] {
                let head = format!("INSERT INTO {table}");
                if line.get(..head.len()).is_some_and(|start| start.eq_ignore_ascii_case(&head)) {
                    self.rest = &line[head.len()..];
                    return true;
                }
            }
            match line.split_once('\n') {
                Some((_, rest)) => self.rest = rest,
                None => return false,
            }
        }
    }

    /// `(columns) VALUES (row), (row);`, the columns optional.
    fn read_insert(&mut self, rows: &mut Vec<OldRow>) -> Result<(), BadDump> {
        let mut columns: Vec<String> = COLUMNS.map(str::to_owned).to_vec();
        if self.takes('(') {
            let (list, rest) = self.rest.split_once(')').ok_or_else(|| self.bad("a list of columns has no end"))?;
            columns = list.split(',').map(|name| name.trim().trim_matches('`').to_ascii_lowercase()).collect();
            self.rest = rest;
        }
        let rest = self.rest.trim_start();
        if !rest.get(..6).is_some_and(|word| word.eq_ignore_ascii_case("values")) {
            return Err(self.bad("VALUES expected"));
        }
        self.rest = &rest[6..];
        loop {
            rows.push(self.read_row(&columns)?);
            if !self.takes(',') {
                return Ok(());
            }
        }
    }

    fn read_row(&mut self, columns: &[String]) -> Result<OldRow, BadDump> {
        if !self.takes('(') {
            return Err(self.bad("a row in brackets expected"));
        }
        let mut values = Vec::new();
        loop {
            values.push(self.read_value()?);
            if self.takes(')') {
                break;
            }
            if !self.takes(',') {
                return Err(self.bad("a comma or the end of a row expected"));
            }
        }
        let value = |name: &str| {
            let index = columns.iter().position(|column| column == name);
            let found = index.and_then(|index| values.get(index)).cloned().flatten();
            found.ok_or_else(|| self.bad(&format!("a row without {name}; the original has id, username, filename, timeline")))
        };
        let (id, time) = (value("id")?, value("timeline")?);
        let uploaded = time.parse::<DateTime>().ok().and_then(|time| Offset::UTC.to_timestamp(time).ok());
        Ok(OldRow {
            id: id.parse().map_err(|_| self.bad(&format!("the id {id:?} is no number")))?,
            username: value("username")?,
            filename: value("filename")?,
            uploaded: uploaded.ok_or_else(|| self.bad(&format!("the timeline {time:?} is not YYYY-MM-DD HH:MM:SS")))?,
        })
    }

    /// A quoted text, or a bare word; None for NULL.
    fn read_value(&mut self) -> Result<Option<String>, BadDump> {
        self.rest = self.rest.trim_start();
        if !self.rest.starts_with('\'') {
            let end = self.rest.find([',', ')']).ok_or_else(|| self.bad("a row has no end"))?;
            let (word, rest) = self.rest.split_at(end);
            self.rest = rest;
            let word = word.trim();
            return Ok((!word.eq_ignore_ascii_case("null")).then(|| word.to_owned()));
        }
        let mut value = String::new();
        let mut characters = self.rest[1..].char_indices();
        while let Some((index, character)) = characters.next() {
            match character {
                '\'' if self.rest[1 + index + 1..].starts_with('\'') => {
                    characters.next();
                    value.push('\'');
                }
                '\'' => {
                    self.rest = &self.rest[1 + index + 1..];
                    return Ok(Some(value));
                }
                '\\' => value.push(match characters.next().map(|(_, escaped)| escaped) {
                    Some('n') => '\n',
                    Some('r') => '\r',
                    Some('t') => '\t',
                    Some('0') => '\0',
                    Some('Z') => '\u{1a}',
                    Some(other) => other,
                    None => break,
                }),
                other => value.push(other),
            }
        }
        Err(self.bad("a quoted text has no end"))
    }

    fn takes(&mut self, character: char) -> bool {
        let rest = self.rest.trim_start();
        match rest.strip_prefix(character) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn bad(&self, what: &str) -> BadDump {
        let read = &self.text[..self.text.len() - self.rest.len()];
        BadDump { line: read.matches('\n').count() + 1, what: what.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the original's `web_demo.sql` is written.
    const DUMP: &str = "-- MySQL dump 10.13
DROP TABLE IF EXISTS `upload_images`;
CREATE TABLE `upload_images` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `timeline` timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (`id`)
) ENGINE=InnoDB AUTO_INCREMENT=11 DEFAULT CHARSET=latin1;
LOCK TABLES `upload_images` WRITE;
/*!40000 ALTER TABLE `upload_images` DISABLE KEYS */;
INSERT INTO `upload_images` VALUES (1,'Qingye Jiang','clouds1.jpg','2015-01-31 04:21:11'),(2,'O\\'Brien, \"Bob\" (x)','a''b\\\\c.jpg','2015-01-31 04:21:15');
UNLOCK TABLES;
INSERT INTO `other` VALUES (1,'x');
";

    #[test]
    fn rows_are_read_with_all_their_quotes() {
        let rows = parse(DUMP.as_bytes()).unwrap();
        assert_eq!(rows.len(), 2);
        assert_eq!((rows[0].id, rows[0].username.as_str(), rows[0].filename.as_str()), (1, "Qingye Jiang", "clouds1.jpg"));
        assert_eq!(rows[0].uploaded.to_string(), "2015-01-31T04:21:11Z");
        assert_eq!((rows[1].username.as_str(), rows[1].filename.as_str()), ("O'Brien, \"Bob\" (x)", "a'b\\c.jpg"));
    }

    #[test]
    fn columns_may_be_named_and_in_another_order() {
        let dump =
            "insert into upload_images (`filename`, timeline, username, id)\nvalues ('a.jpg','2015-01-31 04:21:11','ann',7);";
        let rows = parse(dump.as_bytes()).unwrap();
        assert_eq!((rows[0].id, rows[0].username.as_str()), (7, "ann"));
    }

    #[test]
    fn a_dump_in_latin1_is_read_too() {
        let dump = b"INSERT INTO upload_images VALUES (1,'Jos\xe9','a.jpg','2015-01-31 04:21:11');";
        assert_eq!(parse(dump).unwrap()[0].username, "José");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let bad = |values: &str| {
            parse(format!("-- dump\nINSERT INTO upload_images VALUES {values}").as_bytes()).unwrap_err().to_string()
        };
        assert_eq!(bad("(1,'a','b','soon');"), "line 2: the timeline \"soon\" is not YYYY-MM-DD HH:MM:SS");
        assert_eq!(bad("(x,'a','b','2015-01-31 04:21:11');"), "line 2: the id \"x\" is no number");
        assert_eq!(bad("(1,'a,'b');"), "line 2: a comma or the end of a row expected");
        assert_eq!(bad("(1,'a"), "line 2: a quoted text has no end");
        assert!(bad("(1,NULL,'b','2015-01-31 04:21:11');").contains("a row without username"));
        assert_eq!(parse(b"nothing here"), Ok(Vec::new()));
    }

    proptest::proptest! {
        #[test]
        fn no_file_makes_the_reader_panic(text in "(INSERT INTO upload_images |VALUES |\\(|\\)|'|\\\\|,|é|1|\n| ){0,40}") {
            let _ = parse(text.as_bytes());
        }
    }
}
