//! What is said before data flow: who we are, what we understand, and from where on we want to have the stream.

use std::io;

use super::failover::Phase;
use super::link::{Broken, Link, Mode};
use super::rreplay::UUID;
use super::wire::Wire;
use crate::config::Config;

/// Longest line that a master answers with.
const LINE_MAX: usize = 1024;

/// What a master says to PSYNC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Everything is sent anew: the id of the history, and where in it the stream begins.
    Full { replid: String, offset: u64 },
    /// The stream goes on where we stopped, under this id if it is a new one.
    Continue { replid: Option<String> },
    /// Not now.
    Later(String),
    /// It knows the older command only.
    Unknown,
}

/// A conversation before the stream.
pub struct Handshake<'a> {
    pub link: &'a Link,
    pub wire: &'a mut Wire,
    pub config: &'a Config,
    /// The UUID of a KeyDB server.
    pub peer: Option<Vec<u8>>,
}

impl Handshake<'_> {
    /// Introduces this node.
    pub fn introduce(&mut self) -> Result<(), Broken> {
        self.wire.command(&[b"PING"])?;
        self.check_ping()?;
        self.authenticate()?;
        let port = announced_port(self.config).to_string();
        self.configure("listening-port", &[b"listening-port", port.as_bytes()])?;
        if !self.config.replica_announce_ip.is_empty() {
            self.configure("ip-address", &[b"ip-address", self.config.replica_announce_ip.as_bytes()])?;
        }
        match self.link.mode {
            Mode::Follow => self.configure("capa", &[b"capa", b"eof", b"capa", b"psync2"]).map(|_| ()),
            Mode::Merge => {
                self.configure("capa", &[b"capa", b"eof", b"capa", b"psync2", b"capa", b"activeExpire"])?;
                self.exchange_identities()
            }
        }
    }

    /// KeyDB servers want to know who we are, and say who they are.
    fn exchange_identities(&mut self) -> Result<(), Broken> {
        let own = self.link.server.upstream.uuid();
        let answer = self.configure("uuid", &[b"uuid", own.as_bytes()])?;
        let peer = answer.strip_prefix(b"+").filter(|uuid| uuid.len() == UUID);
        if let Some(peer) = peer {
            tracing::info!("The master is a KeyDB server, {}", shown(peer));
        }
        self.peer = peer.map(<[u8]>::to_vec);
        Ok(())
    }

    /// A master that wants a password first says so: that will do.
    fn check_ping(&mut self) -> Result<(), Broken> {
        let answer = self.reply()?;
        let fine = ["+", "-NOAUTH", "-NOPERM", "-ERR operation not permitted"];
        if !fine.iter().any(|start| answer.starts_with(start.as_bytes())) {
            return Err(Broken::Refused(format!("Error reply to PING from master: '{}'", shown(&answer))));
        }
        tracing::info!("Master replied to PING, replication can continue...");
        Ok(())
    }

    fn authenticate(&mut self) -> Result<(), Broken> {
        let config = self.config;
        if config.masterauth.is_empty() {
            return Ok(());
        }
        match config.masteruser.is_empty() {
            true => self.wire.command(&[b"AUTH", &config.masterauth])?,
            false => self.wire.command(&[b"AUTH", &config.masteruser, &config.masterauth])?,
        }
        let answer = self.reply()?;
        if answer.first() == Some(&b'-') {
            return Err(Broken::Refused(format!("Unable to AUTH to MASTER: {}", shown(&answer))));
        }
        Ok(())
    }

    /// A master that does not understand what we tell it can do without.
    fn configure(&mut self, what: &str, words: &[&[u8]]) -> Result<Vec<u8>, Broken> {
        let command: Vec<&[u8]> = [&b"REPLCONF"[..]].into_iter().chain(words.iter().copied()).collect();
        self.wire.command(&command)?;
        let answer = self.reply()?;
        if answer.first() == Some(&b'-') {
            tracing::info!("(Non critical) Master does not understand REPLCONF {what}: {}", shown(&answer));
        }
        Ok(answer)
    }

    /// Asks for the stream behind `offset` of the history `replid`.
    pub fn psync(&mut self, replid: &str, offset: u64) -> Result<Answer, Broken> {
        tracing::info!("Trying a partial resynchronization (request {replid}:{}).", offset + 1);
        let next = (offset + 1).to_string();
        let failover = &self.link.server.upstream.failover;
        if failover.phase() == Phase::Asking && self.link.mode == Mode::Follow {
            self.wire.command(&[b"PSYNC", replid.as_bytes(), next.as_bytes(), b"FAILOVER"])?;
            let line = self.reply()?;
            let taken = answer(&line).filter(|answer| matches!(answer, Answer::Continue { .. }));
            return match taken {
                Some(taken) => {
                    failover.end(self.link.server);
                    tracing::info!("Failover complete: {} is the master", self.wire.peer);
                    Ok(taken)
                }
                None => {
                    let answer = shown(&line);
                    failover.abort(
                        self.link.server,
                        &format!("Failover target rejected psync request: {answer}"),
                    );
                    Err(Broken::Unwanted)
                }
            };
        }
        self.wire.command(&[b"PSYNC", replid.as_bytes(), next.as_bytes()])?;
        let line = self.reply()?;
        answer(&line).ok_or_else(|| {
            Broken::Refused(format!("Unexpected reply to PSYNC from master: {}", shown(&line)))
        })
    }

    /// The next line that says something; empty ones only say that the master is still there.
    pub fn reply(&mut self) -> Result<Vec<u8>, Broken> {
        loop {
            self.link.check(self.config)?;
            match self.wire.line(LINE_MAX)? {
                Some(line) if !line.is_empty() => {
                    self.link.heard();
                    return Ok(line);
                }
                Some(_) => self.link.heard(),
                None => {}
            }
        }
    }
}

