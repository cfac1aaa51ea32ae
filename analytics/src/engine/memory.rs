//! Bounds what is held: the policy of `--max-groups`.
//!
//! Groups and rows of all open windows together are at most the limit and an eighth, and the batch that is at hand; when one
//! tumbling window has filled that alone, there is another eighth for the rows of the others. Rows are counted exactly at any time. Groups are counted exactly after each eighth of the limit that came in rows, or as soon as the
//! rows and as many new groups as there may be could be above the bound.
//!
//! Beyond the limit the operator that holds most gives room, and when it cannot, the next one:
//!
//! - tumbling windows close before their time, oldest first; the one window that is left takes no new groups,
//! - rows that wait to be sorted or for their turn go on,
//! - sliding windows forget the partitions that have been quiet longest.
//!
//! Each is counted and told in the error stream or the summary; none ends the run.

use std::cmp::Reverse;
use std::collections::HashMap;

use datafusion::error::Result;

use super::node::RunningNode;
use super::{Engine, Output, Until};

/// The limit is looked at after this part of it has come in rows.
const PARTS: usize = 8;

impl Engine {
    /// Gives room when too much is held.
    pub(super) fn bound_memory(&mut self, output: &mut Output) -> Result<()> {
        let max = self.options.max_groups;
        if !self.is_due(max) {
            return Ok(());
        }
        self.unmeasured_rows = 0;
        self.nodes.iter_mut().try_for_each(RunningNode::measure)?;
        while self.held() > max && self.give_room(max, output)? {}
        self.measured_groups = self.held() - self.rows_held();
        Ok(())
    }

    fn is_due(&self, max: usize) -> bool {
        if self.unmeasured_rows * PARTS >= max {
            return true;
        }
        let rows = self.rows_held();
        let grouping = self.nodes.iter().filter(|node| node.has_windows()).count();
        let most = rows + self.measured_groups + self.unmeasured_rows * grouping;
        // The groups of one window cannot be given up, so it is of no use without rows.
        most > max.saturating_add(max / PARTS) && rows * PARTS >= max
    }

    /// Groups and rows.
    fn held(&self) -> usize {
        self.nodes.iter().map(RunningNode::held).sum()
    }

    fn rows_held(&self) -> usize {
        self.nodes.iter().filter(|node| !node.has_windows()).map(RunningNode::held).sum()
    }

