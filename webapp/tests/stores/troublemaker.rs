//! A TCP proxy in front of a store that makes the ways in which networks and servers fail.

use std::{net::SocketAddr, time::Duration};

use anyhow::Result;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpSocket, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinSet,
};

/// What is wrong with a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Nothing.
    None,
    /// Every piece of an answer comes this much later.
    Slow(Duration),
    /// The host is gone: packets get lost, a connection is never made, open ones are silent.
    Down,
    /// The host is there and the server is not: connections are refused, open ones are reset.
    Refusing,
    /// The server accepts connections and never answers.
    Hung,
}

/// The proxy. Dropped, it is gone with its connections.
pub(crate) struct Troublemaker {
    address: SocketAddr,
    trouble: watch::Sender<Trouble>,
    _tasks: JoinSet<()>,
}

impl Troublemaker {
    /// Stands in front of `target` (`host:port`), with no trouble.
    pub(crate) async fn start(target: &str) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (trouble, seen) = watch::channel(Trouble::None);
        let mut tasks = JoinSet::new();
        let target = target.to_owned();
        tasks.spawn(async move {
            let run = run(listener, address, target, seen).await;
            assert!(run.is_ok(), "the proxy cannot go on: {run:?}");
        });
        Ok(Self { address, trouble, _tasks: tasks })
    }

    /// Where clients connect.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on, for open connections too.
    pub(crate) fn make(&self, trouble: Trouble) {
        self.trouble.send_replace(trouble);
    }
}

/// Listens in the way that the trouble of the moment wants, until the proxy is dropped.
async fn run(listener: TcpListener, address: SocketAddr, target: String, mut trouble: watch::Receiver<Trouble>) -> Result<()> {
    let mut connections = JoinSet::new();
    let mut listener = Some(listener);
    loop {
        let now = *trouble.borrow_and_update();
        match now {
            Trouble::Refusing => {
                listener = None;
                trouble.changed().await?;
            }
            Trouble::Down => {
                drop(listener.take());
                let _silent = silent_port(address).await?;
                trouble.changed().await?;
            }
            Trouble::None | Trouble::Slow(_) | Trouble::Hung => {
                if listener.is_none() {
                    listener = Some(socket(address)?.listen(128)?);
                }
                let Some(listener) = &listener else { continue };
                tokio::select! {
                    accepted = listener.accept() => {
                        connections.spawn(forward(accepted?.0, target.clone(), trouble.clone()));
                    }
                    changed = trouble.changed() => changed?,
                }
            }
        }
        while connections.try_join_next().is_some() {} // those that ended; their errors are what is wanted here
    }
}

fn socket(address: SocketAddr) -> Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// A port whose queue of connections is full, so that the kernel drops whoever comes: as a host that is gone.
async fn silent_port(address: SocketAddr) -> Result<(TcpListener, Vec<TcpStream>)> {
    let listener = socket(address)?.listen(1)?;
    let mut queue = Vec::new();
    while let Ok(connected) = tokio::time::timeout(Duration::from_millis(100), TcpStream::connect(address)).await {
        queue.push(connected?);
    }
    Ok((listener, queue))
}

async fn forward(client: TcpStream, target: String, trouble: watch::Receiver<Trouble>) -> Result<()> {
    let server = TcpStream::connect(target).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    // Whichever direction ends first ends the connection.
    tokio::select! {
        ended = copy(from_client, to_server, trouble.clone(), false) => ended,
        ended = copy(from_server, to_client, trouble, true) => ended,
    }
}

async fn copy(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut trouble: watch::Receiver<Trouble>,
    is_answer: bool,
) -> Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = tokio::select! {
            read = from.read(&mut buffer) => read?,
            refusing = trouble.wait_for(|trouble| *trouble == Trouble::Refusing) => { refusing?; return Ok(()) }
        };
        if count == 0 {
            return Ok(());
        }
        let now = *trouble.borrow();
        match now {
            Trouble::Slow(delay) if is_answer => tokio::time::sleep(delay).await,
            Trouble::Hung | Trouble::Down => {
                trouble.wait_for(|trouble| !matches!(trouble, Trouble::Hung | Trouble::Down)).await?;
                return Ok(()); // what was silent for so long is not continued
            }
            Trouble::None | Trouble::Slow(_) | Trouble::Refusing => {}
        }
        to.write_all(&buffer[..count]).await?;
    }
}
