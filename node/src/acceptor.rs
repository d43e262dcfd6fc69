//! Takes in connections and deals each to the worker with the fewest. Runs on the main thread, whose event loop also
//! carries out what concerns the process as a whole.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::Ordering::*;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, UnixListener};
use tokio::task::JoinHandle;

use crate::balance;
use crate::config::Config;
use crate::connection::Socket as Peer;
use crate::listener::{self, Listeners, Place, Speaks};
use crate::server::Server;
use crate::worker::{Arrival, Newcomer};

/// What is said to who finds all places taken.
const TOO_MANY: &[u8] = b"-ERR max number of clients reached\r\n";
const TOO_MANY_MEMCACHED: &[u8] = b"ERROR Too many open connections\r\n";

/// The sockets being listened on, each by a task of its own.
pub struct Acceptor {
    server: &'static Server,
    tcp: Vec<(Place, JoinHandle<()>)>,
}

impl Acceptor {
    /// Begins to accept.
    pub fn start(server: &'static Server, listeners: Listeners) -> std::io::Result<Acceptor> {
        let mut acceptor = Acceptor { server, tcp: Vec::new() };
        for (place, socket) in listeners.tcp {
            acceptor.add(place, socket)?;
        }
        if let Some(socket) = listeners.unix {
            let listener = UnixListener::from_std(socket)?;
            tokio::spawn(accept_unix(server, listener));
        }
        Ok(acceptor)
    }

    fn add(&mut self, place: Place, socket: std::net::TcpListener) -> std::io::Result<()> {
        let listener = TcpListener::from_std(socket)?;
        self.tcp.push((place, tokio::spawn(accept_tcp(self.server, listener, place.speaks))));
        Ok(())
    }

    /// Listens where `config` says instead. Sockets that stay are not closed for a moment; if a new one cannot be had,
    /// everything is as it was.
    pub async fn rebind(&mut self, old: Arc<Config>, config: Arc<Config>) -> Result<(), String> {
        let (stay, go): (Vec<_>, Vec<_>) = {
            let wanted = listener::places(&config)?;
            std::mem::take(&mut self.tcp).into_iter().partition(|(place, _)| wanted.contains(place))
        };
        self.tcp = stay;
        for (_, task) in go {
            // An address that goes may be in the way of one that comes: it has to be closed first.
            task.abort();
            let _ = task.await;
        }
        let opened = self.open_missing(&config);
        if opened.is_err() {
            let _ = self.open_missing(&old);
        }
        opened
    }

    fn open_missing(&mut self, config: &Config) -> Result<(), String> {
        let have: Vec<Place> = self.tcp.iter().map(|(place, _)| *place).collect();
        for (place, socket) in listener::open_tcp(config, &have)? {
            self.add(place, socket).map_err(|e| e.to_string())?;
        }
        Ok(())
    }
}

async fn accept_tcp(server: &'static Server, listener: TcpListener, speaks: Speaks) {
    loop {
        match listener.accept().await {
            Ok((stream, addr)) => take_tcp(server, stream, addr, speaks).await,
            Err(e) => accept_failed(&e).await,
        }
    }
}

async fn accept_unix(server: &'static Server, listener: UnixListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let path = server.config.get().unixsocket.clone();
                let fd = stream.as_raw_fd();
                let addr = format!("{path}:0");
                if let Ok(stream) = stream.into_std() {
                    let came = Came { addr: addr.clone(), laddr: addr, fd, unix: true, memcached: false };
                    deal(server, Peer::Unix(stream), came).await;
                }
            }
            Err(e) => accept_failed(&e).await,
        }
    }
}

/// Out of descriptors, most likely: waiting is better than spinning.
async fn accept_failed(e: &std::io::Error) {
    tracing::warn!("Accepting client connection: {e}");
    tokio::time::sleep(Duration::from_millis(50)).await;
}

