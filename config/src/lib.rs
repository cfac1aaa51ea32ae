//! What the services share when they start and stop: logs, signals, exit codes, news for systemd, the way to AWS.
//!
//! Nothing here knows what a service does. Each service has its own settings struct; the files in
//! this folder (`agent.json` and the like) are the shipped examples, loaded by tests.
//!
//! ```text
//! main.rs ─▶ logging::init ─▶ stop::on_signal ─▶ the service ─▶ exit::code
//! ```

#[cfg(feature = "aws")]
pub mod aws;
pub mod exit;
#[cfg(feature = "generate")]
pub mod generate;
pub mod listen;
pub mod logging;
pub mod say;
pub mod stop;
#[cfg(feature = "systemd")]
pub mod systemd;
