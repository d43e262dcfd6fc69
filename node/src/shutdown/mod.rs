//! The end of the process: asked for by SHUTDOWN, at once, or by a signal, at the next housekeeping. Until then SHUTDOWN
//! ABORT takes a signal back. Before the end, replicas that are behind get some time: see [`departure`].

pub mod departure;

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::*};

use engine::ctx::Ctx;
use tokio::signal::unix::{SignalKind, signal};

use crate::client::{Client, flag};
use crate::config::values::ShutdownFlags;
use crate::pause::Why;
use crate::persist::background;
use crate::persist::snapshot::Purpose;
use crate::process;
use crate::server::Server;
use crate::worker::{Worker, unix_ms};

/// Whether the end has been asked for, and by which signal.
#[derive(Default)]
pub struct Shutdown {
    asked: AtomicU8,
    /// The end comes when the last client leaves.
    soft: AtomicBool,
    /// Replicas are being waited for.
    pub departure: departure::Departures,
}

/// A signal that asks for the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Signal {
    Terminate = 1,
    Interrupt = 2,
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Signal::Terminate => "SIGTERM",
            Signal::Interrupt => "SIGINT",
        }
    }
}

impl Shutdown {
    pub fn asked_by(&self) -> Option<Signal> {
        match self.asked.load(Acquire) {
            0 => None,
            1 => Some(Signal::Terminate),
            _ => Some(Signal::Interrupt),
        }
    }

    /// No client is taken in any more, and the last one that leaves ends the process. False if that is so already.
    pub fn begin_soft(&self) -> bool {
        let first = !self.soft.swap(true, AcqRel);
        if first {
            tracing::info!("Soft shutdown: waiting for the clients to leave.");
        }
        first
    }

    #[inline]
    pub fn is_soft(&self) -> bool {
        self.soft.load(Relaxed)
    }

    /// Takes it back; false if nobody had asked.
    pub fn abort(&self, worker: &Worker) -> bool {
        let soft = self.soft.swap(false, AcqRel);
        let departing = departure::end(worker);
        let asked = self.asked.swap(0, AcqRel) != 0 || soft || departing;
        if asked {
            tracing::info!("Shutdown manually aborted.");
        }
        asked
    }
}

/// Waits for SIGTERM and SIGINT, for ever. A second one ends the process at once.
pub async fn heed_signals(server: &'static Server) {
    let (mut term, mut interrupt) = match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        (Ok(term), Ok(interrupt)) => (term, interrupt),
        (Err(e), _) | (_, Err(e)) => return tracing::warn!("Can't wait for signals: {e}"),
    };
    loop {
        let by = tokio::select! {
            _ = term.recv() => Signal::Terminate,
            _ = interrupt.recv() => Signal::Interrupt,
        };
        // A second signal does not wait for anybody.
        if server.config.get().soft_shutdown && server.shutdown.begin_soft() {
            continue;
        }
        tracing::info!("Received {} scheduling shutdown...", by.name());
        if server.shutdown.asked.swap(by as u8, AcqRel) != 0 && by == Signal::Interrupt {
            tracing::info!("You insist... exiting now.");
            process::remove_traces(&server.config.get());
            std::process::exit(1);
        }
    }
}

/// Ends the process if a signal has asked for it, or has replicas waited for until then.
pub fn look(server: &'static Server) {
    let deserted = || server.shutdown.is_soft() && !server.clients.all().iter().any(|client| is_user(client));
    let Some(by) = server.shutdown.asked_by().or_else(|| deserted().then_some(Signal::Terminate)) else {
        return;
    };
    let config = server.config.get();
    let flags = if by == Signal::Interrupt { config.shutdown_on_sigint } else { config.shutdown_on_sigterm };
    if server.shutdown.departure.is_on() || departure::begin(server, flags, None) {
        return;
    }
    let mut ctx = Ctx::new(&server.keyspace, server.seed);
    ctx.env.tuning = crate::settings::tuning(&config, server);
    ctx.env.tick(unix_ms());
    let Err(Refused) = leave(server, &mut ctx, flags);
    let name = by.name();
    tracing::warn!(
        "{name} received but errors trying to shut down the server, check the logs for more information"
    );
    server.shutdown.asked.store(0, Release);
}

/// Whether somebody uses the server through this connection: neither another server nor one who only looks on.
fn is_user(client: &Client) -> bool {
    !client.has(flag::REPLICA | flag::MASTER | flag::MONITOR)
}

/// The process goes on: what was to be saved could not be.
pub struct Refused;

/// Ends the process: nothing is changed any more, the data are saved if that is wanted, and its files tell no longer of a
/// running server.
pub fn leave(
    server: &'static Server,
    ctx: &mut Ctx<'_>,
    flags: ShutdownFlags,
) -> Result<Infallible, Refused> {
    let config = server.config.get();
    tracing::info!("User requested shutdown...");
    if server.aof.books().starting {
        if !flags.force {
            tracing::warn!("Writing initial AOF, can't exit");
            tracing::warn!("Errors trying to shut down: see above");
            return Err(Refused);
        }
        tracing::warn!("Writing initial AOF. Exit anyway.");
    }
    let loading = server.persistence.loading.is_active();
    if server.persistence.job().is_some_and(|job| job.purpose == Purpose::Save) {
        tracing::warn!("There is a child saving an .rdb. Killing it!");
    }
    background::abort(server);
    if server.aof.is_on() {
        tracing::info!("Calling fsync() on the AOF file.");
        server.aof.drain(server);
        server.aof.sync();
    }
    if !loading && (flags.save || !flags.nosave && !config.save.rules().is_empty()) {
        tracing::info!("Saving the final RDB snapshot before exiting.");
        server.pause.hold(Why::Shutdown, true);
        let position = server.replicas.seal(server, ctx);
        if !background::save_held(server, ctx, position).unwrap_or(false) && !flags.force {
            server.replicas.history(|history| history.seal(false));
            ctx.locks.release();
            server.pause.hold(Why::Shutdown, false);
            tracing::warn!("Error trying to save the DB, can't exit.");
            return Err(Refused);
        }
    }
    server.offsite.finish();
    process::remove_traces(&config);
    tracing::info!("Everwrite is now ready to exit, bye bye...");
    std::process::exit(0)
}
