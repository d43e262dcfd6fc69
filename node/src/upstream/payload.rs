//! A snapshot as it comes from a master: so many bytes, or bytes up to a mark that the master has made up.

use std::io::{self, Read};

use super::handshake::Handshake;
use super::link::{Broken, Link};
use super::wire::Wire;
use crate::config::Config;

/// Length of the mark that ends a snapshot whose length nobody knew.
const MARK: usize = 40;
/// Bytes that are read at once.
const READ: usize = 64 * 1024;

/// How a snapshot ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    After(u64),
    At([u8; MARK]),
}

/// Reads the line before the snapshot. A master may take its time to begin one.
pub fn announced(handshake: &mut Handshake<'_>) -> Result<End, Broken> {
    let line = handshake.reply()?;
    if line.first() == Some(&b'-') {
        let text = String::from_utf8_lossy(&line[1..]);
        return Err(Broken::Refused(format!("MASTER aborted replication with an error: {text}")));
    }
    end(&line).ok_or_else(|| {
        let text = super::handshake::shown(&line);
        Broken::Refused(format!(
            "Bad protocol from MASTER, the first byte is not '$' (we received '{text}'), are you sure the host and port are \
             right?"
        ))
    })
}

fn end(line: &[u8]) -> Option<End> {
    let rest = line.strip_prefix(b"$")?;
    match rest.strip_prefix(b"EOF:") {
        Some(mark) => mark.try_into().ok().map(End::At),
        None => std::str::from_utf8(rest).ok()?.parse().ok().map(End::After),
    }
}

/// The snapshot's bytes, and no more. Reading fails when the master is silent for too long, or the link not wanted any more.
pub struct Payload<'a> {
    wire: &'a mut Wire,
    link: &'a Link,
    config: &'a Config,
    end: End,
    /// Bytes that came, from `at` on; with a mark, the last ones may be it.
    buffer: Vec<u8>,
    at: usize,
    /// Bytes handed out.
    pub passed: u64,
    ended: bool,
}

impl<'a> Payload<'a> {
    pub fn new(wire: &'a mut Wire, link: &'a Link, config: &'a Config, end: End) -> Payload<'a> {
        Payload { wire, link, config, end, buffer: Vec::new(), at: 0, passed: 0, ended: end == End::After(0) }
    }

    /// How many bytes it has, if that is known.
    pub fn size(&self) -> Option<u64> {
        match self.end {
            End::After(len) => Some(len),
            End::At(_) => None,
        }
    }

    /// Gives the socket back: the snapshot has been read.
    pub fn into_wire(self) -> &'a mut Wire {
        self.wire
    }

    /// Reads on to the end, if it has not been reached: whoever used the snapshot had enough before.
    pub fn finish(&mut self) -> io::Result<()> {
        let mut rest = [0; 4096];
        while self.read(&mut rest)? > 0 {}
        Ok(())
    }

    /// Waits for some more bytes.
    fn fill(&mut self, max: usize) -> io::Result<()> {
        self.buffer.drain(..self.at);
        self.at = 0;
        let had = self.buffer.len();
        self.buffer.resize(had + max.min(READ), 0);
        let read = loop {
            if let Err(broken) = self.link.check(self.config) {
                break Err(io::Error::other(broken.to_string()));
            }
            match self.wire.read(&mut self.buffer[had..]) {
                Ok(0) => {}
                other => break other,
            }
        };
        self.buffer.truncate(had + read.as_ref().unwrap_or(&0));
        self.link.heard();
        self.link.received(read? as u64);
        Ok(())
    }
}

impl Read for Payload<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.ended || out.is_empty() {
            return Ok(0);
        }
        let ready = loop {
            let have = self.buffer.len() - self.at;
            match self.end {
                End::After(len) => {
                    let left = len - self.passed;
                    if have > 0 {
                        break have.min(usize::try_from(left).unwrap_or(usize::MAX));
                    }
                    self.fill(usize::try_from(left).unwrap_or(usize::MAX))?;
                }
                End::At(mark) => {
                    if self.buffer[self.at..].ends_with(&mark) && have >= MARK {
                        if have == MARK {
                            self.ended = true;
                            return Ok(0);
                        }
                        break have - MARK;
                    }
                    if have > MARK {
                        break have - MARK;
                    }
                    self.fill(READ)?;
                }
            }
        };
        let n = ready.min(out.len());
        out[..n].copy_from_slice(&self.buffer[self.at..self.at + n]);
        self.at += n;
        self.passed += n as u64;
        self.ended |= self.end == End::After(self.passed);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_to_announce_a_snapshot() {
        let mark = [b'a'; MARK];
        assert_eq!(end(b"$1234"), Some(End::After(1234)));
        assert_eq!(end(&[b"$EOF:", &mark[..]].concat()), Some(End::At(mark)));
        for bad in [&b"+OK"[..], b"$", b"$x", b"$-1", b"$EOF:short"] {
            assert_eq!(end(bad), None, "{bad:?}");
        }
    }
}
