//! Looking ahead in a batch of commands: what they will want comes into the cache before the first is executed, so that the
//! misses overlap.

use engine::command::{Flags, id};
use engine::ctx::Ctx;
use protocol::resp::Batch;
use smallvec::SmallVec;

use crate::connection::BATCH;
use crate::dispatch::Hint;
use crate::session::Session;
use crate::worker::{Buffers, Worker};

/// Commands before it is taken that the lock of a shard is fetched from another core.
const SHARD: usize = 4;
/// Commands on one key whose members are looked for together.
const MEMBERS: usize = 16;
/// Keys of a batch that are prefetched: what they bring stays within half of a small second-level cache.
const KEYS: usize = 16 * BATCH;

/// Brings the buckets, then the entries, of a batch's keys into the cache, so that their misses overlap.
pub fn keys(worker: &Worker, ctx: &Ctx<'static>, session: &Session, buffers: &mut Buffers, data: &[u8]) {
    let Buffers { batch, hints, .. } = buffers;
    hints.clear();
    // A single key would be looked for no sooner.
    if batch.is_empty() || batch.len() == 1 && batch.args(0, data).len() < 4 {
        return;
    }
    let keyspace = ctx.keyspace;
    let pinned = crossbeam_epoch::pin();
    let mut hashes: SmallVec<[u64; 2 * BATCH]> = SmallVec::new();
    for i in 0..batch.len() {
        let args = batch.args(i, data);
        let mut hint = Hint::default();
        if let Some(facts) = worker.server.lookup.command(&args[0]).map(|id| id.facts())
            && facts.first_key > 0
            && facts.flags.meets(Flags::READONLY.or(Flags::WRITE))
        {
            hint.id = (!facts.is_container()).then_some(facts.id);
            let last = if facts.last_key < 0 { args.len() as i16 + facts.last_key } else { facts.last_key };
            let mut at = facts.first_key;
            while at <= last && (at as usize) < args.len() && hashes.len() < KEYS {
                let hash = keyspace.hash(&args[at as usize]);
                if hint.key.is_none() {
                    hint.key = Some((at as u8, hash));
                }
                if hashes.last() != Some(&hash) {
                    keyspace.prefetch_bucket(session.db, hash, &pinned);
                    hashes.push(hash);
                }
                at += facts.step.max(1);
            }
        }
        hints.push(hint);
    }
    for hash in hashes {
        keyspace.prefetch_entry(session.db, hash, &pinned);
    }
}

/// Brings the lock of a shard nearer that will be taken soon after command `i`.
#[inline]
pub fn shard(ctx: &Ctx<'static>, hints: &[Hint], i: usize) {
    if let Some((_, hash)) = hints.get(i + SHARD).and_then(|hint| hint.key) {
        ctx.keyspace.prefetch_shard(hash);
    }
}

/// Brings the members near that command `i` and those behind it want of the key that the command before it has used. Returns
/// the command at which to look again.
#[inline]
pub fn members(
    ctx: &Ctx<'static>,
    db: usize,
    (batch, hints, data): (&Batch, &[Hint], &[u8]),
    i: usize,
) -> usize {
    let key = |at: usize| hints.get(at).and_then(|hint| hint.key);
    let Some((index, hash)) = key(i).filter(|(_, hash)| key(i - 1).is_some_and(|(_, last)| last == *hash))
    else {
        return i + 1;
    };
    let end = (i..batch.len().min(i + MEMBERS)).find(|at| key(*at) != Some((index, hash)));
    let run = i..end.unwrap_or(batch.len().min(i + MEMBERS));
    if let Some(name) = batch.args(i, data).get(usize::from(index)) {
        let members = run.clone().filter_map(|at| member(batch, hints, data, at));
        ctx.prefetch_members(db, (name, hash), members);
    }
    run.end
}

/// The first member that a command is about: its third word, or the fourth where the third is a score.
fn member<'a>(batch: &'a Batch, hints: &[Hint], data: &'a [u8], at: usize) -> Option<&'a [u8]> {
    let scored = matches!(hints[at].id, Some(id::ZADD | id::ZINCRBY));
    batch.args(at, data).get(if scored { 3 } else { 2 })
}
