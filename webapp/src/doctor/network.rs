//! Servers: does the name resolve, does the port answer, how fast.

use std::{
    io::ErrorKind,
    net::SocketAddr,
    time::{Duration, Instant},
};

use tokio::{
    net::{TcpListener, TcpStream, lookup_host},
    time::timeout,
};

use super::Finding;

/// For a name, and then for a connection. A store that is slower makes every page slow.
const LIMIT: Duration = Duration::from_secs(3);

/// Whether the site's own port is free.
pub(super) async fn own_port(listen: SocketAddr) -> Finding {
    let what = "own port";
    match TcpListener::bind(listen).await {
        Ok(_) => Finding::good(what, format!("{listen} is free")),
        Err(error) if error.kind() == ErrorKind::AddrInUse => Finding::warning(
            what,
            format!("{listen} is taken"),
            "nothing, if that is this site already running; else choose another with --listen",
        ),
        Err(error) => Finding::bad(
            what,
            format!("cannot listen on {listen}: {error}"),
            "use an address of this machine, and a port above 1023",
        ),
    }
}

/// Looks up a server's name and connects to it, step by step, so that the first step that fails is the one named.
pub(crate) async fn reach(what: &str, host: &str, port: u16) -> Finding {
    let began = Instant::now();
    let addresses: Vec<SocketAddr> = match timeout(LIMIT, lookup_host((host, port))).await {
        Ok(Ok(addresses)) => addresses.collect(),
        Ok(Err(error)) => {
            return Finding::bad(
                what,
                format!("the name {host} does not resolve: {error}"),
                "check the spelling in the settings, and this machine's DNS",
            );
        }
        Err(_) => {
            return Finding::bad(
                what,
                format!("the name {host} is not resolved within {LIMIT:?}"),
                "check this machine's DNS servers",
            );
        }
    };
    let Some(address) = addresses.first() else {
        return Finding::bad(what, format!("the name {host} has no address"), "check the spelling in the settings");
    };
    let named = began.elapsed();
    let began = Instant::now();
    match timeout(LIMIT, TcpStream::connect(addresses.as_slice())).await {
        Ok(Ok(_)) => Finding::good(
            what,
            format!("{host}:{port} answers: name {:.1} ms, connection {:.1} ms", ms(named), ms(began.elapsed())),
        ),
        Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => Finding::bad(
            what,
            format!("{address} refuses connections"),
            format!("start the server, or check that it listens on port {port} of that address"),
        ),
        Ok(Err(error)) => Finding::bad(
            what,
            format!("cannot connect to {address}: {error}"),
            "check the way there: routes, firewalls, security groups",
        ),
        Err(_) => Finding::bad(
            what,
            format!("{address} does not answer within {LIMIT:?}"),
            "packets get lost on the way: check firewalls and security groups, and that the server is up",
        ),
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::{super::Grade, *};

    #[tokio::test]
    async fn a_server_that_answers_is_good_and_one_that_refuses_is_told_from_a_wrong_name() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let found = reach("cache", "127.0.0.1", port).await;
        assert_eq!(found.grade, Grade::Good, "{found}");
        assert_eq!(own_port(listener.local_addr().unwrap()).await.grade, Grade::Warning);
        drop(listener);
        let refused = reach("cache", "127.0.0.1", port).await;
        assert!(refused.grade == Grade::Bad && refused.found.contains("refuses"), "{refused}");
        let unknown = reach("cache", "no such name", port).await;
        assert!(unknown.grade == Grade::Bad && unknown.found.contains("does not resolve"), "{unknown}");
    }
}
