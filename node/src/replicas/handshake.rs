//! What a replica says of itself before it asks for the stream: REPLCONF.

/// Parts of a snapshot that are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts {
    pub data: bool,
    pub functions: bool,
    /// In version 9 of RDB, without what came later.
    pub old: bool,
}

impl Parts {
    pub const ALL: Parts = Parts { data: true, functions: true, old: false };
    /// What a KeyDB server can read.
    pub const KEYDB: Parts = Parts { data: true, functions: false, old: true };
}

/// See the [module's page](self).
#[derive(Clone, Debug)]
pub struct Handshake {
    /// Where it can be reached, if that is not where it comes from.
    pub ip: String,
    pub port: u16,
    /// It can read a snapshot of unknown length.
    pub eof: bool,
    /// It understands a history that goes on under another name.
    pub psync2: bool,
    /// It wants a snapshot, and not the stream.
    pub rdb_only: bool,
    pub parts: Parts,
    /// It is a KeyDB server that takes writes, too: it wants commands in envelopes.
    pub keydb: bool,
    /// It asked with SYNC: it knows nothing of offsets, and acknowledges nothing.
    pub old: bool,
}

impl Default for Handshake {
    fn default() -> Handshake {
        Handshake {
            ip: String::new(),
            port: 0,
            eof: false,
            psync2: false,
            rdb_only: false,
            parts: Parts::ALL,
            keydb: false,
            old: false,
        }
    }
}
