//! BGREWRITEAOF, and turning the log on and off while the server runs.
//!
//! A rewrite is a snapshot: at its cut, which has a version, another file begins, and the groups above that version go
//! there. When the snapshot is complete the manifest names it as the base and that file as what follows; until then it
//! names all the files, so that whatever happens a start finds everything. When the log is turned on there is nothing that a
//! start could find before the first base: until then that file has a name of its own, and a start passes it by.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::*;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use engine::ctx::Ctx;

use super::log::Log;
use super::manifest::{Entry, Manifest, Names, Part};
use super::{Aof, Wait};
use crate::feed::pump::Who;
use crate::mesh::Order;
use crate::persist::background::{self, Busy};
use crate::persist::rdb_file::{self, About, Shards};
use crate::persist::snapshot::{Job, Purpose};
use crate::persist::stand_in::{self, StandIn};
use crate::process;
use crate::server::Server;
use crate::worker::unix_ms;

/// Failures in a row after which no other rewrite is begun by itself for a while, and seconds that this lasts.
const FAILURES_MAX: u64 = 3;
const RETRY_S: u64 = 60;
/// How long a rewrite may take to end that is no longer wanted, and how often is looked whether it has.
const ABORT_WITHIN: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(1);

/// A rewrite that has begun.
pub struct Begun {
    job: Arc<Job>,
    names: Names,
    /// The version of the cut.
    version: u64,
    /// The increment that follows the new base; none while the log is off.
    increment: Option<Entry>,
    /// The log is being turned on.
    first: bool,
}

/// What a rewrite is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Aim {
    /// The log goes on after a new base.
    Shorter,
    /// The log is turned on.
    On,
    /// The log is off, and somebody wants a base all the same.
    BaseOnly,
}

/// Begins a rewrite: fixes its moment and the file that follows it. All shards must be held.
pub fn begin(server: &'static Server, ctx: &mut Ctx<'_>, aim: Aim) -> Result<Begun, Failed> {
    let aof = &server.aof;
    let first = aim == Aim::On;
    let names = Names::of(&server.config.get());
    fs::create_dir_all(&names.dir)?;
    let (job, _) = background::begin(server, ctx, Purpose::Rewrite)?;
    ctx.begin();
    ctx.ensure_group();
    let version = ctx.locks.last_version();
    let increment = match aim {
        Aim::BaseOnly => aof.look_at_files(&names).map(|()| None),
        Aim::Shorter | Aim::On => aof.begin_increment(&names, version, first).map(Some),
    };
    match increment {
        Ok(increment) => Ok(Begun { job, names, version, increment, first }),
        Err(e) => {
            job.abort();
            let mut nowhere = io::sink();
            // The walks that have begun have to come to their ends.
            let head = rdb_file::head(&server.config.get(), &[], About::default());
            let _ = job.run_held(&mut ctx.locks, head, &mut nowhere);
            background::end(server, &job);
            Err(e.into())
        }
    }
}

/// Why a rewrite could not begin.
#[derive(Debug)]
pub enum Failed {
    Busy(Purpose),
    Io(io::Error),
}

impl From<io::Error> for Failed {
    fn from(e: io::Error) -> Failed {
        Failed::Io(e)
    }
}

impl From<Busy> for Failed {
    fn from(Busy(purpose): Busy) -> Failed {
        Failed::Busy(purpose)
    }
}

impl Aof {
    /// Takes over what a log that is off has left behind.
    fn look_at_files(&self, names: &Names) -> io::Result<()> {
        let mut state = self.state.lock();
        state.manifest = Manifest::load(names).map_err(io::Error::other)?.unwrap_or_default();
        state.books.rewriting = true;
        state.books.scheduled = false;
        Ok(())
    }

    /// Opens the file that what is done after `version` goes to.
    fn begin_increment(&self, names: &Names, version: u64, first: bool) -> io::Result<Entry> {
        let mut state = self.state.lock();
        // Files of an earlier time stay, and stay in force, until there is a new base.
        let mut manifest = if first {
            Manifest::load(names).ok().flatten().unwrap_or_default()
        } else {
            state.manifest.clone()
        };
        let entry = manifest.add_increment(names);
        let path = if first { names.first_increment() } else { names.path(&entry) };
        if first {
            let _ = fs::remove_file(&path);
        }
        let log = Log::open(&path)?;
        rdb_file::sync_directory(&path)?;
        if first {
            (state.log, state.next, state.skip, state.settled) = (Some(log), None, version, 0);
            self.on.store(true, Release);
        } else {
            manifest.save(names)?;
            tracing::info!("Creating AOF incr file {} on background rewrite", entry.name);
            // A rewrite that failed may have left one that nothing has come for yet.
            if let Some((_, before)) = state.next.take() {
                state.turn_to(before);
            }
            state.next = Some((version, log));
        }
        state.manifest = manifest;
        state.books.rewriting = true;
        state.books.scheduled = false;
        Ok(entry)
    }

