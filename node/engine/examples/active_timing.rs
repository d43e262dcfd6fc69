//! What being a member of a mesh costs a write: ns per command, alone, with the journal on, and with an overlay.
//!
//! Batches of 16 commands; the journal is drained every 64 batches, and everything is settled 200 ms after it was written.

use std::time::Instant;

use engine::active::{activate, settle};
use engine::ctx::Ctx;
use engine::effect::{Deadline, Effect, NewValue, ScoreCondition};
use engine::journal::Drain;
use engine::keyspace::Keyspace;
use replication::overlay::Levels;

const COMMANDS: u64 = 2_000_000;
const KEYS: u64 = 100_000;
const COMMANDS_PER_MS: u64 = 1_000;

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Alone,
    Journal,
    Member,
}

fn command(ctx: &mut Ctx<'_>, name: &str, key: &[u8], cell: &[u8]) {
    ctx.begin();
    ctx.locks.hold_one(ctx.keyspace.shard_of(ctx.keyspace.hash(key)));
    let mut key = ctx.key(key);
    match name {
        "SET" => {
            let value = NewValue::String(b"some value of a few bytes");
            key.apply(Effect::Put { value, deadline: Deadline::Clear, absent: false });
        }
        "INCR" => drop(key.apply(Effect::Add { delta: 1, result: 1 })),
        "HSET" => drop(key.apply(Effect::SetField { field: cell, value: b"value", absent: false })),
        "SADD" => drop(key.apply(Effect::AddMember(cell))),
        "ZADD" => {
            let only = ScoreCondition::default();
            key.apply(Effect::SetScore { member: cell, score: 1.0, only });
        }
        "LPUSH" => drop(key.apply(Effect::Insert { at: 0, element: b"element" })),
        other => panic!("{other}"),
    }
}

fn measure(name: &str, mode: Mode) -> f64 {
    let keyspace = Keyspace::new(1, 2);
    if mode == Mode::Member {
        activate(&keyspace, Some(1));
    }
    keyspace.journal.listen(mode != Mode::Alone);
    let mut ctx = Ctx::new(&keyspace, 1);
    let mut other = Ctx::new(&keyspace, 2);
    let (mut drain, mut bytes, mut spent) = (Drain::default(), 0, 0);
    let mut random = 1u64;
    for n in 0..COMMANDS / 16 {
        let now = 1_700_000_000_000 + n * 16 / COMMANDS_PER_MS;
        ctx.env.tick(now);
        let keys: Vec<(String, String)> = (0..16)
            .map(|_| {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (format!("key:{:012}", (random >> 33) % KEYS), format!("cell:{}", (random >> 20) % 10))
            })
            .collect();
        let began = Instant::now();
        for (key, cell) in &keys {
            command(&mut ctx, name, key.as_bytes(), cell.as_bytes());
        }
        ctx.locks.release();
        spent += began.elapsed().as_nanos();
        if n % 64 == 0 {
            drain.round(&keyspace.journal, now << 20, |run| bytes += run.bytes.len());
        }
        if n % 1_250 == 0 && mode == Mode::Member {
            let level = (now - 200) << 20;
            let levels = Levels { horizon: level, known: level, settled: level, agreed: level };
            (0..keyspace.shard_count()).for_each(|shard| settle::settle(&mut other, shard, levels));
            other.locks.release();
        }
    }
    spent as f64 / COMMANDS as f64
}

fn main() {
    println!("{:8} {:>8} {:>8} {:>8}", "", "alone", "journal", "member");
    for name in ["SET", "INCR", "HSET", "SADD", "ZADD", "LPUSH"] {
        let [alone, journal, member] =
            [Mode::Alone, Mode::Journal, Mode::Member].map(|mode| measure(name, mode));
        println!("{name:8} {alone:8.0} {journal:8.0} {member:8.0}");
    }
}
