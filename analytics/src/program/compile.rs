//! From the query of a pump to operators: one for each SELECT, subqueries first.

use datafusion::sql::sqlparser::ast::{Expr, Query, Spanned, TableFactor, TableWithJoins};

use super::catalog::Catalog;
use super::context::{Uses, uses};
use super::monotonic::Monotone;
use super::relation::{Column, Relation};
use super::select::{Item, Parts, is_row_time, select_of};
use super::whole::whole;
use super::{Node, Operator, StreamId, grouped, reference, rowwise, sliding, union};
use crate::sql::{Place, SqlError};

/// What a SELECT yields, with the operator that yields it.
pub(super) struct Compiled {
    /// Where the SELECT stands.
    pub(super) place: Place,
    pub(super) input: StreamId,
    pub(super) operator: Operator,
    pub(super) columns: Vec<Column>,
}

/// Compiles queries of one pump.
pub(super) struct Compiler<'a> {
    pub(super) catalog: &'a mut Catalog,
    pub(super) pump: &'a str,
    /// Where the pump stands, for what has no place of its own.
    pub(super) place: Place,
    /// Operators of subqueries, each before those that read it.
    pub(super) nodes: Vec<Node>,
    /// What this program does otherwise than the service did.
    pub(super) notes: Vec<String>,
}

impl Compiler<'_> {
    /// Compiles a query; its subqueries become nodes. There are several operators when it is a UNION ALL.
    ///
    /// # Errors
    /// When the query is not of the dialect, or not supported yet.
    pub(super) fn query(&mut self, query: &Query) -> Result<Vec<Compiled>, SqlError> {
        let selects = union::selects(query, self.place)?;
        let mut compiled = selects.iter().map(|query| self.one(query)).collect::<Result<Vec<_>, _>>()?;
        union::check_widths(&compiled)?;
        if let [alone] = compiled.as_mut_slice() {
            alone.place = self.place; // what is wrong with the whole of a pump is told at its name
        }
        Ok(compiled)
    }

    fn one(&mut self, query: &Query) -> Result<Compiled, SqlError> {
        let (select, order_by) = select_of(query)?;
        let [from] = select.from.as_slice() else {
            let at = select.from.get(1).map_or(self.place, |from| Place::of(from.span()).or(self.place));
            return Err(match select.from.len() {
                0 => SqlError::new(self.place, "a query of a pump needs FROM"),
                _ => SqlError::not_yet(at, "a join between streams"),
            });
        };
        let relation = self.relation(from)?;
        let (relation, lookup) = match from.joins.as_slice() {
            [] => (relation, None),
            [join] => {
                let (joined, lookup) = reference::join(self.catalog, relation, join, self.place)?;
                (joined, Some(lookup))
            }
            [_, second, ..] => {
                return Err(SqlError::not_yet(Place::of(second.span()).or(self.place), "a second join in one query"));
            }
        };
        let parts = Parts::new(select, order_by, &relation, self.place)?;
        let compiled = self.select(&parts, &relation);
        if let Some(lookup) = lookup {
            let node = lookup.node(self.catalog, &relation, self.pump, self.place);
            self.nodes.push(node);
        }
        self.catalog.mark_read(&relation);
        compiled
    }

    fn relation(&mut self, from: &TableWithJoins) -> Result<Relation, SqlError> {
        match &from.relation {
            TableFactor::Table { name, alias, args: None, .. } => {
                let place = Place::of(name.span()).or(self.place);
                let [part] = name.0.as_slice() else { return Err(SqlError::new(place, "a stream's name has one part")) };
                let name = part.as_ident().map(|ident| ident.value.clone()).unwrap_or_default();
                let (stream, columns) = self.catalog.find(&name, place)?;
                let alias = alias.as_ref().map_or(name, |alias| alias.name.value.clone());
                Ok(Relation::new(stream, Some(alias), columns, true))
            }
            TableFactor::Derived { subquery, alias, .. } => {
                let alias = alias.as_ref().map(|alias| alias.name.value.clone());
                self.subquery(subquery, alias)
            }
            other => Err(SqlError::new(Place::of(other.span()).or(self.place), format!("{other} is not supported in FROM"))),
        }
    }

    fn subquery(&mut self, query: &Query, alias: Option<String>) -> Result<Relation, SqlError> {
        let selects = self.query(query)?;
        let columns = union::columns(&selects);
        let output = self.catalog.add_inner(self.pump, &columns);
        let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
        for Compiled { place, input, operator, .. } in selects {
            let (pump, columns) = (self.pump.to_owned(), names.clone());
            self.nodes.push(Node { pump, place, input, output, operator, columns, targets: None });
        }
        Ok(Relation::new(output, alias, columns, false))
    }

    fn select(&mut self, parts: &Parts, relation: &Relation) -> Result<Compiled, SqlError> {
        let Uses { aggregate, window } = uses(parts.results());
        let is_grouped = aggregate || parts.is_distinct || !parts.group_by.is_empty() || parts.having.is_some();
        let (operator, monotones) = if is_grouped {
            self.note_grouped(parts);
            (grouped::grouped(parts, relation)?, grouped::monotones(parts, relation))
        } else if window {
            if !parts.order_by.is_empty() {
                return Err(SqlError::not_yet(parts.place, "ORDER BY together with OVER").help("sort in a pump behind this one"));
            }
            (sliding::sliding(parts, relation)?, rowwise::monotones(parts, relation))
        } else if parts.order_by.is_empty() {
            (rowwise::project(parts, relation)?, rowwise::monotones(parts, relation))
        } else {
            self.note("ORDER BY: rows of one time come when it is over, stamped with its end");
            (rowwise::sorted(parts, relation)?, grouped::monotones(parts, relation))
        };
        let columns = columns(parts, relation, monotones);
        self.note_functions(parts);
        Ok(Compiled { place: parts.place, input: relation.stream, operator, columns })
    }

    fn note(&mut self, note: &str) {
        if !self.notes.iter().any(|known| known == note) {
            self.notes.push(note.to_owned());
        }
    }

    fn note_grouped(&mut self, parts: &Parts) {
        if parts.is_distinct {
            self.note("DISTINCT: rows come when their time is over, not as soon as they are first seen");
        }
        self.note("GROUP BY: a window of a quiet stream is closed by the clock; the service waited for the next row");
    }

    fn note_functions(&mut self, parts: &Parts) {
        let text = parts.items.iter().map(|item| item.expression.to_string()).collect::<Vec<_>>().join(" ");
        if text.contains("CURRENT_ROW_TIMESTAMP") {
            self.note("CURRENT_ROW_TIMESTAMP is the row's ROWTIME, so that a replay gives the same rows");
        }
    }
}

/// The columns of a result, as a query around it sees them.
fn columns(parts: &Parts, relation: &Relation, monotones: Vec<Option<Monotone>>) -> Vec<Column> {
    let sql_type = |expression: &Expr| match super::context::declared(expression, relation) {
        Some(sql_type) => Some(sql_type),
        None if is_row_time(expression) => Some(crate::sql::SqlType::Timestamp),
        None => None,
    };
    let items = parts.items.iter().zip(monotones);
    let column = |(item, monotone): (&Item, _)| {
        let column = Column::new(item.name.clone(), sql_type(&item.expression), monotone);
        Column { whole: column.whole.or_else(|| whole(&item.expression, relation)), ..column }
    };
    items.map(column).collect()
}
