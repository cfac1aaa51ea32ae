#![no_main]

use std::sync::LazyLock;

use agent::fuzzing::Converters;
use serde_json::json;

static CONVERTERS: LazyLock<Converters> =
    LazyLock::new(|| Converters::new(&json!([{ "optionName": "ADDMETADATA", "timestamp": "true", "metadata": { "k": { "n": "v" } } }])));

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    CONVERTERS.to_json(data);
});
