//! What can be seen of a running agent: the real program, a real stream, real requests.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bundle;
mod cbor;
mod cloudwatch;
mod commands;
mod dashboards;
mod listener;
mod rig;
