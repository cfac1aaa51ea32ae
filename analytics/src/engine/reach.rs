//! How far each node may complete its windows, when the program has several inputs.
//!
//! Every input has a watermark of its own. A node goes by those of the inputs that its rows come from, the slowest first:
//! a pump over one input does not wait for the others, and what merges inputs waits for all of them.

use std::collections::{BTreeSet, HashMap};

use super::Engine;
use crate::program::{Node, Program, StreamId};
use crate::watermark::BEFORE_ALL;

/// What nodes complete in a step.
#[derive(Debug, Clone, Copy)]
pub(super) enum Until {
    Nothing,
    /// What ended so long before the watermark of the node's inputs.
    Watermark {
        lateness_ms: i64,
    },
    Everything,
}

impl Engine {
    /// How far time has come over these inputs together. An input that has ended holds nobody back.
    pub(super) fn reached_ms(&self, inputs: impl IntoIterator<Item = usize>) -> i64 {
        let is_alone = self.watermarks.len() == 1; // what closes then, closes at the end
        let reached_ms = |input: usize| match &self.watermarks[input] {
            watermark if watermark.has_ended() && !is_alone => i64::MAX,
            watermark => watermark.value_ms(),
        };
        inputs.into_iter().map(reached_ms).min().unwrap_or(BEFORE_ALL)
    }

    /// Before which moment a node completes what ends. A node that reads another's rows reads all of its inputs, so its
    /// moment is never later.
    pub(super) fn until_ms(&self, node: usize, until: Until) -> i64 {
        match until {
            Until::Nothing => i64::MIN,
            Until::Everything => i64::MAX,
            Until::Watermark { lateness_ms } => self.reached_ms(self.upstream[node].iter().copied()).saturating_sub(lateness_ms),
        }
    }
}

/// For each node the inputs that its rows come from.
pub(super) fn upstream(program: &Program) -> Vec<BTreeSet<usize>> {
    let mut of_stream: HashMap<StreamId, BTreeSet<usize>> = HashMap::new();
    for (index, input) in program.inputs.iter().enumerate() {
        of_stream.insert(*input, BTreeSet::from([index]));
    }
    let of_node = |node: &Node| {
        let inputs = of_stream.get(&node.input).cloned().unwrap_or_default();
        of_stream.entry(node.output).or_default().extend(&inputs);
        inputs
    };
    program.nodes.iter().map(of_node).collect()
}

#[cfg(test)]
mod tests {
    use super::super::EngineOptions;
    use super::*;
    use crate::chunk::{Chunk, Payload, ShardId};
    use crate::decode::{Decoder, Missing};
    use crate::lines::Lines;
    use crate::program::{self, RowTime};
    use crate::settings::input_plan;

    const PROGRAM: &str = "CREATE STREAM merged (c VARCHAR(9)); CREATE STREAM one (n INTEGER); CREATE STREAM both (n INTEGER);
        CREATE PUMP a AS INSERT INTO one SELECT STREAM COUNT(*) FROM s_001 AS s GROUP BY STEP(s.ROWTIME BY INTERVAL '10' SECOND);
        CREATE PUMP b AS INSERT INTO merged SELECT STREAM \"status\" FROM s_001;
        CREATE PUMP c AS INSERT INTO merged SELECT STREAM \"status\" FROM s_002;
        CREATE PUMP d AS INSERT INTO both SELECT STREAM COUNT(*) FROM merged AS m GROUP BY STEP(m.ROWTIME BY INTERVAL '10' SECOND);";

    const UNION: &str = "CREATE STREAM both (n INTEGER); CREATE PUMP d AS INSERT INTO both SELECT STREAM COUNT(*) FROM
        (SELECT STREAM \"status\" FROM s_001 UNION ALL SELECT STREAM \"status\" FROM s_002) AS m
        GROUP BY STEP(m.ROWTIME BY INTERVAL '10' SECOND);";

    /// A program, and how to feed it: input and time of a row in seconds. Gives the streams that got rows.
    fn closed_by(program: &str, steps: &[(usize, Option<i64>)]) -> Vec<Vec<String>> {
        let program = program::load(program, program::schema_columns(program::LOG_SCHEMA).unwrap()).unwrap();
        let decoder = |input| Decoder::new(input_plan(&program, input, RowTime::Event, "t", Missing::Null));
        let mut decoders: Vec<Decoder> = program.inputs.iter().copied().map(decoder).collect();
        let options = EngineOptions {
            row_time: RowTime::Event,
            allowed_lateness_ms: Some(0),
            idle_after_ms: 1_000,
            max_groups: 1_000,
            keeps_results: false,
        };
        let schemas = decoders.iter().map(Decoder::schema).collect();
        let mut engine = Engine::new(&program, schemas, options).unwrap();
        let mut step = |(input, second): &(usize, Option<i64>)| {
            let line = |second: &i64| format!("{{\"status\":\"200\",\"t\":\"1970-01-01T00:00:{second:02}Z\"}}\n");
            let payload = match second.as_ref().map(line) {
                Some(line) => {
                    Payload::Lines { lines: Lines::new(line), file: "a.log".into(), first_line: 1, arrivals_ms: vec![] }
                }
                None => Payload::End,
            };
            let decoded = decoders[*input].decode(Chunk::new(ShardId::of_input(*input, 0), payload), 0);
            let rows = engine.handle(decoded, 0).unwrap().rows;
            let name = |stream: StreamId| program.streams[stream.0].name.clone();
            rows.iter().map(|rows| name(rows.stream)).filter(|name| name != "MERGED").collect()
        };
        steps.iter().map(&mut step).collect()
    }

    #[test]
    fn a_pump_waits_for_its_own_inputs_only() {
        let closed = closed_by(PROGRAM, &[(0, Some(1)), (0, Some(15)), (1, Some(2)), (1, Some(12))]);
        assert_eq!(closed, [vec![], vec!["ONE"], vec![], vec!["BOTH"]]);
    }

    #[test]
    fn an_input_that_has_ended_holds_nobody_back() {
        let closed = closed_by(PROGRAM, &[(0, Some(1)), (1, None), (0, Some(15)), (0, None)]);
        assert_eq!(closed, [vec![], vec![], vec!["ONE", "BOTH"], vec!["ONE", "BOTH"]]);
    }

    #[test]
    fn a_union_waits_for_the_slowest_of_its_inputs() {
        let closed = closed_by(UNION, &[(0, Some(1)), (0, Some(15)), (1, Some(2)), (1, Some(12)), (1, None), (0, Some(25))]);
        assert_eq!(closed, [vec![], vec![], vec![], vec!["BOTH"], vec![], vec!["BOTH"]]);
    }

    #[test]
    fn every_node_knows_the_inputs_that_it_reads() {
        let program = program::load(PROGRAM, program::schema_columns(program::LOG_SCHEMA).unwrap()).unwrap();
        let inputs: Vec<Vec<usize>> = upstream(&program).into_iter().map(|inputs| inputs.into_iter().collect()).collect();
        assert_eq!(inputs, [vec![0], vec![0], vec![1], vec![0, 1]]);
    }
}
