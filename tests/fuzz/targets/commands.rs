//! The data commands: any sequence of argument vectors is answered, one well-formed reply each, without a panic.
#![no_main]

use std::sync::LazyLock;

use engine::commands::rows;
use engine::ctx::Ctx;
use engine::keyspace::Keyspace;
use libfuzzer_sys::fuzz_target;
use protocol::{OwnedArgs, Reply};

static WORDS: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let options = "k1 k2 k3 f m a 0 1 -1 2 10 1.5 -inf +inf nan 9223372036854775807 NX XX GT LT CH EX PX KEEPTTL GET COUNT MATCH \
                   LIMIT BYSCORE BYLEX REV WITHSCORES WITHVALUES STORE ASC DESC ALPHA BY LEFT RIGHT BEFORE AFTER RANK MAXLEN \
                   WEIGHTS AGGREGATE SUM BIT BYTE SET INCRBY u8 i64 OVERFLOW SAT FAIL AND OR XOR NOT [a (b - + * FIELDS";
    options.split_whitespace().collect()
});

fuzz_target!(|bytes: &[u8]| {
    let keyspace = Keyspace::new(2, 1);
    let mut ctx = Ctx::new(&keyspace, 1);
    ctx.env.tick(1_700_000_000_000);
    ctx.env.tuning.hash_max_listpack_entries = 3;
    ctx.env.tuning.zset_max_listpack_entries = 3;
    ctx.env.tuning.set_max_intset_entries = 3;
    ctx.env.tuning.proto_max_bulk_len = 1 << 20;
    ctx.locks.hold_all();
    ctx.locks.pin();
    let all: Vec<_> = rows().collect();
    for line in bytes.split(|b| *b == b'\n').take(64) {
        let Some((first, rest)) = line.split_first() else { continue };
        let row = all[usize::from(*first) % all.len()];
        let facts = engine::command::ALL.iter().find(|f| f.name == row.name).expect("rows have facts");
        let mut args = OwnedArgs::default();
        row.name.split(' ').for_each(|word| args.push(word.as_bytes()));
        for chunk in rest.chunks(2) {
            match chunk {
                [a, b] if *a < 200 => args.push(WORDS[usize::from(*b) % WORDS.len()].as_bytes()),
                other => args.push(other),
            }
        }
        if !facts.takes(args.view().len()) {
            continue;
        }
        let mut out = Reply::new(first % 2 == 0);
        ctx.begin();
        if (row.run)(&mut ctx, args.view(), &mut out).is_err() {
            assert!(out.buf.is_empty(), "an error after other output");
        }
        ctx.reap();
        ctx.out.events.clear();
        ctx.out.ready.clear();
        ctx.out.garbage.clear();
    }
});
