//! The `analytics` command. Everything is in the library, where `local` and tests reach it.

use std::process::ExitCode;

fn main() -> ExitCode {
    analytics::main(std::env::args_os())
}
