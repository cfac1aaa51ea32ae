//! `agent check`: the settings as they are understood.

use std::fmt::Write as _;

use crate::settings::{FlowSettings, InitialPosition, PartitionKeyOption, Settings};

/// A description for people: one block for each flow.
pub(crate) fn describe(settings: &Settings) -> String {
    let mut out = String::new();
    for flow in &settings.flows {
        out.push_str(&describe_flow(flow));
    }
    let endpoint = settings.kinesis.endpoint.as_deref().filter(|text| !text.is_empty()).unwrap_or("AWS");
    let region = settings.kinesis.region.as_deref().unwrap_or("from the environment or the endpoint");
    let state = settings.state_directory.display();
    // Writing to a String cannot fail.
    let _ = writeln!(out, "endpoint {endpoint}, region {region}, state in {state}");
    out
}

fn describe_flow(flow: &FlowSettings) -> String {
    let from = match flow.initial_position {
        InitialPosition::StartOfFile => "from their start",
        InitialPosition::EndOfFile => "from their end",
    };
    let key = match flow.partition_key {
        PartitionKeyOption::Random => "random",
        PartitionKeyOption::Deterministic => "the MD5 of the record",
    };
    let converted = flow.transform.as_ref().map(|transform| format!("  converted  {transform}\n")).unwrap_or_default();
    let batch = &flow.batch;
    format!(
        "{id}\n  files      {files}, at the first start {from}\n{converted}  stream     {stream}, partition key {key}\n  batch      {records} records, {bytes} bytes or {age:?}\n  retries    after {initial:?} to {max:?}\n",
        id = flow.id,
        files = flow.files.full(),
        stream = flow.stream,
        records = batch.max_records,
        bytes = batch.max_bytes,
        age = batch.max_age,
        initial = flow.retry.initial,
        max = flow.retry.max,
    )
}
