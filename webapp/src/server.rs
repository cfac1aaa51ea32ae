//! Connections: how many, how long they may dawdle, and how they end.
//!
//! HTTP/1 only: browsers speak HTTP/2 over TLS, and TLS is the load balancer's. Not `axum::serve`, because that has no
//! bound on connections, no time-outs, and tasks nobody waits for.

use std::{io::ErrorKind, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::{Router, extract::Request};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::{JoinError, JoinSet},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tracing::{debug, error, warn};

use crate::{access_log::AccessLog, settings::ServerSettings};

/// A request's line and headers together; more is answered with 431. Apache allows 8 KB for each line.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// Before the next attempt to accept when the process has no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// Both ends of a connection; every request carries it as an extension.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Connection {
    pub(crate) peer: SocketAddr,
    pub(crate) local: SocketAddr,
}

/// Serves until `stop`, then lets open requests finish within the grace period.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    log: AccessLog,
    settings: &ServerSettings,
    stop: CancellationToken,
) {
    let slots = Arc::new(Semaphore::new(settings.max_connections));
    let mut connections = JoinSet::new();
    loop {
        // Safe to cancel: a slot without a connection is given back, and a connection is accepted or it is not.
        tokio::select! {
            () = stop.cancelled() => break,
            (slot, stream, peer) = accept(&listener, &slots) => {
                let serving = serve_connection(stream, peer, router.clone(), log.clone(), settings.head_timeout, stop.clone());
                connections.spawn(async move {
                    serving.await;
                    drop(slot);
                });
            }
            Some(finished) = connections.join_next() => report_panic(finished),
        }
    }
    drop(listener);
    drain(connections, settings.grace).await;
}

async fn accept(listener: &TcpListener, slots: &Arc<Semaphore>) -> (Option<OwnedSemaphorePermit>, TcpStream, SocketAddr) {
    let slot = slots.clone().acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (slot, stream, peer),
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset) => {} // the client's affair
            Err(error) => {
                warn!(%error, "cannot accept a connection, trying again; is the limit of open files too low?");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve_connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    log: AccessLog,
    head_timeout: Duration,
    stop: CancellationToken,
) {
    let Ok(local) = stream.local_addr() else { return }; // gone already
    let _ = stream.set_nodelay(true); // a slower answer is still an answer
    let ends = Connection { peer, local };
    let service = router.map_request(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ends);
        request
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_timeout)
        .max_header_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    let mut connection = pin!(connection);
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = outcome {
        debug!(%error, "connection ended early");
        if error.is_parse() {
            log.refused(ends, if error.is_parse_too_large() { 431 } else { 400 });
        }
    }
}

async fn drain(mut connections: JoinSet<()>, grace: Duration) {
    let finishing = async {
        while let Some(finished) = connections.join_next().await {
            report_panic(finished);
        }
    };
    if timeout(grace, finishing).await.is_err() {
        warn!(connections = connections.len(), "grace period over, closing connections with requests in progress");
        connections.shutdown().await;
    }
}

fn report_panic(finished: Result<(), JoinError>) {
    if let Err(error) = finished {
        error!(%error, "a request panicked; its connection was closed");
    }
}
