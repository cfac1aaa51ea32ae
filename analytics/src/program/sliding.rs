//! Pumps with OVER: aggregates over the rows before each row.

use datafusion::sql::sqlparser::ast::{
    Expr, Function, Ident, NamedWindowDefinition, NamedWindowExpr, Spanned, Value, WindowFrameBound, WindowFrameUnits,
    WindowSpec, WindowType,
};

use super::context::{RowContext, aggregate_call};
use super::expression::{Context, place, write};
use super::interval;
use super::operator::{Extent, Frame, Operator, Sliding, TABLE};
use super::relation::{ROWTIME, Relation, quoted};
use super::rowwise::{filter, select_list};
use super::select::Parts;
use super::window::Width;
use crate::sql::{Place, SqlError};

/// A pump that aggregates over sliding windows.
pub(super) fn sliding(parts: &Parts, relation: &Relation) -> Result<Operator, SqlError> {
    let mut context = SlidingContext {
        row: RowContext::new(relation),
        windows: &parts.windows,
        prepared: Vec::new(),
        frames: Vec::new(),
        aggregates: Vec::new(),
        calls: Vec::new(),
    };
    let list = select_list(parts, &quoted(ROWTIME), &mut context)?;
    let filter = filter(parts, relation)?;
    let SlidingContext { prepared, frames, aggregates, calls, .. } = context;
    let mut columns = vec![quoted(ROWTIME)];
    columns.extend(relation.used().into_iter().map(|index| quoted(&relation.columns[index].name)));
    columns.extend(relation.metadata().into_keys().map(|metadata| quoted(metadata.name())));
    columns.extend(prepared.iter().enumerate().map(|(index, text)| format!("{text} AS {}", quoted(&prepared_name(index)))));
    Ok(Operator::Sliding(Sliding {
        prepare: format!("SELECT {} FROM {TABLE}{filter}", columns.join(", ")),
        aggregates: format!("SELECT {} FROM {TABLE}", aggregates.join(", ")),
        frames,
        calls,
        result: format!("SELECT {list} FROM {TABLE}"),
    }))
}

/// A partition key or an argument among the prepared columns. A blank keeps it apart from the program's names.
fn prepared_name(index: usize) -> String {
    format!("x {index}")
}

fn aggregate_name(index: usize) -> String {
    format!("w {index}")
}

struct SlidingContext<'a> {
    row: RowContext<'a>,
    windows: &'a [NamedWindowDefinition],
    /// Partition keys and arguments over the stream's rows.
    prepared: Vec<String>,
    frames: Vec<Frame>,
    /// The different aggregates, over the prepared columns.
    aggregates: Vec<String>,
    /// Columns that the result reads: an aggregate and its frame.
    calls: Vec<(usize, usize)>,
}

impl SlidingContext<'_> {
    /// The prepared column with this text.
    fn prepare(&mut self, text: String) -> String {
        prepared_name(place_in(&mut self.prepared, text))
    }

    fn frame(&mut self, over: &WindowType, at: Place) -> Result<usize, SqlError> {
        let specification = self.specification(over, at)?.clone();
        if let Some(order) = specification.order_by.first() {
            return Err(SqlError::new(
                place(&order.expr).or(at),
                "a sliding window has no ORDER BY: its rows come in the order of ROWTIME",
            ));
        }
        let extent = extent(&specification, at)?;
        let keys = specification.partition_by.iter().map(|key| write(key, &mut self.row)).collect::<Result<Vec<_>, _>>()?;
        let partition_by = keys.into_iter().map(|key| self.prepare(key)).collect();
        Ok(place_in(&mut self.frames, Frame { partition_by, extent }))
    }

    /// The window that OVER has inline or names.
    fn specification<'b>(&'b self, over: &'b WindowType, at: Place) -> Result<&'b WindowSpec, SqlError> {
        let name = match over {
            WindowType::WindowSpec(WindowSpec { window_name: Some(name), partition_by, window_frame: None, .. })
                if partition_by.is_empty() =>
            {
                name
            }
            WindowType::WindowSpec(inline) => return Ok(inline),
            WindowType::NamedWindow(name) => name,
        };
        let found = self.windows.iter().find(|NamedWindowDefinition(known, _)| known.value == name.value);
        match found {
            Some(NamedWindowDefinition(_, NamedWindowExpr::WindowSpec(specification))) => Ok(specification),
            Some(_) => Err(SqlError::new(Place::of(name.span).or(at), "a window is defined by its rows, not by another window")),
            None => Err(SqlError::new(Place::of(name.span).or(at), format!("there is no window {}", name.value))
                .help("define it behind FROM: WINDOW w AS (PARTITION BY k RANGE INTERVAL '1' MINUTE PRECEDING)")),
        }
    }
}

