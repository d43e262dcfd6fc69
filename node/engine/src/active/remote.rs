//! Effects from other nodes.

use replication::borrowed::{self, EffectRef, WriteRef};
use replication::codec::Malformed;
use replication::effect::{Effect, Key, Write};
use replication::overlay::{Overlay, Plain};
use replication::{Place, Stamp};
use smallvec::SmallVec;

use super::stage::Stage;
use crate::ctx::{Ctx, KeyMut};
use crate::tuning::notify;

/// Folds a group of another node's effects, all at once: `origin` is the author's label, `bytes` the writes. `hash`: of the
/// first key, if it was computed before. The context holds nothing before and the group's shards afterwards, so that what is
/// left in its outbox can be seen to first.
pub fn apply(
    ctx: &mut Ctx<'_>,
    origin: u16,
    version: u64,
    bytes: &[u8],
    hash: Option<u64>,
) -> Result<(), Malformed> {
    let stamp = Stamp { version, origin };
    let mut all = borrowed::writes(bytes);
    let Some(first) = all.next().transpose()? else { return Ok(()) };
    let Some(second) = all.next().transpose()? else {
        if matches!(first.effect, EffectRef::ClearDb) {
            ctx.locks.hold_all();
            ctx.locks.iter_mut().for_each(|shard| shard.clock.observe(version));
            ctx.begin_echo();
            clear_db(ctx, Place::new(stamp, 0), &first);
            return Ok(());
        }
        let hash = hash.unwrap_or_else(|| ctx.keyspace.hash(first.name));
        let shard = ctx.keyspace.shard_of(hash);
        ctx.locks.hold_one(shard);
        ctx.locks.get_mut(shard).clock.observe(version);
        ctx.begin_echo();
        apply_one(ctx, Place::new(stamp, 0), &first, hash);
        return Ok(());
    };
    let mut writes: SmallVec<[WriteRef<'_>; 4]> = SmallVec::new();
    writes.extend([first, second]);
    for write in all {
        writes.push(write?);
    }
    hold(ctx, &writes);
    for shard in ctx.locks.iter_mut() {
        shard.clock.observe(version);
    }
    ctx.begin_echo();
    for (write, sub) in writes.iter().zip(0..) {
        match write.effect {
            EffectRef::ClearDb => clear_db(ctx, Place::new(stamp, sub), write),
            _ => apply_one(ctx, Place::new(stamp, sub), write, ctx.keyspace.hash(write.name)),
        }
    }
    Ok(())
}

/// Takes the shards that a group needs.
fn hold(ctx: &mut Ctx<'_>, writes: &[WriteRef<'_>]) {
    if writes.iter().any(|write| matches!(write.effect, EffectRef::ClearDb)) {
        return ctx.locks.hold_all();
    }
    let shard = |write: &WriteRef<'_>| ctx.keyspace.shard_of(ctx.keyspace.hash(write.name));
    let mut shards = writes.iter().map(shard).collect();
    ctx.locks.hold(&mut shards);
}

fn apply_one(ctx: &mut Ctx<'_>, place: Place, write: &WriteRef<'_>, hash: u64) {
    if write.db as usize >= ctx.keyspace.databases() {
        // A peer with more databases than this node. What is in them is not for this node's clients.
        return;
    }
    let shard = ctx.keyspace.shard_of(hash);
    let again = ctx.keyspace.journal.is_merging();
    let (shard, writer) = ctx.locks.get_to_write(shard);
    let (env, out) = (&ctx.env, &mut ctx.out);
    let mut stage = Stage { shard, env, out, writer, stamp: place.stamp(), touched: false };
    if !again {
        let mut key = stage.key_at(write.db, write.name, hash);
        if let Some(changed) = key.apply_directly(place, write) {
            if changed {
                key.echo_direct(write);
                tell_of(&mut key, write);
            }
            return;
        }
    }
    let mut overlay = stage.shard.overlay.take().unwrap_or_default();
    fold(&mut overlay, &mut stage, place, write, again);
    if stage.touched {
        tell_of(&mut stage.key_at(write.db, write.name, hash), write);
    }
    stage.shard.overlay = Some(overlay);
}

/// Tells who watches the key, waits on it, or wants to hear of changes.
fn tell_of(key: &mut KeyMut<'_, '_>, write: &WriteRef<'_>) {
    key.changed(true);
    if key.env.tuning.notify == 0 {
        return;
    }
    // A command is one event, however many effects it is: what groups before this one did has been announced.
    let Some((class, name)) = event(&write.effect) else { return };
    let (db, of) = (key.db, key.key);
    match key.out.events.last_mut().filter(|last| last.db == db && last.key == of) {
        Some(last) if last.name == name => {}
        Some(last) if is_part_of(last.name, name) => last.name = name,
        _ => key.notify(class, name),
    }
    let goes_by_itself = matches!(
        write.effect,
        EffectRef::Clear | EffectRef::Reclaim { .. } | EffectRef::Evict { .. } | EffectRef::Put { .. }
    );
    if !goes_by_itself && !key.exists() {
        key.notify(notify::GENERIC, "del");
    }
}

/// Whether an event is no more than how another one begins.
fn is_part_of(first: &str, then: &str) -> bool {
    matches!((first, then), ("xsetid", "xadd" | "xgroup-create") | ("xgroup-delconsumer", "xgroup-destroy"))
}

