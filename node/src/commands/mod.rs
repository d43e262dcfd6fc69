//! The commands of the node, and the table that joins them with the data commands.

use engine::command::lookup::Lookup;
use engine::command::{ALL, CommandId};

use crate::config::Loaded;
use crate::dispatch::{Handler, NodeRun};

pub mod acl;
pub mod blocked;
pub mod client;
pub mod cluster;
pub mod config;
pub mod connection;
pub mod debug;
pub mod failover;
pub mod functions;
pub mod help;
pub mod himport;
pub mod hotkeys;
pub mod latency;
pub mod lolwut;
pub mod memory;
pub mod migrate;
pub mod modules;
pub mod monitor;
pub mod mvcc_restore;
pub mod nested;
pub mod persistence;
pub mod psync;
pub mod pubsub;
pub mod replicaof;
pub mod replication;
pub mod scripting;
pub mod server;
pub mod shutdown;
pub mod slowlog;
pub mod transactions;

/// A command of the node: its name in the table of facts and its function.
pub struct NodeRow {
    pub name: &'static str,
    pub run: NodeRun,
}

pub const fn row(name: &'static str, run: NodeRun) -> NodeRow {
    NodeRow { name, run }
}

fn rows() -> impl Iterator<Item = &'static NodeRow> {
    let families = [
        blocked::ROWS,
        cluster::ROWS,
        config::ROWS,
        connection::ROWS,
        debug::ROWS,
        failover::ROWS,
        functions::ROWS,
        help::ROWS,
        himport::ROWS,
        hotkeys::ROWS,
        latency::ROWS,
        lolwut::ROWS,
        memory::ROWS,
        migrate::ROWS,
        modules::ROWS,
        monitor::ROWS,
        mvcc_restore::ROWS,
        nested::ROWS,
        persistence::ROWS,
        psync::ROWS,
        pubsub::ROWS,
        replicaof::ROWS,
        replication::ROWS,
        scripting::ROWS,
        server::ROWS,
        shutdown::ROWS,
        slowlog::ROWS,
        transactions::ROWS,
    ];
    families.into_iter().chain(acl::ROWS.iter().copied()).chain(client::ROWS.iter().copied()).flatten()
}

fn id(name: &str) -> CommandId {
    ALL.iter().find(|f| f.name == name).unwrap_or_else(|| panic!("{name} has no facts")).id
}

/// Functions by command id. A row whose name has no facts stops the start: it could never be called.
pub fn handlers() -> Box<[Handler]> {
    let mut handlers: Box<[Handler]> = ALL.iter().map(|_| Handler::Missing).collect();
    for row in engine::commands::rows() {
        handlers[id(row.name).index()] = Handler::Data(row.run, row.locking);
    }
    for row in rows() {
        handlers[id(row.name).index()] = Handler::Node(row.run);
    }
    handlers
}

/// Names of the commands that have a function, renamed as configured.
pub fn lookup(handlers: &[Handler], loaded: &Loaded) -> Result<Lookup, String> {
    let answered = |id: CommandId| !matches!(handlers[id.index()], Handler::Missing);
    let mut lookup =
        Lookup::new(|facts| answered(facts.id) || facts.subcommands.iter().any(|s| answered(*s)));
    for (from, to) in loaded.renames.pairs() {
        lookup.rename(from, to).map_err(|e| format!("rename-command: {e:?}"))?;
    }
    Ok(lookup)
}

/// Whether a command of this name (lower case) may be renamed.
pub fn exists(name: &[u8]) -> bool {
    ALL.iter().any(|f| f.parent.is_none() && f.name.as_bytes().eq_ignore_ascii_case(name))
}