    /// Lets one operator give room, the one that holds most first. False when none can.
    fn give_room(&mut self, max: usize, output: &mut Output) -> Result<bool> {
        let mut by_size: Vec<usize> = (0..self.nodes.len()).collect();
        by_size.sort_by_key(|index| Reverse(self.nodes[*index].held()));
        for index in by_size {
            if self.close_early(index, output)? {
                return Ok(true);
            }
            // Room for the next part too, so that partitions are not forgotten one by one.
            let excess = self.held().saturating_sub(max - max / PARTS);
            if self.nodes[index].shed(excess, &mut output.faults)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Completes what is oldest in a node. False when that is nothing.
    fn close_early(&mut self, index: usize, output: &mut Output) -> Result<bool> {
        let (mut done, known_faults) = (Vec::new(), output.faults.len());
        if !self.nodes[index].close_early(&mut done, &mut output.faults)? {
            return Ok(false);
        }
        self.stats.failed_rows += output.faults[known_faults..].iter().map(|fault| fault.count).sum::<u64>();
        self.stats.closed_early += 1;
        self.stats.closed_windows += u64::from(self.nodes[index].has_windows());
        let mut pending = HashMap::new();
        self.emit(index, done, &mut pending, output);
        self.flow_from(index + 1, None, pending, Until::Nothing, output)?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use arrow::array::AsArray;
    use arrow::datatypes::Int64Type;

    use super::super::tests::{engine_of_program, feed, messages};
    use super::*;
    use crate::engine::{ERROR_STREAM, StreamRows};

    const MAX: usize = 800;

    /// (client, count) of the results of each stream, by the stream's place in the program.
    fn counts(rows: &[StreamRows]) -> Vec<(usize, String, i64)> {
        let results = rows.iter().filter(|rows| rows.stream != ERROR_STREAM);
        let of = |rows: &StreamRows| {
            let (clients, counts) = (rows.rows.column(1).as_string_view(), rows.rows.column(2).as_primitive::<Int64Type>());
            let row = |row| (rows.stream.0, clients.value(row).to_owned(), counts.value(row));
            (0..rows.rows.num_rows()).map(row).collect::<Vec<_>>()
        };
        results.flat_map(of).collect()
    }

    /// The numbers of `… 12 rows of the 3 partitions …` in all messages together.
    fn forgotten(messages: &[String]) -> (usize, usize) {
        let number = |text: &str, before: &str| -> usize {
            let (head, _) = text.split_once(before).unwrap_or_else(|| panic!("{text}"));
            head.rsplit(' ').next().unwrap().parse().unwrap()
        };
        let of = |text: &String| (number(text, " rows of the"), number(text, " partitions that"));
        messages.iter().map(of).fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1))
    }

    /// Twenty thousand partitions of three rows and a bound of 800: a partition that is never quiet is never forgotten,
    /// every result is that of the rows since its partition was forgotten, and each forgotten row is told.
    #[test]
    fn windows_of_rows_are_bounded_over_many_partitions_and_busy_ones_stay() {
        const STEPS: usize = 2_000;
        let mut engine = engine_of_program(
            "CREATE STREAM d (client VARCHAR(64), c BIGINT);
             CREATE PUMP p AS INSERT INTO d SELECT STREAM \"client_ip\",
             COUNT(*) OVER (PARTITION BY \"client_ip\" ROWS 9 PRECEDING) FROM \"access_log\"",
            MAX,
        );
        let (mut told, mut rows_of, mut busy) = (Vec::new(), HashMap::<String, i64>::new(), 0);
        for step in 0..STEPS {
            // Ten new clients, who come again after one step and after ten: by then some 500 rows are younger than theirs,
            // and 700 stay when the bound is reached.
            let of_step = |back: usize| (0..10).map(move |number| format!("{}-{number}", step + 10 - back));
            let names: Vec<String> = std::iter::once("busy".to_owned()).chain([0, 1, 10].into_iter().flat_map(of_step)).collect();
            let rows: Vec<(i64, &str)> = names.iter().map(|name| (step as i64, name.as_str())).collect();
            let results = feed(&mut engine, 0, &rows);
            told.extend(messages(&results));
            for (_, client, count) in counts(&results) {
                if client == "busy" {
                    busy += 1;
                    assert_eq!(count, busy.min(10), "after {step}");
                } else {
                    let known = rows_of.entry(client.clone()).or_default();
                    *known += 1;
                    assert_eq!(count, *known, "{client} after {step}");
                }
            }
            let held = engine.totals().held;
            assert!(held <= MAX + MAX / PARTS + rows.len(), "{held} rows held after {step}");
        }
        assert_eq!(busy, STEPS as i64 - 1, "the rows of the last step wait");
        let (rows, partitions) = forgotten(&told);
        assert!(partitions > 19_000, "{partitions} partitions forgotten");
        // Every row is somewhere: out of the window of the busy client, forgotten, or held.
        assert_eq!(engine.totals().held, 31 * STEPS - (STEPS - 1 - 10) - rows);
    }

    /// One input row is a row of each frame, so the bound is reached before an eighth of it has come.
    #[test]
    fn the_rows_of_all_frames_count_together_and_the_quietest_partitions_of_all_go() {
        let frame = |rows: usize| format!("COUNT(*) OVER (PARTITION BY \"client_ip\" ROWS {rows} PRECEDING)");
        let frames: Vec<String> = (1..=12).map(frame).collect();
        let source = format!(
            "CREATE STREAM d (client VARCHAR(64), c BIGINT);
             CREATE PUMP p AS INSERT INTO d SELECT STREAM \"client_ip\", {} FROM \"access_log\"",
            frames.join(" + ")
        );
        let mut engine = engine_of_program(&source, MAX);
        for step in 0..1_000_i64 {
            let name = format!("c{step}");
            let results = feed(&mut engine, 0, &[(step, "busy"), (step, name.as_str())]);
            let busy = counts(&results).into_iter().find(|(_, client, _)| client == "busy");
            let all_frames = |rows: i64| (1..=12).map(|most: i64| rows.min(most + 1)).sum::<i64>();
            assert!(busy.is_none_or(|(_, _, count)| count == all_frames(step)), "after {step}");
            let held = engine.totals().held;
            assert!(held <= MAX + MAX / PARTS + 2 * 12, "{held} rows held after {step}");
        }
    }

    /// Sliding windows give room also when a tumbling window, which cannot, holds more than they do.
    #[test]
    fn a_full_tumbling_window_leaves_the_rest_of_the_room_to_sliding_ones() {
        let mut engine = engine_of_program(
            "CREATE STREAM t (client VARCHAR(64), c BIGINT); CREATE STREAM d (client VARCHAR(64), c BIGINT);
             CREATE PUMP groups AS INSERT INTO t SELECT STREAM \"client_ip\", COUNT(*) FROM \"access_log\" AS s
             WHERE \"client_ip\" LIKE 'g%' GROUP BY \"client_ip\", FLOOR(s.ROWTIME TO DAY);
             CREATE PUMP rows AS INSERT INTO d SELECT STREAM \"client_ip\",
             COUNT(*) OVER (PARTITION BY \"client_ip\" ROWS 9 PRECEDING) FROM \"access_log\" WHERE \"client_ip\" LIKE 'r%'",
            MAX,
        );
        for step in 0..4_000_i64 {
            let name = if step < 500 { format!("g{step}") } else { format!("r{step}") };
            feed(&mut engine, 0, &[(step, name.as_str())]);
            let held = engine.totals().held;
            assert!(held <= MAX + MAX / PARTS + 1, "{held} groups and rows held after {step}");
        }
    }
}
