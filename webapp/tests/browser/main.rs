//! The pages in a real browser: with a mouse, with the keyboard, on a phone, in the dark, and without scripts.
//!
//! Pictures of the pages are written to `target/webapp-screenshots`, or to `WEIR_SCREENSHOTS`, for people to look at.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod looks;
mod plain;
mod site;
mod stopping;
mod uploads;
