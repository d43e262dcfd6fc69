//! As much of a Redis client as the demo needs.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

/// A node that does not answer within this time is not there.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// A connection to a node.
pub struct Client(BufReader<TcpStream>);

impl Client {
    pub fn connect(port: u16) -> io::Result<Client> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_WITHIN))?;
        Ok(Client(BufReader::new(stream)))
    }

    /// Sends a request and returns the reply as text: that of a status, a number or a string. An error is an error.
    pub fn ask(&mut self, words: &[&str]) -> io::Result<String> {
        let mut request = format!("*{}\r\n", words.len());
        for word in words {
            request.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        self.0.get_mut().write_all(request.as_bytes())?;
        self.reply()
    }

    fn reply(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        let line = line.trim_end();
        let kind = line.chars().next().ok_or(io::ErrorKind::UnexpectedEof)?;
        let rest = &line[kind.len_utf8()..];
        match kind {
            '+' | ':' => Ok(rest.to_owned()),
            '-' => Err(io::Error::other(rest.to_owned())),
            '$' if rest == "-1" => Ok(String::new()),
            '$' => {
                let len: usize = rest.parse().map_err(io::Error::other)?;
                let mut bytes = vec![0; len + 2];
                self.0.read_exact(&mut bytes)?;
                Ok(String::from_utf8_lossy(&bytes[..len]).into_owned())
            }
            _ => Err(io::Error::other(format!("an answer that the demo does not know: {line}"))),
        }
    }
}
