//! Interleavings that were found wanting, or that a rule is about, each as a play.

use super::*;

/// Everybody is as far as `version`, and knows it.
fn all_at(nodes: &mut [Node], version: u64) {
    for node in nodes {
        for levels in [&mut node.promise, &mut node.horizon, &mut node.known, &mut node.settled] {
            levels.iter_mut().for_each(|level| *level = version);
        }
        node.settle();
    }
}

/// A full sync from one to another, which has nothing that the first lacks.
fn sync(from: &mut Node, to: &mut Node) {
    let mut export = Export::default();
    let mut merge = Merge::begin(&mut to.console.ctx, Box::new(|_| false), false);
    while let Some(piece) = export.next(&mut from.console.ctx, 2_000) {
        merge.take(&mut to.console.ctx, &piece).unwrap();
        to.console.ctx.locks.release();
    }
    assert!(!merge.end(&mut to.console.ctx).unwrap());
    to.console.ctx.locks.release();
}

fn key(name: &str) -> Key {
    Key { db: 0, name: name.into() }
}

/// A clock that is ahead stands still: what a node evicts then stands where all others have settled already, before they hear
/// of it. A full sync from one that has not must not bring the key back.
#[test]
fn an_eviction_where_the_horizon_stands_still_is_not_forgotten() {
    let mut nodes = [Node::new(1, 2), Node::new(2, 2)];
    for (version, bytes) in nodes[0].run("SET k v").1 {
        nodes[1].receive(1, version, &bytes);
    }
    let still = (nodes[0].now() + 1_000) << 20;
    all_at(&mut nodes, still);
    let (reply, evicted) = nodes[0].run("EVICT k");
    assert_eq!(reply, "1");
    all_at(&mut nodes[..1], still);
    let [a, b] = &mut nodes;
    sync(b, a);
    for (version, bytes) in evicted {
        b.receive(1, version, &bytes);
    }
    assert_eq!((a.seen(&key("k")), b.seen(&key("k"))), (None, None));
    // And once the clock has gone on, nothing is remembered.
    all_at(&mut nodes, still + (1 << 20));
    nodes.iter().for_each(|node| assert!(settle::size(node.keyspace).empty));
}

/// While a full sync goes on, overlays learn nothing of how far the others are, and these settle beyond what they say.
#[test]
fn what_is_evicted_during_a_full_sync_stands_where_nobody_has_settled() {
    let mut nodes = [Node::new(1, 2), Node::new(2, 2)];
    for (version, bytes) in nodes[0].run("SET k v").1 {
        nodes[1].receive(1, version, &bytes);
    }
    let began = (nodes[0].now() + 1_000) << 20;
    all_at(&mut nodes, began);
    let mut export = Export::default();
    let piece = export.next(&mut nodes[0].console.ctx, 1).unwrap();
    assert!(!piece.is_empty());
    let later = began + (500 << 20);
    all_at(&mut nodes, later);
    let (reply, evicted) = nodes[0].run("EVICT k");
    assert_eq!(reply, "1");
    let cuts = evicted.iter().flat_map(|(_, bytes)| codec::decode_writes(bytes).unwrap());
    let cuts: Vec<Effect> = cuts.map(|write| write.effect).collect();
    assert_eq!(cuts, [Effect::Evict { cut: later }]);
}

/// A node that comes without data names elements of lists, from its first write on, as one that may have settled more than who gave
/// it the data still knows them.
#[test]
fn who_got_its_data_from_one_that_has_settled_less_is_understood_by_one_that_has_settled_more() {
    let mut nodes = [1, 2, 3].map(|label| Node::new(label, 3));
    let push = |nodes: &mut [Node], element: &str| {
        let (version, bytes) = nodes[1].run(&format!("RPUSH l {element}")).1.remove(0);
        nodes[2].receive(2, version, &bytes);
        version
    };
    let early = push(&mut nodes, "a");
    all_at(&mut nodes[1..], early);
    push(&mut nodes, "b");
    let late = push(&mut nodes, "c");
    for levels in [&mut nodes[1].promise, &mut nodes[1].horizon] {
        levels.fill(late);
    }
    nodes[1].settle();
    all_at(&mut nodes[2..], late);
    let [newcomer, giver, other] = &mut nodes;
    assert_eq!((giver.settled[1], giver.known[1], other.settled[2]), (early, late, late));
    sync(giver, newcomer);
    for command in ["LREM l 1 b", "LSET l -1 C", "LINSERT l AFTER a x"] {
        for (version, bytes) in newcomer.run(command).1 {
            giver.receive(1, version, &bytes);
            other.receive(1, version, &bytes);
        }
    }
    let list: Vec<Bytes> = ["a", "x", "C"].map(Bytes::from).into();
    for node in [newcomer, giver, other] {
        assert_eq!(node.seen(&key("l")).map(|(value, ..)| value), Some(Value::List(list.clone())));
    }
}

