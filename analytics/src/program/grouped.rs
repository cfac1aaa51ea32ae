//! Pumps with GROUP BY or DISTINCT: groups of a tumbling window.
//!
//! Two texts: one over the rows of a window, with its keys and aggregates; one over its groups, with everything that
//! stands around the aggregates. The window's own key is in neither: it is the same for all rows of a window.

use datafusion::sql::sqlparser::ast::{Expr, Function, Ident};

use super::context::{AggregateCall, RowContext, aggregate_call, refuse};
use super::expression::{Context, place, write};
use super::monotonic::{Monotone, monotone};
use super::operator::{Operator, TABLE, Tumbling, WINDOW_END, WINDOW_START};
use super::relation::{ROWTIME, Reference, Relation, quoted};
use super::rowwise::{filter, order_terms, select_list};
use super::select::{Parts, is_row_time};
use super::window::{Width, Window};
use crate::sql::SqlError;

/// A pump that aggregates in tumbling windows.
pub(super) fn grouped(parts: &Parts, relation: &Relation) -> Result<Operator, SqlError> {
    let grouping = Grouping::new(parts, relation)?;
    let window = grouping.window;
    let mut context = GroupContext { relation, grouping, arguments: Vec::new(), aggregates: Vec::new() };
    let list = select_list(parts, &quoted(WINDOW_END), &mut context)?;
    let having = parts.having.as_ref().map(|having| write(having, &mut context)).transpose()?;
    let order = context.order(parts)?;
    let mut conditions: Vec<String> = having.into_iter().collect();
    if context.grouping.keys.is_empty() {
        // Without keys there is one group even of no rows; a stream has none then.
        conditions.push("\"rows\" > 0".to_owned());
    }
    let conditions = if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
    Ok(Operator::Tumbling(Tumbling {
        window,
        groups: context.groups(&filter(parts, relation)?),
        result: format!("SELECT {list} FROM {TABLE}{conditions}{order}"),
    }))
}

/// The columns of the result, as the columns of a subquery are seen.
pub(super) fn monotones(parts: &Parts, relation: &Relation) -> Vec<Option<Monotone>> {
    let seen = |expression: &Expr| {
        let value = monotone(expression, relation)?;
        // A result's ROWTIME is the end of its window, so the value changes just behind that end.
        if is_row_time(expression) { Some(value.as_column()) } else { value.as_column().delayed() }
    };
    parts.items.iter().map(|item| seen(&item.expression)).collect()
}

/// What rows are grouped by.
struct Grouping {
    /// The finest of the keys that move with ROWTIME.
    window: Window,
    /// The other keys, as DataFusion reads them.
    keys: Vec<String>,
}

impl Grouping {
    fn new(parts: &Parts, relation: &Relation) -> Result<Self, SqlError> {
        let keys = Self::keys_of(parts)?;
        let moving = |key: &&Expr| monotone(key, relation);
        let windows: Vec<(&Expr, Monotone)> = keys.iter().filter_map(|key| Some((*key, moving(key)?))).collect();
        let mut window: Option<Window> = None;
        for (key, monotone) in &windows {
            window = Some(match window {
                None => monotone.window,
                Some(known) if known.holds(monotone.window) => monotone.window,
                Some(known) if monotone.window.holds(known) => known,
                Some(_) => return Err(refuse(key, parts.place, "these windows do not fit into each other")),
            });
        }
        let Some(window) = window else { return Err(never_complete(parts)) };
        let mut texts = Vec::new();
        for key in keys {
            if monotone(key, relation).is_some_and(|monotone| monotone.is_of_rowtime) {
                continue; // the window's start tells its value
            }
            let text = write(key, &mut RowContext::new(relation))?;
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
        Ok(Self { window, keys: texts })
    }

    fn keys_of(parts: &Parts) -> Result<Vec<&Expr>, SqlError> {
        if !parts.is_distinct {
            return Ok(parts.group_by.iter().collect());
        }
        if !parts.group_by.is_empty() {
            return Err(SqlError::not_yet(parts.place, "DISTINCT together with GROUP BY"));
        }
        // ROWTIME itself does not make rows different, unless there is no other time.
        let others: Vec<&Expr> = parts.items.iter().map(|item| &item.expression).filter(|item| !is_row_time(item)).collect();
        let all = parts.items.iter().map(|item| &item.expression);
        Ok(if others.len() < parts.items.len() && !others.iter().any(|item| has_row_time(item)) { all.collect() } else { others })
    }
}

fn has_row_time(expression: &Expr) -> bool {
    let found = datafusion::sql::sqlparser::ast::visit_expressions(expression, |inner| {
        if is_row_time(inner) { std::ops::ControlFlow::Break(()) } else { std::ops::ControlFlow::Continue(()) }
    });
    found.is_break()
}

fn never_complete(parts: &Parts) -> SqlError {
    let clause = if parts.is_distinct { "DISTINCT" } else { "GROUP BY" };
    let at = parts.group_by.first().map_or(parts.place, |key| place(key).or(parts.place));
    SqlError::new(at, format!("this query can never emit a row: {clause} has no key that moves with ROWTIME"))
        .help("add a window, such as STEP(s.ROWTIME BY INTERVAL '60' SECOND) or FLOOR(s.ROWTIME TO MINUTE)")
}

/// Expressions over one group.
struct GroupContext<'a> {
    relation: &'a Relation,
    grouping: Grouping,
    /// What aggregates take, over the rows of the stream.
    arguments: Vec<String>,
    /// Over columns that hold the arguments.
    aggregates: Vec<AggregateCall>,
}