impl Context for SlidingContext<'_> {
    fn whole(&mut self, _expression: &Expr) -> Result<Option<String>, SqlError> {
        Ok(None)
    }

    fn column(&mut self, parts: &[Ident]) -> Result<String, SqlError> {
        self.row.column(parts)
    }

    fn aggregate(&mut self, call: &Function) -> Result<String, SqlError> {
        let at = Place::of(call.name.span());
        let Some(over) = &call.over else { return self.row.aggregate(call) };
        let frame = self.frame(over, at)?;
        let parsed = aggregate_call(call, self.row.relation)?;
        let parsed = parsed.over_prepared(|text| quoted(&self.prepare(text.to_owned())));
        if call.filter.is_some() {
            return Err(SqlError::not_yet(at, "FILTER of a sliding window").help("aggregate a CASE expression"));
        }
        // The average of whole numbers is two aggregates, so it is put together again in the result.
        if let Some((sum, count)) = parsed.as_sum_and_count() {
            let (sum, count) = (self.call(sum, frame), self.call(count, frame));
            return Ok(parsed.average(&sum, &count));
        }
        let column = self.call(parsed.write(), frame);
        Ok(parsed.result(column))
    }
}

impl SlidingContext<'_> {
    /// The column of an aggregate over a frame.
    fn call(&mut self, text: String, frame: usize) -> String {
        let call = (place_in(&mut self.aggregates, text), frame);
        quoted(&aggregate_name(place_in(&mut self.calls, call)))
    }
}

/// Where an item stands in a list; it is added when it does not.
fn place_in<T: PartialEq>(list: &mut Vec<T>, item: T) -> usize {
    list.iter().position(|known| *known == item).unwrap_or_else(|| {
        list.push(item);
        list.len() - 1
    })
}

fn extent(specification: &WindowSpec, at: Place) -> Result<Extent, SqlError> {
    let needed = "a sliding window has RANGE INTERVAL '1' MINUTE PRECEDING, or ROWS 10 PRECEDING";
    let Some(frame) = &specification.window_frame else { return Err(SqlError::new(at, "this window has no rows").help(needed)) };
    if !matches!(frame.end_bound, None | Some(WindowFrameBound::CurrentRow)) {
        return Err(SqlError::new(at, "a window of a stream ends at the current row"));
    }
    let bound = match &frame.start_bound {
        WindowFrameBound::Preceding(Some(bound)) => bound,
        WindowFrameBound::Preceding(None) => return Err(SqlError::not_yet(at, "UNBOUNDED PRECEDING")),
        _ => return Err(SqlError::new(at, "a window of a stream begins before the current row").help(needed)),
    };
    match (frame.units, bound.as_ref()) {
        (WindowFrameUnits::Range, Expr::Interval(literal)) => match interval::length(literal) {
            Ok(Width::Ms(ms)) if ms > 0 => Ok(Extent::Range { ms, has_start: true }),
            Ok(_) => Err(SqlError::new(at, "the range of a window is days, hours, minutes or seconds, above 0")),
            Err(message) => Err(SqlError::new(place(bound).or(at), message)),
        },
        (WindowFrameUnits::Rows, Expr::Value(value)) => match &value.value {
            Value::Number(digits, _) => match digits.to_string().parse() {
                Ok(rows) if rows > 0 => Ok(Extent::Rows(rows)),
                _ => Err(SqlError::new(at, "ROWS takes a whole number above 0")),
            },
            _ => Err(SqlError::new(at, "ROWS takes a whole number above 0")),
        },
        _ => Err(SqlError::new(place(bound).or(at), "this is no extent of a window").help(needed)),
    }
}
