//! The parts of one SELECT, with `*` expanded and aliases and ordinals put in their place.

use datafusion::sql::sqlparser::ast::{
    Distinct, Expr, GroupByExpr, Ident, NamedWindowDefinition, OrderBy, OrderByKind, Query, Select, SelectItem,
    SelectItemQualifiedWildcardKind, SetExpr, Spanned, Value,
};

use super::expression::place;
use super::relation::{ROWTIME, Relation};
use crate::sql::{Place, SqlError};

/// One SELECT over one relation.
pub(super) struct Parts {
    pub(super) place: Place,
    pub(super) is_distinct: bool,
    pub(super) items: Vec<Item>,
    /// `expr AS ROWTIME`: the ROWTIME of the result.
    pub(super) row_time: Option<Expr>,
    pub(super) filter: Option<Expr>,
    pub(super) group_by: Vec<Expr>,
    pub(super) having: Option<Expr>,
    pub(super) order_by: Vec<Order>,
    pub(super) windows: Vec<NamedWindowDefinition>,
}

/// A column of the result.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) expression: Expr,
    pub(super) name: String,
}

/// A term of ORDER BY.
#[derive(Debug, Clone)]
pub(super) struct Order {
    pub(super) expression: Expr,
    pub(super) is_descending: bool,
}

/// Checks that a query has no clause around its body that streams have not.
///
/// # Errors
/// When it has one.
pub(super) fn check_clauses(query: &Query) -> Result<(), SqlError> {
    if query.limit_clause.is_some() || query.fetch.is_some() {
        return Err(SqlError::new(Place::of(query.span()), "a stream has no end, so a query has no LIMIT or FETCH"));
    }
    match &query.with {
        Some(with) => Err(SqlError::new(Place::of(with.span()), "WITH is not of the dialect").help("write a subquery in FROM")),
        None => Ok(()),
    }
}

/// The SELECT of a query, or the one inside of its parentheses.
///
/// # Errors
/// When the query is something else, or has a clause that streams have not.
pub(super) fn select_of(query: &Query) -> Result<(&Select, Option<&OrderBy>), SqlError> {
    check_clauses(query)?;
    match query.body.as_ref() {
        SetExpr::Select(select) => Ok((select, query.order_by.as_ref())),
        SetExpr::Query(inner) if query.order_by.is_none() => select_of(inner),
        _ => Err(SqlError::new(Place::of(query.span()), "a pump runs SELECT")),
    }
}

impl Parts {
    /// Takes a SELECT apart.
    ///
    /// # Errors
    /// When it has a clause that is not of the dialect, or names what is not there.
    pub(super) fn new(
        select: &Select,
        order_by: Option<&OrderBy>,
        relation: &Relation,
        fallback: Place,
    ) -> Result<Self, SqlError> {
        let at = Place::of(select.select_token.0.span).or(fallback);
        refuse_foreign(select, at)?;
        let mut items = Vec::new();
        let mut row_time = None;
        for item in &select.projection {
            match item {
                SelectItem::ExprWithAlias { expr, alias } if alias.value == ROWTIME && !is_row_time(expr) => {
                    row_time = Some(expr.clone());
                }
                other => expand(other, relation, at, &mut items)?,
            }
        }
        let mut parts = Self {
            place: at,
            is_distinct: match &select.distinct {
                None | Some(Distinct::All) => false,
                Some(Distinct::Distinct) => true,
                Some(_) => return Err(SqlError::new(at, "DISTINCT ON is not of the dialect")),
            },
            items,
            row_time,
            filter: select.selection.clone(),
            group_by: Vec::new(),
            having: select.having.clone(),
            order_by: Vec::new(),
            windows: select.named_window.clone(),
        };
        parts.group_by = parts.grouping(&select.group_by, relation, at)?;
        parts.order_by = parts.ordering(order_by, relation, at)?;
        Ok(parts)
    }

    fn grouping(&self, clause: &GroupByExpr, relation: &Relation, at: Place) -> Result<Vec<Expr>, SqlError> {
        match clause {
            GroupByExpr::Expressions(expressions, modifiers) if modifiers.is_empty() => {
                expressions.iter().map(|expression| Ok(self.dealiased(expression, relation).clone())).collect()
            }
            _ => Err(SqlError::new(at, "GROUP BY takes expressions")),
        }
    }