impl GroupContext<'_> {
    /// Keys and arguments are computed below the aggregation, where a row that fails can be told from the others.
    fn groups(&self, filter: &str) -> String {
        let numbered = |texts: &[String], letter: char| {
            texts.iter().enumerate().map(|(index, text)| format!("{text} AS \"{letter}{index}\"")).collect::<Vec<_>>()
        };
        let keys: Vec<String> = (0..self.grouping.keys.len()).map(|index| format!("\"K{index}\"")).collect();
        let mut rows = [numbered(&self.grouping.keys, 'K'), numbered(&self.arguments, 'X')].concat();
        let mut columns = keys.clone();
        columns.extend(self.aggregates.iter().enumerate().map(|(index, call)| format!("{} AS \"A{index}\"", call.write())));
        if keys.is_empty() {
            columns.push("count(*) AS \"rows\"".to_owned());
        }
        if rows.is_empty() {
            rows.push(quoted(ROWTIME));
        }
        let group_by = if keys.is_empty() { String::new() } else { format!(" GROUP BY {}", keys.join(", ")) };
        format!("SELECT {} FROM (SELECT {} FROM {TABLE}{filter}){group_by}", columns.join(", "), rows.join(", "))
    }

    /// The column that holds an argument.
    fn argument(&mut self, text: &str) -> String {
        let index = self.arguments.iter().position(|known| known == text).unwrap_or_else(|| {
            self.arguments.push(text.to_owned());
            self.arguments.len() - 1
        });
        format!("\"X{index}\"")
    }

    /// ORDER BY inside of a window; by the keys when there is none, so that a window's rows always stand in one order.
    fn order(&mut self, parts: &Parts) -> Result<String, SqlError> {
        if parts.order_by.is_empty() {
            let keys: Vec<String> = (0..self.grouping.keys.len()).map(|index| format!("\"K{index}\"")).collect();
            return Ok(if keys.is_empty() { String::new() } else { format!(" ORDER BY {}", keys.join(", ")) });
        }
        let first = &parts.order_by[0].expression;
        match monotone(first, self.relation) {
            None => Err(refuse(first, parts.place, "ORDER BY of a stream begins with a time that moves with ROWTIME")),
            Some(time)
                if !is_row_time(first) && time.window != self.grouping.window && time.window.holds(self.grouping.window) =>
            {
                Err(SqlError::not_yet(place(first).or(parts.place), "ORDER BY over several windows of GROUP BY"))
            }
            Some(_) => order_terms(parts, self),
        }
    }
}

impl Context for GroupContext<'_> {
    fn whole(&mut self, expression: &Expr) -> Result<Option<String>, SqlError> {
        let is_bare_row_time = matches!(expression, Expr::Identifier(_)) && is_row_time(expression);
        if is_bare_row_time {
            return Ok(None);
        }
        if let Some(time) = monotone(expression, self.relation)
            && time.is_of_rowtime
            && time.window.holds(self.grouping.window)
        {
            // The same for every moment of the window, so its start tells the value.
            return write(expression, &mut RowContext { relation: self.relation, row_time: WINDOW_START }).map(Some);
        }
        let key = write(expression, &mut RowContext::new(self.relation)).ok();
        let index = key.and_then(|key| self.grouping.keys.iter().position(|known| *known == key));
        Ok(index.map(|index| format!("\"K{index}\"")))
    }

    fn column(&mut self, parts: &[Ident]) -> Result<String, SqlError> {
        if matches!(parts, [name] if name.value == "CURRENT_ROW_TIMESTAMP" && name.quote_style.is_none()) {
            return Ok(quoted(WINDOW_END));
        }
        let reference = self.relation.find(parts)?;
        if reference == (Reference::RowTime { is_qualified: false }) {
            return Ok(quoted(WINDOW_END));
        }
        let names: Vec<&str> = parts.iter().map(|part| part.value.as_str()).collect();
        let at = parts.first().map(|part| crate::sql::Place::of(part.span)).unwrap_or_default();
        Err(SqlError::new(at, format!("{} is neither in GROUP BY nor inside of an aggregate", names.join(".")))
            .help("add it to GROUP BY, or write MIN(…) or MAX(…) of it"))
    }

    fn aggregate(&mut self, call: &Function) -> Result<String, SqlError> {
        if call.over.is_some() {
            let at = crate::sql::Place::of(datafusion::sql::sqlparser::ast::Spanned::span(&call.name));
            return Err(SqlError::not_yet(at, "OVER together with GROUP BY").help("aggregate in a subquery, or in a pump before"));
        }
        let parsed = aggregate_call(call, self.relation)?.over_prepared(|text| self.argument(text));
        let index = self.aggregates.iter().position(|known| *known == parsed).unwrap_or_else(|| {
            self.aggregates.push(parsed);
            self.aggregates.len() - 1
        });
        Ok(self.aggregates[index].result(format!("\"A{index}\"")))
    }
}

impl Monotone {
    /// The same value in the results of a window, whose ROWTIME is the end of it.
    fn delayed(self) -> Option<Self> {
        let window = self.window.moved(1)?;
        Some(Self { window, ..self })
    }
}

impl Window {
    /// The windows that begin so much later; None for months.
    fn moved(self, ms: i64) -> Option<Self> {
        match self.width() {
            Width::Ms(1) => Some(self),
            Width::Ms(_) => Some(Self::new(self.width(), self.origin_ms() + ms)),
            Width::Months(_) => None,
        }
    }
}
