#![no_main]

use std::sync::LazyLock;

use agent::fuzzing::Converters;
use serde_json::json;

static CONVERTERS: LazyLock<Converters> =
    LazyLock::new(|| Converters::new(&json!([{ "optionName": "ADDBRACKETS" }])));

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    assert_eq!(CONVERTERS.convert(data), Some([b"{", data, b"}"].concat()));
});
