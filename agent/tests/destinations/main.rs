//! The real program against real servers: every destination, every way to credentials, and what it says when one fails.
#![expect(clippy::unwrap_used, reason = "a test that fails shows where")]

mod credentials;
mod ec2;
mod firehose;
mod kinesis;
mod metadata;
mod online;
mod proxy;
mod setup;
