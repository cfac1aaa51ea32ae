//! Where the rows of streams go: what `--sink`, `--output` and `--print` mean.

use arrow::datatypes::SchemaRef;
use config::exit::Failure;

use super::named_streams;
use crate::cli::{Flags, RunArguments};
use crate::engine::{ERROR_SCHEMA, ERROR_STREAM, stream_schema};
use crate::program::{Program, StreamId};
use crate::sinks::{Format, Layout, SinkPlan, SinkText, Target};

/// Where the rows go: to the sinks that were named, to a folder, or to standard output.
pub(super) fn sinks(program: &Program, arguments: &RunArguments) -> Result<Vec<SinkPlan>, Failure> {
    let format = arguments.flags.format;
    let mut plans =
        arguments.sink.iter().map(|sink| named_sink(program, sink, &arguments.flags)).collect::<Result<Vec<_>, _>>()?;
    let is_named = !plans.is_empty();
    if is_named && arguments.print.is_empty() && arguments.output.is_none() {
        return Ok(plans); // whoever names sinks wants those
    }
    let printed = printed(program, &arguments.print)?;
    if let Some(folder) = &arguments.output {
        plans.extend(printed.into_iter().map(|(stream, layout)| SinkPlan::in_folder(folder, format, stream, layout)));
        return Ok(plans);
    }
    if printed.len() > 1 && format != Format::Table {
        let names: Vec<&str> = printed.iter().map(|(_, layout)| layout.name.as_str()).collect();
        return Err(Failure::usage(format!(
            "this program has {} results, {}: print one of them with --print NAME, or all with --output FOLDER",
            names.len(),
            names.join(", ")
        )));
    }
    plans.extend(printed.into_iter().map(|(stream, layout)| SinkPlan { stream, layout, target: Target::Stdout(format) }));
    Ok(plans)
}

fn named_sink(program: &Program, sink: &SinkText, flags: &Flags) -> Result<SinkPlan, Failure> {
    let (stream, name, schema) = find_stream(program, "--sink", &sink.stream)?;
    let kinesis = config::aws::AwsSettings { endpoint: flags.endpoint.clone(), region: flags.region.clone() };
    let plan = SinkPlan::new(sink.clone(), stream, Layout::of_stream(name, &schema), flags.format, &kinesis);
    // What leaves for another program has the declared columns, as the service's outputs had; it can select ROWTIME.
    let is_remote = matches!(plan.target, Target::Kinesis(_) | Target::Firehose(_));
    Ok(if is_remote { SinkPlan { layout: Layout::of_output(name, &schema), ..plan } } else { plan })
}

/// The streams to print: those asked for, or those that no pump reads.
fn printed(program: &Program, names: &[String]) -> Result<Vec<(StreamId, Layout)>, Failure> {
    let layout = |stream: StreamId, name: &str| {
        let schema = if stream == ERROR_STREAM { ERROR_SCHEMA.clone() } else { stream_schema(&program.streams[stream.0]) };
        (stream, Layout::of_stream(name, &schema))
    };
    if names.is_empty() {
        let is_read = |stream: StreamId| program.nodes.iter().any(|node| node.input == stream);
        let is_written = |stream: StreamId| program.nodes.iter().any(|node| node.output == stream);
        let leaves = named_streams(program).filter(|(stream, _)| is_written(*stream) && !is_read(*stream));
        return Ok(leaves.map(|(stream, name)| layout(stream, name)).collect());
    }
    let find = |name: &String| find_stream(program, "--print", name).map(|(stream, name, _)| (stream, name));
    names.iter().map(|name| find(name).map(|(stream, name)| layout(stream, name))).collect()
}

/// The stream that a flag names, with its columns.
fn find_stream<'a>(program: &'a Program, flag: &str, name: &str) -> Result<(StreamId, &'a str, SchemaRef), Failure> {
    if name.eq_ignore_ascii_case("error_stream") {
        return Ok((ERROR_STREAM, "error_stream", ERROR_SCHEMA.clone()));
    }
    match named_streams(program).find(|(_, known)| *known == name) {
        Some((stream, name)) => Ok((stream, name, stream_schema(&program.streams[stream.0]))),
        None => {
            let all = named_streams(program).map(|(_, name)| name).chain(["error_stream"]).collect::<Vec<_>>().join(", ");
            Err(Failure::usage(format!("{flag} {name}: the program has no such stream; it has {all}")))
        }
    }
}
