//! What a query can name: the columns of the one stream that it reads.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use datafusion::sql::sqlparser::ast::Ident;

use super::StreamId;
use super::catalog::StreamColumn;
use super::monotonic::Monotone;
use super::whole::Whole;
use crate::sql::{Place, SqlError, SqlType, nearest};

/// The time of a row: a column of every stream, not part of `*`.
pub(crate) const ROWTIME: &str = "ROWTIME";

/// A column that every input from a stream has, beside those that it declares. An input may declare one of the name itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Metadata {
    ArrivalTime,
    PartitionKey,
    SequenceNumber,
    ShardId,
}

impl Metadata {
    const ALL: [Self; 4] = [Self::ArrivalTime, Self::PartitionKey, Self::SequenceNumber, Self::ShardId];

    /// What the service called it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ArrivalTime => "APPROXIMATE_ARRIVAL_TIME",
            Self::PartitionKey => "PARTITION_KEY",
            Self::SequenceNumber => "SEQUENCE_NUMBER",
            Self::ShardId => "SHARD_ID",
        }
    }

    /// Its type, as a column of a stream.
    pub(crate) fn column(self) -> StreamColumn {
        let sql_type = match self {
            Self::ArrivalTime => SqlType::Timestamp,
            Self::PartitionKey => SqlType::Varchar(512),
            Self::SequenceNumber | Self::ShardId => SqlType::Varchar(128),
        };
        StreamColumn { name: self.name().to_owned(), sql_type: Some(sql_type), is_not_null: false, path: None }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }
}

/// A column, as queries see it.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    /// Its name among the columns of the stream.
    pub(crate) name: String,
    /// For a join: the alias and the name that the query knows it by.
    pub(crate) seen_as: Option<(String, String)>,
    /// Where the type is declared; None for columns of a subquery, whose types follow from it.
    pub(crate) sql_type: Option<SqlType>,
    /// How large its values are, when they are known to be whole numbers.
    pub(crate) whole: Option<Whole>,
    /// When its value moves with ROWTIME: where it changes.
    pub(crate) monotone: Option<Monotone>,
}

impl Column {
    pub(crate) fn new(name: String, sql_type: Option<SqlType>, monotone: Option<Monotone>) -> Self {
        let whole = sql_type.and_then(Whole::of);
        Self { name, seen_as: None, sql_type, whole, monotone }
    }

    /// The name that the query knows it by.
    pub(crate) fn seen_name(&self) -> &str {
        self.seen_as.as_ref().map_or(&self.name, |(_, name)| name)
    }
}

/// The stream of a FROM clause.
#[derive(Debug)]
pub(crate) struct Relation {
    pub(crate) stream: StreamId,
    /// The alias, or the stream's name; None for a subquery without one.
    pub(crate) name: Option<String>,
    pub(crate) columns: Vec<Column>,
    /// False for subqueries: those have the columns that they select.
    pub(crate) has_metadata: bool,
    /// Columns that have been named; the others need not be read.
    used: RefCell<BTreeSet<usize>>,
    /// Metadata columns that have been named, and where first.
    metadata: RefCell<BTreeMap<Metadata, Place>>,
}

/// What a name means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reference {
    /// ROWTIME; whether it was written with the stream's name or its alias.
    RowTime {
        is_qualified: bool,
    },
    Column(usize),
    /// A column that only inputs have; whether this is one is known when all pumps are.
    Metadata(Metadata),
}

impl Relation {
    pub(crate) fn new(stream: StreamId, name: Option<String>, columns: Vec<Column>, has_metadata: bool) -> Self {
        Self { stream, name, columns, has_metadata, used: RefCell::default(), metadata: RefCell::default() }
    }

    /// What `name` or `alias.name` means.
    ///
    /// # Errors
    /// When there is no such column or alias, with the nearest one.
    pub(crate) fn find(&self, parts: &[Ident]) -> Result<Reference, SqlError> {
        let (is_qualified, column) = match parts {
            [column] => (false, column),
            [alias, column] => {
                self.check_alias(alias)?;
                (true, column)
            }
            [first, ..] => return Err(SqlError::new(Place::of(first.span), "a name has at most two parts: stream.column")),
            [] => return Err(SqlError::new(Place::default(), "a name is missing")),
        };
        if let Some(index) = self.position(parts, column)? {
            self.used.borrow_mut().insert(index);
            return Ok(Reference::Column(index));
        }
        if column.value == ROWTIME {
            return Ok(Reference::RowTime { is_qualified });
        }
        if self.has_metadata
            && let Some(metadata) = Metadata::named(&column.value)
        {
            self.metadata.borrow_mut().entry(metadata).or_insert(Place::of(column.span));
            return Ok(Reference::Metadata(metadata));
        }
        Err(self.unknown(column))
    }

