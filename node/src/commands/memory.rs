//! MEMORY: where it is.

use engine::entry::EntryRef;
use protocol::{ErrorReply, Reply, error, number};

use super::help::help;
use super::{NodeRow, row};
use crate::dispatch::{Call, Next};
use crate::info::{Info, MemoryOverview};
use crate::memory;

const DONE: Result<Next, ErrorReply> = Ok(Next::Done);

/// `USAGE key [SAMPLES count]`. Values know their size, so nothing has to be sampled.
fn usage(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let args = call.args;
    match (args.get(3), args.get(4)) {
        (None, _) => {}
        (Some(word), Some(count)) if word.eq_ignore_ascii_case(b"samples") && args.len() == 5 => {
            if number::parse_i64(count).ok_or(error::NOT_INTEGER)? < 0 {
                return Err(error::SYNTAX);
            }
        }
        _ => return Err(error::SYNTAX),
    }
    let shard = call.ctx.keyspace.shard_of(call.ctx.keyspace.hash(&args[2]));
    call.ctx.locks.hold_one(shard);
    let bytes = call.ctx.peek(&args[2]).map(bytes_of);
    call.ctx.locks.release();
    match bytes {
        Some(bytes) => call.out.int(bytes as i64),
        None => call.out.null(),
    }
    DONE
}

/// A key's entry, its place in the table, and its value.
fn bytes_of(entry: EntryRef<'_>) -> usize {
    memory::block_size(entry.own_bytes()) + size_of::<u64>() + entry.value().heap_bytes()
}

fn overview(call: &mut Call<'_>) -> MemoryOverview {
    MemoryOverview::new(&mut Info::new(call.worker.server, call.ctx, call.worker.index))
}

fn stats(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let o = overview(call);
    let databases: Vec<_> = o.databases.iter().enumerate().filter(|(_, db)| db.keys > 0).collect();
    let out = &mut *call.out;
    out.map(27 + databases.len());
    put(out, "peak.allocated", o.peak);
    put(out, "total.allocated", o.used);
    put(out, "startup.allocated", o.startup);
    put(out, "replication.backlog", 0);
    put(out, "clients.slaves", o.clients_replicas);
    put(out, "clients.normal", o.clients_normal);
    put(out, "cluster.links", 0);
    put(out, "aof.buffer", 0);
    put(out, "lua.caches", call.worker.server.scripts.bytes() as u64);
    put(out, "functions.caches", call.worker.server.libraries.bytes() as u64);
    for (number, db) in databases {
        out.bulk_str(&format!("db.{number}"));
        out.map(3);
        put(out, "overhead.hashtable.main", db.table_bytes as u64);
        put(out, "overhead.hashtable.expires", 0);
        put(out, "overhead.hashtable.slot-to-keys", 0);
    }
    put(out, "overhead.total", o.overhead);
    put(out, "keys.count", o.keys);
    put(out, "keys.bytes-per-key", o.used.saturating_sub(o.startup).checked_div(o.keys).unwrap_or(0));
    put(out, "dataset.bytes", o.dataset());
    put_ratio(out, "dataset.percentage", o.dataset_percent());
    put_ratio(out, "peak.percentage", o.peak_percent());
    allocator(out, &o);
    DONE
}

fn allocator(out: &mut Reply, o: &MemoryOverview) {
    let a = &o.allocator;
    put(out, "allocator.allocated", a.allocated);
    put(out, "allocator.active", a.active);
    put(out, "allocator.resident", a.resident);
    let pairs = [
        ("allocator-fragmentation", a.active, a.allocated),
        ("allocator-rss", a.resident, a.active),
        ("rss-overhead", o.rss, a.resident),
    ];
    for (name, part, whole) in pairs {
        put_ratio(out, &format!("{name}.ratio"), part as f64 / whole.max(1) as f64);
        out.bulk_str(&format!("{name}.bytes"));
        out.int(part as i64 - whole as i64);
    }
    put_ratio(out, "fragmentation", o.rss as f64 / o.used.max(1) as f64);
    out.bulk_str("fragmentation.bytes");
    out.int(o.rss as i64 - o.used as i64);
}

fn put(out: &mut Reply, name: &str, bytes: u64) {
    out.bulk_str(name);
    out.int(bytes as i64);
}

fn put_ratio(out: &mut Reply, name: &str, ratio: f64) {
    let mut text = Vec::new();
    number::fmt_f64(&mut text, ratio);
    out.bulk_str(name);
    out.double_text(&text);
}

fn doctor(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let advice = overview(call).advice();
    call.out.verbatim("txt", format!("{advice}\n").as_bytes());
    DONE
}

fn purge(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    memory::purge();
    call.out.ok();
    DONE
}

fn malloc_stats(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    call.out.verbatim("txt", memory::report().as_bytes());
    DONE
}

pub const ROWS: &[NodeRow] = &[
    row("MEMORY USAGE", usage),
    row("MEMORY STATS", stats),
    row("MEMORY DOCTOR", doctor),
    row("MEMORY PURGE", purge),
    row("MEMORY MALLOC-STATS", malloc_stats),
    row("MEMORY HELP", help),
];
