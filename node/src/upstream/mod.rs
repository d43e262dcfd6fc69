//! Following a master as Redis's replicas do: PSYNC from the side of the one that follows.
//!
//! Each link has a thread of its own, beside the workers: it connects ([`wire`]), introduces itself ([`handshake`]), takes
//! a snapshot if it must ([`payload`], [`sync`]), and then executes what comes ([`apply`]). A plain replica follows one
//! master and has that one's [history](crate::replicas::history). With `active-replica yes` a master that is no peer of a mesh is followed, too,
//! but what it sends comes in addition to what is here.
//!
//! Reading order: [`status`], [`link`], then as above, [`durable`], [`own`]; [`merge`] and [`rreplay`] are about those others.

pub mod apply;
pub mod durable;
pub mod failover;
pub mod handshake;
pub mod link;
pub mod merge;
pub mod own;
pub mod payload;
pub mod rreplay;
pub mod status;
pub mod sync;
pub mod wire;

use std::sync::atomic::{AtomicBool, Ordering::*};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;

use crate::config::Config;
use crate::config::values::Master;
use crate::persist::background;
use crate::server::Server;
use link::{Link, Mode};

/// How long somebody waits for a moment in which nothing of a master's goes into the data: a snapshot may take longer.
const CALM: Duration = Duration::from_millis(100);

/// See the [module's page](self).
#[derive(Default)]
pub struct Upstream {
    /// The master that is followed.
    followed: Mutex<Option<Arc<Link>>>,
    /// Held by whoever changes that.
    turning: Mutex<()>,
    is_replica: AtomicBool,
    /// What was written here meanwhile and expires.
    pub own: own::Own,
    pub failover: failover::Failover,
    /// Links whose masters' data come in addition to what is here.
    merging: Mutex<Vec<Arc<Link>>>,
    /// What KeyDB servers have sent, by whatever way.
    pub seen: Mutex<rreplay::Seen>,
    /// Who this node is to KeyDB servers: somebody new at each start, as they are.
    uuid: OnceLock<String>,
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

    /// See [`Mode::Merge`].
    pub fn merging(&self) -> Vec<Arc<Link>> {
        self.merging.lock().clone()
    }

    /// Begins to merge what a master sends. To be ended by [`Upstream::part`].
    pub fn merge(&self, server: &'static Server, master: Master) -> std::io::Result<Arc<Link>> {
        let link = Link::start(server, master, Mode::Merge, 0)?;
        self.merging.lock().push(link.clone());
        Ok(link)
    }

    /// Nothing of this master's comes in any more. The caller must hold no shard.
    pub fn part(&self, link: &Arc<Link>) {
        link.stop();
        self.merging.lock().retain(|other| !Arc::ptr_eq(other, link));
    }

    pub fn uuid(&self) -> &str {
        self.uuid.get_or_init(|| uuid::Uuid::new_v4().to_string())
    }

    /// The data are old, and `replica-serve-stale-data` does not allow to show them.
    pub fn is_stale(&self, config: &Config) -> bool {
        !config.replica_serve_stale_data && self.followed().is_some_and(|link| !link.status.is_up())
    }

    /// Follows this master from now on, and no other; `None`: goes its own way. The caller must hold no shard.
    pub fn follow(&self, server: &'static Server, master: Option<Master>) -> std::io::Result<()> {
        let _turning = self.turning.lock();
        let old = self.followed.lock().take();
        if let Some(old) = &old {
            old.stop();
        }
        let was_replica = self.is_replica.swap(master.is_some(), Relaxed);
        if master.is_none() {
            self.own.forget();
        }
        match master {
            None if was_replica => server.replicas.branch(server),
            None => {}
            Some(_) => {
                if !was_replica {
                    // What was written before is part of the history that the master is asked to go on with.
                    server.config.touch();
                    let mut ctx = background::own_context(server);
                    ctx.locks.hold_all();
                    ctx.locks.release();
                    server.replicas.catch_up(server);
                }
                server.replicas.begin_relaying(server);
            }
        }
        let link = match master {
            Some(master) => {
                // Where the stream is gone on with, this is what its reader has selected.
                let own =
                    || server.replicas.history(|history| history.position()).map(|position| position.db);
                let db = old.map(|old| old.db.load(Relaxed)).or_else(own).unwrap_or(0);
                Some(Link::start(server, master, Mode::Follow, db)?)
            }
            None => None,
        };
        *self.followed.lock() = link;
        set_memory_limit(server, &server.config.get());
        server.config.touch();
        Ok(())
    }

    /// The database that a reader of the master's stream has selected at its end. To be asked for by [`Upstream::still`].
    pub fn stream_db(&self) -> Option<usize> {
        self.followed().map(|link| link.db.load(Relaxed))
    }

    /// Runs something while nothing of a master's goes into the data, which it is told; if that can't be had soon, all the
    /// same. The caller must hold no shard.
    pub fn calm<T>(&self, run: impl FnOnce(bool) -> T) -> T {
        let link = self.followed();
        let applying = link.as_ref().map(|link| link.applying.try_lock_for(CALM));
        run(applying.as_ref().is_none_or(Option::is_some))
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
