//! What breaks around the agent: what it says, and that everything arrives once it is mended.

mod clock;
mod disk;
mod permission;
mod service;
mod state;

/// Says why a test did not run. Needed where a container, a user or a missing package forbids what the test does.
#[expect(clippy::print_stderr, reason = "a test that is skipped must be seen")]
fn skip(reason: &str) {
    eprintln!("SKIPPED: {reason}");
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