/// What comes as a full sync and is none is refused, wherever it is damaged, and clients can use what is there.
#[test]
fn a_damaged_full_sync_is_refused_and_breaks_nothing() {
    let mut from = Node::new(1, 2);
    for line in [
        "SET k v",
        "APPEND k w",
        "SET n 7",
        "INCR n",
        "INCRBYFLOAT f 1.5",
        "HSET h a 1 b 2",
        "HINCRBY h a 1",
        "SADD s 1 2 x",
        "RPUSH l a b c",
        "LSET l 1 B",
        "LPOP l",
        "ZADD z 1 a 2 b",
        "ZINCRBY z 1.5 a",
        "XADD x 1-0 f v",
        "XADD x 2-0 f v",
        "XGROUP CREATE x g 0",
        "XREADGROUP GROUP g c COUNT 1 STREAMS x >",
        "XDEL x 2-0",
        "PFADD p a b",
        "SETBIT b 9 1",
        "PEXPIRE k 100000",
        "EXPIREMEMBER h a 100",
        "SET gone 1",
        "DEL gone",
        "FLUSHDB ASYNC",
        "SADD s y",
        "XADD x 3-0 f v",
        "HSET h c 3",
        "EXPIREMEMBER h c 100",
        "RPUSH l d e",
        "LPOP l",
        "ZADD z 3 c",
        "INCR n",
        "PFADD p c",
    ] {
        from.run(line);
    }
    let mut export = Export::default();
    let pieces: Vec<Vec<u8>> = std::iter::from_fn(|| export.next(&mut from.console.ctx, 1 << 20)).collect();
    let whole = pieces.concat();
    let (mut dice, mut refused) = (Dice(1), 0);
    let mut to = Node::new(2, 2);
    for round in 0..4_000 {
        let mut piece = whole.clone();
        for _ in 0..1 + dice.below(3) {
            let at = dice.below(piece.len() as u64) as usize;
            match dice.below(4) {
                0 => piece.truncate(at.max(1)),
                1 => drop(piece.remove(at)),
                2 => piece[at] = dice.draw() as u8,
                _ => piece[at] ^= 1 << dice.below(8),
            }
            if piece.is_empty() {
                piece.push(0);
            }
        }
        let mut merge = Merge::begin(&mut to.console.ctx, Box::new(|_| false), false);
        let taken = merge.take(&mut to.console.ctx, &piece);
        to.console.ctx.locks.release();
        if taken.is_ok_and(|()| merge.end(&mut to.console.ctx).is_ok()) {
            to.console.ctx.locks.release();
        } else {
            refused += 1;
        }
        drop(merge);
        if round % 40 == 0 {
            for line in [
                "LRANGE l 0 -1",
                "XINFO STREAM x FULL",
                "HGETALL h",
                "SMEMBERS s",
                "ZRANGE z 0 -1",
                "PFCOUNT p",
                "DBSIZE",
            ] {
                to.run(line);
            }
        }
    }
    assert!(refused > 1_000, "{refused} were refused");
}

/// A full sync that breaks off has brought effects that come once more from those who made them.
#[test]
fn what_half_a_full_sync_has_brought_counts_once() {
    let mut nodes = [Node::new(1, 2), Node::new(2, 2)];
    let commands = [
        "HINCRBYFLOAT h f 0.1",
        "HINCRBYFLOAT h f 0.2",
        "HINCRBY h n 5",
        "INCRBYFLOAT x 1.1",
        "INCRBYFLOAT x 2",
        "INCR n",
        "APPEND s once",
        "ZINCRBY z 2 m",
        "RPUSH l a",
        "RPUSH l b",
    ];
    let groups: Vec<_> = commands.iter().flat_map(|command| nodes[0].run(command).1).collect();
    let [a, b] = &mut nodes;
    let mut export = Export::default();
    let mut merge = Merge::begin(&mut b.console.ctx, Box::new(|_| false), false);
    // All pieces but the last one.
    let mut piece = export.next(&mut a.console.ctx, 1);
    while let Some(now) = piece {
        piece = export.next(&mut a.console.ctx, 1);
        if piece.is_some() {
            merge.take(&mut b.console.ctx, &now).unwrap();
            b.console.ctx.locks.release();
        }
    }
    drop((merge, export));
    for (version, bytes) in groups {
        b.receive(1, version, &bytes);
    }
    for name in ["h", "x", "n", "s", "z", "l"] {
        assert!(a.seen(&key(name)).is_some());
        assert_eq!(a.seen(&key(name)), b.seen(&key(name)), "{name}");
    }
}