    /// The base is complete: what came before it is no longer needed.
    fn finish(&self, server: &Server, begun: &Begun, temporary: &Path, base: u64) -> io::Result<()> {
        let mut state = self.state.lock();
        let entry = state.manifest.next_base(&begun.names, !begun.job.in_commands());
        let path = begun.names.path(&entry);
        rdb_file::replace(temporary, &path)?;
        if let Some(increment) = begun.increment.as_ref().filter(|_| begun.first) {
            rdb_file::replace(&begun.names.first_increment(), &begun.names.path(increment))?;
        }
        let mut manifest = state.manifest.clone();
        // Without an increment that follows, all there are belong to the time before.
        manifest.rebase(entry, begun.increment.as_ref().map_or(u64::MAX, |entry| entry.seq));
        manifest.save(&begun.names)?;
        if !server.config.get().aof_disable_auto_gc {
            manifest.delete_history(&begun.names);
            manifest.save(&begun.names)?;
        }
        state.manifest = manifest;
        if begun.increment.is_none() {
            return Ok(());
        }
        // What comes late is in the base, and so is all that the logs before hold.
        state.skip = begun.version;
        if let Some((_, next)) = state.next.take() {
            state.log = Some(next);
        }
        state.finished.clear();
        state.settled = base;
        state.books.base_size = state.size();
        Ok(())
    }
}

/// Writes the base of a rewrite that has begun; returns when all is over. No shard may be held.
fn run(server: &'static Server, begun: &Begun, stand_in: Option<StandIn>) -> bool {
    let started = Instant::now();
    let temporary = begun.names.dir.join(format!("temp-rewriteaof-bg-{}.aof", std::process::id()));
    let result = rdb_file::write(
        server,
        &begun.job,
        &temporary,
        About { aof_base: true, ..About::default() },
        Shards::Free,
    )
    .and_then(|()| fs::metadata(&temporary))
    .and_then(|data| server.aof.finish(server, begun, &temporary, data.len()));
    let ok = result.is_ok();
    drop(stand_in);
    // Before anybody hears that the rewrite is over: the next one may begin then.
    background::end(server, &begun.job);
    match result {
        Ok(()) => {
            tracing::info!("Background AOF rewrite terminated with success");
            tracing::info!("Background AOF rewrite finished successfully");
        }
        Err(e) => {
            let _ = fs::remove_file(&temporary);
            match begun.job.killed() {
                Some(signal) => tracing::warn!("Background AOF rewrite terminated by signal {signal}"),
                None => {
                    tracing::warn!("Background AOF rewrite terminated with error: {}", process::reason(&e));
                }
            }
        }
    }
    server.aof.note(|books| {
        books.rewriting = false;
        books.rewrite_ok = ok;
        books.starting &= !ok;
        books.rewrite_seconds = started.elapsed().as_secs() as i64;
        books.failures_in_a_row = if ok { 0 } else { books.failures_in_a_row + 1 };
        books.tried_s = unix_ms() / 1000;
        if books.failures_in_a_row == FAILURES_MAX {
            tracing::warn!(
                "Background AOF rewrite has repeatedly failed and triggered the limit, will retry in {} minutes",
                RETRY_S / 60
            );
        }
    });
    if !ok && begun.first {
        // Without a base the log is worth nothing: it is tried again.
        turn_off_log(server);
        let path = begun.names.first_increment();
        let name = path.file_name().unwrap_or_default().display();
        tracing::info!("Removing the temp incr aof file {name} in the background");
        let _ = fs::remove_file(&path);
        server.aof.note(|books| books.scheduled = true);
    }
    ok
}

/// BGREWRITEAOF: all shards must be held.
pub fn start(server: &'static Server, ctx: &mut Ctx<'_>) -> Result<(), Failed> {
    let aim = if server.aof.is_on() { Aim::Shorter } else { Aim::BaseOnly };
    start_with(server, ctx, aim)
}

fn start_with(server: &'static Server, ctx: &mut Ctx<'_>, aim: Aim) -> Result<(), Failed> {
    let begun = begin(server, ctx, aim)?;
    let stand_in = stand_in::start(server, &begun.job);
    server.aof.note(|books| books.rewrites += 1);
    tracing::info!("Background append only file rewriting started by pid {}", std::process::id());
    let run = move || {
        run(server, &begun, stand_in);
    };
    std::thread::Builder::new().name("rewrite".into()).spawn(run).expect("a thread can be started");
    Ok(())
}

