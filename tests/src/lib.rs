//! What the end-to-end tests stand on: real programs, a real stream over HTTP, real files, a real browser.
//!
//! ```text
//!  log_writer ─▶ access.log ─▶ [agent] ─▶ faults (HTTP proxy) ─▶ stream (embedded Kinesis) ─▶ [analytics]
//!  generator       (rotates)   process      fails on demand        read back through the SDK    process
//!                             [agent] ─▶ recorder (keeps account of every line, fails on demand)
//!                                                  [local] ─▶ browser (headless Chromium)
//!  [webapp] ─▶ backends (MariaDB, memcached, Redis, HAProxy; they can hang and die) and servers (moto's S3)
//! ```
//!
//! In brackets: the shipped programs, found by `binaries` and run by `process`. Nothing here replaces a part of
//! them, and no test sleeps for a fixed time: `wait` asks again until a condition holds or a deadline passes.

pub mod agent_setup;
pub mod backends;
pub mod binaries;
pub mod browser;
pub mod data;
pub mod faults;
pub mod generator;
pub mod log_writer;
pub mod process;
pub mod recorder;
pub mod servers;
pub mod stream;
pub mod table;
pub mod wait;