/// A group's last word is younger than what a consumer did: when a late delete has everything carried out again, the consumer must
/// find the group there.
#[test]
fn a_late_delete_leaves_a_group_its_younger_consumers() {
    let mut nodes = [Node::new(1, 3), Node::new(2, 3), Node::new(3, 3)];
    let at = |node: &mut Node, ms: u64| node.console.ctx.env.tick(1_000_000 + ms);
    at(&mut nodes[1], 0);
    let mut groups = Vec::new();
    for command in ["XADD x 1-1 f v", "XGROUP CREATE x g 0"] {
        groups.extend(nodes[1].run(command).1);
    }
    for (version, bytes) in &groups {
        nodes[0].receive(2, *version, bytes);
        nodes[2].receive(2, *version, bytes);
    }
    at(&mut nodes[2], 10);
    let (reply, late) = nodes[2].run("DEL x");
    assert_eq!(reply, ":1¶");
    at(&mut nodes[1], 20);
    let mut groups = nodes[1].run("XADD x 2-1 f v").1;
    groups.extend(nodes[1].run("XREADGROUP GROUP g c STREAMS x >").1);
    at(&mut nodes[1], 30);
    groups.extend(nodes[1].run("XGROUP SETID x g 0").1);
    for (version, bytes) in &groups {
        nodes[0].receive(2, *version, bytes);
        nodes[2].receive(2, *version, bytes);
    }
    for (version, bytes) in &late {
        nodes[0].receive(3, *version, bytes);
        nodes[1].receive(3, *version, bytes);
    }
    let [a, b, c] = &mut nodes;
    for node in [&mut *a, &mut *b, &mut *c] {
        node.check(&key("x")).unwrap();
    }
    assert_eq!(a.seen(&key("x")), c.seen(&key("x")));
    assert_eq!(b.run("XPENDING x g").0, c.run("XPENDING x g").0);
    assert!(c.run("XPENDING x g").0.contains("2-1"));
}

/// A consumer is removed on one node while it is given something on another: that stays pending with it, whatever comes first, and
/// once it is acknowledged the consumer is gone everywhere.
#[test]
fn what_a_removed_consumer_was_given_meanwhile_stays_pending() {
    let mut nodes = [Node::new(1, 3), Node::new(2, 3), Node::new(3, 3)];
    let at = |node: &mut Node, ms: u64| node.console.ctx.env.tick(1_000_000 + ms);
    let give = |nodes: &mut [Node], from: usize, to: &[usize], groups: &[(u64, Vec<u8>)]| {
        for (version, bytes) in groups {
            to.iter().for_each(|to| nodes[*to].receive(from as u16 + 1, *version, bytes));
        }
    };
    at(&mut nodes[1], 0);
    let mut groups = Vec::new();
    let read = "XREADGROUP GROUP g c COUNT 1 STREAMS x >";
    for command in ["XADD x 1-1 f v", "XADD x 2-1 f v", "XGROUP CREATE x g 0", read] {
        groups.extend(nodes[1].run(command).1);
    }
    give(&mut nodes, 1, &[0, 2], &groups);
    at(&mut nodes[1], 10);
    let given = nodes[1].run(read).1;
    at(&mut nodes[2], 20);
    let (reply, removed) = nodes[2].run("XGROUP DELCONSUMER x g c");
    assert_eq!(reply, ":1¶");
    give(&mut nodes, 1, &[0], &given);
    give(&mut nodes, 2, &[0, 1], &removed);
    give(&mut nodes, 1, &[2], &given);
    let same = |nodes: &mut [Node], command: &str, what: &str| {
        for node in nodes {
            node.check(&key("x")).unwrap();
            assert_eq!(node.run(command).0, what, "{command}");
        }
    };
    same(&mut nodes, "XPENDING x g", "*4¶:1¶$3¶2-1¶$3¶2-1¶*1¶*2¶$1¶c¶$1¶1¶");
    at(&mut nodes[0], 30);
    let acknowledged = nodes[0].run("XACK x g 2-1").1;
    give(&mut nodes, 0, &[1, 2], &acknowledged);
    same(&mut nodes, "XINFO CONSUMERS x g", "*0¶");
}

/// A transaction empties a database and puts a key: what comes to the key later must not take it for one that was there before.
#[test]
fn what_is_put_behind_a_flushdb_of_its_own_group_stays() {
    let puts = ["SET k v", "SADD k v", "SET x y ; RENAME x k", "MSET y y k v", "RPUSH l v ; COPY l k"];
    let later = ["APPEND k later", "SADD k later", "APPEND k later", "APPEND k later", "RPUSH k later"];
    for (put, later) in puts.into_iter().zip(later) {
        for writer in [0, 1] {
            let mut nodes = [Node::new(1, 2), Node::new(2, 2)];
            let give = |nodes: &mut [Node; 2], from: usize, line: &str| {
                for (version, bytes) in nodes[from].run(line).1 {
                    nodes[1 - from].receive(from as u16 + 1, version, &bytes);
                }
            };
            give(&mut nodes, 0, "SET k old");
            give(&mut nodes, 0, &format!("FLUSHDB ; {put}"));
            give(&mut nodes, writer, later);
            give(&mut nodes, 1 - writer, "PEXPIRE k 90000");
            let [a, b] = &mut nodes;
            for node in [&mut *a, &mut *b] {
                node.check(&key("k")).unwrap();
            }
            assert_eq!(a.seen(&key("k")), b.seen(&key("k")), "{put}");
            sync(a, b);
            b.check(&key("k")).unwrap();
        }
    }
}

