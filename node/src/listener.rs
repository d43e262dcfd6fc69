//! Takes in connections and deals each to the worker with the fewest.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::Ordering::*;
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, UnixListener};

use crate::balance;
use crate::config::Config;
use crate::connection::Socket as Peer;
use crate::server::Server;
use crate::worker::{Arrival, Newcomer};

/// A bound address and whether the server may go on without it (`-` before it in the configuration).
struct Wanted {
    addr: SocketAddr,
    optional: bool,
}

/// The addresses to listen on. A name or `*` stands for several.
fn wanted(config: &Config) -> Result<Vec<Wanted>, String> {
    let mut all = Vec::new();
    for word in &config.bind.0 {
        let (name, optional) = match word.strip_prefix('-') {
            Some(name) => (name, true),
            None => (word.as_str(), false),
        };
        let host = match name {
            "*" => "0.0.0.0",
            "::*" => "::",
            name => name,
        };
        match (host, config.port).to_socket_addrs() {
            Ok(found) => all.extend(found.take(1).map(|addr| Wanted { addr, optional })),
            Err(_) if optional => {}
            Err(e) => {
                return Err(format!(
                    "Could not create server TCP listening socket {name}:{}: {e}",
                    config.port
                ));
            }
        }
    }
    Ok(all)
}

fn bind(addr: SocketAddr, backlog: i32) -> std::io::Result<std::net::TcpListener> {
    let domain = if addr.is_ipv6() { Domain::IPV6 } else { Domain::IPV4 };
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    if addr.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(backlog)?;
    Ok(socket.into())
}

/// Sockets that are bound and listening.
pub struct Listeners {
    tcp: Vec<std::net::TcpListener>,
    unix: Option<std::os::unix::net::UnixListener>,
    /// Addresses of the TCP sockets.
    pub addresses: Vec<SocketAddr>,
}

impl Listeners {
    /// Binds everything that the configuration asks for.
    pub fn open(config: &Config) -> Result<Listeners, String> {
        let mut listeners = Listeners { tcp: Vec::new(), unix: None, addresses: Vec::new() };
        if config.port != 0 {
            for Wanted { addr, optional } in wanted(config)? {
                match bind(addr, config.tcp_backlog as i32) {
                    Ok(socket) => {
                        listeners.addresses.push(socket.local_addr().unwrap_or(addr));
                        listeners.tcp.push(socket);
                    }
                    Err(e) => {
                        let text = format!(
                            "Could not create server TCP listening socket {}:{}: bind: {}",
                            addr.ip(),
                            addr.port(),
                            os_text(&e)
                        );
                        if !optional || e.kind() == std::io::ErrorKind::AddrInUse {
                            return Err(text);
                        }
                        tracing::warn!("{text}");
                    }
                }
            }
            if listeners.tcp.is_empty() {
                return Err(format!("Failed listening on port {} (TCP), aborting.", config.port));
            }
        }
        if !config.unixsocket.is_empty() {
            listeners.unix = Some(
                bind_unix(config)
                    .map_err(|e| format!("Failed opening Unix socket: bind: {}", os_text(&e)))?,
            );
        }
        if listeners.tcp.is_empty() && listeners.unix.is_none() {
            return Err("Configured to not listen anywhere, exiting.".into());
        }
        Ok(listeners)
    }
}

/// The system's words for an error, without the number that Rust adds.
fn os_text(e: &std::io::Error) -> String {
    let text = e.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_string()
}

fn bind_unix(config: &Config) -> std::io::Result<std::os::unix::net::UnixListener> {
    let path = std::path::Path::new(&config.unixsocket);
    // A socket left over from an earlier run is in the way.
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&socket2::SockAddr::unix(path)?)?;
    if config.unixsocketperm != 0 {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(config.unixsocketperm))?;
    }
    socket.listen(config.tcp_backlog as i32)?;
    Ok(socket.into())
}

/// Accepts connections for ever. Runs on the main thread's runtime.
pub async fn accept(server: &'static Server, listeners: Listeners) -> std::io::Result<()> {
    for socket in listeners.tcp {
        let listener = TcpListener::from_std(socket)?;
        tokio::spawn(async move {
            loop {
                match listener.accept().await {
                    Ok((stream, addr)) => take_tcp(server, stream, addr).await,
                    Err(e) => accept_failed(&e).await,
                }
            }
        });
    }
    if let Some(socket) = listeners.unix {
        let listener = UnixListener::from_std(socket)?;
        tokio::spawn(async move {
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => {
                        let path = server.config.get().unixsocket.clone();
                        let fd = stream.as_raw_fd();
                        let addr = format!("{path}:0");
                        if let Ok(stream) = stream.into_std() {
                            deal(server, Peer::Unix(stream), addr.clone(), addr, fd, true).await;
                        }
                    }
                    Err(e) => accept_failed(&e).await,
                }
            }
        });
    }
    Ok(())
}

/// Out of descriptors, most likely: waiting is better than spinning.
async fn accept_failed(e: &std::io::Error) {
    tracing::warn!("Accepting client connection: {e}");
    tokio::time::sleep(Duration::from_millis(50)).await;
}

async fn take_tcp(server: &'static Server, mut stream: tokio::net::TcpStream, addr: SocketAddr) {
    let config = server.config.get();
    if protected(&config) && !is_local(addr.ip()) {
        server.connections_rejected.fetch_add(1, Relaxed);
        let _ = stream.try_write(PROTECTED.as_bytes());
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
    if let Ok(stream) = stream.into_std() {
        deal(server, Peer::Tcp(stream), shown(&addr), laddr, fd, false).await;
    }
}

/// An address as Redis shows it: no brackets around IPv6.
fn shown(addr: &SocketAddr) -> String {
    format!("{}:{}", addr.ip(), addr.port())
}

/// Hands a connection to a worker, or refuses it if there are too many.
async fn deal(server: &'static Server, mut stream: Peer, addr: String, laddr: String, fd: i32, unix: bool) {
    let config = server.config.get();
    let (limit, fill) = (config.maxclients as usize, config.min_clients_per_thread as u64);
    if server.clients.len() >= limit {
        server.connections_rejected.fetch_add(1, Relaxed);
        stream.refuse(b"-ERR max number of clients reached\r\n");
        return;
    }
    server.connections_received.fetch_add(1, Relaxed);
    let id = server.clients.next_id();
    let arrival = Arrival::New(Newcomer { stream, addr, laddr, fd, unix, id });
    // A worker that does not take its connections holds up the acceptor, which is what the backlog is for.
    let _ = balance::choose(server.workers(), fill).arrivals.send(arrival).await;
}

/// Protected mode is in force while there is no password and the addresses are the default ones.
fn protected(config: &Config) -> bool {
    config.protected_mode && config.requirepass.is_empty()
}

fn is_local(ip: IpAddr) -> bool {
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
