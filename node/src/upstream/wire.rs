//! The socket to a master: bytes there and back, blocking for short moments only, so that whoever reads can look at the
//! clock and at whether the link is still wanted.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use socket2::{Domain, SockRef, Socket, Type};

use crate::config::Config;
use crate::tls;

/// How long a read waits before the caller has another look around.
pub const LOOK: Duration = Duration::from_millis(100);
/// How long a write may wait for a master that does not read: it has little to read.
const WRITE_WITHIN: Duration = Duration::from_secs(5);
/// Bytes that are read at once.
const READ: usize = 64 * 1024;

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// See the [module's page](self).
pub struct Wire {
    stream: Stream,
    /// Bytes that came behind what was asked for, from `at` on.
    ahead: Vec<u8>,
    at: usize,
    pub local: SocketAddr,
    pub peer: SocketAddr,
    pub fd: i32,
}

impl Wire {
    /// Connects, to the first of the host's addresses that lets us.
    pub fn open(config: &Config, host: &str, port: u16) -> io::Result<Wire> {
        let within = Duration::from_secs(u64::from(config.repl_timeout));
        let mut last = io::Error::other("the name has no address");
        for addr in (host, port).to_socket_addrs()? {
            match connect(config, addr, within) {
                Ok(tcp) => return Wire::over(config, tcp, host),
                Err(e) => last = e,
            }
        }
        Err(last)
    }

    fn over(config: &Config, tcp: TcpStream, host: &str) -> io::Result<Wire> {
        use std::os::fd::AsRawFd;
        tcp.set_nodelay(!config.repl_disable_tcp_nodelay)?;
        tcp.set_read_timeout(Some(LOOK))?;
        tcp.set_write_timeout(Some(WRITE_WITHIN))?;
        let (local, peer, fd) = (tcp.local_addr()?, tcp.peer_addr()?, tcp.as_raw_fd());
        let stream = if config.tls_replication { secure(config, tcp, host)? } else { Stream::Plain(tcp) };
        Ok(Wire { stream, ahead: Vec::new(), at: 0, local, peer, fd })
    }

    /// Another hold on the socket, to shut it down from elsewhere.
    pub fn handle(&self) -> io::Result<TcpStream> {
        match &self.stream {
            Stream::Plain(tcp) => tcp.try_clone(),
            Stream::Tls(tls) => tls.sock.try_clone(),
        }
    }

    /// Sends a command.
    pub fn command(&mut self, words: &[&[u8]]) -> io::Result<()> {
        let mut out = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            out.extend_from_slice(word);
            out.extend_from_slice(b"\r\n");
        }
        self.send(&out)
    }

    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let result = match &mut self.stream {
            Stream::Plain(tcp) => tcp.write_all(bytes),
            Stream::Tls(tls) => tls.write_all(bytes).and_then(|()| tls.flush()),
        };
        result.map_err(|e| match e.kind() {
            ErrorKind::WouldBlock => io::Error::new(ErrorKind::TimedOut, "the master does not read"),
            _ => e,
        })
    }

    /// Some bytes, or none: nothing came for a moment. The end is an error.
    pub fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let waiting = &self.ahead[self.at..];
        if !waiting.is_empty() {
            let n = waiting.len().min(out.len());
            out[..n].copy_from_slice(&waiting[..n]);
            self.at += n;
            return Ok(n);
        }
        self.receive(out)
    }

    fn receive(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.stream {
            Stream::Plain(tcp) => tcp.read(out),
            Stream::Tls(tls) => tls.read(out),
        };
        match read {
            Ok(0) => Err(io::Error::new(ErrorKind::UnexpectedEof, "the master closed the connection")),
            Ok(n) => Ok(n),
            Err(e) if is_pause(&e) => Ok(0),
            Err(e) => Err(e),
        }
    }

    /// A line without its end, if one has come; `None`: not yet.
    pub fn line(&mut self, max: usize) -> io::Result<Option<Vec<u8>>> {
        if let Some(line) = self.line_ahead() {
            return Ok(Some(line));
        }
        if self.ahead.len() - self.at > max {
            return Err(io::Error::other("the master sent a line that is too long"));
        }
        self.ahead.drain(..self.at);
        self.at = 0;
        let had = self.ahead.len();
        let mut ahead = std::mem::take(&mut self.ahead);
        ahead.resize(had + READ, 0);
        let read = self.receive(&mut ahead[had..]);
        ahead.truncate(had + read.as_ref().unwrap_or(&0));
        self.ahead = ahead;
        read?;
        Ok(self.line_ahead())
    }

    fn line_ahead(&mut self) -> Option<Vec<u8>> {
        let rest = &self.ahead[self.at..];
        let end = memchr::memchr(b'\n', rest)?;
        let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]).to_vec();
        self.at += end + 1;
        Some(line)
    }
}

fn is_pause(e: &io::Error) -> bool {
    matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

fn connect(config: &Config, addr: SocketAddr, within: Duration) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
    if let Ok(from) = config.bind_source_addr.parse::<IpAddr>()
        && from.is_ipv6() == addr.is_ipv6()
    {
        socket.bind(&SocketAddr::new(from, 0).into())?;
    }
    socket.connect_timeout(&addr.into(), within)?;
    SockRef::from(&socket).set_keepalive(true)?;
    Ok(socket.into())
}

fn secure(config: &Config, mut tcp: TcpStream, host: &str) -> io::Result<Stream> {
    let terms = tls::client::client_config(config).map_err(io::Error::other)?;
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let mut machine = ClientConnection::new(terms, name).map_err(io::Error::other)?;
    // The handshake waits as long as a write does; a read that pauses is tried again.
    let began = std::time::Instant::now();
    while machine.is_handshaking() {
        match machine.complete_io(&mut tcp) {
            Ok(_) => {}
            Err(e) if is_pause(&e) && began.elapsed() < WRITE_WITHIN => {}
            Err(e) => return Err(e),
        }
    }
    Ok(Stream::Tls(Box::new(StreamOwned::new(machine, tcp))))
}
