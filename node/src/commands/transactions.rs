//! MULTI, EXEC, DISCARD, WATCH, UNWATCH.
//!
//! EXEC holds the shards of all its commands' keys from the first to the last of them, so a transaction is atomic to
//! everybody, and all it writes shares one version. A watched key is registered in its shard, where any change marks the
//! transaction.

use std::sync::atomic::Ordering::Relaxed;

use engine::commands::Locking;
use protocol::{ErrorReply, error};
use smallvec::SmallVec;

use super::{NodeRow, row};
use crate::acl::{self, Context};
use crate::dispatch::{self, Call, Handler, Next};
use crate::server::Server;
use crate::session::{Multi, Session, WatchedKey};

const DONE: Result<Next, ErrorReply> = Ok(Next::Done);

fn multi(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    if call.session.multi.is_some() {
        return Err(ErrorReply::new("ERR MULTI calls can not be nested"));
    }
    call.session.multi = Some(Multi::default());
    call.session.client.queued.store(0, Relaxed);
    call.out.ok();
    DONE
}

fn discard(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    if call.session.multi.is_none() {
        return Err(ErrorReply::new("ERR DISCARD without MULTI"));
    }
    discard_all(call.worker.server, call.session);
    call.out.ok();
    DONE
}

/// Forgets the transaction and what it watched.
pub fn discard_all(server: &Server, session: &mut Session) {
    session.multi = None;
    session.client.queued.store(u32::MAX, Relaxed);
    session.client.multi_bytes.store(0, Relaxed);
    unwatch(server, session);
}

/// Stops watching.
pub fn unwatch(server: &Server, session: &mut Session) {
    let watching = std::mem::take(&mut session.watching);
    if watching.keys.is_empty() {
        return;
    }
    session.client.watched.store(0, Relaxed);
    *session.client.watch.lock() = None;
    for WatchedKey { db, key, .. } in &watching.keys {
        session.client.let_go(key);
        let shard = server.keyspace.shard_of(server.keyspace.hash(key));
        server.keyspace.cell(shard).lock.lock().interests.unwatch(*db, key, &watching.flag);
    }
}

fn watch(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    if call.session.multi.is_some() {
        return Err(ErrorReply::new("ERR WATCH inside MULTI is not allowed"));
    }
    let db = call.session.db;
    for key in call.args.rest(1).iter() {
        if call.session.watching.keys.iter().any(|w| w.db == db && w.key == key) {
            continue;
        }
        let shard = call.ctx.keyspace.shard_of(call.ctx.keyspace.hash(key));
        call.ctx.locks.hold_one(shard);
        // A value that has expired already goes now, not as a change of what is watched.
        let was_there = call.ctx.key(key).exists();
        call.ctx.locks.get_mut(shard).interests.watch(db, key, &call.session.watching.flag);
        call.session.client.keep(key);
        call.session.watching.keys.push(WatchedKey { db, key: key.to_vec(), was_there });
    }
    call.ctx.locks.release();
    call.session.client.watched.store(call.session.watching.keys.len() as u32, Relaxed);
    *call.session.client.watch.lock() = Some(call.session.watching.flag.clone());
    call.out.ok();
    DONE
}

fn unwatch_command(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    if !call.session.in_exec {
        unwatch(call.worker.server, call.session);
    }
    call.out.ok();
    DONE
}

fn exec(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let Some(multi) = call.session.multi.take() else {
        return Err(ErrorReply::new("ERR EXEC without MULTI"));
    };
    call.session.client.queued.store(u32::MAX, Relaxed);
    call.session.client.multi_bytes.store(0, Relaxed);
    if multi.failed {
        unwatch(call.worker.server, call.session);
        return Err(error::EXEC_ABORT);
    }
    hold(call, &multi);
    let broken = call.session.watching.flag.load(Relaxed) || watched_expired(call);
    if broken {
        call.ctx.locks.release();
        unwatch(call.worker.server, call.session);
        call.out.null_array();
        return DONE;
    }
    call.ctx.begin();
    call.session.in_exec = true;
    call.ctx.locks.pin();
    call.out.array(multi.queue.len());
    for (id, args) in &multi.queue {
        call.out.resp3 = call.session.resp3;
        if let Err(denial) = call.session.access.check(id.facts(), args.view()) {
            acl::note(call.worker, call.session, denial, Context::Multi, id.facts(), args.view());
            call.out.error(&denial.reply_in_exec());
            continue;
        }
        dispatch::run(call.worker, call.session, call.ctx, *id, args.view(), call.out);
    }
    call.session.in_exec = false;
    call.ctx.locks.unpin();
    // What the transaction left to do is done while its shards are still held.
    dispatch::settle(call.worker, call.session, call.ctx, call.out);
    call.ctx.locks.release();
    unwatch(call.worker.server, call.session);
    DONE
}

/// Holds the shards of the transaction's keys and of the watched ones; all, if a command may need any.
fn hold(call: &mut Call<'_>, multi: &Multi) {
    let mut shards: SmallVec<[usize; 16]> = SmallVec::new();
    for (id, args) in &multi.queue {
        match call.worker.server.handler(*id) {
            Handler::Data(_, Locking::Keys) => {
                dispatch::shards_of(call.ctx, id.facts(), args.view(), &mut shards)
            }
            _ => return call.ctx.locks.hold_all(),
        }
    }
    for WatchedKey { key, .. } in &call.session.watching.keys {
        shards.push(call.ctx.keyspace.shard_of(call.ctx.keyspace.hash(key)));
    }
    call.ctx.locks.hold(&mut shards);
}

/// Whether a watched key's time has come since: that is a change, too. One that was not there, and then took the place of
/// another by SWAPDB, is still not there.
fn watched_expired(call: &mut Call<'_>) -> bool {
    let now = call.ctx.env.now_ms;
    call.session.watching.keys.iter().filter(|w| w.was_there).any(|WatchedKey { db, key, .. }| {
        let hash = call.ctx.keyspace.hash(key);
        let shard = call.ctx.locks.get(call.ctx.keyspace.shard_of(hash));
        shard.dbs[*db].get(hash, key).is_some_and(|e| e.deadline().is_some_and(|at| at <= now))
    })
}

pub const ROWS: &[NodeRow] = &[
    row("MULTI", multi),
    row("DISCARD", discard),
    row("EXEC", exec),
    row("WATCH", watch),
    row("UNWATCH", unwatch_command),
];
