//! A snapshot of a server that is no peer, brought in beside what is here: every key as a write made here, so that it
//! goes to the peers of the mesh, too.
//!
//! What such a server does not tell cannot be kept: when a key was written, and what was deleted. A key of the snapshot
//! therefore takes the place of the one that is here, unless it says when it was written (KeyDB does) and that was before;
//! a key that the snapshot does not have stays.

use std::io::Read;
use std::sync::atomic::Ordering::Relaxed;

use engine::effect::{Deadline, Effect, NewValue};
use engine::entry::EntryRef;
use engine::types::Job;
use engine::types::string::IntText;
use replication::stamp::UNDATED;

use super::apply::Applier;
use super::link::Broken;
use super::sync;
use crate::blocking;
use crate::eviction;
use crate::persist::load::{self, Loaded, Policy};
use crate::tracking::Own;
use crate::worker::unix_ms;

/// Brings all of a snapshot in.
pub fn load(applier: &Applier<'_>, source: &mut dyn Read, len: Option<u64>) -> Result<(), Broken> {
    let policy = Policy { replace: true, ..Policy::default() };
    let mut take = |key: Loaded<'_>| take(applier, key);
    load::decode(applier.link.server, source, len, policy, unix_ms(), &mut take)
        .map(|_| ())
        .map_err(|e| sync::broken(&e))
}

fn take(applier: &Applier<'_>, loaded: Loaded<'_>) {
    let (link, worker) = (applier.link, &applier.worker);
    if matches!(&loaded.value, NewValue::Built(value) if Job::is(value.as_ref())) {
        return applier.refuse_job();
    }
    let _applying = link.applying.lock();
    if link.is_unwanted() {
        return;
    }
    let mut ctx = worker.ctx.borrow_mut();
    worker.tick(&mut ctx);
    if link.server.memory.is_short() {
        eviction::admits(worker, &mut Own::nobody(), &mut ctx, false);
    }
    ctx.db = loaded.db;
    ctx.begin();
    let shard = ctx.keyspace.shard_of(ctx.hash(loaded.key));
    ctx.locks.hold_one(shard);
    let mut key = ctx.key(loaded.key);
    if key.entry().is_some_and(|entry| keeps(&entry, &loaded)) {
        link.status.ignored.fetch_add(1, Relaxed);
    } else {
        let deadline = loaded.deadline.map_or(Deadline::Clear, Deadline::At);
        key.apply(Effect::Put { value: loaded.value, deadline, absent: false });
    }
    if !ctx.out.is_quiet() {
        blocking::deliver(worker, &mut Own::nobody(), &mut ctx);
    }
    ctx.locks.release();
    worker.count_lookups(&mut ctx);
}

/// Whether what is here stays: it is newer, or the same.
fn keeps(entry: &EntryRef<'_>, loaded: &Loaded<'_>) -> bool {
    if loaded.version > UNDATED && entry.stamp().version > loaded.version {
        return true;
    }
    let mut text = IntText::default();
    let same = match &loaded.value {
        NewValue::String(bytes) => entry.value().string_bytes(&mut text) == Some(bytes),
        NewValue::Built(_) => false,
    };
    same && entry.deadline() == loaded.deadline
}
