//! A blocking connection that sends what it is told, byte for byte.

use crate::decode::read_value;
use crate::value::Value;
use std::io::{self, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A reply that takes longer than this counts as never coming.
pub const REPLY_WITHIN: Duration = Duration::from_secs(20);

/// One connection. Dropping it closes it.
#[derive(Debug)]
pub struct Client {
    reader: BufReader<TcpStream>,
}

impl Client {
    /// Connects; replies are waited for at most [`REPLY_WITHIN`].
    pub fn connect(address: SocketAddr) -> io::Result<Client> {
        let stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(REPLY_WITHIN))?;
        stream.set_write_timeout(Some(REPLY_WITHIN))?;
        Ok(Client { reader: BufReader::with_capacity(64 * 1024, stream) })
    }

    /// Sends one request and waits for its reply.
    pub fn call<A: AsRef<[u8]>>(&mut self, args: &[A]) -> io::Result<Value> {
        self.send(args)?;
        self.receive()
    }

    /// [`Client::call`] with the words of `line`, split at spaces, as arguments.
    pub fn cmd(&mut self, line: &str) -> io::Result<Value> {
        self.call(&line.split(' ').collect::<Vec<_>>())
    }

    /// Sends all requests in one write, then reads all replies.
    pub fn pipeline<A: AsRef<[u8]>>(&mut self, requests: &[Vec<A>]) -> io::Result<Vec<Value>> {
        let mut wire = Vec::new();
        for args in requests {
            encode(&mut wire, args);
        }
        self.send_raw(&wire)?;
        requests.iter().map(|_| self.receive()).collect()
    }

    /// Sends one request and does not wait.
    pub fn send<A: AsRef<[u8]>>(&mut self, args: &[A]) -> io::Result<()> {
        let mut wire = Vec::new();
        encode(&mut wire, args);
        self.send_raw(&wire)
    }

    /// Sends these bytes.
    pub fn send_raw(&mut self, wire: &[u8]) -> io::Result<()> {
        self.reader.get_mut().write_all(wire)
    }

    /// Waits for the next reply or push.
    pub fn receive(&mut self) -> io::Result<Value> {
        read_value(&mut self.reader)
    }

    /// Waits for the next reply or push for at most `limit`. `None` if nothing at all arrived.
    pub fn receive_within(&mut self, limit: Duration) -> io::Result<Option<Value>> {
        use std::io::BufRead;
        self.reader.get_ref().set_read_timeout(Some(limit.max(Duration::from_millis(1))))?;
        let ready = self.reader.fill_buf().map(|_| ());
        self.reader.get_ref().set_read_timeout(Some(REPLY_WITHIN))?;
        match ready {
            Ok(()) => self.receive().map(Some),
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// The stream below, for tests that need another view of it.
    pub fn stream(&self) -> &TcpStream {
        self.reader.get_ref()
    }
}

/// Appends a request as an array of bulk strings.
pub fn encode<A: AsRef<[u8]>>(wire: &mut Vec<u8>, args: &[A]) {
    wire.extend_from_slice(format!("*{}\r\n", args.len()).as_bytes());
    for arg in args {
        let arg = arg.as_ref();
        wire.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        wire.extend_from_slice(arg);
        wire.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_an_array_of_bulks() {
        let mut wire = Vec::new();
        encode(&mut wire, &["SET", "", "a\r\n"]);
        assert_eq!(wire, b"*3\r\n$3\r\nSET\r\n$0\r\n\r\n$3\r\na\r\n\r\n");
    }
}
