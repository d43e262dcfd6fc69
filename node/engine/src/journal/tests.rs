use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::*};

use replication::codec;
use replication::effect::{Effect, Value, Write};

use super::*;
use crate::commands::testing::Console;
use crate::ctx::Ctx;
use crate::effect::{Deadline, Effect as Local, NewValue};
use crate::keyspace::Keyspace;

/// What the journal says, group by group.
fn drained(drain: &mut Drain, keyspace: &Keyspace) -> Vec<(u64, Vec<Write>)> {
    let mut groups = Vec::new();
    drain.round(&keyspace.journal, 1, |run| {
        for group in codec::groups(run.bytes) {
            let (version, writes) = group.unwrap();
            groups.push((version, codec::decode_writes(writes).unwrap()));
        }
    });
    groups
}

fn effects(groups: &[(u64, Vec<Write>)]) -> Vec<Vec<String>> {
    let show = |write: &Write| {
        let key = String::from_utf8_lossy(&write.key.name);
        format!("{key}{} {:?}", if write.create { "+" } else { "" }, write.effect)
    };
    groups.iter().map(|(_, writes)| writes.iter().map(show).collect()).collect()
}

#[test]
fn a_command_is_a_group_and_nothing_is_written_down_unless_somebody_listens() {
    let keyspace = Keyspace::new(2, 1);
    let mut drain = Drain::default();
    let mut console = Console::new(&keyspace);
    console.run("SET a 1");
    keyspace.journal.listen(true);
    console.run("MSET b 2 c 3");
    console.run("SADD s x");
    console.run("SADD s x");
    console.run("SREM s y");
    console.run("SETNX b 5");
    console.run("RENAME b d");
    console.ctx.locks.release();
    keyspace.journal.listen(false);
    console.ctx.locks.hold_all();
    console.run("SET e 1");
    console.ctx.locks.release();
    let groups = drained(&mut drain, &keyspace);
    assert!(groups.is_sorted_by(|a, b| a.0 < b.0));
    let put = |key: &str, text: &str| {
        let value = Value::String(text.as_bytes().to_vec());
        format!("{key} {:?}", Effect::Put { value, deadline: None, absent: false })
    };
    let expected = [
        vec![put("b", "2"), put("c", "3")],
        vec![format!("s+ {:?}", Effect::AddMember(b"x".to_vec()))],
        vec![format!("s {:?}", Effect::AddMember(b"x".to_vec()))],
        vec!["b Clear".to_string(), put("d", "2")],
    ];
    assert_eq!(effects(&groups), expected);
}

#[test]
fn what_was_promised_is_true_and_nothing_is_lost() {
    const WRITERS: usize = 4;
    const EACH: usize = 20_000;
    let keyspace = Keyspace::new(1, 2);
    keyspace.journal.listen(true);
    keyspace.journal.set_limit(20_000);
    let woken = Arc::new(AtomicUsize::new(0));
    let count = woken.clone();
    keyspace.journal.on_wake(move || {
        count.fetch_add(1, Relaxed);
    });
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|n| {
                let keyspace = &keyspace;
                scope.spawn(move || {
                    let mut ctx = Ctx::new(keyspace, n as u64 + 1);
                    let mut last = 0;
                    for i in 0..EACH {
                        ctx.env.tick(1_000 + i as u64 / 1_000);
                        let key = format!("{}", i % 100);
                        ctx.begin();
                        ctx.locks.hold_one(keyspace.shard_of(keyspace.hash(key.as_bytes())));
                        let mut key = ctx.key(key.as_bytes());
                        let value = format!("{n}:{i}");
                        key.apply(Local::Put {
                            value: NewValue::String(value.as_bytes()),
                            deadline: Deadline::Clear,
                            absent: false,
                        });
                        assert!(key.stamp().version > last, "a writer's versions rise");
                        last = key.stamp().version;
                        if i % 7 == 0 {
                            ctx.locks.release();
                        }
                    }
                })
            })
            .collect();
        let reader = scope.spawn(|| {
            let (mut drain, mut promised, mut groups) = (Drain::default(), 0, Vec::new());
            loop {
                let over = done.load(SeqCst);
                let round = drain.round(&keyspace.journal, 0, |run| {
                    let (mut n, mut last) = (0, 0);
                    for group in codec::groups(run.bytes) {
                        let (version, writes) = group.unwrap();
                        assert!(version > promised, "{version} follows the promise {promised}");
                        n += 1;
                        last = version;
                        groups.push((version, codec::decode_writes(writes).unwrap().remove(0)));
                    }
                    assert_eq!((n, last), (run.groups, run.version));
                });
                assert!(round.promise >= promised);
                promised = round.promise;
                if over && !round.waiting {
                    return groups;
                }
            }
        });
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        done.store(true, SeqCst);
        let groups = reader.join().unwrap();
        assert_eq!(groups.len(), WRITERS * EACH);
        assert!(groups.is_sorted_by(|a, b| a.0 < b.0));
        assert!(woken.load(Relaxed) > 0);
        // The last write of a key is what the key has.
        let mut ctx = Ctx::new(&keyspace, 99);
        let last: std::collections::BTreeMap<_, _> =
            groups.iter().map(|(_, w)| (&w.key.name, &w.effect)).collect();
        for (key, effect) in last {
            let Effect::Put { value: Value::String(text), .. } = effect else { panic!("{effect:?}") };
            ctx.locks.hold_one(keyspace.shard_of(keyspace.hash(key)));
            let mut int = Default::default();
            assert_eq!(ctx.read_string(key, &mut int).unwrap(), Some(&text[..]));
        }
    });
    assert_eq!(keyspace.journal.bytes(), 0);
}
