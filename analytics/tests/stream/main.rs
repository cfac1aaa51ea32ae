//! The real program on a real stream: the embedded Kinesis of the test support, with four shards.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod arrival;
mod crash;
mod discover;
mod emulators;
mod fan_out;
mod follow;
mod inputs;
mod kpl;
mod operations;
mod service;
mod sinks;
