//! Following a master as Redis's replicas do: PSYNC from the side of the one that follows.
//!
//! Each link has a thread of its own, beside the workers: it connects ([`wire`]), introduces itself ([`handshake`]), takes
//! a snapshot if it must ([`payload`], [`sync`]), and then executes what comes ([`apply`]). A plain replica follows one
//! master and has that one's [history](crate::replicas::history). With `active-replica yes` a master that is no peer of a mesh is followed, too,
//! but what it sends comes in addition to what is here.
//!
//! Reading order: [`status`], [`link`], then as above.

pub mod apply;
pub mod handshake;
pub mod link;
pub mod payload;
pub mod status;
pub mod sync;
pub mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::*};

use parking_lot::Mutex;

use crate::config::Config;
use crate::config::values::Master;
use crate::replicas::history::History;
use crate::server::Server;
use link::{Link, Mode};

/// See the [module's page](self).
#[derive(Default)]
pub struct Upstream {
    /// The master that is followed.
    followed: Mutex<Option<Arc<Link>>>,
    is_replica: AtomicBool,
}

impl Upstream {
    /// Whether this node is a plain replica: its data are another's.
    #[inline]
    pub fn is_replica(&self) -> bool {
        self.is_replica.load(Relaxed)
    }

    /// The link to the master that is followed.
    pub fn followed(&self) -> Option<Arc<Link>> {
        self.followed.lock().clone()
    }

    /// The data are old, and `replica-serve-stale-data` does not allow to show them.
    pub fn is_stale(&self, config: &Config) -> bool {
        !config.replica_serve_stale_data && self.followed().is_some_and(|link| !link.status.is_up())
    }

    /// Follows this master from now on, and no other; `None`: goes its own way. The caller must hold no shard.
    pub fn follow(&self, server: &'static Server, master: Option<Master>) -> std::io::Result<()> {
        let mut followed = self.followed.lock();
        if let Some(old) = followed.take() {
            old.stop();
        }
        match master {
            None if self.is_replica() => server.replicas.history(History::branch),
            None => {}
            Some(_) => server.replicas.history(|history| history.relay(true)),
        }
        *followed = match master {
            Some(master) => Some(Link::start(server, master, Mode::Follow)?),
            None => None,
        };
        self.is_replica.store(followed.is_some(), Relaxed);
        drop(followed);
        set_memory_limit(server, &server.config.get());
        server.config.touch();
        Ok(())
    }

    /// Runs something while nothing of a master's goes into the data. The caller must hold no shard.
    pub fn still<T>(&self, run: impl FnOnce() -> T) -> T {
        let link = self.followed();
        let _applying = link.as_ref().map(|link| link.applying.lock());
        run()
    }
}

/// Begins to follow the master that the configuration names.
pub fn at_start(server: &'static Server) -> Result<(), String> {
    let config = server.config.get();
    let Some(master) = config.replicaof.0.last().filter(|_| !config.active_replica) else { return Ok(()) };
    server
        .upstream
        .follow(server, Some(master.clone()))
        .map_err(|e| format!("Can't start the thread that follows the master: {e}"))
}

/// A replica leaves it to its master what has to make room, if it is so configured.
pub fn set_memory_limit(server: &Server, config: &Config) {
    let exempt = server.upstream.is_replica() && config.replica_ignore_maxmemory;
    server.memory.set_limit(if exempt { 0 } else { config.maxmemory });
}
