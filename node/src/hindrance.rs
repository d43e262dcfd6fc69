//! What keeps commands from running: looked up by each worker when something changes, as bits, so that a command that
//! nothing hinders pays for one comparison.

use engine::command::Flags;
use protocol::{ErrorReply, error};

use crate::client::{Client, flag};
use crate::config::Config;
use crate::persist::background;
use crate::server::Server;

/// The data are being loaded.
pub const LOADING: u16 = 1;
/// The last save failed.
pub const DISK: u16 = 2;
/// The append-only file can't be written.
pub const LOG: u16 = 16;
/// `min-replicas-to-write` asks for replicas that are not there.
pub const REPLICAS: u16 = 4;
/// This node has yet to get back what its peers rely on.
pub const SYNCING: u16 = 8;
/// This node is a replica that takes no writes.
pub const READ_ONLY: u16 = 32;
/// It has no link to its master, or a member to too few others, and old data are not to be shown.
pub const STALE: u16 = 64;
/// This node is a replica: clients that follow redirections are sent to the master.
pub const REPLICA: u16 = 128;
/// Other data are being loaded beside those that clients see.
pub const LOADING_BESIDE: u16 = 256;

/// What hinders commands now.
pub fn now(server: &Server, config: &Config) -> u16 {
    let bit = |is: bool, bit| if is { bit } else { 0 };
    bit(server.persistence.loading.is_active(), LOADING)
        | bit(server.persistence.loading.is_beside(), LOADING_BESIDE)
        | bit(background::refuses_writes(server), DISK)
        | bit(
            server.mesh.lacks_peers(config, server.replicas.good()) && !server.upstream.is_replica(),
            REPLICAS,
        )
        | bit(server.upstream.is_replica() && config.replica_read_only, READ_ONLY)
        | bit(server.upstream.is_stale(config) || server.mesh.is_stale(config), STALE)
        | bit(server.upstream.is_replica(), REPLICA)
        | bit(server.mesh.refuses_writes(), SYNCING)
        | bit(server.aof.books().error().is_some(), LOG)
}

/// Whether a command of a client with these flags may run, given what hinders; PING fails like a write, to be noticed.
#[cold]
pub fn check(
    server: &Server,
    hindrances: u16,
    flags: Flags,
    is_ping: bool,
    client: &Client,
) -> Result<(), ErrorReply> {
    let writes = flags.has(Flags::WRITE);
    if hindrances & REPLICA != 0 && client.has(flag::REDIRECT) {
        let reads = flags.has(Flags::READONLY) && !client.has(flag::READONLY);
        if let Some(link) = server.upstream.followed().filter(|_| writes || reads) {
            return Err(ErrorReply(format!("REDIRECT {}:{}", link.master.host, link.master.port).into()));
        }
    }
    if hindrances & DISK != 0 && (writes || is_ping) {
        return Err(MISCONF);
    }
    if hindrances & LOG != 0 && (writes || is_ping) {
        let books = server.aof.books();
        let reason = books.error().unwrap_or_default();
        return Err(ErrorReply(format!("MISCONF Errors writing to the AOF file: {reason}").into()));
    }
    if hindrances & REPLICAS != 0 && writes {
        return Err(error::NO_REPLICAS);
    }
    if hindrances & READ_ONLY != 0 && writes {
        return Err(error::READ_ONLY);
    }
    if hindrances & STALE != 0 && !flags.has(Flags::STALE) {
        return Err(error::MASTER_DOWN);
    }
    // What is here is only half of the data: nobody may see it either.
    if hindrances & SYNCING != 0 && (writes || flags.has(Flags::READONLY)) {
        return Err(error::SYNCING);
    }
    if hindrances & LOADING != 0 && !flags.has(Flags::LOADING) {
        return Err(error::LOADING);
    }
    if hindrances & LOADING_BESIDE != 0 && flags.has(Flags::NO_ASYNC_LOADING) {
        return Err(error::LOADING);
    }
    Ok(())
}

const MISCONF: ErrorReply = ErrorReply::new(
    "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that may \
     modify the data set are disabled, because this instance is configured to report errors during writes if RDB \
     snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB error.",
);
