//! The `agent` command. Everything is in the library, where `local` and tests reach it.

use std::process::ExitCode;

fn main() -> ExitCode {
    agent::main(std::env::args_os())
}
