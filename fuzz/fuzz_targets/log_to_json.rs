#![no_main]

//! The first byte chooses the format: the five built in, each as the Java agent reads it and tolerantly, and patterns
//! of one's own, one of them with look-around and a back-reference.

use std::sync::LazyLock;

use agent::fuzzing::Converters;
use serde_json::{Value, json};

const FORMATS: [&str; 5] = ["COMMONAPACHELOG", "COMBINEDAPACHELOG", "APACHEERRORLOG", "SYSLOG", "RFC3339SYSLOG"];

fn option(more: Value) -> Converters {
    let mut option = json!({ "optionName": "LOGTOJSON" });
    option.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Converters::new(&json!([option]))
}

static CONVERTERS: LazyLock<Vec<Converters>> = LazyLock::new(|| {
    let built_in = FORMATS.iter().map(|format| option(json!({ "logFormat": format })));
    let tolerant = FORMATS.iter().map(|format| option(json!({ "logFormat": format, "tolerant": true })));
    let custom = ["^(\\S+) +(\\d+)(.*)$", "^(?=[a-z])(\\w+) (\\1)(?<!x)(.*)$"];
    let custom = custom.map(|pattern| {
        option(json!({ "logFormat": "SYSLOG", "matchPattern": pattern, "customFieldNames": ["a", "b", "c"] }))
    });
    built_in.chain(tolerant).chain(custom).collect()
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let [choice, record @ ..] = data {
        CONVERTERS[usize::from(*choice) % CONVERTERS.len()].to_json(record);
    }
});
