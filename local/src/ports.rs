//! Taken ports are found before anything starts, so that the error can name the flag.

use std::net::{Ipv4Addr, TcpListener};

use config::exit::Failure;

use crate::arguments::Arguments;

/// Checks that every chosen port is free. Port 0 always is.
///
/// # Errors
/// When one is taken, or two flags name the same one.
pub(crate) fn check(arguments: &Arguments) -> Result<(), Failure> {
    let wanted = [
        ("--port", arguments.port, "the photo site"),
        ("--stream-port", arguments.stream_port, "the stream"),
        ("--api-port", arguments.api_port, "the live counts"),
    ];
    let mut held = Vec::new(); // all at once, so that one port given twice is found
    for (flag, port, what) in wanted {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|error| {
            let hint = format!("stop the program that uses it, or choose another port with {flag} ({flag} 0 takes any free one)");
            Failure::usage(format!("cannot listen on 127.0.0.1:{port} for {what}: {error}; {hint}"))
        })?;
        held.push(listener);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn a_taken_port_names_its_flag() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port().to_string();
        let arguments = Arguments::parse_from(["local", "--port", "0", "--api-port", "0", "--stream-port", &port]);
        let Err(Failure::Usage(error)) = check(&arguments) else { panic!("the port was free") };
        assert!(error.to_string().contains("--stream-port 0 takes any free one"), "{error}");
    }
}
