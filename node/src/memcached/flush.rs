//! flush_all, at once or later.
//!
//! A flush at a later time waits in the server and is carried out by the first worker. There is one at most: another
//! flush_all takes its place, one without a time forgets it. It does not outlast the process.

use std::sync::atomic::{AtomicU64, Ordering::*};

use engine::command::id;
use engine::ctx::Ctx;

use super::call::{Call, Halt};
use super::item::Exptime;
use super::tally::Tally;
use crate::blocking;
use crate::dispatch;
use crate::tracking::Own;
use crate::worker::{Worker, unix_ms};

/// When everything goes, unix ms; 0: never.
#[derive(Default)]
pub struct DelayedFlush(AtomicU64);

pub fn flush_all(call: &mut Call<'_>, at: i64) -> Result<(), Halt> {
    call.admit(id::FLUSHDB, b"")?;
    call.tally(Tally::CmdFlush);
    let server = call.worker.server;
    match Exptime::of(at, call.ctx.env.now_ms) {
        Exptime::At(at) => server.memcached_flush.0.store(at, Release),
        Exptime::Never | Exptime::Past => {
            server.memcached_flush.0.store(0, Release);
            let began = call.worker.lap.get();
            call.ctx.locks.hold_all();
            flush(call.ctx);
            call.count(id::FLUSHDB, b"", began);
            dispatch::settle(call.worker, call.session, call.ctx, call.out);
            call.ctx.locks.release();
        }
    }
    call.line("OK");
    Ok(())
}

/// Empties the database. All shards must be held.
fn flush(ctx: &mut Ctx<'static>) {
    ctx.db = 0;
    ctx.begin();
    ctx.flush(0);
    if ctx.locks.feeds() {
        ctx.ensure_group();
        if let Some(feed) = ctx.locks.feed() {
            feed.command(0, [&b"FLUSHDB"[..]].into_iter());
        }
    }
}

/// Carries out what was put off until now.
pub fn look(worker: &Worker) {
    let due = &worker.server.memcached_flush.0;
    let at = due.load(Acquire);
    if at == 0 || at > unix_ms() || due.compare_exchange(at, 0, AcqRel, Acquire).is_err() {
        return;
    }
    let mut ctx = worker.ctx.borrow_mut();
    worker.tick(&mut ctx);
    ctx.locks.hold_all();
    flush(&mut ctx);
    blocking::deliver(worker, &mut Own::nobody(), &mut ctx);
    ctx.locks.release();
    worker.count_lookups(&mut ctx);
}
