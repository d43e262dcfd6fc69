//! What clients of one node hear of what is written at another: WATCH, client tracking, keyspace events and clients that wait for a
//! key know no difference between nodes (M11 and M12 of the specification).

use std::time::Duration;

use harness::mesh::{Mesh, SOON, info};
use harness::wait::wait_until;
use harness::{Client, Value};

fn ok(client: &mut Client, line: &str) -> Value {
    let reply = client.cmd(line).unwrap();
    assert!(!reply.is_error(), "{line}: {reply}");
    reply
}

fn text(value: &str) -> Value {
    Value::Bulk(value.into())
}

/// What is written after this is later by all clocks.
fn later() {
    std::thread::sleep(Duration::from_millis(10));
}

/// What is written at a node from now on is at the other one when this key is.
fn mark(mesh: &Mesh, from: usize, name: &str) {
    ok(&mut mesh.client(from), &format!("SET {name} here"));
    mesh.wait_for(&format!("GET {name}"), &text("here"));
}

/// `who` watches `w`; something happens; whether its transaction is carried out.
fn transaction_goes_through(who: &mut Client, happens: impl FnOnce()) -> bool {
    ok(who, "WATCH w");
    happens();
    ok(who, "MULTI");
    ok(who, "INCR counted");
    !ok(who, "EXEC").is_null()
}

#[test]
fn m11_a_watched_key_that_another_node_changes_aborts_the_transaction() {
    let mesh = Mesh::start(2);
    let (mut a, mut b) = (mesh.client(0), mesh.client(1));
    let mut number = 0;
    for (before, line, aborts) in [
        ("DEL w", "SET w 1", true),
        ("SET w 1", "APPEND w x", true),
        ("SET w 1", "EXPIRE w 1000", true),
        ("SET w 1", "DEL w", true),
        ("SET other 1", "RENAME other w", true),
        ("SADD w a", "SADD w b", true),
        ("SADD w a b", "SREM w b", true),
        ("HSET w f v", "HINCRBY w n 1", true),
        ("RPUSH w a b", "LPOP w", true),
        ("ZADD w 1 a", "ZADD w 2 a", true),
        ("XADD w 1-1 f v", "XADD w 2-1 f v", true),
        ("SET w 1", "FLUSHDB", true),
        ("SET w 1", "FLUSHALL", true),
        ("SET w 1", "EVAL redis.call('SET',KEYS[1],2) 1 w", true),
        // What changes nothing at this key is none of its business.
        ("SET w 1", "SET another 1", false),
        ("SADD w a", "SADD w a", false),
        ("SADD w a", "SREM w z", false),
        ("SET w 1", "SETNX w 2", false),
        ("DEL w", "FLUSHALL", false),
    ] {
        number += 1;
        ok(&mut a, "DEL w");
        ok(&mut a, before);
        mark(&mesh, 0, &format!("before:{number}"));
        let through = transaction_goes_through(&mut b, || {
            ok(&mut a, line);
            mark(&mesh, 0, &format!("after:{number}"));
        });
        assert_eq!(through, !aborts, "{before}, then {line}");
    }
}

/// An older write that comes late and loses has changed nothing.
#[test]
fn m11_a_late_write_that_loses_is_not_heard_of() {
    let mesh = Mesh::start_with(2, &["--notify-keyspace-events", "EA"]);
    let (mut a, mut b, mut watches) = (mesh.client(0), mesh.client(1), mesh.client(1));
    let (mut caches, mut listens) = (mesh.client(1), mesh.client(1));
    mark(&mesh, 0, "first");
    mesh.cut(0, 1);
    mesh.wait_links(1, 0);
    for line in ["SET w older", "HSET h f older", "ZADD z 1 m", "SADD s m", "DEL absent"] {
        ok(&mut a, line);
    }
    later();
    for line in ["SET w newer", "HSET h f newer", "ZADD z 2 m", "SREM s m", "SADD s m"] {
        ok(&mut b, line);
    }
    ok(&mut caches, "HELLO 3");
    ok(&mut caches, "CLIENT TRACKING ON");
    for line in ["GET w", "HGETALL h", "ZSCORE z m", "SMEMBERS s", "GET end"] {
        ok(&mut caches, line);
    }
    ok(&mut listens, "PSUBSCRIBE __keyevent@0__:*");
    let through = transaction_goes_through(&mut watches, || {
        mesh.heal();
        mesh.wait_linked();
        mark(&mesh, 0, "end");
    });
    assert!(through, "the older write has changed nothing");
    assert_eq!(pushed(&mut caches, "end"), ["end"]);
    let heard = events(&mut listens, "end");
    assert_eq!(heard, ["set end"], "{heard:?}");
    mesh.wait_for("GET w", &text("newer"));
}

