//! Runs the [jobs](engine::types::Job) of KEYDB.CRON, `hz` times a second: a task on each worker, for its share of the shards.
//!
//! A run is one transaction: what the script writes, and that it has run (when the job is due next; or, of one that runs once,
//! that it is gone). So whatever a crash, a replica or a peer has of it, it has whole, and no run is done twice. An error of
//! the script ends that run, not the job. Runs that were missed are not made up for: the next is the first in step with the job's
//! start that is still to come.
//!
//! In a mesh one member runs a job: its owner, which is the member on which KEYDB.CRON was called. While that one is away
//! nobody does. When it is a member no more (REPLICATION FORGET), or the job was made before there was a mesh, the
//! member with the lowest identity runs it. What the script writes goes to all as other writes do. A replica runs none: its
//! master does, until the replica is promoted.
//!
//! A job waits where clients could not write: while data are loaded, replicas are missing, disks fail, clients are paused.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use engine::command::id;
use engine::ctx::Ctx;
use engine::effect::{Deadline, Effect, NewValue};
use engine::tuning::notify;
use engine::types::Job;
use protocol::{OwnedArgs, Reply};

use crate::acl::Access;
use crate::client::Client;
use crate::dispatch;
use crate::eviction;
use crate::server::Server;
use crate::session::Session;
use crate::ticks;
use crate::tracking::Own;
use crate::worker::{Worker, unix_ms};

/// Jobs of one shard that are run in one turn; the others have theirs in the next.
const AT_ONCE: usize = 64;
/// Between two lines in the log about scripts that fail.
const QUIET_MS: u64 = 60_000;

/// Runs what is due in the worker's shards.
pub async fn look(worker: &Worker) {
    let server = worker.server;
    if !may_run(worker) {
        return;
    }
    for shard in (worker.index..server.keyspace.shard_count()).step_by(server.threads) {
        for (db, key) in due(server, shard) {
            if may_run(worker) {
                run(worker, db, &key);
            }
            // Clients have their turn.
            tokio::task::yield_now().await;
        }
    }
}

fn may_run(worker: &Worker) -> bool {
    worker.refresh_idle();
    let server = worker.server;
    server.switches.cron()
        && worker.hindrances.get() == 0
        && !server.busy.is_on()
        && !server.pause.state(unix_ms()).0
}

/// The jobs of a shard that this node is to run now.
fn due(server: &Server, shard: usize) -> Vec<(usize, Vec<u8>)> {
    let (now, shard) = (unix_ms(), server.keyspace.cell(shard).lock.lock());
    let jobs =
        shard.dbs.iter().enumerate().flat_map(|(db, jobs)| jobs.due_jobs(now).map(move |job| (db, job)));
    let mine = jobs.filter(|(_, (_, owner))| is_mine(server, *owner));
    mine.take(AT_ONCE).map(|(db, (key, _))| (db, key.to_vec())).collect()
}

/// Whether this node runs the jobs of an owner, see the [module's page](self).
fn is_mine(server: &Server, owner: u128) -> bool {
    let Some(me) = server.mesh.uuid() else { return true };
    if me == owner {
        return true;
    }
    let status = server.mesh.status();
    let known = status.me.is_some();
    let mut members =
        status.members.iter().filter(|member| !member.detached).map(|member| member.author.uuid);
    known && members.all(|member| member != owner && me <= member)
}

fn run(worker: &Worker, db: usize, key: &[u8]) {
    let mut ctx = worker.ctx.borrow_mut();
    let ctx = &mut *ctx;
    worker.tick(ctx);
    worker.lap.set(ticks::now());
    if worker.server.memory.is_short() {
        eviction::admits(worker, &mut Own::nobody(), ctx, true);
    }
    let client = Client::new(0, worker.index, String::new(), String::new(), -1, ctx.env.now_ms);
    let mut session = Session::new(Arc::new(client), Access::unlimited(&worker.server.users));
    session.select(db);
    ctx.locks.hold_all();
    (ctx.db, session.in_exec) = (db, true);
    ctx.begin();
    ctx.locks.pin();
    let (job, mut out) = (ctx.peek(key).and_then(|entry| Job::of(entry.value())), Reply::default());
    match job.filter(|job| job.due <= ctx.env.now_ms) {
        Some(job) => {
            let call = call_of(&job);
            dispatch::run(worker, &mut session, ctx, id::EVAL, call.view(), &mut out);
            advance(ctx, db, key, &job);
            note_error(key, &out);
        }
        // It is there in name only: its bytes make no sense, or it has changed since.
        None => {
            let shard = ctx.keyspace.shard_of(ctx.keyspace.hash(key));
            if ctx.peek(key).is_none_or(|entry| Job::of(entry.value()).is_none()) {
                ctx.locks.get_mut(shard).dbs[db].forget_job(key);
            }
        }
    }
    session.in_exec = false;
    ctx.locks.unpin();
    dispatch::settle(worker, &session, ctx, &mut out);
    ctx.locks.release();
    worker.count_lookups(ctx);
}

/// The run as a call of EVAL.
fn call_of(job: &Job) -> OwnedArgs {
    let count = job.keys.len().to_string();
    let head = [&b"EVAL"[..], &job.script, count.as_bytes()].into_iter();
    OwnedArgs::from_slices(head.chain(job.keys.iter().chain(&job.arguments).map(Vec::as_slice)))
}

/// Notes that a job has run, unless its script has put something else in its place.
fn advance(ctx: &mut Ctx<'static>, db: usize, key: &[u8], job: &Job) {
    ctx.db = db;
    ctx.forget_hash();
    let now = ctx.env.now_ms;
    let mut handle = ctx.key(key);
    if handle.value().and_then(Job::of).as_ref() != Some(job) {
        return;
    }
    handle.notify(notify::GENERIC, "CRON Executed");
    let mut words = vec![b"DEL".to_vec(), key.to_vec()];
    if job.repeats {
        let next = Job { due: job.next(now), ..job.clone() };
        words = next.command(key);
        let value = NewValue::Built(next.to_value());
        handle.apply(Effect::Put { value, deadline: Deadline::Keep, absent: false });
    } else {
        handle.apply(Effect::Clear);
        handle.notify(notify::GENERIC, "del");
    }
    if ctx.locks.feeds() {
        ctx.ensure_group();
        if let Some(feed) = ctx.locks.feed() {
            feed.command(db, words.iter().map(Vec::as_slice));
        }
    }
}

fn note_error(key: &[u8], out: &Reply) {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let Some(error) = out.buf.strip_prefix(b"-") else { return };
    let now = unix_ms();
    if now.saturating_sub(LAST.load(Relaxed)) >= QUIET_MS {
        LAST.store(now, Relaxed);
        let (key, error) = (key.escape_ascii(), String::from_utf8_lossy(error.trim_ascii_end()));
        tracing::warn!("The script of the job {key} has failed (others may have, too): {error}");
    }
}
