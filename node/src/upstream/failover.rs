//! FAILOVER: this master hands over to one of its replicas, in good order.
//!
//! Writes are paused until a replica has all that was written; then this node follows that one, and asks it with its PSYNC
//! to be the master. If that does not come about in time, or is refused, everything is as it was.

use std::sync::atomic::{AtomicU64, Ordering::*};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use protocol::ErrorReply;

use crate::config::Config;
use crate::config::values::Master;
use crate::pause::Why;
use crate::persist::background;
use crate::server::Server;

/// Between two looks at how far the replicas are.
const LOOK: Duration = Duration::from_millis(5);

/// What is under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    #[default]
    None,
    /// No replica has everything yet.
    Waiting,
    /// One is asked to take over.
    Asking,
}

impl Phase {
    /// As INFO names it.
    pub fn word(self) -> &'static str {
        match self {
            Phase::None => "no-failover",
            Phase::Waiting => "waiting-for-sync",
            Phase::Asking => "failover-in-progress",
        }
    }
}

/// What was asked for.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    pub target: Option<Master>,
    pub timeout_ms: Option<u64>,
    /// When time is up, the target takes over though it may lack something.
    pub force: bool,
}

/// See the [module's page](self).
#[derive(Default)]
pub struct Failover {
    phase: Mutex<Phase>,
    /// Counts the attempts: who belongs to an older one has nothing to say.
    attempt: AtomicU64,
}

impl Failover {
    pub fn phase(&self) -> Phase {
        *self.phase.lock()
    }

    /// Begins, on a thread of its own.
    pub fn begin(&self, server: &'static Server, wish: Wish) -> Result<(), ErrorReply> {
        let mut phase = self.phase.lock();
        if *phase != Phase::None {
            return Err(ErrorReply::new("ERR FAILOVER already in progress."));
        }
        *phase = Phase::Waiting;
        let attempt = self.attempt.fetch_add(1, AcqRel) + 1;
        server.pause.hold(Why::Failover, true);
        match &wish.target {
            Some(Master { host, port }) => tracing::info!("FAILOVER requested to {host}:{port}."),
            None => tracing::info!("FAILOVER requested."),
        }
        let spawned =
            std::thread::Builder::new().name("failover".into()).spawn(move || wait(server, attempt, &wish));
        if let Err(e) = spawned {
            *phase = Phase::None;
            server.pause.hold(Why::Failover, false);
            return Err(ErrorReply::err(format!("Can't start a thread: {e}")));
        }
        Ok(())
    }

    /// Ends it, whatever has come of it; false if nothing is under way. Clients go on.
    pub fn end(&self, server: &Server) -> Option<Phase> {
        let ended = std::mem::take(&mut *self.phase.lock());
        if ended == Phase::None {
            return None;
        }
        self.attempt.fetch_add(1, AcqRel);
        server.pause.hold(Why::Failover, false);
        server.clients.all().iter().for_each(|client| client.nudge());
        Some(ended)
    }

    /// Takes it back: this node is a master as before. The caller must hold no shard. False if nothing is under way.
    pub fn abort(&self, server: &'static Server, why: &str) -> bool {
        let Some(ended) = self.end(server) else { return false };
        tracing::warn!("Failover aborted: {why}");
        if ended == Phase::Asking {
            let _ = server.upstream.follow(server, None);
            server.config.update(|config: &mut Config| config.replicaof.0.clear());
        }
        true
    }

    fn is_current(&self, attempt: u64) -> bool {
        self.attempt.load(Acquire) == attempt
    }
}

/// Waits until a replica has everything.
fn wait(server: &'static Server, attempt: u64, wish: &Wish) {
    let (failover, began) = (&server.upstream.failover, Instant::now());
    let mut ctx = background::own_context(server);
    while failover.is_current(attempt) {
        // Whoever was about to write when the pause began has done so.
        ctx.locks.hold_all();
        ctx.locks.release();
        server.replicas.catch_up(server);
        if let Some(found) = ready(server, wish) {
            return ask(server, attempt, found);
        }
        if wish.timeout_ms.is_some_and(|ms| began.elapsed() >= Duration::from_millis(ms)) {
            match wish.target.clone().filter(|_| wish.force) {
                Some(target) => {
                    let Master { host, port } = &target;
                    tracing::warn!(
                        "Failover to {host}:{port} time out exceeded, failing over. It may lack something"
                    );
                    return ask(server, attempt, target);
                }
                None => drop(failover.abort(server, "Replica never caught up before timeout")),
            }
            return;
        }
        std::thread::sleep(LOOK);
    }
}

/// A replica that has everything, and is wanted.
fn ready(server: &Server, wish: &Wish) -> Option<Master> {
    let offset = server.replicas.history(|history| history.offset());
    let links = server.replicas.links();
    links.iter().filter(|link| link.is_online() && link.acked() == offset).find_map(|link| {
        let (host, port) = link.address();
        let found = Master { host, port };
        wish.target.as_ref().is_none_or(|target| *target == found).then_some(found)
    })
}

/// Follows the replica, which the link asks to take over.
fn ask(server: &'static Server, attempt: u64, target: Master) {
    let failover = &server.upstream.failover;
    {
        let mut phase = failover.phase.lock();
        if !failover.is_current(attempt) {
            return;
        }
        *phase = Phase::Asking;
    }
    tracing::info!("Failover target is {}:{}: asking it to take over", target.host, target.port);
    server.config.update(|config: &mut Config| config.replicaof.0 = vec![target.clone()]);
    if let Err(e) = server.upstream.follow(server, Some(target)) {
        failover.abort(server, &e.to_string());
    }
}