impl From<io::Error> for Broken {
    fn from(e: io::Error) -> Broken {
        Broken::Lost(crate::process::reason(&e))
    }
}

/// The port that replicas of ours, and Sentinel, are to find us at.
pub fn announced_port(config: &Config) -> u16 {
    match config.replica_announce_port {
        0 if config.tls_replication && config.tls_port != 0 => config.tls_port,
        0 => config.port,
        port => port,
    }
}

fn answer(line: &[u8]) -> Option<Answer> {
    let text = std::str::from_utf8(line).ok()?;
    let mut words = text.split_whitespace();
    match words.next()? {
        "+FULLRESYNC" => {
            let (replid, offset) = (words.next()?, words.next()?.parse().ok()?);
            (replid.len() == 40).then(|| Answer::Full { replid: replid.into(), offset })
        }
        "+CONTINUE" => {
            Some(Answer::Continue { replid: words.next().filter(|id| id.len() == 40).map(str::to_owned) })
        }
        "-NOMASTERLINK" | "-LOADING" => Some(Answer::Later(text[1..].to_owned())),
        _ if text.starts_with("-ERR unknown command") => Some(Answer::Unknown),
        _ => None,
    }
}

/// A master's words for the log.
pub fn shown(line: &[u8]) -> String {
    String::from_utf8_lossy(line).escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_masters_answer_to_psync() {
        let id = "0123456789012345678901234567890123456789";
        let full = Answer::Full { replid: id.into(), offset: 12 };
        assert_eq!(answer(format!("+FULLRESYNC {id} 12").as_bytes()), Some(full));
        assert_eq!(answer(b"+CONTINUE"), Some(Answer::Continue { replid: None }));
        let renamed = Answer::Continue { replid: Some(id.into()) };
        assert_eq!(answer(format!("+CONTINUE {id}").as_bytes()), Some(renamed));
        assert!(matches!(answer(b"-LOADING Redis is loading"), Some(Answer::Later(_))));
        assert!(matches!(answer(b"-NOMASTERLINK Can't SYNC"), Some(Answer::Later(_))));
        assert_eq!(answer(b"-ERR unknown command 'PSYNC'"), Some(Answer::Unknown));
        for bad in [&b"+FULLRESYNC short 1"[..], b"+FULLRESYNC", b"+OK", b"", b"-ERR whatever"] {
            assert_eq!(answer(bad), None, "{bad:?}");
        }
    }
}
