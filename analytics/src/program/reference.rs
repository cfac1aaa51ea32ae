//! Reference tables, and the join of a stream with one: each row gets what the table has under its key.

use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, Join, JoinConstraint, JoinOperator, Spanned, TableFactor};

use super::catalog::{Catalog, StreamColumn};
use super::context::RowContext;
use super::expression::{place, write};
use super::operator::{Lookup, Operator, TABLE};
use super::relation::{Column, ROWTIME, Reference as Found, Relation, as_written, quoted};
use super::{Node, StreamId};
use crate::sql::{Place, SqlError};

/// A table that was loaded whole, under the name that programs use.
#[derive(Debug, Clone)]
pub(crate) struct Reference {
    pub(crate) name: String,
    pub(crate) columns: Vec<StreamColumn>,
    /// The rows, with these columns.
    pub(crate) rows: RecordBatch,
}

/// The join of a stream with a table, until it is known which columns are read.
pub(super) struct PendingLookup {
    stream: Relation,
    reference: Arc<Reference>,
    /// Over the stream's rows, and the column of the table that each is compared with.
    keys: Vec<(String, usize)>,
    is_left: bool,
}

/// Joins a relation with a reference table. The result's columns are those of both, under their aliases.
///
/// # Errors
/// When it is joined with a stream, or not by equal columns.
pub(super) fn join(
    catalog: &mut Catalog,
    stream: Relation,
    join: &Join,
    at: Place,
) -> Result<(Relation, PendingLookup), SqlError> {
    let at = Place::of(join.span()).or(at);
    let TableFactor::Table { name, alias, args: None, .. } = &join.relation else {
        return Err(SqlError::not_yet(at, "a join with a query"));
    };
    let name = name.0.last().and_then(|part| part.as_ident()).map(|ident| ident.value.clone()).unwrap_or_default();
    let Some(reference) = catalog.reference(&name) else {
        return Err(SqlError::not_yet(at, "a join between streams")
            .help(format!("{} is no reference table; --reference {name}=FILE.csv loads one", as_written(&name))));
    };
    let (is_left, constraint) = match &join.join_operator {
        JoinOperator::Join(constraint) | JoinOperator::Inner(constraint) => (false, constraint),
        JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => (true, constraint),
        _ => return Err(SqlError::not_yet(at, "this kind of join").help("JOIN and LEFT JOIN take a row's match in the table")),
    };
    let JoinConstraint::On(condition) = constraint else {
        return Err(SqlError::new(at, "a join with a reference table needs ON stream.column = table.column"));
    };
    let alias = alias.as_ref().map_or(name, |alias| alias.name.value.clone());
    let column = |column: &StreamColumn| Column::new(column.name.clone(), column.sql_type, None);
    let table = Relation::new(StreamId(usize::MAX), Some(alias.clone()), reference.columns.iter().map(column).collect(), false);
    let mut keys = Vec::new();
    collect_keys(condition, &stream, &table, &mut keys)?;
    let joined = joined(catalog, &stream, &table, &alias);
    Ok((joined, PendingLookup { stream, reference, keys, is_left }))
}

/// `a = b AND c = d`, each a column of the table and an expression over the stream.
fn collect_keys(condition: &Expr, stream: &Relation, table: &Relation, keys: &mut Vec<(String, usize)>) -> Result<(), SqlError> {
    match condition {
        Expr::Nested(inner) => collect_keys(inner, stream, table, keys),
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            collect_keys(left, stream, table, keys)?;
            collect_keys(right, stream, table, keys)
        }
        Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => {
            let of_table = |expression: &Expr| match expression {
                Expr::Identifier(name) if stream.find(std::slice::from_ref(name)).is_err() => {
                    table.find(std::slice::from_ref(name)).ok()
                }
                Expr::CompoundIdentifier(names) => table.find(names).ok(),
                _ => None,
            };
            let (column, value) = match (of_table(left), of_table(right)) {
                (Some(Found::Column(column)), _) => (column, right),
                (_, Some(Found::Column(column))) => (column, left),
                _ => return Err(SqlError::new(place(condition), "neither side is a column of the reference table")),
            };
            keys.push((write(value, &mut RowContext::new(stream))?, column));
            Ok(())
        }
        other => Err(SqlError::not_yet(place(other), "a join by anything but equal columns").help("write the rest into WHERE")),
    }
}

/// What the query around the join sees.
fn joined(catalog: &mut Catalog, stream: &Relation, table: &Relation, alias: &str) -> Relation {
    let name = stream.name.clone().unwrap_or_default();
    let qualified = |qualifier: &str, column: &Column| Column {
        name: format!("{qualifier} {}", column.name), // a blank keeps it apart from the program's names
        seen_as: Some((qualifier.to_owned(), column.name.clone())),
        ..column.clone()
    };
    let mut columns: Vec<Column> = stream.columns.iter().map(|column| qualified(&name, column)).collect();
    columns.extend(table.columns.iter().map(|column| qualified(alias, column)));
    let output = catalog.add_inner("join", &columns);
    Relation::new(output, None, columns, false)
}

impl PendingLookup {
    /// The node of the join, when the query around it has been read: only columns that it names are kept.
    pub(super) fn node(&self, catalog: &mut Catalog, joined: &Relation, pump: &str, at: Place) -> Node {
        let (mut texts, mut names, mut columns) = (vec![quoted(ROWTIME)], Vec::new(), Vec::new());
        let width = self.stream.columns.len();
        for index in joined.used() {
            names.push(joined.columns[index].name.clone());
            match index.checked_sub(width) {
                None => {
                    self.stream.use_column(index);
                    texts.push(quoted(&self.stream.columns[index].name));
                }
                Some(column) => columns.push(column),
            }
        }
        let keys = self.keys.iter().enumerate().map(|(index, (text, _))| format!("{text} AS \"key {index}\""));
        texts.extend(keys);
        catalog.mark_read(&self.stream);
        let lookup = Lookup {
            rows: format!("SELECT {} FROM {TABLE}", texts.join(", ")),
            reference: self.reference.clone(),
            keys: self.keys.iter().map(|(_, column)| *column).collect(),
            columns,
            is_left: self.is_left,
        };
        let (input, output) = (self.stream.stream, joined.stream);
        Node {
            pump: pump.to_owned(),
            place: at,
            input,
            output,
            operator: Operator::Lookup(lookup),
            columns: names,
            targets: None,
        }
    }
}