    fn position(&self, parts: &[Ident], column: &Ident) -> Result<Option<usize>, SqlError> {
        if let Some(index) = self.columns.iter().position(|known| known.name == column.value) {
            return Ok(Some(index));
        }
        let is_meant = |known: &Column| match &known.seen_as {
            Some((alias, name)) => *name == column.value && (parts.len() == 1 || parts[0].value == *alias),
            None => false,
        };
        let mut found = (0..self.columns.len()).filter(|index| is_meant(&self.columns[*index]));
        match (found.next(), found.next()) {
            (Some(_), Some(_)) => {
                let message = format!("{} is a column of the stream and of the table", column.value);
                Err(SqlError::new(Place::of(column.span), message).help("write its alias before it"))
            }
            (index, _) => Ok(index),
        }
    }

    /// Notes that a column is read.
    pub(crate) fn use_column(&self, index: usize) {
        self.used.borrow_mut().insert(index);
    }

    /// The columns that were named, and all when asked for.
    pub(crate) fn used(&self) -> BTreeSet<usize> {
        self.used.borrow().clone()
    }

    /// The metadata columns that were named.
    pub(crate) fn metadata(&self) -> BTreeMap<Metadata, Place> {
        self.metadata.borrow().clone()
    }

    /// Notes that every column is read.
    pub(crate) fn use_all(&self) {
        self.used.borrow_mut().extend(0..self.columns.len());
    }

    fn check_alias(&self, alias: &Ident) -> Result<(), SqlError> {
        let is_seen = |column: &Column| column.seen_as.as_ref().is_some_and(|(known, _)| *known == alias.value);
        if self.name.as_deref() == Some(alias.value.as_str()) || self.columns.iter().any(is_seen) {
            return Ok(());
        }
        let error = SqlError::new(Place::of(alias.span), format!("there is no stream {} in FROM", alias.value));
        Err(match &self.name {
            Some(name) => error.help(format!("this query reads {}", as_written(name))),
            None => error,
        })
    }

    fn unknown(&self, column: &Ident) -> SqlError {
        let error = SqlError::new(Place::of(column.span), format!("there is no column {}", column.value));
        let names = || self.columns.iter().map(Column::seen_name);
        match names().find(|name| name.eq_ignore_ascii_case(&column.value)) {
            Some(name) if column.quote_style.is_none() => {
                error.help(format!("names without quotes are upper case, and the column is not; write {}", as_written(name)))
            }
            Some(name) => error.help(format!("did you mean {}?", as_written(name))),
            None => match nearest(&column.value, names()) {
                Some(name) => error.help(format!("did you mean {}?", as_written(name))),
                None => error.help(format!("there are {}", names().map(as_written).collect::<Vec<_>>().join(", "))),
            },
        }
    }
}

/// A name as a program writes it: with quotes where it needs them.
pub(crate) fn as_written(name: &str) -> String {
    let is_plain = name.chars().all(|character| character.is_ascii_uppercase() || character.is_ascii_digit() || character == '_');
    if is_plain && !name.starts_with(|character: char| character.is_ascii_digit()) { name.to_owned() } else { quoted(name) }
}

/// A name in quotes, as DataFusion reads it.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relation() -> Relation {
        let column = |name: &str| Column::new(name.to_owned(), None, None);
        Relation::new(StreamId(0), Some("S".to_owned()), vec![column("client_ip"), column("SIZE")], true)
    }

    fn fault(parts: &[Ident]) -> String {
        let error = relation().find(parts).unwrap_err();
        format!("{}; {}", error.message, error.help.unwrap_or_default())
    }

    #[test]
    fn a_name_has_its_case_and_rowtime_is_everywhere() {
        let relation = relation();
        assert_eq!(relation.find(&[Ident::with_quote('"', "client_ip")]), Ok(Reference::Column(0)));
        assert_eq!(relation.find(&[Ident::new("S"), Ident::new("SIZE")]), Ok(Reference::Column(1)));
        assert_eq!(relation.find(&[Ident::new("ROWTIME")]), Ok(Reference::RowTime { is_qualified: false }));
        assert_eq!(relation.used(), BTreeSet::from([0, 1]));
    }

    #[test]
    fn an_unknown_name_is_told_with_the_nearest() {
        assert_eq!(
            fault(&[Ident::new("CLIENT_IP")]),
            "there is no column CLIENT_IP; names without quotes are upper case, and the column is not; write \"client_ip\""
        );
        assert_eq!(fault(&[Ident::new("SIZZE")]), "there is no column SIZZE; did you mean SIZE?");
        assert_eq!(fault(&[Ident::new("T"), Ident::new("SIZE")]), "there is no stream T in FROM; this query reads S");
    }
}