/// Keys that a client with tracking is told to forget, up to this one; `*` stands for all.
fn pushed(client: &mut Client, last: &str) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    while keys.last().is_none_or(|key| key != last) {
        let push = client.receive_within(SOON).expect("a server that lives").expect("a push in time");
        let items = push.items().unwrap_or_else(|| panic!("{push} is no push"));
        assert_eq!(items[0].text(), "invalidate", "{push}");
        match items[1].items() {
            Some(all) => keys.extend(all.iter().map(Value::text)),
            None => keys.push("*".into()),
        }
    }
    keys
}

/// Events that a subscriber is told of, up to the one of this key, as `event key`.
fn events(client: &mut Client, last: &str) -> Vec<String> {
    let mut heard = Vec::new();
    loop {
        let message = client.receive_within(SOON).expect("a server that lives").expect("an event in time");
        let items = message.items().expect("a message");
        let (channel, key) = (items[2].text(), items[3].text());
        let event = channel.rsplit(':').next().unwrap_or_default().to_owned();
        heard.push(format!("{event} {key}"));
        if key == last {
            return heard;
        }
    }
}

#[test]
fn m11_caches_are_told_once_of_what_another_node_changes() {
    let mesh = Mesh::start(2);
    let (mut a, mut reads, mut hears) = (mesh.client(0), mesh.client(1), mesh.client(1));
    ok(&mut reads, "HELLO 3");
    ok(&mut reads, "CLIENT TRACKING ON");
    ok(&mut hears, "HELLO 3");
    ok(&mut hears, "CLIENT TRACKING ON BCAST PREFIX b: PREFIX end");
    for (i, (before, line)) in [
        ("SET b:k 1", "SET b:k 2"),
        ("SET b:k 1", "INCR b:k"),
        ("SET b:k 1", "EXPIRE b:k 1000"),
        ("SADD b:k a", "SADD b:k b c d"),
        ("RPUSH b:k a", "RPUSH b:k b c d"),
        ("HSET b:k f v", "HSET b:k g v h v"),
        ("ZADD b:k 1 a", "ZADD b:k 1 b 2 c"),
        ("XADD b:k 1-1 f v", "XADD b:k 2-1 f v"),
        ("SET b:k 1", "DEL b:k"),
    ]
    .into_iter()
    .enumerate()
    {
        let end = format!("end:{i}");
        ok(&mut a, "DEL b:k");
        ok(&mut a, before);
        mark(&mesh, 0, &format!("before:{i}"));
        for key in ["b:k", &end] {
            ok(&mut reads, &format!("EXISTS {key}"));
        }
        // What came before is not the question.
        ok(&mut a, &format!("SET end:ready:{i} 1"));
        pushed(&mut hears, &format!("end:ready:{i}"));
        ok(&mut a, line);
        ok(&mut a, &format!("SET {end} 1"));
        assert_eq!(pushed(&mut reads, &end), ["b:k", &end], "{line}");
        assert_eq!(pushed(&mut hears, &end), ["b:k", &end], "{line}, to all");
    }
    ok(&mut reads, "EXISTS b:k");
    ok(&mut a, "FLUSHALL");
    assert_eq!(pushed(&mut reads, "*"), ["*"]);
}

