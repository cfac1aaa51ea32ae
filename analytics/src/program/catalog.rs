//! The streams of a program by name.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::StreamId;
use super::reference::Reference;
use super::relation::{Column, Metadata, ROWTIME, Relation, as_written};
use crate::sql::{ColumnDefinition, FieldPath, Place, SqlError, SqlType, nearest};

/// A stream of a program.
#[derive(Debug, Clone)]
pub(crate) struct Stream {
    pub(crate) name: String,
    pub(crate) kind: StreamKind,
    pub(crate) columns: Vec<StreamColumn>,
    /// Columns that some pump reads.
    pub(crate) read: BTreeSet<usize>,
    /// Metadata columns that some pump reads, and where.
    pub(crate) metadata: BTreeMap<Metadata, Place>,
    pub(super) place: Place,
}

/// Where a stream's rows come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StreamKind {
    /// From outside.
    Input,
    /// From pumps.
    Declared,
    /// From a subquery, for the query around it.
    Inner,
}

/// A column of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StreamColumn {
    pub(crate) name: String,
    /// None for a subquery's: it follows from its expression.
    pub(crate) sql_type: Option<SqlType>,
    pub(crate) is_not_null: bool,
    /// Where in an object of the input it stands, when that is not the field of its name.
    pub(crate) path: Option<FieldPath>,
}

/// What the service calls the stream of row errors.
pub(crate) const ERROR_STREAM: &str = "error_stream";

/// All streams known so far.
pub(super) struct Catalog {
    pub(super) streams: Vec<Stream>,
    /// What an input has whose columns the program does not declare.
    input_columns: Vec<ColumnDefinition>,
    references: Vec<Arc<Reference>>,
}

impl Catalog {
    pub(super) fn new(input_columns: Vec<ColumnDefinition>, references: Vec<Reference>) -> Self {
        Self { streams: Vec::new(), input_columns, references: references.into_iter().map(Arc::new).collect() }
    }

    /// The reference table of this name.
    pub(super) fn reference(&self, name: &str) -> Option<Arc<Reference>> {
        self.references.iter().find(|reference| reference.name == name).cloned()
    }

    /// Adds a stream, or replaces the one of that name. True when it replaced one.
    pub(super) fn declare(&mut self, name: &str, columns: &[ColumnDefinition], place: Place) -> Result<bool, SqlError> {
        if name.eq_ignore_ascii_case(ERROR_STREAM) {
            return Err(SqlError::new(place, format!("the name {name} is reserved for row errors")));
        }
        if let Some(column) = columns.iter().find(|column| column.name.name == ROWTIME) {
            return Err(SqlError::new(column.name.place, "every stream has ROWTIME; it is not declared"));
        }
        if let Some((_, place)) = columns.iter().find_map(|column| column.path.as_ref()) {
            return Err(SqlError::new(*place, "PATH is for the columns of the input; this stream gets its rows from pumps")
                .help("declare the input in a file of its own, and name that with --schema"));
        }
        let stream = Stream {
            name: name.to_owned(),
            kind: StreamKind::Declared,
            columns: stored(columns),
            read: BTreeSet::new(),
            metadata: BTreeMap::new(),
            place,
        };
        match self.position(name) {
            Some(index) => {
                self.streams[index] = stream;
                Ok(true)
            }
            None => {
                self.streams.push(stream);
                Ok(false)
            }
        }
    }

    /// A stream that a query reads.
    ///
    /// # Errors
    /// When there is none of that name. A name such as `PREFIX_001` is an input.
    pub(super) fn find(&mut self, name: &str, place: Place) -> Result<(StreamId, Vec<Column>), SqlError> {
        if name.eq_ignore_ascii_case(ERROR_STREAM) {
            return Err(SqlError::new(place, "error_stream cannot be read by a query; it is an output"));
        }
        if self.reference(name).is_some() {
            let message = format!("{} is a reference table; a query reads a stream and joins it", as_written(name));
            return Err(SqlError::new(place, message));
        }
        let index = match self.position(name) {
            Some(index) => index,
            None if is_input_name(name) => self.add_input(name, place),
            None => return Err(self.unknown(name, place)),
        };
        let column = |column: &StreamColumn| Column::new(column.name.clone(), column.sql_type, None);
        Ok((StreamId(index), self.streams[index].columns.iter().map(column).collect()))
    }

    /// A stream that a pump writes into.
    ///
    /// # Errors
    /// When there is none of that name.
    pub(super) fn target(&self, name: &str, place: Place) -> Result<StreamId, SqlError> {
        match self.position(name) {
            Some(index) if self.streams[index].kind == StreamKind::Input => {
                Err(SqlError::new(place, format!("{name} is an input; pumps do not write into it")))
            }
            Some(index) => Ok(StreamId(index)),
            None => Err(self.unknown(name, place)),
        }
    }

    /// The stream of a subquery.
    pub(super) fn add_inner(&mut self, pump: &str, columns: &[Column]) -> StreamId {
        let count = self.streams.iter().filter(|stream| stream.kind == StreamKind::Inner).count();
        let column = |column: &Column| StreamColumn { name: column.name.clone(), sql_type: None, is_not_null: false, path: None };
        self.streams.push(Stream {
            name: format!("{pump} subquery {}", count + 1),
            kind: StreamKind::Inner,
            columns: columns.iter().map(column).collect(),
            read: BTreeSet::new(),
            metadata: BTreeMap::new(),
            place: Place::default(),
        });
        StreamId(self.streams.len() - 1)
    }

    /// Notes what a query reads.
    pub(super) fn mark_read(&mut self, relation: &Relation) {
        let stream = &mut self.streams[relation.stream.0];
        stream.read.extend(relation.used());
        stream.metadata.extend(relation.metadata());
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.streams.iter().position(|stream| stream.kind != StreamKind::Inner && stream.name == name)
    }

    fn add_input(&mut self, name: &str, place: Place) -> usize {
        let columns = stored(&self.input_columns);
        let stream = Stream {
            name: name.to_owned(),
            kind: StreamKind::Input,
            columns,
            read: BTreeSet::new(),
            metadata: BTreeMap::new(),
            place,
        };
        self.streams.push(stream);
        self.streams.len() - 1
    }

    fn unknown(&self, name: &str, place: Place) -> SqlError {
        let error = SqlError::new(place, format!("there is no stream {name}"));
        let names = || self.streams.iter().filter(|stream| stream.kind != StreamKind::Inner).map(|stream| stream.name.as_str());
        let same = names().find(|known| known.eq_ignore_ascii_case(name));
        match same.or_else(|| nearest(name, names())) {
            Some(near) => error.help(format!("did you mean {}?", as_written(near))),
            None => error.help("create it first, or name the input as the service does: SOURCE_SQL_STREAM_001"),
        }
    }
}

fn stored(columns: &[ColumnDefinition]) -> Vec<StreamColumn> {
    let column = |column: &ColumnDefinition| StreamColumn {
        name: column.name.name.clone(),
        sql_type: Some(column.sql_type),
        is_not_null: column.is_not_null,
        path: column.path.as_ref().map(|(path, _)| path.clone()),
    };
    columns.iter().map(column).collect()
}

/// `PREFIX_001`, as the service names the streams of an input.
pub(super) fn is_input_name(name: &str) -> bool {
    let is_number = |text: &str| text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit()) && text != "000";
    name.rsplit_once('_').is_some_and(|(prefix, number)| !prefix.is_empty() && is_number(number))
}
