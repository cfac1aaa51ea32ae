//! What feeds the inputs of a program: what `--input` and `--stream` mean together.

use config::exit::Failure;

use super::InputSettings;
use crate::decode::InputPlan;
use crate::program::{Program, RowTime, StreamId};
use crate::source::{Input, StreamText};

/// What is read when nothing is named.
const DEFAULT: &str = "web-access-log";

/// The streams that have a source of their own.
pub(super) fn fed(streams: &[StreamText]) -> Vec<String> {
    let name = |stream: &StreamText| match stream {
        StreamText::Only(_) => None,
        StreamText::Of { stream, .. } => Some(stream.clone()),
    };
    streams.iter().filter_map(name).collect()
}

/// The sources of each input of the program, in its order.
///
/// # Errors
/// When an input has none, a source has no input, or an input has a stream beside something else.
pub(super) fn sources(program: &Program, streams: &[StreamText], input: Vec<Input>) -> Result<Vec<Vec<Input>>, Failure> {
    let name = |id: &StreamId| program.streams[id.0].name.as_str();
    let names = || program.inputs.iter().map(name).collect::<Vec<_>>().join(", ");
    let mut sources = vec![Vec::new(); program.inputs.len()];
    for stream in streams {
        let (place, source) = match stream {
            StreamText::Only(stream) if program.inputs.len() == 1 && streams.len() == 1 => (0, Input::Kinesis(stream.clone())),
            StreamText::Only(stream) => {
                return Err(Failure::usage(format!(
                    "--stream {stream} does not say which input it feeds; write --stream STREAM=kinesis:{stream} with one of {}",
                    names()
                )));
            }
            StreamText::Of { stream, source } => (find(program, stream, &names)?, source.clone()),
        };
        sources[place].push(source);
    }
    if streams.is_empty() && program.inputs.len() == 1 {
        let default = || vec![Input::Kinesis(DEFAULT.to_owned())];
        sources = vec![if input.is_empty() { default() } else { input }];
    } else if !input.is_empty() {
        return Err(Failure::usage(format!(
            "--input is for a program with one input, and not beside --stream; give each input its source with --stream STREAM=SOURCE: {}",
            names()
        )));
    }
    if let Some(missing) = sources.iter().position(Vec::is_empty) {
        let name = name(&program.inputs[missing]);
        return Err(Failure::usage(format!(
            "the program reads {name}, which has no source; add --stream {name}=kinesis:NAME or --stream {name}=FILE"
        )));
    }
    sources.iter().try_for_each(|sources| is_possible(sources))?;
    if sources.iter().flatten().filter(|source| **source == Input::Stdin).count() > 1 {
        return Err(Failure::usage("standard input can be read once; give one of the inputs another source"));
    }
    Ok(sources)
}

/// The place of the input of this name.
fn find(program: &Program, wanted: &str, names: &dyn Fn() -> String) -> Result<usize, Failure> {
    let place = |is_it: &dyn Fn(&str) -> bool| program.inputs.iter().position(|id| is_it(&program.streams[id.0].name));
    let found = place(&|name| name == wanted).or_else(|| place(&|name| name.eq_ignore_ascii_case(wanted)));
    found.ok_or_else(|| {
        Failure::usage(format!("--stream {wanted}: the program reads no input of this name; it reads {}", names()))
    })
}

/// A stream stands alone, files may be several.
fn is_possible(sources: &[Input]) -> Result<(), Failure> {
    if sources.len() > 1 && sources.iter().any(|input| matches!(input, Input::Kinesis(_))) {
        return Err(Failure::usage("--input takes one stream, or one or more files; not both, and not two streams"));
    }
    Ok(())
}

/// Everything about each input.
pub(super) fn all(
    program: &Program,
    sources: Vec<Vec<Input>>,
    row_times: &[RowTime],
    plan: impl Fn(StreamId, RowTime) -> InputPlan,
) -> Vec<InputSettings> {
    let inputs = program.inputs.iter().zip(sources).zip(row_times);
    let input = |((id, sources), row_time): ((&StreamId, Vec<Input>), &RowTime)| InputSettings {
        name: program.streams[id.0].name.clone(),
        sources,
        plan: plan(*id, *row_time),
    };
    inputs.map(input).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program;

    fn told(inputs: &[&str], streams: &[&str], input: &[&str]) -> Result<Vec<Vec<String>>, String> {
        let pump = |name: &&str| format!("CREATE PUMP p{name} AS INSERT INTO d SELECT \"status\" FROM {name};");
        let pumps: String = inputs.iter().map(pump).collect();
        let columns = program::schema_columns(program::LOG_SCHEMA).unwrap();
        let program = program::load(&format!("CREATE STREAM d (status VARCHAR(9)); {pumps}"), columns).unwrap();
        let streams: Vec<StreamText> = streams.iter().map(|text| text.parse().unwrap()).collect();
        let sources = sources(&program, &streams, input.iter().map(|text| text.parse().unwrap()).collect());
        let texts = |sources: Vec<Input>| sources.iter().map(ToString::to_string).collect();
        sources.map(|all| all.into_iter().map(texts).collect()).map_err(|failure| match failure {
            Failure::Usage(error) | Failure::Run(error) => error.to_string(),
        })
    }

    #[test]
    fn one_input_is_fed_in_three_ways() {
        assert_eq!(told(&["s_001"], &[], &[]).unwrap(), [["kinesis:web-access-log"]]);
        assert_eq!(told(&["s_001"], &["web"], &[]).unwrap(), [["kinesis:web"]]);
        assert_eq!(told(&["s_001"], &["s_001=a.log", "S_001=b.log"], &[]).unwrap(), [["a.log", "b.log"]]);
    }

    #[test]
    fn each_of_several_inputs_has_a_source_of_its_own() {
        let found = told(&["s_001", "s_002"], &["s_002=a.log", "s_001=kinesis:web"], &[]).unwrap();
        assert_eq!(found, [["kinesis:web"], ["a.log"]]);
    }

    #[test]
    fn what_does_not_fit_together_is_refused_with_what_to_do() {
        let two = ["s_001", "s_002"];
        let cases: [(&[&str], &[&str], &str); 6] = [
            (&[], &[], "the program reads S_001, which has no source; add --stream S_001=kinesis:NAME"),
            (&["s_001=a"], &[], "the program reads S_002, which has no source"),
            (&["s_001=a", "s_003=b"], &[], "--stream s_003: the program reads no input of this name; it reads S_001, S_002"),
            (&["web"], &[], "--stream web does not say which input it feeds"),
            (&[], &["a.log"], "--input is for a program with one input"),
            (&["s_001=-", "s_002=-"], &[], "standard input can be read once"),
        ];
        for (streams, input, expected) in cases {
            let error = told(&two, streams, input).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
