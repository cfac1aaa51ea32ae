//! The `analytics` command. Everything is in the library, where `local` and tests reach it.

use std::process::ExitCode;

/// Batches are built and freed by the million; the system allocator costs a tenth of the time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    analytics::main(std::env::args_os())
}
