//! CloudWatch metrics with the Java agent's names, dimensions and units, so that its alarms and dashboards go on.
//!
//! ```text
//! shipper ─▶ Calls (one per flow, five numbers each) ─▶ Aggregator ─▶ PutMetricData, 20 at a time
//!   each answer                              every 30 s      pure         publisher: its own task
//! ```
//!
//! Shipping never waits for any of it: what CloudWatch does not take is dropped, and said once for each reason.

mod aggregate;
mod publisher;
mod statistics;

pub(crate) use self::{publisher::Publisher, statistics::Calls};
