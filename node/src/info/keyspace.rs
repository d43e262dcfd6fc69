//! The section about the databases.

use super::{Info, Lines};

/// Entries of a shard that are looked at to estimate how long keys still live.
const SAMPLE: usize = 16;

/// One database, added up over the shards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Database {
    pub keys: usize,
    pub expiring: usize,
    /// Bytes of the tables.
    pub table_bytes: usize,
    /// Milliseconds that the sampled keys still live, and how many those are.
    ttl_sum: u64,
    ttl_count: u64,
}

/// All databases, by number.
pub fn databases(info: &mut Info<'_>) -> Vec<Database> {
    let mut all = vec![Database::default(); info.ctx.keyspace.databases()];
    let now = info.now_ms;
    let mut seed = info.ctx.env.random();
    info.ctx.each_shard(|shard| {
        for (total, db) in all.iter_mut().zip(&shard.dbs) {
            total.table_bytes += db.table_bytes();
            if db.is_empty() {
                continue;
            }
            total.keys += db.len();
            total.expiring += db.expiring();
            if db.expiring() > 0 {
                seed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1);
                db.sample(seed, SAMPLE, true, |entry| {
                    if let Some(at) = entry.deadline() {
                        total.ttl_sum += at.saturating_sub(now);
                        total.ttl_count += 1;
                    }
                });
            }
        }
    });
    all
}

pub fn write(info: &mut Info<'_>, lines: &mut Lines) {
    for (db, size) in databases(info).iter().enumerate().filter(|(_, size)| size.keys > 0) {
        let ttl = size.ttl_sum.checked_div(size.ttl_count).unwrap_or(0);
        lines.put(
            format_args!("db{db}"),
            format_args!("keys={},expires={},avg_ttl={ttl}", size.keys, size.expiring),
        );
    }
}
