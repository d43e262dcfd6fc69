//! Which key goes when memory is short.
//!
//! Keys are not kept in an order of use: a few are sampled, and a pool remembers the best candidates that past samples
//! have shown. With a pool of 16 and samples of 5, what goes is almost always among the least used hundredth.
//! What a candidate has been used for since it was sampled is looked at again before it goes.
//!
//! Each worker has a pool of its own. One shard is held at a time, and never together with others.

use crate::access;
use crate::ctx::{Ctx, Env};
use crate::db::Db;
use crate::entry::EntryRef;
use crate::tuning::EvictionPolicy;

/// Candidates kept.
const POOL: usize = 16;
/// Shards looked at for one sample, once something has been found: with very few keys, shards are mostly empty.
const SHARDS_MAX: usize = 8;

/// Keys tried until one may go.
const ATTEMPTS: usize = 32;

/// A key that may go.
struct Candidate {
    /// The higher, the sooner it goes. Comparable between candidates sampled at different times.
    rank: i64,
    db: usize,
    shard: usize,
    key: Box<[u8]>,
}

/// Candidates, the best last. See the [module's page](self).
#[derive(Default)]
pub struct Pool {
    candidates: Vec<Candidate>,
    policy: EvictionPolicy,
}

/// The rank of a key under a policy that has ranks.
fn rank(entry: EntryRef<'_>, env: &Env) -> i64 {
    match env.tuning.policy {
        policy if policy.is_lru() => {
            i64::from(access::idle_seconds(entry.access(), env.clock)) - i64::from(env.clock)
        }
        policy if policy.is_lfu() => -i64::from(access::frequency(entry.access(), env.clock, &env.tuning)),
        _ => -entry.deadline().map_or(i64::MAX, |at| i64::try_from(at).unwrap_or(i64::MAX)),
    }
}

impl Pool {
    /// Whether a candidate of this rank would be kept.
    fn wants(&self, rank: i64) -> bool {
        self.candidates.len() < POOL || self.candidates.first().is_some_and(|worst| rank > worst.rank)
    }

    fn add(&mut self, rank: i64, db: usize, shard: usize, key: &[u8]) {
        if !self.wants(rank) || self.candidates.iter().any(|c| c.db == db && *c.key == *key) {
            return;
        }
        if self.candidates.len() == POOL {
            self.candidates.remove(0);
        }
        let at = self.candidates.partition_point(|c| c.rank < rank);
        self.candidates.insert(at, Candidate { rank, db, shard, key: key.into() });
    }

    /// Samples keys of one shard, more if it has none. False if no database has a key that may go.
    fn fill(&mut self, ctx: &mut Ctx<'_>) -> bool {
        let env = &ctx.env;
        let (samples, expiring) = (env.tuning.maxmemory_samples, env.tuning.policy.only_expiring());
        let shards = ctx.keyspace.shard_count();
        let first = env.random_below(shards as u64) as usize;
        let mut seen = 0;
        for turn in 0..shards {
            let shard = (first + turn) % shards;
            ctx.locks.hold_one(shard);
            for (number, db) in ctx.locks.get(shard).dbs.iter().enumerate().filter(|(_, db)| !db.is_empty()) {
                db.sample(env.random(), samples, expiring, |entry| {
                    seen += 1;
                    self.add(rank(entry, env), number, shard, entry.key());
                });
            }
            if seen >= samples || (seen > 0 && turn >= SHARDS_MAX) {
                break;
            }
        }
        seen > 0
    }

    /// Takes the best candidate that is still there. Its shard is held afterwards.
    fn take(&mut self, ctx: &mut Ctx<'_>) -> Option<Candidate> {
        let expiring = ctx.env.tuning.policy.only_expiring();
        while let Some(best) = self.candidates.pop() {
            ctx.locks.hold_one(best.shard);
            // Also if it has expired: then it goes for that reason.
            let db = &ctx.locks.get(best.shard).dbs[best.db];
            let Some(entry) = db.get(ctx.keyspace.hash(&best.key), &best.key) else { continue };
            if expiring && entry.deadline().is_none() {
                continue;
            }
            let now = rank(entry, &ctx.env);
            if now >= best.rank || self.candidates.last().is_none_or(|next| next.rank <= now) {
                return Some(best);
            }
            // It has been used since: others are better now.
            self.add(now, best.db, best.shard, &best.key);
        }
        None
    }
}

/// Evicts one key, by the policy in force. Returns by how much the reading of `used`, bytes in use, has fallen for it:
/// a large value that has become garbage is not counted. `None` if there is no key that may go. No shards but the key's
/// are held afterwards.
///
/// In a mesh only keys may go whose last write has reached every member: some are tried.
pub fn evict(ctx: &mut Ctx<'_>, pool: &mut Pool, used: fn() -> i64) -> Option<i64> {
    (0..ATTEMPTS).find_map(|_| evict_one(ctx, pool, used))
}

fn evict_one(ctx: &mut Ctx<'_>, pool: &mut Pool, used: fn() -> i64) -> Option<i64> {
    let policy = ctx.env.tuning.policy;
    if pool.policy != policy {
        *pool = Pool { candidates: Vec::new(), policy };
    }
    match policy {
        EvictionPolicy::NoEviction => None,
        EvictionPolicy::AllKeysRandom | EvictionPolicy::VolatileRandom => {
            let (shard, db, key) = any_key(ctx, policy.only_expiring())?;
            ctx.locks.hold_one(shard);
            remove(ctx, db, &key, used)
        }
        _ => loop {
            let found = pool.fill(ctx);
            if let Some(candidate) = pool.take(ctx) {
                return remove(ctx, candidate.db, &candidate.key, used);
            }
            if !found {
                return None;
            }
        },
    }
}

/// `None`: the key may not go yet.
fn remove(ctx: &mut Ctx<'_>, db: usize, key: &[u8], used: fn() -> i64) -> Option<i64> {
    ctx.begin();
    let before = used();
    let mut key = ctx.key_in(db, key);
    // What has expired is gone by now.
    match key.exists() {
        true if key.may_evict() => Some(key.evict(used)),
        true => None,
        false => Some(before - used()),
    }
}

/// A key chosen at random, of any database.
fn any_key(ctx: &mut Ctx<'_>, expiring: bool) -> Option<(usize, usize, Vec<u8>)> {
    let (shards, databases) = (ctx.keyspace.shard_count(), ctx.keyspace.databases());
    let first = ctx.env.random_below(shards as u64) as usize;
    let first_db = ctx.env.random_below(databases as u64) as usize;
    for shard in (0..shards).map(|turn| (first + turn) % shards) {
        ctx.locks.hold_one(shard);
        for db in (0..databases).map(|turn| (first_db + turn) % databases) {
            if let Some(entry) = any_entry(&ctx.locks.get(shard).dbs[db], &ctx.env, expiring) {
                return Some((shard, db, entry.key().to_vec()));
            }
        }
    }
    None
}

/// Every entry is as likely as another: what lies behind a gap in the table, as new keys do, must not go more often. Only if
/// few expire, some of these are likelier than others.
fn any_entry<'a>(db: &'a Db, env: &Env, expiring: bool) -> Option<EntryRef<'a>> {
    for _ in 0..ATTEMPTS {
        let entry = db.random(|| env.random())?;
        if !expiring || entry.deadline().is_some() {
            return Some(entry);
        }
    }
    let mut found = None;
    db.sample(env.random(), 1, expiring, |entry| found = Some(entry));
    found
}

#[cfg(test)]
mod tests;
