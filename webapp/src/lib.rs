//! The photo-sharing site that writes the access log.
//!
//! ```text
//!  browser ─▶ server ─▶ access_log::record ─▶ pages ──┬─▶ sessions   who is logged in
//!             (connections)     │                     ├─▶ newest ─▶ records   the rows: SQLite or MySQL
//!                               ▼                     ├─▶ storage    picture files
//!                  queue ─▶ writer's thread           └─▶ publish    decode, encode, store, then a row
//!                               ▼
//!                          access.log                 the product's contract: sql/access_log.sql
//! ```
//!
//! | module | what it is | does IO |
//! |---|---|---|
//! | `cli`, `settings` | flags, environment and file become checked values | reads one file |
//! | `server` | connections: their number, time-outs, draining | yes |
//! | `access_log` | one line for every request; `line` and `apache` format, `queue` bounds, `writer` writes | `writer` |
//! | `pages` | what every address answers: the page, its forms, pictures, assets | yes |
//! | `site` | what the pages share | opens everything |
//! | `user_name`, `password`, `forgery`, `client`, `random` | rules, without clock or IO | no |
//! | `limits`, `metrics`, `delay` | how often, how many and how slow: allowances, counters, the latency knob | no |
//! | `picture`, `demo` | pixels in and out | no |
//! | `records`, `newest`, `sessions`, `storage` | the stores: rows, the front page's cache, logins, picture files | yes |
//! | `remote` | a time limit and a breaker for every call to a store | yes |
//! | `import` | rows and files of the original PHP site become ours | yes |
//! | `publish` | the order in which a picture gets into the stores | yes |
//! | `tend` | removes for good what was deleted some time ago | yes |
//! | `admin`, `dependencies` | the second listener: metrics and the knob; whether the stores answer | yes |
//! | `init`, `doctor`, `generate` | commands: first settings, looking for faults, manual pages | yes |
//!
//! What is deliberately absent: a page script that something depends on, a session for anyone who is not logged in,
//! and any way from a request to a file that is not an asset or a stored picture.

mod access_log;
mod admin;
mod cli;
mod client;
mod delay;
mod demo;
mod dependencies;
mod doctor;
mod forgery;
mod generate;
mod import;
mod init;
mod limits;
mod metrics;
mod newest;
mod pages;
mod password;
mod picture;
mod publish;
mod random;
mod records;
mod remote;
mod server;
mod sessions;
mod settings;
mod site;
mod storage;
mod tend;
#[cfg(test)]
mod tests;
mod user_name;

use std::{ffi::OsString, process::ExitCode};

/// Runs the command line; `local` calls it too, so that what it starts is the product.
///
/// Blocks until the command is done. `run` prints one line on stdout, the address of the page, once it is reachable.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    match cli::parse(arguments) {
        Ok(command) => {
            config::logging::init("info");
            config::exit::code(cli::execute(command))
        }
        Err(code) => code,
    }
}
