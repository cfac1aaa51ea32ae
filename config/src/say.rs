//! Words for the person or program that started this one, whatever the log level.

use std::{
    io::{self, Write},
    net::SocketAddr,
};

/// Writes a line to stderr in one call, so that what other threads write to the same file cannot come in between.
/// `eprintln!` makes a call for each piece.
pub fn line(text: &str) {
    let mut bytes = text.as_bytes().to_vec();
    bytes.push(b'\n');
    let _ = io::stderr().write_all(&bytes); // nobody is left to be told
}

/// Tells where a server listens. Programs read this line to find a port that was chosen for them.
pub fn listening(address: SocketAddr) {
    line(&format!("listening on http://{address}"));
}