async fn take_tcp(
    server: &'static Server,
    mut stream: tokio::net::TcpStream,
    addr: SocketAddr,
    speaks: Speaks,
) {
    let config = server.config.get();
    if protected(server, &config) && !is_local(addr.ip()) {
        server.connections_rejected.fetch_add(1, Relaxed);
        if speaks == Speaks::Plainly {
            let _ = stream.try_write(PROTECTED.as_bytes());
        }
        let _ = stream.shutdown().await;
        return;
    }
    let _ = stream.set_nodelay(true);
    if config.tcp_keepalive > 0 {
        let every = Duration::from_secs(config.tcp_keepalive as u64);
        let keepalive = TcpKeepalive::new().with_time(every).with_interval(every / 3).with_retries(3);
        let _ = SockRef::from(&stream).set_tcp_keepalive(&keepalive);
    }
    let laddr = stream.local_addr().map_or_else(|_| String::new(), |a| shown(&a));
    let fd = stream.as_raw_fd();
    let Ok(stream) = stream.into_std() else { return };
    let peer = match speaks {
        Speaks::Plainly | Speaks::Memcached => Peer::Tcp(stream),
        Speaks::Tls => match server.tls.accept() {
            Some(session) => Peer::Tls(stream, session),
            None => return,
        },
    };
    let came = Came { addr: shown(&addr), laddr, fd, unix: false, memcached: speaks == Speaks::Memcached };
    deal(server, peer, came).await;
}

/// An address as Redis shows it: no brackets around IPv6.
fn shown(addr: &SocketAddr) -> String {
    format!("{}:{}", addr.ip(), addr.port())
}

/// Whether an address, as shown, is one of this machine's own.
fn is_near(addr: &str) -> bool {
    addr.rsplit_once(':').and_then(|(host, _)| host.parse().ok()).is_some_and(is_local)
}

/// From where a connection came, and where to.
struct Came {
    addr: String,
    laddr: String,
    fd: i32,
    unix: bool,
    memcached: bool,
}

/// Hands a connection to a worker, or refuses it if there are too many.
async fn deal(server: &'static Server, mut stream: Peer, came: Came) {
    let Came { addr, laddr, fd, unix, memcached } = came;
    let config = server.config.get();
    // Those on their way count, or a burst would get past the limit.
    let clients: u64 = server.workers().iter().map(|w| w.stats.clients.get() + w.waiting()).sum();
    if server.shutdown.is_soft() {
        stream.refuse(if memcached { b"SERVER_ERROR shutting down\r\n" } else { b"-SHUTDOWN\r\n" });
        return;
    }
    // The last places are for whoever looks after the server from the same machine.
    let near = unix || is_near(&addr);
    let reserved = if near { 0 } else { config.maxclients_reserved };
    if clients >= u64::from(config.maxclients.saturating_sub(reserved)) {
        server.connections_rejected.fetch_add(1, Relaxed);
        stream.refuse(if memcached { TOO_MANY_MEMCACHED } else { TOO_MANY });
        return;
    }
    server.connections_received.fetch_add(1, Relaxed);
    let id = server.clients.next_id();
    let arrival = Arrival::New(Newcomer { stream, addr, laddr, fd, unix, memcached, id });
    // A worker that does not take its connections holds up the acceptor, which is what the backlog is for.
    let worker = balance::choose(server.workers(), u64::from(config.min_clients_per_thread));
    worker.send(arrival).await;
}

/// Protected mode is in force while there is no password and the addresses are the default ones.
fn protected(server: &Server, config: &Config) -> bool {
    config.protected_mode && server.users.default().rules().no_password
}

/// Whether an address is this machine's own.
pub fn is_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_loopback(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.to_ipv4_mapped().is_some_and(|ip| ip.is_loopback()),
    }
}

const PROTECTED: &str = "-DENIED Everwrite is running in protected mode because protected mode is enabled and no password is \
set for the default user. In this mode connections are only accepted from the loopback interface. To accept connections from \
other machines do one of the following: 1) set a password with 'CONFIG SET requirepass' or in the configuration file, 2) \
switch protected mode off with 'CONFIG SET protected-mode no' from this machine, if it cannot be reached from the Internet, \
3) restart with '--protected-mode no'.\r\n";
