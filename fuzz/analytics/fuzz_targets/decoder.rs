#![no_main]

libfuzzer_sys::fuzz_target!(|line: &[u8]| weir_fuzz_analytics::line(line));
