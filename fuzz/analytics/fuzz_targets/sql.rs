#![no_main]

libfuzzer_sys::fuzz_target!(|source: &str| weir_fuzz_analytics::program(source));
