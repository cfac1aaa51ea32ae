//! The `webapp` command. Everything is in the library, where `local` and tests reach it.

use std::process::ExitCode;

fn main() -> ExitCode {
    webapp::main(std::env::args_os())
}
