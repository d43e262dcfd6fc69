//! SCAN: all keys of a database, a few at a time.
//!
//! A cursor is a position in the order of the keys' hashes, without its last [`CURSOR_UNIT`] bits: the top bits are the
//! shard, the next ones the place in its table. It needs no memory on the server. A key that is there from the first call
//! to the last is returned exactly once, however much the tables grow or shrink meanwhile.

use protocol::glob::{self, Case};
use protocol::{Args, ErrorReply, Reply};

use crate::commands::scan::{ScanOptions, cursor_of};
use crate::commands::{DONE, Flow, Row, row_own};
use crate::ctx::Ctx;
use crate::entry::EntryRef;
use crate::table::CURSOR_UNIT;

/// Which keys the caller wants.
struct Filter<'a> {
    options: ScanOptions<'a>,
    /// Unix ms; keys with a deadline up to this are gone.
    now_ms: u64,
}

impl Filter<'_> {
    fn admits(&self, entry: EntryRef<'_>) -> bool {
        let matches = |pattern| glob::matches(pattern, entry.key(), Case::Matters);
        let is_kind = |kind: &[u8]| kind.eq_ignore_ascii_case(entry.value().type_name().as_bytes());
        self.options.pattern.is_none_or(matches)
            && self.options.kind.is_none_or(is_kind)
            && entry.deadline().is_none_or(|at| at > self.now_ms)
    }
}

fn scan(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let cursor = cursor_of(&args[1])?;
    let options = ScanOptions::parse_keys(args.rest(2))?;
    let now_ms = if ctx.env.expiry { ctx.env.now_ms } else { 0 };
    let mut keys = Vec::new();
    let next = step(ctx, cursor, &Filter { options, now_ms }, &mut keys);
    out.array(2);
    out.bulk_u64(next);
    out.array(keys.len());
    keys.iter().for_each(|key| out.bulk(key));
    DONE
}

/// Visits buckets from `cursor` on until it has seen as many keys as asked for. Returns the cursor to go on with, 0 at the
/// end.
fn step(ctx: &mut Ctx<'_>, cursor: u64, filter: &Filter<'_>, keys: &mut Vec<Vec<u8>>) -> u64 {
    let (bits, db) = (ctx.keyspace.shard_bits(), ctx.db);
    let position = cursor << CURSOR_UNIT;
    let (first, mut at, mut seen) = (ctx.keyspace.shard_of(position), position << bits, 0);
    for shard in first..ctx.keyspace.shard_count() {
        ctx.locks.hold_one(shard);
        let table = &ctx.locks.get(shard).dbs[db];
        while let Some(next) = table.scan(at, CURSOR_UNIT + bits, |entry| {
            seen += 1;
            if filter.admits(entry) {
                keys.push(entry.key().to_vec());
            }
        }) {
            at = next;
            if seen >= filter.options.count {
                ctx.locks.release();
                return ((shard as u64) << (64 - bits) | at >> bits) >> CURSOR_UNIT;
            }
        }
        at = 0;
        if seen >= filter.options.count {
            ctx.locks.release();
            let next = shard + 1;
            let end = next == ctx.keyspace.shard_count();
            return if end { 0 } else { (next as u64) << (64 - bits) >> CURSOR_UNIT };
        }
    }
    ctx.locks.release();
    0
}

pub const ROWS: &[Row] = &[row_own("SCAN", scan)];
