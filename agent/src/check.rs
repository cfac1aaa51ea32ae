//! `agent check`: the settings as they are understood.

use std::fmt::Write as _;

use crate::{
    settings::{FlowSettings, InitialPosition, Kind, RecordSettings, Settings, Target},
    tail::survey::{Reach, reach},
};

/// A description for people: one block for each flow.
pub(crate) fn describe(settings: &Settings) -> String {
    let mut out = String::new();
    for flow in &settings.flows {
        out.push_str(&describe_flow(settings, flow));
    }
    let state = settings.state_directory.display();
    // Writing to a String cannot fail.
    let _ = writeln!(out, "state in {state}");
    let _ = match settings.observe.listen {
        Some(address) => writeln!(out, "status and metrics on http://{address}"),
        None => writeln!(out, "no listener for status and metrics"),
    };
    let _ = match &settings.observe.cloudwatch {
        Some(cloudwatch) => {
            writeln!(out, "metrics for CloudWatch in namespace {} every {:?}", cloudwatch.namespace, cloudwatch.period)
        }
        None => writeln!(out, "no metrics for CloudWatch"),
    };
    out
}

fn describe_flow(settings: &Settings, flow: &FlowSettings) -> String {
    let from = match flow.initial_position {
        InitialPosition::StartOfFile => "from their start",
        InitialPosition::EndOfFile => "from their end",
    };
    let key = if flow.target.kind == Kind::Kinesis { format!(", partition key {}", flow.records.key) } else { String::new() };
    let reach = match reach(flow) {
        Reach::Files(files) => format!("matches {files} file(s) now"),
        Reach::Blocked(reason) => reason,
        Reach::Nothing(reason) => format!("matches nothing: {reason}"),
    };
    let converted = flow.transform.as_ref().map(|transform| format!("  converted  {transform}\n")).unwrap_or_default();
    let framing = describe_records(&flow.records);
    let batch = &flow.batch;
    format!(
        "{id}\n  files      {files}, at the first start {from}\n             {reach}\n{framing}{converted}  {noun:<11}{stream}{key}{place}\n  batch      {records} records, {bytes} bytes or {age:?}, {requests} request(s) at once\n  retries    after {initial:?} to {max:?}\n",
        id = flow.id,
        files = flow.files.full(),
        noun = if flow.target.kind == Kind::Kinesis { "stream" } else { "delivery" },
        stream = flow.target.written(),
        place = describe_place(settings, &flow.target),
        records = batch.max_records,
        bytes = batch.max_bytes,
        age = batch.max_age,
        requests = flow.max_requests,
        initial = flow.retry.initial,
        max = flow.retry.max,
    )
}

/// Where the destination is, and as whom it is reached.
fn describe_place(settings: &Settings, target: &Target) -> String {
    let service = settings.service(target.kind);
    let endpoint = target.aws.endpoint.as_ref().or(service.endpoint.as_ref());
    let region = target.aws.region.as_ref().or(service.region.as_ref());
    let role = target.role.as_ref().or(settings.aws.role.as_ref());
    let parts = [
        endpoint.map(|endpoint| format!(", at {endpoint}")),
        region.map(|region| format!(", region {region}")),
        role.map(|role| format!(", as {}", role.arn)),
    ];
    parts.into_iter().flatten().collect()
}

/// What differs from one line a record, sent as it is; nothing when nothing does.
fn describe_records(records: &RecordSettings) -> String {
    let mut parts = Vec::new();
    let framing = &records.framing;
    if framing.start.is_some() {
        parts.push(format!("of several lines, the last one after {:?}", framing.flush));
    }
    if framing.header_lines > 0 {
        parts.push(format!("without the first {} line(s) of a file", framing.header_lines));
    }
    if framing.footer.is_some() {
        parts.push("up to a footer".to_owned());
    }
    if records.repair {
        parts.push("\\xHH made legal JSON".to_owned());
    }
    if records.privacy.is_some() {
        parts.push("with privacy".to_owned());
    }
    parts.extend(records.packing.map(|packing| packing.to_string()));
    if parts.is_empty() { String::new() } else { format!("  records    {}\n", parts.join(", ")) }
}
