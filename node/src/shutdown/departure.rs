//! The wait for replicas that are behind, before the end: writes wait, replicas are asked how far they are, and after
//! `shutdown-timeout` at the latest the process ends. Clients that asked for the end wait for it, too.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::*};
use std::time::Duration;

use engine::waiting::Ticket;
use parking_lot::Mutex;
use protocol::{ErrorReply, Reply};

use super::{Refused, leave};
use crate::blocking;
use crate::config::values::ShutdownFlags;
use crate::pause::Why;
use crate::persist::background;
use crate::replicas::link::{Link, Stage};
use crate::server::Server;
use crate::worker::{Worker, unix_ms};

/// What clients are told who asked for an end that does not come.
pub const REFUSED: ErrorReply = ErrorReply::new("ERR Errors trying to SHUTDOWN. Check logs.");

/// Between two looks at how far the replicas are.
const LOOK: Duration = Duration::from_millis(5);

/// The departure under way.
struct Departure {
    flags: ShutdownFlags,
    /// Those who asked for it: a client waits for one thing at a time.
    asked: Vec<Arc<Ticket>>,
}

/// Whether one is under way, and until when it may take.
#[derive(Default)]
pub struct Departures {
    current: Mutex<Option<Departure>>,
    /// Unix ms; 0: none is under way.
    until_ms: AtomicU64,
    /// Counts them: who belongs to an older one has nothing to say.
    number: AtomicU64,
}

impl Departures {
    pub fn is_on(&self) -> bool {
        self.until_ms.load(Acquire) != 0
    }

    /// Milliseconds until the end comes anyhow.
    pub fn left_ms(&self, now_ms: u64) -> Option<u64> {
        self.is_on().then(|| self.until_ms.load(Acquire).saturating_sub(now_ms))
    }
}

/// Whether there are replicas to wait for, or are being waited for.
pub fn is_worth_it(server: &Server) -> bool {
    server.shutdown.departure.is_on()
        || server.config.get().shutdown_timeout > 0 && behind(server, offset(server)) > 0
}

/// Waits for replicas on a thread of its own, then ends the process. False: there is none to wait for. A `ticket` is
/// answered if the end does not come.
pub fn begin(server: &'static Server, flags: ShutdownFlags, ticket: Option<Arc<Ticket>>) -> bool {
    let departures = &server.shutdown.departure;
    let mut current = departures.current.lock();
    if let Some(departure) = &mut *current {
        departure.asked.extend(ticket);
        // Whoever asks again, and is more urgent, is heard.
        departure.flags.force |= flags.force;
        return true;
    }
    if ticket.is_none() && !is_worth_it(server) {
        return false;
    }
    let timeout_ms = u64::from(server.config.get().shutdown_timeout) * 1000;
    let until_ms = unix_ms() + timeout_ms;
    let number = departures.number.fetch_add(1, AcqRel) + 1;
    departures.until_ms.store(until_ms.max(1), Release);
    *current = Some(Departure { flags, asked: ticket.into_iter().collect() });
    drop(current);
    server.pause.hold(Why::Shutdown, true);
    let run = move || depart(server, number, until_ms);
    std::thread::Builder::new().name("departure".into()).spawn(run).expect("a thread can be started");
    true
}

/// Takes it back: clients go on, and those who asked for the end hear that it does not come. False: none is under way.
pub fn end(worker: &Worker) -> bool {
    let server = worker.server;
    let departures = &server.shutdown.departure;
    let Some(ended) = departures.current.lock().take() else { return false };
    departures.until_ms.store(0, Release);
    departures.number.fetch_add(1, AcqRel);
    server.pause.hold(Why::Shutdown, false);
    server.clients.all().iter().for_each(|client| client.nudge());
    for ticket in ended.asked {
        let mut out = Reply::new(ticket.resp3);
        out.error(&REFUSED);
        blocking::answer_from_outside(worker, &ticket, out.buf);
    }
    true
}

/// The thread that waits.
fn depart(server: &'static Server, number: u64, until_ms: u64) {
    let worker = Worker::beside(server);
    let departures = &server.shutdown.departure;
    let mut ctx = background::own_context(server);
    // Whoever was about to write when the pause began has done so.
    ctx.locks.hold_all();
    ctx.locks.release();
    server.replicas.catch_up(server);
    let end_of_stream = server.replicas.ask(server);
    tracing::info!("Waiting for replicas before shutting down.");
    let is_current = || departures.number.load(Acquire) == number;
    while is_current() && behind(server, end_of_stream) > 0 && unix_ms() < until_ms {
        std::thread::sleep(LOOK);
    }
    let flags = departures.current.lock().as_ref().map(|departure| departure.flags);
    let Some(flags) = flags.filter(|_| is_current()) else { return };
    report(server, end_of_stream);
    let Err(Refused) = leave(server, &mut ctx, flags);
    tracing::warn!("Errors trying to shut down the server. Check the logs for more information.");
    end(&worker);
    server.shutdown.asked.store(0, Release);
}

/// Says which replicas lack something.
fn report(server: &Server, end: u64) {
    let links = server.replicas.links();
    for link in links.iter().filter(|link| lacks(link, end)) {
        let (lag, state) = (link.lag_s(unix_ms()), link.stage().word());
        tracing::warn!(
            "Lagging replica {} reported offset {} behind master, lag={lag}, state={state}.",
            link.name(),
            end.saturating_sub(link.acked()),
        );
    }
    let (all, in_sync) = (links.len(), links.iter().filter(|link| !lacks(link, end)).count());
    if all > 0 {
        tracing::info!("{in_sync} of {all} replicas are in sync when shutting down.");
    }
}

fn offset(server: &Server) -> u64 {
    server.replicas.history(|history| history.offset())
}

fn lacks(link: &Link, end: u64) -> bool {
    link.stage() != Stage::Served && link.acked() < end
}

/// Replicas that lack something up to a byte.
fn behind(server: &Server, end: u64) -> usize {
    server.replicas.links().iter().filter(|link| lacks(link, end)).count()
}
