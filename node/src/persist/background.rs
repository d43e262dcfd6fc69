//! Saving: at once, in the background, and by the rules of `save`.

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use engine::ctx::Ctx;

use super::rdb_file::{self, About, Shards};
use super::snapshot::{Job, Purpose};
use super::stand_in;
use crate::replicas::history::Position;
use crate::server::Server;
use crate::worker::{self, unix_ms};

/// How long one who wants a snapshot to end waits for that between two looks.
const LOOK: Duration = Duration::from_millis(1);

/// Why a snapshot cannot begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy(pub Purpose);

/// Registers a snapshot, unless one is under way, and fixes the moment that it shows. All shards must be held. What has
/// changed up to now is what it saves.
pub fn begin(server: &Server, ctx: &mut Ctx<'_>, purpose: Purpose) -> Result<(Arc<Job>, u64), Busy> {
    let job = {
        let mut running = server.persistence.running.lock();
        if let Some(job) = &*running {
            return Err(Busy(job.purpose));
        }
        running.insert(Job::new(purpose)).clone()
    };
    let changes = worker::changes(server);
    let config = server.config.get();
    let commands = purpose == Purpose::Rewrite && !config.aof_use_rdb_preamble;
    job.cut(ctx, config.active_replica, commands, server.libraries.texts());
    Ok((job, changes))
}

/// The snapshot is over.
pub fn end(server: &Server, job: &Job) {
    server.persistence.saves.note(|books| books.copied = job.copied());
    *server.persistence.running.lock() = None;
}

/// Ends the snapshot under way, and returns when it has ended. No shard may be held: its threads need them.
pub fn abort(server: &Server) {
    while let Some(job) = server.persistence.job() {
        job.abort();
        std::thread::sleep(LOOK);
    }
}

/// FLUSHALL: what is being saved is no longer wanted, and the file is to be as empty as the data: at once, or, while another
/// snapshot has yet to end, on a thread of its own.
pub fn after_flush(server: &'static Server, ctx: &mut Ctx<'_>) {
    let saves = !server.config.get().save.rules().is_empty();
    if saves && ctx.locks.holds_all() && server.persistence.job().is_none() {
        // A failure is in the log, and the rules will try again.
        if save_held(server, ctx, None).unwrap_or(false) {
            // The flush itself is counted when its batch ends.
            let own = ctx.out.dirty;
            server.persistence.saves.note(|books| books.changes += own);
        }
        return;
    }
    match server.persistence.job().filter(|job| job.purpose == Purpose::Save) {
        Some(job) => job.abort(),
        None if !saves => return,
        None => {}
    }
    let run = move || {
        abort(server);
        let mut ctx = own_context(server);
        if saves && save_now(server, &mut ctx).is_err() {
            // Another has begun since the flush: that will do.
        }
    };
    std::thread::Builder::new().name("flush".into()).spawn(run).expect("a thread can be started");
}

