//! Listening sockets: loopback unless told otherwise, and errors that name the remedy.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use tokio::net::TcpListener;

/// Opens a listener on a loopback address. Port 0 takes a free port.
///
/// # Errors
/// When the address is not loopback (nothing here asks for a password), or the port is taken.
pub async fn on_loopback(address: SocketAddr, flag: &str) -> Result<TcpListener> {
    if !address.ip().is_loopback() {
        bail!(
            "{flag} {address} is not a loopback address, and this listener has no login; put a proxy with authentication in front and listen on 127.0.0.1"
        );
    }
    open(address, flag).await
}

/// Opens a listener on any address, for a server that is meant to be public.
///
/// # Errors
/// When the port is taken or the address is not this machine's.
pub async fn open(address: SocketAddr, flag: &str) -> Result<TcpListener> {
    let remedy = || {
        format!(
            "cannot listen on {address}; is another program there? choose another port with {flag}, or port 0 for any free one"
        )
    };
    TcpListener::bind(address).await.with_context(remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_beyond_loopback_is_refused() {
        let refused = on_loopback(([0, 0, 0, 0], 0).into(), "--listen").await.unwrap_err();
        assert!(refused.to_string().contains("not a loopback address"), "{refused}");
    }

    #[tokio::test]
    async fn a_taken_port_names_the_flag_that_changes_it() {
        let first = on_loopback(([127, 0, 0, 1], 0).into(), "--listen").await.unwrap();
        let second = on_loopback(first.local_addr().unwrap(), "--listen").await.unwrap_err();
        assert!(second.to_string().contains("choose another port with --listen"), "{second}");
    }
}