/// Each command is one event at each key that it changes, whatever effects it consists of. Their names are those of Redis where the
/// effect tells them.
#[test]
fn m11_keyspace_events_tell_once_of_what_another_node_changes() {
    let mesh = Mesh::start_with(2, &["--notify-keyspace-events", "EA"]);
    let (mut a, mut listens) = (mesh.client(0), mesh.client(1));
    ok(&mut a, "SET first 1");
    ok(&mut listens, "PSUBSCRIBE __keyevent@0__:*");
    mark(&mesh, 0, "ready");
    events(&mut listens, "ready");
    for (i, (line, expected)) in [
        ("SET s v", &["set s"][..]),
        ("APPEND s w", &["append s"]),
        ("EXPIRE s 1000", &["expire s"]),
        ("PERSIST s", &["persist s"]),
        ("DEL s", &["del s"]),
        ("MSET a 1 b 2", &["set a", "set b"]),
        ("INCR a", &["incrby a"]),
        ("SADD set a b c", &["sadd set"]),
        ("SADD set a", &[]),
        ("SREM set a b", &["srem set"]),
        ("SREM set c", &["srem set", "del set"]),
        ("HSET hash f v g w", &["hset hash"]),
        ("HINCRBY hash n 1", &["hincrby hash"]),
        ("HDEL hash f g n", &["hdel hash", "del hash"]),
        ("ZADD zset 1 a 2 b", &["zadd zset"]),
        ("ZREM zset a b", &["zrem zset", "del zset"]),
        ("RPUSH list a b c d", &["rpush list"]),
        ("LPUSH list z", &["lpush list"]),
        ("LSET list 0 y", &["lset list"]),
        ("LPOP list", &["lrem list"]),
        ("LTRIM list 1 2", &["lrem list"]),
        ("LPOP list 9", &["lrem list", "del list"]),
        ("XADD stream 1-1 f v", &["xadd stream"]),
        ("XADD stream 2-1 f v", &["xadd stream"]),
        ("XGROUP CREATE stream g 0", &["xgroup-create stream"]),
        ("XREADGROUP GROUP g c COUNT 1 STREAMS stream >", &["xgroup-createconsumer stream"]),
        ("XREADGROUP GROUP g c COUNT 1 STREAMS stream >", &[]),
        ("XACK stream g 1-1", &[]),
        ("XGROUP DESTROY stream g", &["xgroup-destroy stream"]),
        ("XDEL stream 1-1", &["xdel stream"]),
        ("XSETID stream 9-9", &["xsetid stream"]),
        ("XGROUP CREATE made g 0 MKSTREAM", &["xgroup-create made"]),
        ("SETRANGE r 3 x", &["setrange r"]),
        ("EVAL redis.call('INCR',KEYS[1])redis.call('INCR',KEYS[1]) 1 twice", &["incrby twice"]),
    ]
    .into_iter()
    .enumerate()
    {
        ok(&mut a, line);
        let end = format!("end:{i}");
        ok(&mut a, &format!("SET {end} 1"));
        let mut heard = events(&mut listens, &end);
        assert_eq!(heard.pop(), Some(format!("set {end}")));
        assert_eq!(heard, expected, "{line}");
    }
}

/// What expires is announced once at each node, whoever finds it first.
#[test]
fn m11_what_expires_is_told_of_once() {
    let mesh = Mesh::start_with(2, &["--notify-keyspace-events", "Ex"]);
    let mut listens = [mesh.client(0), mesh.client(1)];
    for client in &mut listens {
        ok(client, "PSUBSCRIBE __keyevent@0__:*");
    }
    let mut a = mesh.client(0);
    for i in 0..20 {
        ok(&mut a, &format!("SET e{i} 1 PX {}", 50 + 10 * i));
    }
    mesh.wait_for("DBSIZE", &Value::Int(0));
    ok(&mut a, "SET last 1 PX 100");
    for client in &mut listens {
        let mut heard = events(client, "last");
        heard.sort();
        let mut expected: Vec<String> = (0..20).map(|i| format!("expired e{i}")).collect();
        expected.push("expired last".into());
        expected.sort();
        assert_eq!(heard, expected);
    }
}