    fn ordering(&self, clause: Option<&OrderBy>, relation: &Relation, at: Place) -> Result<Vec<Order>, SqlError> {
        let Some(clause) = clause else { return Ok(vec![]) };
        let OrderByKind::Expressions(terms) = &clause.kind else {
            return Err(SqlError::new(at, "ORDER BY takes expressions"));
        };
        let term = |term: &datafusion::sql::sqlparser::ast::OrderByExpr| {
            let expression = match ordinal(&term.expr) {
                Some(number) => {
                    let item = number.checked_sub(1).and_then(|index| self.items.get(index));
                    let missing = || SqlError::new(place(&term.expr).or(at), format!("there is no column {number} to order by"));
                    item.ok_or_else(missing)?.expression.clone()
                }
                None => self.dealiased(&term.expr, relation).clone(),
            };
            Ok(Order { expression, is_descending: term.options.asc == Some(false) })
        };
        terms.iter().map(term).collect()
    }

    /// The expression that an alias of the select list stands for, when no column has that name.
    fn dealiased<'a>(&'a self, expression: &'a Expr, relation: &Relation) -> &'a Expr {
        let Expr::Identifier(name) = expression else { return expression };
        let is_column = name.value == ROWTIME || relation.columns.iter().any(|column| column.seen_name() == name.value);
        let item = self.items.iter().find(|item| item.name == name.value);
        item.filter(|_| !is_column).map_or(expression, |item| &item.expression)
    }

    /// Every expression of the select list, of HAVING and of ORDER BY.
    pub(super) fn results(&self) -> impl Iterator<Item = &Expr> {
        let items = self.items.iter().map(|item| &item.expression);
        items.chain(&self.having).chain(&self.row_time).chain(self.order_by.iter().map(|order| &order.expression))
    }
}

/// Whether an expression is ROWTIME, with a name before it or without.
pub(super) fn is_row_time(expression: &Expr) -> bool {
    match expression {
        Expr::Identifier(name) => name.value == ROWTIME,
        Expr::CompoundIdentifier(names) => names.last().is_some_and(|name| name.value == ROWTIME),
        _ => false,
    }
}

fn ordinal(expression: &Expr) -> Option<usize> {
    match expression {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => digits.to_string().parse().ok(),
            _ => None,
        },
        _ => None,
    }
}

fn refuse_foreign(select: &Select, at: Place) -> Result<(), SqlError> {
    let foreign = [
        (select.top.is_some(), "TOP"),
        (select.into.is_some(), "INTO"),
        (!select.lateral_views.is_empty(), "LATERAL VIEW"),
        (select.prewhere.is_some(), "PREWHERE"),
        (select.qualify.is_some(), "QUALIFY"),
        (!select.connect_by.is_empty(), "CONNECT BY"),
        (!select.cluster_by.is_empty() || !select.distribute_by.is_empty() || !select.sort_by.is_empty(), "CLUSTER BY"),
        (select.exclude.is_some(), "EXCLUDE"),
    ];
    match foreign.into_iter().find(|(is_there, _)| *is_there) {
        Some((_, clause)) => Err(SqlError::new(at, format!("{clause} is not of the dialect"))),
        None => Ok(()),
    }
}

fn expand(item: &SelectItem, relation: &Relation, at: Place, items: &mut Vec<Item>) -> Result<(), SqlError> {
    match item {
        SelectItem::UnnamedExpr(expression) => {
            items.push(Item { name: implied_name(expression, items.len()), expression: expression.clone() });
        }
        SelectItem::ExprWithAlias { expr, alias } => items.push(Item { name: alias.value.clone(), expression: expr.clone() }),
        SelectItem::Wildcard(_) => items.extend(all(relation)),
        SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
            let alias: Vec<Ident> = name.0.iter().filter_map(|part| part.as_ident().cloned()).collect();
            // Checks the alias; ROWTIME is there in every stream.
            relation.find(&[alias, vec![Ident::new(ROWTIME)]].concat())?;
            items.extend(all(relation));
        }
        _ => return Err(SqlError::new(at, format!("{item} is not supported in the select list"))),
    }
    Ok(())
}

/// All columns but ROWTIME.
fn all(relation: &Relation) -> impl Iterator<Item = Item> {
    relation.use_all();
    let item = |column: &super::relation::Column| Item {
        expression: Expr::Identifier(Ident::with_quote('"', column.name.clone())),
        name: column.seen_name().to_owned(),
    };
    relation.columns.iter().map(item).collect::<Vec<_>>().into_iter()
}

fn implied_name(expression: &Expr, index: usize) -> String {
    match expression {
        Expr::Identifier(name) => name.value.clone(),
        Expr::CompoundIdentifier(names) => names.last().map_or_else(|| format!("EXPR${index}"), |name| name.value.clone()),
        _ => format!("EXPR${index}"),
    }
}