/// CONFIG SET appendonly yes. The first rewrite begins on a thread of its own, for the caller may hold shards; if he holds
/// none, it has begun when this returns.
pub fn turn_on(server: &'static Server) {
    let (begun, soon) = mpsc::channel();
    server.pump.listen(server, Who::Log);
    server.aof.note(|books| (books.rewriting, books.starting) = (true, true));
    let run = move || {
        let mut ctx = background::own_context(server);
        ctx.locks.hold_all();
        let started = start_with(server, &mut ctx, Aim::On);
        ctx.locks.release();
        if let Err(failed) = started {
            if let Failed::Io(e) = failed {
                tracing::warn!("Can't open or create append-only files: {}", process::reason(&e));
            }
            // As soon as no other snapshot is under way.
            server.aof.note(|books| (books.rewriting, books.scheduled) = (false, true));
        }
        server.aof.configure(&server.config.get());
        let _ = begun.send(());
    };
    std::thread::Builder::new().name("aof".into()).spawn(run).expect("a thread can be started");
    let _ = soon.recv_timeout(ABORT_WITHIN);
}

/// CONFIG SET appendonly no. When it returns, no rewrite is under way that was begun before.
pub fn turn_off(server: &'static Server) {
    if let Some(job) = server.persistence.job().filter(|job| job.purpose == Purpose::Rewrite) {
        tracing::info!("Killing running AOF rewrite child: {}", std::process::id());
        job.abort();
    }
    server.aof.note(|books| books.starting = false);
    turn_off_log(server);
    let until = Instant::now() + ABORT_WITHIN;
    while server.aof.books().rewriting && Instant::now() < until {
        std::thread::sleep(LOOK);
    }
}

fn turn_off_log(server: &'static Server) {
    let aof = &server.aof;
    aof.sync();
    let mut state = aof.state.lock();
    (state.log, state.next) = (None, None);
    state.finished.clear();
    aof.on.store(false, Release);
    aof.wait.store(Wait::Nothing as u8, Release);
    (state.books.write_error, state.books.sync_error) = (None, None);
    drop(state);
    server.config.touch();
    server.pump.rest(server, Who::Log);
    aof.release(u64::MAX >> 1);
    aof.covered.store(0, Release);
    aof.forget_durable(server);
}

/// A member's log takes over: the one of commands ends, and its files go.
pub fn give_way(server: &'static Server) {
    if let Some(job) = server.persistence.job().filter(|job| job.purpose == Purpose::Rewrite) {
        job.abort();
    }
    server.pump.rest(server, Who::Log);
    let names = Names::of(&server.config.get());
    let mut state = server.aof.state.lock();
    (state.log, state.next) = (None, None);
    state.finished.clear();
    state.manifest = Manifest::default();
    drop(state);
    match Manifest::load(&names) {
        Ok(Some(manifest)) => manifest.remove(&names),
        Ok(None) => {}
        Err(reason) => tracing::warn!("{reason}"),
    }
}

/// Deletes what is no longer needed of the log, since nobody wants to keep it any more.
pub fn delete_history(server: &Server) {
    let names = Names::of(&server.config.get());
    let mut state = server.aof.state.lock();
    if state.manifest.entries.iter().any(|entry| entry.part == Part::History) {
        state.manifest.delete_history(&names);
        if let Err(e) = state.manifest.save(&names) {
            tracing::warn!("Can't write the AOF manifest: {}", process::reason(&e));
        }
    }
}

/// Begins a rewrite if one is scheduled or the log has grown enough.
pub fn look(server: &'static Server) {
    let (config, books) = (server.config.get(), server.aof.books());
    if server.persistence.loading.is_active() || server.persistence.job().is_some() || books.rewriting {
        return;
    }
    let waits =
        books.failures_in_a_row >= FAILURES_MAX && (unix_ms() / 1000).saturating_sub(books.tried_s) < RETRY_S;
    if books.scheduled && config.appendonly && !server.aof.is_on() && !waits {
        return turn_on(server);
    }
    let grown = config.auto_aof_rewrite_percentage > 0 && books.size >= config.auto_aof_rewrite_min_size && {
        let base = books.base_size.max(1);
        let growth = books.size.saturating_sub(base) * 100 / base;
        growth >= u64::from(config.auto_aof_rewrite_percentage)
    };
    if !(books.scheduled || grown && server.aof.is_on()) || waits {
        return;
    }
    if server.aof.is_member() {
        server.aof.note(|books| books.scheduled = false);
        server.mesh.order(Order::Rewrite);
        return;
    }
    if grown && !books.scheduled {
        let growth = books.size * 100 / books.base_size.max(1) - 100;
        tracing::info!("Starting automatic rewriting of AOF on {growth}% growth");
    }
    let mut ctx = background::own_context(server);
    ctx.locks.hold_all();
    if let Err(Failed::Io(e)) = start(server, &mut ctx) {
        tracing::warn!("Can't begin to rewrite the AOF: {}", process::reason(&e));
        server.aof.note(|books| {
            books.failures_in_a_row += 1;
            books.tried_s = unix_ms() / 1000;
            books.rewrite_ok = false;
        });
    }
}