/// What a thread that is no worker works with.
pub fn own_context(server: &'static Server) -> Ctx<'static> {
    let mut ctx = Ctx::new(&server.keyspace, server.seed);
    ctx.env.tuning = crate::settings::tuning(&server.config.get(), server);
    ctx.env.tick(unix_ms());
    ctx
}

/// [`begin`] of a file whose place in the stream replicas get is wanted, too. No shard may be held, and none is after it.
fn begin_file(server: &Server, ctx: &mut Ctx<'_>) -> Result<(Arc<Job>, u64), Busy> {
    let begun = server.upstream.calm(|calm| {
        ctx.locks.hold_all();
        let begun = begin(server, ctx, Purpose::Save)?;
        server.replicas.mark_cut(server, ctx, calm);
        Ok(begun)
    });
    ctx.locks.release();
    begun
}

/// BGSAVE: saves on threads of its own. No shard may be held.
pub fn save(server: &'static Server, ctx: &mut Ctx<'_>) -> Result<(), Busy> {
    let (job, changes) = begin_file(server, ctx)?;
    note_begin(server);
    tracing::info!("Background saving started by pid {}", std::process::id());
    let name = server.config.get().dbfilename.clone();
    let stand_in = stand_in::start(server, &job);
    let run = move || {
        let about = About { position: server.replicas.place_of_cut(server), ..About::default() };
        let result = rdb_file::write(server, &job, name.as_ref(), about, Shards::Free);
        drop(stand_in);
        match result {
            Ok(()) => {
                tracing::info!("Background saving terminated with success");
                server.offsite.send(server, name.as_ref());
            }
            Err(_) if job.killed().is_some_and(|signal| signal != libc::SIGUSR1) => {
                let signal = job.killed().unwrap_or_default();
                tracing::warn!("Background saving terminated by signal {signal}");
            }
            Err(ref e) if e.kind() == ErrorKind::Interrupted => {
                tracing::warn!("Background saving terminated: it was no longer wanted");
                return end(server, &job);
            }
            Err(_) => tracing::warn!("Background saving error"),
        }
        note_end(server, result.is_ok(), changes, Some(job.started));
        end(server, &job);
    };
    std::thread::Builder::new().name("snapshot".into()).spawn(run).expect("a thread can be started");
    Ok(())
}

/// SAVE: returns when all is saved; whether it is. No shard may be held, unless they are pinned.
pub fn save_now(server: &'static Server, ctx: &mut Ctx<'_>) -> Result<bool, Busy> {
    if ctx.locks.is_pinned() {
        return save_held(server, ctx, None);
    }
    let (job, changes) = begin_file(server, ctx)?;
    job.hurry();
    let about = About { position: server.replicas.place_of_cut(server), ..About::default() };
    Ok(finish(server, &job, changes, about, Shards::Free))
}

/// [`save_now`] for one who holds all shards, and does not let them go. `position`: where in the stream the data are.
pub fn save_held(
    server: &'static Server,
    ctx: &mut Ctx<'_>,
    position: Option<Position>,
) -> Result<bool, Busy> {
    let (job, changes) = begin(server, ctx, Purpose::Save)?;
    let about = About { position, ..About::default() };
    Ok(finish(server, &job, changes, about, Shards::Held(ctx)))
}

fn finish(server: &'static Server, job: &Job, changes: u64, about: About, shards: Shards<'_, '_>) -> bool {
    server.persistence.saves.note(|books| books.count += 1);
    let name = server.config.get().dbfilename.clone();
    let saved = rdb_file::write(server, job, name.as_ref(), about, shards).is_ok();
    if saved {
        note_end(server, true, changes, None);
        server.offsite.send(server, name.as_ref());
    }
    end(server, job);
    saved
}

/// A save in the background has begun.
pub fn note_begin(server: &Server) {
    server.persistence.saves.note(|books| {
        books.count += 1;
        books.tried_s = unix_ms() / 1000;
        books.scheduled = false;
    });
}

/// A save has ended. `changes`: all up to its cut; `began`: when, if it was one in the background.
pub fn note_end(server: &Server, ok: bool, changes: u64, began: Option<Instant>) {
    let mut turned = false;
    server.persistence.saves.note(|books| {
        if ok {
            books.last_s = unix_ms() / 1000;
            books.changes = changes;
        }
        if let Some(began) = began {
            books.seconds = began.elapsed().as_secs() as i64;
        }
        turned = books.ok != ok;
        books.ok = ok;
    });
    if turned {
        // Workers look again at whether they may write.
        server.config.touch();
    }
}

/// Begins a save if it is time for one.
pub fn look(server: &'static Server) {
    let (books, config) = (server.persistence.saves.books(), server.config.get());
    if server.persistence.loading.is_active() || server.persistence.job().is_some() {
        return;
    }
    let now_s = unix_ms() / 1000;
    let changes = worker::changes(server);
    let due = books.is_due(&config.save, changes, now_s);
    let retry = books.scheduled && (books.ok || now_s.saturating_sub(books.tried_s) > 5);
    if !due && !retry {
        return;
    }
    if due {
        let made = changes.saturating_sub(books.changes);
        let since = now_s.saturating_sub(books.last_s);
        tracing::info!("{made} changes in {since} seconds. Saving...");
    }
    let mut ctx = own_context(server);
    // Another may have begun in between: then that will do.
    let _ = save(server, &mut ctx);
}

/// Whether writes are refused because the last save has failed.
pub fn refuses_writes(server: &Server) -> bool {
    let config = server.config.get();
    config.stop_writes_on_bgsave_error
        && !config.save.rules().is_empty()
        && !server.persistence.saves.books().ok
        && !server.stopping.load(Relaxed)
}
