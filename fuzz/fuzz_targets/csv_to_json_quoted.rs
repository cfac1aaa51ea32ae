#![no_main]

use std::sync::LazyLock;

use agent::fuzzing::Converters;
use serde_json::json;

static CONVERTERS: LazyLock<Converters> =
    LazyLock::new(|| Converters::new(&json!([{ "optionName": "CSVTOJSON", "customFieldNames": ["a", "b", "c"], "csvQuoting": true }])));

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    CONVERTERS.to_json(data);
});