/// A client that waits at one node, what is done at another one, and what the first one is told.
const WOKEN: &[(&str, &str, &str, &str)] = &[
    ("", "BLPOP k 0", "RPUSH k e", r#"["k", "e"]"#),
    ("", "BRPOP k 0", "LPUSH k e", r#"["k", "e"]"#),
    ("", "BLPOP other k 0", "RPUSH k e", r#"["k", "e"]"#),
    ("", "BLMOVE k to LEFT RIGHT 0", "RPUSH k e", r#""e""#),
    ("", "BRPOPLPUSH k to 0", "RPUSH k e", r#""e""#),
    ("", "BLMPOP 0 1 k LEFT COUNT 2", "RPUSH k e f", r#"["k", ["e", "f"]]"#),
    ("RPUSH from e", "BLPOP k 0", "RENAME from k", r#"["k", "e"]"#),
    ("RPUSH from e", "BLPOP k 0", "LMOVE from k LEFT LEFT", r#"["k", "e"]"#),
    ("RPUSH from e", "BLPOP k 0", "COPY from k", r#"["k", "e"]"#),
    ("RPUSH from e", "BLPOP k 0", "SORT from ALPHA STORE k", r#"["k", "e"]"#),
    ("", "BLPOP k 0", "EVAL redis.call('RPUSH',KEYS[1],'e') 1 k", r#"["k", "e"]"#),
    ("", "BZPOPMIN k 0", "ZADD k 1 m", r#"["k", "m", "1"]"#),
    ("", "BZPOPMAX k 0", "ZADD k 1 m 2 n", r#"["k", "n", "2"]"#),
    ("", "BZMPOP 0 1 k MIN", "ZINCRBY k 1.5 m", r#"["k", [["m", "1.5"]]]"#),
    ("ZADD from 1 m", "BZPOPMIN k 0", "ZUNIONSTORE k 1 from", r#"["k", "m", "1"]"#),
    ("XADD k 1-1 f old", "XREAD BLOCK 0 STREAMS k $", "XADD k 2-1 f v", r#"[["k", [["2-1", ["f", "v"]]]]]"#),
    ("", "XREAD BLOCK 0 STREAMS k 0", "XADD k 2-1 f v", r#"[["k", [["2-1", ["f", "v"]]]]]"#),
    (
        "XGROUP CREATE k g $ MKSTREAM",
        "XREADGROUP GROUP g c BLOCK 0 STREAMS k >",
        "XADD k 2-1 f v",
        r#"[["k", [["2-1", ["f", "v"]]]]]"#,
    ),
    (
        "XGROUP CREATE k g $ MKSTREAM",
        "XREADGROUP GROUP g c BLOCK 0 STREAMS k >",
        "XGROUP DESTROY k g",
        "NOGROUP",
    ),
    ("XGROUP CREATE k g $ MKSTREAM", "XREADGROUP GROUP g c BLOCK 0 STREAMS k >", "DEL k", "UNBLOCKED"),
    ("XGROUP CREATE k g $ MKSTREAM", "XREADGROUP GROUP g c BLOCK 0 STREAMS k >", "FLUSHDB", "UNBLOCKED"),
    ("XGROUP CREATE k g $ MKSTREAM", "XREADGROUP GROUP g c BLOCK 0 STREAMS k >", "SET k 1", "UNBLOCKED"),
];

/// Has a client wait at a node; it is seen to wait.
fn waiting(mesh: &Mesh, node: usize, line: &str) -> Client {
    let (mut client, mut looks) = (mesh.client(node), mesh.client(node));
    let before: u64 = info(&mut looks, "blocked_clients").parse().unwrap();
    client.send(&line.split(' ').collect::<Vec<_>>()).unwrap();
    let more = || info(&mut looks, "blocked_clients").parse() == Ok(before + 1);
    wait_until(&format!("a client to wait: {line}"), SOON, more);
    client
}

fn woken(client: &mut Client, what: &str) -> Value {
    client
        .receive_within(SOON)
        .expect("a server that lives")
        .unwrap_or_else(|| panic!("{what}: it still waits"))
}

#[test]
fn m12_what_another_node_writes_wakes_who_waits_for_it() {
    let mesh = Mesh::start(2);
    let mut a = mesh.client(0);
    for (i, (before, waits, line, answer)) in WOKEN.iter().enumerate() {
        ok(&mut a, "DEL k from to other");
        if !before.is_empty() {
            ok(&mut a, before);
        }
        mark(&mesh, 0, &format!("mark:{i}"));
        let mut client = waiting(&mesh, 1, waits);
        ok(&mut a, line);
        let told = woken(&mut client, &format!("{waits}, {line}")).to_string();
        assert!(told.contains(answer), "{waits}, {line}: {told} instead of {answer}");
        // What was handed out is gone at both.
        mesh.wait_equal();
        if waits.starts_with('B') && !line.contains("2 n") {
            mesh.wait_for("EXISTS k", &Value::Int(0));
        }
    }
}

/// What was written while the nodes could not talk, and what a full sync brings, wakes them, too.
#[test]
fn m12_what_comes_late_or_by_a_full_sync_wakes_who_waits_for_it() {
    for options in [&[][..], &["--repl-memory-limit", "1mb", "--repl-spill-limit", "0"]] {
        let mesh = Mesh::start_with(2, options);
        let mut a = mesh.client(0);
        mark(&mesh, 0, "first");
        mesh.wait_settled();
        mesh.cut(0, 1);
        mesh.wait_links(1, 0);
        let lines = [
            ("BLPOP list 0", "RPUSH list e"),
            ("BZPOPMIN zset 0", "ZADD zset 1 m"),
            ("XREAD BLOCK 0 STREAMS stream $", "XADD stream 5-1 f v"),
        ];
        let mut clients = lines.map(|(waits, _)| waiting(&mesh, 1, waits));
        for (_, line) in lines {
            ok(&mut a, line);
        }
        if !options.is_empty() {
            let large = "x".repeat(100_000);
            (0..40).for_each(|i| drop(ok(&mut a, &format!("SET large{} {large}", i % 4))));
        }
        mesh.heal();
        for (client, (waits, line)) in clients.iter_mut().zip(lines) {
            let told = woken(client, &format!("{waits}, {line}, {options:?}"));
            assert!(!told.is_error() && !told.is_null(), "{waits}: {told}");
        }
        let mut b = mesh.client(1);
        let mut synced = || info(&mut b, "mesh_full_syncs_received") != "0";
        if options.is_empty() {
            assert!(!synced(), "what was missing was enough");
        } else {
            wait_until("a full sync: what is needed is in no log any more", SOON, synced);
        }
        mesh.wait_for("EXISTS list zset", &Value::Int(0));
        mesh.wait_equal();
    }
}

/// Who waits at two nodes may get the same element at both; afterwards it is gone everywhere, and nothing else is.
#[test]
fn m12_clients_that_wait_at_two_nodes_are_both_woken() {
    let mesh = Mesh::start(3);
    let mut clients = [waiting(&mesh, 0, "BLPOP k 0"), waiting(&mesh, 1, "BLPOP k 0")];
    ok(&mut mesh.client(2), "RPUSH k a b c");
    let told: Vec<String> =
        clients.iter_mut().map(|client| woken(client, "BLPOP").items().unwrap()[1].text()).collect();
    mesh.wait_equal();
    let left: Vec<String> =
        ok(&mut mesh.client(2), "LRANGE k 0 -1").items().unwrap().iter().map(Value::text).collect();
    for element in ["a", "b", "c"] {
        let taken = told.iter().any(|t| t == element);
        assert_eq!(!taken, left.iter().any(|l| l == element), "{told:?} were taken, {left:?} are left");
    }
}

#[test]
fn m12_who_waits_for_peers_is_woken_by_their_word() {
    let mesh = Mesh::start(2);
    mark(&mesh, 0, "first");
    mesh.cut(0, 1);
    mesh.wait_links(0, 0);
    let mut a = mesh.client(0);
    ok(&mut a, "SET k 1");
    let mut held = mesh.client(0);
    ok(&mut held, "SET l 1");
    held.send(&["WAIT", "1", "0"]).unwrap();
    let mut stable = mesh.client(0);
    ok(&mut stable, "SET m 1");
    stable.send(&["WAITSTABLE", "0"]).unwrap();
    wait_until("both to wait", SOON, || info(&mut a, "blocked_clients") == "2");
    assert!(held.receive_within(Duration::from_millis(300)).unwrap().is_none());
    mesh.heal();
    assert_eq!(woken(&mut held, "WAIT"), Value::Int(1));
    assert_eq!(woken(&mut stable, "WAITSTABLE"), Value::Int(1));
}