/// `again`: a full sync is being taken, and may have brought the effect already.
fn fold(overlay: &mut Overlay, stage: &mut Stage<'_>, place: Place, write: &WriteRef<'_>, again: bool) {
    if again {
        overlay.apply_again(stage, place, &write.to_owned());
    } else {
        overlay.apply(stage, place, &write.to_owned());
    }
}

/// Empties a database, but for what is newer.
fn clear_db(ctx: &mut Ctx<'_>, place: Place, write: &WriteRef<'_>) {
    for shard in 0..ctx.keyspace.shard_count() {
        clear_shard(ctx, shard, place, write.db);
    }
}

/// The same in one shard, which is held. Tells watchers, caches and who waits for a key to go.
pub(super) fn clear_shard(ctx: &mut Ctx<'_>, shard: usize, place: Place, db: u32) {
    let (shard, writer) = ctx.locks.get_to_write(shard);
    let concerned = [shard.interests.watched(db as usize), shard.waiting.keys(db as usize)].concat();
    shard.clock.observe(place.version);
    let mut overlay = shard.overlay.take().unwrap_or_default();
    let (env, out) = (&ctx.env, &mut ctx.out);
    let mut stage = Stage { shard, env, out, writer, stamp: place.stamp(), touched: false };
    let state = |stage: &Stage<'_>, name: &[u8]| {
        let key = Key { db, name: name.to_vec() };
        (stage.value(&key), stage.deadline(&key))
    };
    let before: Vec<_> = concerned.iter().map(|name| state(&stage, name)).collect();
    let write = Write { key: Key { db, name: Vec::new() }, create: false, effect: Effect::ClearDb };
    overlay.apply(&mut stage, place, &write);
    stage.shard.overlay = Some(overlay);
    for (name, before) in concerned.iter().zip(before) {
        if state(&stage, name) != before {
            stage.key(db, name).changed(true);
        }
    }
    if stage.touched {
        stage.shard.interests.forget_tracked();
        stage.out.flushed = true;
    }
}

/// What subscribers to keyspace events are told of an effect from elsewhere. `None`: Redis tells them nothing of that, either.
fn event(effect: &EffectRef<'_>) -> Option<(u32, &'static str)> {
    use EffectRef::*;
    Some(match effect {
        Put { .. } => (notify::STRING, "set"),
        Clear => (notify::GENERIC, "del"),
        Reclaim { .. } => (notify::EXPIRED, "expired"),
        Evict { .. } => (notify::EVICTED, "evicted"),
        ExpireAt { at: Some(_), .. } => (notify::GENERIC, "expire"),
        ExpireAt { at: None, .. } => (notify::GENERIC, "persist"),
        Create(_) | Adopt(_) | ClearDb => (notify::GENERIC, "set"),
        Add { .. } => (notify::STRING, "incrby"),
        AddFloat { .. } => (notify::STRING, "incrbyfloat"),
        Append(_) => (notify::STRING, "append"),
        SetRange { .. } => (notify::STRING, "setrange"),
        AddBits(_) => (notify::STRING, "setbit"),
        RaiseRegisters(_) => (notify::STRING, "pfadd"),
        SetField { .. } => (notify::HASH, "hset"),
        DelField(_) => (notify::HASH, "hdel"),
        AddField { .. } => (notify::HASH, "hincrby"),
        AddFieldFloat { .. } => (notify::HASH, "hincrbyfloat"),
        FieldExpire { .. } => (notify::HASH, "hexpire"),
        AddMember(_) => (notify::SET, "sadd"),
        DelMember(_) => (notify::SET, "srem"),
        MemberExpire { .. } => (notify::SET, "sexpire"),
        SetScore { .. } => (notify::ZSET, "zadd"),
        AddScore { .. } => (notify::ZSET, "zincr"),
        DelScored(_) => (notify::ZSET, "zrem"),
        ScoredExpire { .. } => (notify::ZSET, "zexpire"),
        Insert { spot: replication::effect::Spot::Head, .. } => (notify::LIST, "lpush"),
        Insert { spot: replication::effect::Spot::Tail, .. } => (notify::LIST, "rpush"),
        Insert { .. } => (notify::LIST, "linsert"),
        SetElement { .. } => (notify::LIST, "lset"),
        DelElements(_) => (notify::LIST, "lrem"),
        SetPart { part, .. } if part.first() == Some(&b'e') => (notify::STREAM, "xadd"),
        DelPart(part) if part.first() == Some(&b'e') => (notify::STREAM, "xdel"),
        DelPart(part) if part.first() == Some(&b'g') => (notify::STREAM, "xgroup-destroy"),
        DelPart(part) if part.first() == Some(&b'c') => (notify::STREAM, "xgroup-delconsumer"),
        SetPart { part, .. } if part.first() == Some(&b'c') => (notify::STREAM, "xgroup-createconsumer"),
        SetPart { part, .. } if part.first() == Some(&b'g') => (notify::STREAM, "xgroup-create"),
        SetPart { part, .. } if part.first() == Some(&b'm') => (notify::STREAM, "xsetid"),
        SetPart { .. } | RaisePart { .. } | DelPart(_) => return None,
    })
}
