#![no_main]

// Panics that the reader catches are none of the fuzzer's; those that leave it end the target in any case.
libfuzzer_sys::fuzz_target!(init: std::panic::set_hook(Box::new(|_| ())), |data: &[u8]| weir_fuzz_analytics::checkpoint(data));
