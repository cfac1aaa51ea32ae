//! The shipped programs together, on real input.
//!
//! One test binary: each would link everything again.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod crash;
mod faulty_stream;
mod local;
mod local_errors;
mod replay;
mod restart;
mod shipping;
mod steps;
