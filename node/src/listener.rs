//! The sockets that clients connect to.

use std::net::{SocketAddr, ToSocketAddrs};
use std::os::unix::fs::PermissionsExt;

use socket2::{Domain, Protocol, Socket, Type};

use crate::config::Config;

/// What those speak who come to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    Plainly,
    Tls,
    Memcached,
}

/// An address to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub addr: SocketAddr,
    pub speaks: Speaks,
}

/// An address and whether the server may go on without it (`-` before it in the configuration).
struct Wanted {
    place: Place,
    optional: bool,
}

/// The addresses to listen on, for each of the ports. A name or `*` stands for several.
fn wanted(config: &Config) -> Result<Vec<Wanted>, String> {
    let mut all = Vec::new();
    let ports = [
        (config.port, Speaks::Plainly),
        (config.tls_port, Speaks::Tls),
        (config.memcached_port, Speaks::Memcached),
    ];
    for (port, speaks) in ports {
        if port != 0 {
            wanted_on(config, port, speaks, &mut all)?;
        }
    }
    Ok(all)
}

fn wanted_on(config: &Config, port: u16, speaks: Speaks, all: &mut Vec<Wanted>) -> Result<(), String> {
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
        match (host, port).to_socket_addrs() {
            Ok(found) => {
                all.extend(found.take(1).map(|addr| Wanted { place: Place { addr, speaks }, optional }))
            }
            Err(_) if optional => {}
            Err(e) => {
                return Err(format!("Could not create server TCP listening socket {name}:{port}: {e}"));
            }
        }
    }
    Ok(())
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

/// The TCP sockets that the configuration asks for, as far as names can be resolved.
pub fn places(config: &Config) -> Result<Vec<Place>, String> {
    Ok(wanted(config)?.into_iter().map(|w| w.place).collect())
}

/// Binds the TCP sockets that the configuration asks for, but for those in `have`.
pub fn open_tcp(config: &Config, have: &[Place]) -> Result<Vec<(Place, std::net::TcpListener)>, String> {
    let mut opened = Vec::new();
    let wanted = wanted(config)?;
    for Wanted { place, optional } in wanted.iter().filter(|w| !have.contains(&w.place)) {
        let addr = place.addr;
        match bind(addr, config.tcp_backlog as i32) {
            Ok(socket) => opened.push((*place, socket)),
            Err(e) => {
                let (ip, port) = (addr.ip(), addr.port());
                let text = format!(
                    "Could not create server TCP listening socket {ip}:{port}: bind: {}",
                    os_text(&e)
                );
                if !optional || e.kind() == std::io::ErrorKind::AddrInUse {
                    return Err(text);
                }
                tracing::warn!("{text}");
            }
        }
    }
    if opened.is_empty() && have.is_empty() && !wanted.is_empty() {
        let port = if config.port == 0 { config.tls_port } else { config.port };
        return Err(format!("Failed listening on port {port} (TCP), aborting."));
    }
    Ok(opened)
}

/// Sockets that are bound and listening.
pub struct Listeners {
    pub tcp: Vec<(Place, std::net::TcpListener)>,
    pub unix: Option<std::os::unix::net::UnixListener>,
}

impl Listeners {
    /// Binds everything that the configuration asks for.
    pub fn open(config: &Config) -> Result<Listeners, String> {
        let mut listeners = Listeners { tcp: open_tcp(config, &[])?, unix: None };
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
