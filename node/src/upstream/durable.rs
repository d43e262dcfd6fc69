//! Up to which byte of the master's stream all is on this server's disk: what WAITAOF asks of a replica.
//!
//! The log knows versions, the stream bytes. So now and then a byte that has been carried out is noted with the version
//! that had been given last by then; when the log has that version on the disk, it has the stream up to that byte.

use crate::server::Server;

/// See the [module's page](self).
#[derive(Default)]
pub struct Durable {
    /// Up to this byte it is.
    done: u64,
    /// A byte, and the version with which it is.
    next: Option<(u64, u64)>,
}

impl Durable {
    /// The byte up to which all is on the disk, where the stream has been carried out up to `offset`. `None`: there is no log.
    pub fn at(&mut self, server: &Server, offset: u64) -> Option<u64> {
        if !server.aof.is_on() {
            *self = Durable::default();
            return None;
        }
        if self.is_due(server)
            && let Some((at, _)) = self.next.take()
        {
            self.done = at;
        }
        // Another master's stream may have begun lower.
        self.done = self.done.min(offset);
        if self.next.is_none() && offset > self.done {
            self.next = Some((offset, server.keyspace.latest_version()));
        }
        Some(self.done)
    }

    /// Whether there is more to tell than last time.
    pub fn is_due(&self, server: &Server) -> bool {
        self.next.is_some_and(|(_, version)| server.aof.is_durable(version))
    }
}