/// An entry that a group has passed and that nobody has been given goes with a full sync, and with a stream that is renamed, as
/// what is yet to be delivered.
#[test]
fn what_came_late_for_a_group_is_late_wherever_the_stream_goes() {
    let mut nodes = [1, 2, 3].map(|label| Node::new(label, 3));
    for command in ["XADD s 1-0 n 1", "XGROUP CREATE s g 0"] {
        for (version, bytes) in nodes[0].run(command).1 {
            nodes[1].receive(1, version, &bytes);
        }
    }
    let late = nodes[1].run("XADD s 2-0 n 2").1;
    for command in ["XADD s 3-0 n 3", "XREADGROUP GROUP g c STREAMS s >"] {
        nodes[0].run(command);
    }
    for (version, bytes) in late {
        nodes[0].receive(2, version, &bytes);
    }
    let latest = nodes[0].keyspace.latest_version();
    all_at(&mut nodes[..1], latest);
    let renamed = nodes[0].run("RENAME s t").1;
    let [a, b, newcomer] = &mut nodes;
    sync(a, newcomer);
    for (version, bytes) in renamed {
        b.receive(1, version, &bytes);
    }
    for node in [b, newcomer, a] {
        let (reply, _) = node.run("XREADGROUP GROUP g c STREAMS t >");
        assert!(reply.contains("2-0") && !reply.contains("3-0"), "node {}: {reply}", node.label);
    }
}

/// The highest id that was removed belongs to the stream that is deleted, not to one that is set up in its place.
#[test]
fn what_was_removed_from_a_stream_goes_with_it_alike_everywhere() {
    for line in
        ["XSETID s 9-0", "XSETID s 9-0 ENTRIESADDED 7 MAXDELETEDID 3-0", "XDEL s 8-0", "XTRIM s MAXLEN 0"]
    {
        let mut nodes = [Node::new(1, 2), Node::new(2, 2)];
        for command in ["XADD s 5-0 n 1", "XADD s 6-0 n 2", "XDEL s 5-0", "XADD s 8-0 n 3"] {
            for (version, bytes) in nodes[0].run(command).1 {
                nodes[1].receive(1, version, &bytes);
            }
        }
        let deleted = nodes[1].run("DEL s").1;
        nodes[0].console.ctx.env.tick(nodes[1].now() + 10);
        let changed = nodes[0].run(line).1;
        let added = nodes[0].run("XADD s 10-0 n 4").1;
        for (version, bytes) in deleted {
            nodes[0].receive(2, version, &bytes);
        }
        for (version, bytes) in [changed, added].concat() {
            nodes[1].receive(1, version, &bytes);
        }
        nodes.iter_mut().for_each(|node| node.check(&key("s")).unwrap());
        let [a, b] = nodes.each_mut().map(|node| {
            let (all, _) = node.run("XINFO STREAM s");
            let (_, from) = all.split_once("max-deleted-entry-id").expect("it is told");
            from.split_once("entries-added").expect("it follows").0.to_owned()
        });
        assert_eq!(a, b, "after {line}");
    }
}

/// How far a stream has got does not depend on when others hear that its last entry is gone.
#[test]
fn the_last_id_outlives_its_entry_alike_everywhere() {
    for command in ["XDEL s 9-0", "XTRIM s MAXLEN 0"] {
        let mut nodes = [1, 2, 3].map(|label| Node::new(label, 3));
        let mut told = Vec::new();
        for line in
            ["XADD s 5-0 n 1", "XADD s 9-0 n 2", command, "XSETID s 7-0", "XADD s 8-0 n 3", "XDEL s 8-0"]
        {
            told.extend(nodes[0].run(line).1);
        }
        for (version, bytes) in &told {
            nodes[1].receive(1, *version, bytes);
        }
        for (version, bytes) in told.iter().rev() {
            nodes[2].receive(1, *version, bytes);
        }
        for node in &mut nodes {
            let replies = ["XADD s 8-0 n 4", "XADD s 8-* n 5"].map(|line| node.run(line).0);
            let right = replies[0].contains("equal or smaller") && replies[1].contains("¶8-");
            assert!(right, "node {} after {command}: {replies:?}", node.label);
        }
    }
}
