//! The agent as a service: reloads, what it tells systemd, the Java agent's ways to start it, its installation.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod install;
mod legacy;
mod notify;
mod reload;
mod rig;
