//! Looking through a whole database, shard after shard: KEYS, DBSIZE, RANDOMKEY.

use protocol::glob::{self, Case};
use protocol::{Args, ErrorReply, Reply};

use crate::commands::{DONE, Flow, Row, row_own};
use crate::ctx::Ctx;

/// Holds one shard at a time: others work on, and what they change meanwhile may or may not be seen.
fn keys(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let (pattern, db) = (&args[1], ctx.db);
    let (now, expiry) = (ctx.env.now_ms, ctx.env.expiry);
    let everything = pattern == b"*";
    let place = out.deferred();
    let mut found = 0;
    let limit = match ctx.env.tuning.keys_output_limit {
        0 => usize::MAX,
        limit => limit,
    };
    ctx.each_shard(|shard| {
        for entry in shard.dbs[db].iter() {
            if found == limit {
                break;
            }
            let gone = expiry && entry.deadline().is_some_and(|at| at <= now);
            if !gone && (everything || glob::matches(pattern, entry.key(), Case::Matters)) {
                out.bulk(entry.key());
                found += 1;
            }
        }
    });
    out.fill_array(place, found);
    DONE
}

fn dbsize(ctx: &mut Ctx<'_>, _: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let db = ctx.db;
    out.int(ctx.sizes(db).0 as i64);
    DONE
}

/// Draws one of all keys, each with the same chance; expired ones that turn up are removed, and it draws again.
fn randomkey(ctx: &mut Ctx<'_>, _: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let db = ctx.db;
    loop {
        let mut sizes = Vec::with_capacity(ctx.keyspace.shard_count());
        ctx.each_shard(|shard| sizes.push(shard.dbs[db].len() as u64));
        let total = sizes.iter().sum();
        if total == 0 {
            out.null();
            return DONE;
        }
        let mut nth = ctx.env.random_below(total);
        let shard = sizes.iter().position(|size| match nth.checked_sub(*size) {
            Some(rest) => {
                nth = rest;
                false
            }
            None => true,
        });
        if let Some(key) = shard.and_then(|shard| draw(ctx, shard)) {
            out.bulk(&key);
            return DONE;
        }
    }
}

/// A key of one shard; `None` if it has become empty or the key drawn has expired.
fn draw(ctx: &mut Ctx<'_>, shard: usize) -> Option<Vec<u8>> {
    ctx.locks.hold_one(shard);
    let db = &ctx.locks.get(shard).dbs[ctx.db];
    let key = db.random(|| ctx.env.random())?.key().to_vec();
    let alive = ctx.key(&key).exists();
    ctx.locks.release();
    alive.then_some(key)
}

pub const ROWS: &[Row] = &[row_own("KEYS", keys), row_own("DBSIZE", dbsize), row_own("RANDOMKEY", randomkey)];
