//! The whole pipeline on one machine, started with one command.
//!
//! ```text
//! local ─┬─ stream      the embedded Kinesis stream, with a journal on disk
//!        ├─ webapp      the photo site; writes access.log
//!        ├─ agent       ships access.log to the stream, settings in agent.json
//!        ├─ analytics   counts requests per client, serves the counts over HTTP
//!        └─ visitor     (a task in this process) makes some traffic
//! ```
//!
//! Each component is a process of its own: this same program again, calling the library behind the shipped command
//! (`component`). They meet only where they meet in production: a log file, and the AWS SDK over HTTP.

mod arguments;
mod child;
mod component;
mod counts;
mod folders;
mod pipeline;
mod ports;
mod run;
mod screen;
mod stream;
mod summary;
mod visitor;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let arguments = arguments::Arguments::parse();
    match arguments.command {
        Some(arguments::Command::Component { name, arguments }) => component::run(name, arguments),
        None => config::exit::code(run::run(arguments)),
    }
}
