//! The proof that no line is lost: the real agent on real folders, against a destination that keeps account.
//!
//! One test binary: each would link everything again.
//!
//! - [`scripts`]: random histories of files, crashes and failures. `WEIR_SCRIPTS=10000` runs so many.
//! - [`rotators`] and [`cases`]: what the Java agent's tests and its users ask for, one by one.
//! - [`failures`]: what breaks around the agent.
//! - [`crashes`]: kill -9 again and again under rotation and throttling. `WEIR_KILLS=200` sets the rounds.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cases;
mod crashes;
mod failures;
mod log;
mod rig;
mod rotators;
mod scripts;
