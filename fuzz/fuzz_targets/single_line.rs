#![no_main]

use std::sync::LazyLock;

use agent::fuzzing::Converters;
use serde_json::json;

static CONVERTERS: LazyLock<Converters> =
    LazyLock::new(|| Converters::new(&json!([{ "optionName": "SINGLELINE" }])));

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Some(line) = CONVERTERS.convert(data) {
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        assert!(!text.contains(&b'\n'), "more than one line");
    }
});
