//! Plays of the active-active specification that are about the server rather than its machines; the others are in
//! `chaos/tests/plays.rs`.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use harness::mesh::{ACTIVE, Mesh, SOON, digest, info};
use harness::wait::wait_until;
use harness::{Client, Kind, Server, Value};

fn ok(client: &mut Client, line: &str) -> Value {
    let reply = client.cmd(line).unwrap();
    assert!(!reply.is_error(), "{line}: {reply}");
    reply
}

/// What is written after this is later by all clocks: within a millisecond nobody can tell.
fn later() {
    std::thread::sleep(Duration::from_millis(10));
}

fn text(value: &str) -> Value {
    Value::Bulk(value.into())
}

/// Nodes add to one stream while they cannot talk: all entries are everywhere, under ids of their own, and a group that was past
/// them gets those that arrive late.
#[test]
fn h8_crossing_xadds() {
    let mesh = Mesh::start(2);
    let (mut a, mut b) = (mesh.client(0), mesh.client(1));
    ok(&mut a, "XADD s * first 1");
    ok(&mut a, "XGROUP CREATE s g 0");
    mesh.wait_equal();
    mesh.cut(0, 1);
    mesh.wait_links(0, 0);
    let mut ids = BTreeSet::new();
    for i in 0..50 {
        ids.insert(ok(&mut a, &format!("XADD s * from-a {i}")).text());
        ids.insert(ok(&mut b, &format!("XADD s * from-b {i}")).text());
    }
    assert_eq!(ids.len(), 100, "no id is given twice");
    let read = ok(&mut a, "XREADGROUP GROUP g worker COUNT 1000 STREAMS s >").to_string();
    assert!(read.contains("from-a") && !read.contains("from-b"), "{read}");
    mesh.heal();
    mesh.wait_linked();
    mesh.wait_for("XLEN s", &Value::Int(101));
    mesh.wait_equal();
    let late = ok(&mut a, "XREADGROUP GROUP g worker COUNT 1000 STREAMS s >").to_string();
    assert_eq!(late.matches("from-b").count(), 50, "{late}");
    mesh.wait_for("XPENDING s g - + 1000 nobody", &ok(&mut a, "XPENDING s g - + 1000 nobody"));
    let acknowledge = ids.iter().fold("XACK s g".to_string(), |line, id| format!("{line} {id}"));
    assert_eq!(ok(&mut b, &acknowledge), Value::Int(100));
    mesh.wait_for("XACK s g 1-1", &Value::Int(0));
}

/// Whoever makes a list, elements are in the order in which they were pushed to its tail, and the other way round at its head.
#[test]
fn h7_pushes_to_a_list_that_neither_node_has_are_in_order() {
    let mesh = Mesh::start(2);
    let (mut a, mut b) = (mesh.client(0), mesh.client(1));
    ok(&mut a, "SET first 1");
    mesh.wait_equal();
    mesh.cut(0, 1);
    mesh.wait_links(0, 0);
    for i in 0..3 {
        let node = if i == 1 { &mut b } else { &mut a };
        for line in ["RPUSH tail", "LPUSH head", "LMOVE from to RIGHT RIGHT"] {
            let line = match line {
                "LMOVE from to RIGHT RIGHT" => line.to_owned(),
                line => format!("{line} {i} and{i}"),
            };
            ok(node, &format!("RPUSH from {i}"));
            ok(node, &line);
        }
        later();
    }
    mesh.heal();
    mesh.wait_linked();
    mesh.wait_equal();
    let all = |words: &[&str]| Value::Array(words.iter().map(|word| text(word)).collect());
    mesh.wait_for("LRANGE tail 0 -1", &all(&["0", "and0", "1", "and1", "2", "and2"]));
    mesh.wait_for("LRANGE head 0 -1", &all(&["and2", "2", "and1", "1", "and0", "0"]));
    mesh.wait_for("LRANGE to 0 -1", &all(&["0", "1", "2"]));
}

/// A group is destroyed and made again on one node while it reads on another: what was delivered before is gone with it at
/// both, what was delivered later stays at both.
#[test]
fn h8_a_group_that_is_made_again_while_it_reads_elsewhere() {
    let mesh = Mesh::start(3);
    let mut nodes = [mesh.client(0), mesh.client(1), mesh.client(2)];
    for i in 1..=9 {
        ok(&mut nodes[0], &format!("XADD s {i}-0 n {i}"));
    }
    ok(&mut nodes[0], "XGROUP CREATE s g 0");
    ok(&mut nodes[0], "XREADGROUP GROUP g known COUNT 1 STREAMS s >");
    mesh.wait_equal();
    mesh.cut(0, 1);
    mesh.cut(1, 2);
    mesh.wait_links(1, 0);
    ok(&mut nodes[1], "XREADGROUP GROUP g early COUNT 2 STREAMS s >");
    later();
    ok(&mut nodes[0], "XGROUP DESTROY s g");
    ok(&mut nodes[0], "XGROUP CREATE s g 4-0");
    ok(&mut nodes[0], "XREADGROUP GROUP g new COUNT 1 STREAMS s >");
    later();
    ok(&mut nodes[1], "XREADGROUP GROUP g late COUNT 1 STREAMS s >");
    mesh.heal();
    mesh.wait_linked();
    mesh.wait_equal();
    let mut seen = Vec::new();
    wait_until("all to see the same of the group", SOON, || {
        seen = nodes.iter_mut().map(|node| ok(node, "XPENDING s g").to_string()).collect();
        seen.windows(2).all(|pair| pair[0] == pair[1])
    });
    assert!(!seen[0].contains("early") && !seen[0].contains("known"), "{}", seen[0]);
    assert!(seen[0].contains("late") && seen[0].contains("new"), "{}", seen[0]);
}

/// Writes of different nodes that cannot both be are on the conflict log of the node to which the older one came.
#[test]
fn conflicts_are_counted_by_rule_and_can_be_read() {
    let mesh = Mesh::start(2);
    let (mut a, mut b) = (mesh.client(0), mesh.client(1));
    ok(&mut a, "RPUSH list element");
    ok(&mut a, "HSET hash f 0");
    mesh.wait_equal();
    mesh.cut(0, 1);
    mesh.wait_links(0, 0);
    for line in ["SET plain older", "HSET hash f older", "SET typed older", "LPOP list"] {
        ok(&mut a, line);
    }
    later();
    for line in ["SET plain newer", "HSET hash f newer", "SADD typed newer", "LPOP list"] {
        ok(&mut b, line);
    }
    mesh.heal();
    mesh.wait_linked();
    mesh.wait_equal();
    for (field, count) in [("later_wins", "2"), ("taken_twice", "1"), ("first_wins", "0")] {
        wait_until(&format!("{count} {field}"), SOON, || {
            info(&mut b, &format!("mesh_conflicts_{field}")) == count
        });
    }
    let ids = [&mut a, &mut b].map(|node| info(node, "mesh_uuid"));
    let log = ok(&mut b, "REPLICATION CONFLICTS -1");
    let entry = |rule: &str, cell: &str| {
        let found = log.items().unwrap().iter().map(pairs);
        found.into_iter().find(|e| e["rule"] == rule && e["cell"] == cell).unwrap_or_else(|| panic!("{log}"))
    };
    let whole = entry("later-wins", "");
    assert_eq!((&whole["key"][..], &whole["loser"], &whole["winner"]), ("plain", &ids[0], &ids[1]));
    assert_eq!(entry("later-wins", "f")["key"], "hash");
    assert_eq!(entry("taken-twice", "")["key"], "list");
    assert_eq!(ok(&mut b, "REPLICATION CONFLICTS 1").items().unwrap().len(), 1);
    ok(&mut b, "REPLICATION CONFLICTS RESET");
    assert_eq!(ok(&mut b, "REPLICATION CONFLICTS"), Value::Array(vec![]));
    assert_eq!(info(&mut b, "mesh_conflicts_later_wins"), "2", "the counters stay");
    for wrong in ["REPLICATION CONFLICTS x", "REPLICATION CONFLICTS -2", "REPLICATION CONFLICTS 1 2"] {
        assert!(b.cmd(wrong).unwrap().is_error(), "{wrong}");
    }
}

/// Names and values of a flat map.
fn pairs(map: &Value) -> std::collections::HashMap<String, String> {
    let items = map.items().unwrap_or_default();
    items.chunks(2).map(|pair| (pair[0].text(), pair[1].text())).collect()
}

/// What is there, each write command, and a question whose answer it changes.
const COMMANDS: &[(&str, &str, &str)] = &[
    ("", "SET k v", "GET k"),
    ("", "SETNX k1 v", "GET k1"),
    ("", "SETEX k2 1000 v", "GET k2"),
    ("", "PSETEX k3 1000000 v", "GET k3"),
    ("", "MSET m1 1 m2 2", "MGET m1 m2"),
    ("", "MSETNX m3 1 m4 2", "MGET m3 m4"),
    ("SET gs 1", "GETSET gs 2", "GET gs"),
    ("SET gd 1", "GETDEL gd", "EXISTS gd"),
    ("SET ge 1", "GETEX ge EXAT 4102444800", "EXPIRETIME ge"),
    ("", "INCR n", "GET n"),
    ("", "INCRBY n 5", "GET n"),
    ("", "DECR n", "GET n"),
    ("", "DECRBY n 7", "GET n"),
    ("", "INCRBYFLOAT f 1.5", "GET f"),
    ("", "APPEND ap abc", "GET ap"),
    ("SET sr Hello", "SETRANGE sr 1 u", "GET sr"),
    ("", "SETBIT bits 7 1", "GET bits"),
    ("", "BITFIELD bits INCRBY u8 8 3", "GET bits"),
    ("SET b1 abc", "BITOP NOT b2 b1", "GET b2"),
    ("SET d 1", "DEL d", "EXISTS d"),
    ("SET u 1", "UNLINK u", "EXISTS u"),
    ("SET r1 1", "RENAME r1 r2", "GET r2"),
    ("SET r3 1", "RENAMENX r3 r4", "GET r4"),
    ("SET c1 1", "COPY c1 c2", "GET c2"),
    ("SET mv 1", "MOVE mv 1", "EXISTS mv"),
    ("SET ex 1", "EXPIRE ex 1000", "PERSIST nothing|EXPIRETIME ex"),
    ("SET px 1", "PEXPIRE px 1000000", "PEXPIRETIME px"),
    ("SET ea 1", "EXPIREAT ea 4102444800", "EXPIRETIME ea"),
    ("SET pa 1", "PEXPIREAT pa 4102444800000", "PEXPIRETIME pa"),
    ("SET pe 1 EX 1000", "PERSIST pe", "TTL pe"),
    ("", "RESTORE re 0 !dump", "GET re"),
    ("", "HSET h f v g w", "HGETALL h"),
    ("", "HMSET h2 f v", "HGETALL h2"),
    ("", "HSETNX h x 1", "HGET h x"),
    ("", "HINCRBY h count 3", "HGET h count"),
    ("", "HINCRBYFLOAT h float 0.5", "HGET h float"),
    ("", "HDEL h f", "HGET h f"),
    ("", "SADD s a b c d e", "SCARD s"),
    ("", "SREM s a", "SISMEMBER s a"),
    ("", "SPOP s", "SCARD s"),
    ("SADD s2 z", "SMOVE s2 s3 z", "SMEMBERS s3"),
    ("SADD s4 a b", "SINTERSTORE s5 s4 s4", "SCARD s5"),
    ("", "SUNIONSTORE s6 s4 s4", "SCARD s6"),
    ("", "SDIFFSTORE s7 s4 nothing", "SCARD s7"),
    ("", "ZADD z 1 a 2 b 3 c 4 d 5 e 6 f 7 g 8 h", "ZCARD z"),
    ("", "ZINCRBY z 2.5 a", "ZSCORE z a"),
    ("", "ZREM z a", "ZSCORE z a"),
    ("", "ZPOPMIN z", "ZCARD z"),
    ("", "ZPOPMAX z", "ZCARD z"),
    ("", "BZPOPMIN z 1", "ZCARD z"),
    ("", "BZPOPMAX z 1", "ZCARD z"),
    ("", "ZMPOP 1 z MIN", "ZCARD z"),
    ("ZADD z2 1 a 2 b 3 c", "BZMPOP 1 1 z2 MAX", "ZCARD z2"),
    ("ZADD z3 1 a 2 b 3 c", "ZREMRANGEBYRANK z3 0 0", "ZCARD z3"),
    ("", "ZREMRANGEBYSCORE z3 2 2", "ZCARD z3"),
    ("ZADD z4 0 a 0 b", "ZREMRANGEBYLEX z4 [a [a", "ZCARD z4"),
    ("", "ZUNIONSTORE z5 2 z3 z4", "ZCARD z5"),
    ("", "ZINTERSTORE z6 1 z4", "ZCARD z6"),
    ("", "ZDIFFSTORE z7 1 z4", "ZCARD z7"),
    ("", "ZRANGESTORE z8 z4 0 -1", "ZCARD z8"),
    ("", "GEOADD geo 13.361389 38.115556 Palermo", "ZCARD geo"),
    ("", "GEORADIUS geo 15 37 200 km STORE geo2", "ZCARD geo2"),
    ("", "GEORADIUSBYMEMBER geo Palermo 200 km STORE geo3", "ZCARD geo3"),
    ("", "GEOSEARCHSTORE geo4 geo FROMMEMBER Palermo BYRADIUS 200 km", "ZCARD geo4"),
    ("", "LPUSH l a b c d e f g h", "LRANGE l 0 -1"),
    ("", "RPUSH l z", "LRANGE l 0 -1"),
    ("", "LPUSHX l y", "LRANGE l 0 -1"),
    ("", "RPUSHX l x", "LRANGE l 0 -1"),
    ("", "LINSERT l BEFORE a new", "LRANGE l 0 -1"),
    ("", "LSET l 1 set", "LRANGE l 0 -1"),
    ("", "LPOP l", "LRANGE l 0 -1"),
    ("", "RPOP l", "LRANGE l 0 -1"),
    ("", "LREM l 0 a", "LRANGE l 0 -1"),
    ("", "LTRIM l 1 -1", "LRANGE l 0 -1"),
    ("", "LMOVE l l2 LEFT RIGHT", "LRANGE l2 0 -1"),
    ("", "RPOPLPUSH l l2", "LRANGE l2 0 -1"),
    ("RPUSH l a b c d e f", "BLMOVE l l2 LEFT LEFT 1", "LRANGE l2 0 -1"),
    ("", "BRPOPLPUSH l l2 1", "LRANGE l2 0 -1"),
    ("", "BLPOP l 1", "LRANGE l 0 -1"),
    ("", "BRPOP l 1", "LRANGE l 0 -1"),
    ("", "LMPOP 1 l2 LEFT", "LRANGE l2 0 -1"),
    ("", "BLMPOP 1 1 l2 RIGHT", "LRANGE l2 0 -1"),
    ("RPUSH so 3 1 2", "SORT so STORE so2", "LRANGE so2 0 -1"),
    ("", "PFADD p a b c", "PFCOUNT p"),
    ("", "PFMERGE p2 p", "PFCOUNT p2"),
    ("", "XADD x 1-1 f v", "XRANGE x - +"),
    ("XADD x 2-1 f v", "XDEL x 1-1", "XRANGE x - +"),
    ("XADD x 3-1 f v", "XTRIM x MAXLEN 1", "XRANGE x - +"),
    ("", "XSETID x 9-9", "XINFO STREAM x"),
    ("", "XGROUP CREATE x g 0", "XINFO GROUPS x"),
    ("", "XREADGROUP GROUP g c STREAMS x >", "XPENDING x g"),
    ("", "XCLAIM x g other 0 3-1", "XPENDING x g"),
    ("", "XAUTOCLAIM x g third 0 0", "XPENDING x g"),
    ("", "XNACK x g FAIL IDS 1 3-1", "XPENDING x g - + 9"),
    ("", "XREADGROUP GROUP g fourth CLAIM 0 STREAMS x >", "XPENDING x g"),
    ("", "XACK x g 3-1", "XPENDING x g"),
    ("", "EVAL return(redis.call('SET',KEYS[1],'s')) 1 lua", "GET lua"),
    ("SET de 1", "DELIFEQ de 1", "EXISTS de"),
    ("HSET kh a 1", "KEYDB.HRENAME kh a b", "HGETALL kh"),
    ("", "KEYDB.NHSET nh.a.b 1", "HGETALL nh"),
    ("", "KEYDB.CRON job SINGLE 100000000 return(1)", "TYPE job"),
    ("SET pre b", "PREPEND pre a", "GET pre"),
    ("SADD em a b", "PEXPIREMEMBERAT em b 1", "SCARD em"),
    ("ZADD ez 1 a 2 b", "PEXPIREMEMBERAT ez b 1", "ZRANGE ez 0 -1 WITHSCORES"),
    ("", "SADDEX sx 1000 a", "SCARD sx"),
    ("HSET fe a 1", "FIELDEXPIRE fe 1000 a", "HEXPIRETIME fe FIELDS 1 a"),
    ("", "CL.THROTTLE th 5 10 60", "EXISTS th"),
    ("", "FLUSHDB", "DBSIZE"),
    ("SET last 1", "FLUSHALL", "DBSIZE"),
];

/// Commands that write, and that others need not hear of or that are told by another name.
const NOT_HERE: &[(&str, &str)] = &[
    ("swapdb", "an active node refuses it"),
    ("migrate", "a DEL, if anything"),
    ("restore-asking", "RESTORE in a cluster"),
    ("keydb.mvccrestore", "RESTORE between servers of KeyDB"),
    ("pfdebug", "for tests"),
    ("function", "tested with functions"),
    ("expdel", "a DEL of what has expired"),
    ("expiremember", "PEXPIREMEMBERAT with another unit"),
    ("expirememberat", "PEXPIREMEMBERAT with another unit"),
];

/// What is on its way from others is for a database by its number.
#[test]
fn a_member_refuses_to_exchange_databases() {
    let mesh = Mesh::start(2);
    let mut a = mesh.client(0);
    ok(&mut a, "SET k v");
    let refused =
        |reply: Value| assert!(reply.to_string().contains("-ERR SWAPDB is not possible"), "{reply}");
    refused(a.cmd("SWAPDB 0 1").unwrap());
    ok(&mut a, "MULTI");
    ok(&mut a, "SWAPDB 0 1");
    refused(ok(&mut a, "EXEC"));
    refused(a.call(&["EVAL", "return redis.pcall('SWAPDB', 0, 1)", "0"]).unwrap());
    ok(&mut a, "SWAPDB 1 1");
    assert_eq!(ok(&mut a, "GET k"), text("v"));
    let alone = Server::start_with(Kind::Everwrite, &ACTIVE);
    ok(&mut alone.client(), "SWAPDB 0 1");
}

#[test]
fn h25_every_write_command_replicates() {
    let mesh = Mesh::start(2);
    let (mut a, mut b) = (mesh.client(0), mesh.client(1));
    ok(&mut a, "SET source dumped");
    for (before, command, question) in COMMANDS {
        if !before.is_empty() {
            ok(&mut a, before);
        }
        let question = question.split('|').next_back().unwrap();
        let old = ok(&mut a, question);
        mesh.wait_equal();
        if command.contains("!dump") {
            let dump = match a.call(&["DUMP", "source"]).unwrap() {
                Value::Bulk(bytes) => bytes,
                other => panic!("{other}"),
            };
            let args: [&[u8]; 4] = [b"RESTORE", b"re", b"0", &dump];
            a.call(&args).unwrap();
        } else {
            ok(&mut a, command);
        }
        let new = ok(&mut a, question);
        assert_ne!(old, new, "{command} changes the answer to {question}");
        wait_until(command, SOON, || {
            let seen = b.cmd(question).unwrap();
            seen == new || seen.to_string().contains("idle")
        });
        mesh.wait_equal();
    }
    let tested: BTreeSet<String> = COMMANDS
        .iter()
        .map(|(_, command, _)| command.split(' ').next().unwrap().to_lowercase())
        .chain(NOT_HERE.iter().map(|(name, _)| name.to_string()))
        .collect();
    let all = ok(&mut a, "COMMAND LIST FILTERBY ACLCAT write");
    let missing: Vec<String> = all
        .items()
        .unwrap()
        .iter()
        .map(Value::text)
        .filter(|name| !tested.contains(name.split('|').next().unwrap()))
        .filter(|name| is_of_redis(&mut a, name))
        .collect();
    assert!(missing.is_empty(), "not tested: {missing:?}");
}

/// Commands of later servers go by effects of the others.
fn is_of_redis(client: &mut Client, name: &str) -> bool {
    let docs = ok(client, &format!("COMMAND DOCS {name}")).to_string();
    ["7.2", "7.4", "8."].iter().all(|since| !docs.contains(&format!("\"{since}")))
}

/// A node that has loaded a file of a plain Redis joins: what others wrote since is newer, and what only the file has is kept.
#[test]
fn h26_loaded_data_does_not_beat_newer_writes() {
    let mut redis = Server::start(Kind::Redis);
    let mut r = redis.client();
    ok(&mut r, "SET both old");
    ok(&mut r, "HSET hash field old other kept");
    ok(&mut r, "SET lonely 1");
    ok(&mut r, "SAVE");
    let file = redis.dir().join("dump.rdb");
    assert!(file.exists());
    let new = Server::start_with(Kind::Everwrite, &ACTIVE);
    let mut n = new.client();
    ok(&mut n, "SET both new");
    ok(&mut n, "HSET hash field new");
    let dir = redis.dir().to_str().unwrap().to_string();
    redis.kill();
    let loaded = Server::start_with(
        Kind::Everwrite,
        &[&ACTIVE[..], &["--dir", &dir, "--dbfilename", "dump.rdb"]].concat(),
    );
    let mut l = loaded.client();
    assert_eq!(ok(&mut l, "GET both"), text("old"), "the file was loaded");
    ok(&mut l, &format!("REPLICAOF 127.0.0.1 {}", new.address().port()));
    wait_until("the link", SOON, || info(&mut n, "connected_slaves") == "1");
    for client in [&mut n, &mut l] {
        for (question, answer) in [("GET both", "new"), ("HGET hash field", "new"), ("GET lonely", "1")] {
            wait_until(question, SOON, || client.cmd(question).unwrap() == text(answer));
        }
    }
}

/// The same where members have data that are settled, and that the file has not: a full sync from the newcomer must take
/// nothing away, and what both have stays as the members have it.
#[test]
fn h26_a_newcomer_with_a_file_takes_nothing_from_a_mesh() {
    let mut redis = Server::start(Kind::Redis);
    let mut r = redis.client();
    ok(&mut r, "MSET both old lonely 1");
    ok(&mut r, "SAVE");
    let dir = redis.dir().to_str().unwrap().to_string();
    redis.kill();
    let mesh = Mesh::start(2);
    ok(&mut mesh.client(0), "MSET both new theirs 1");
    mesh.wait_equal();
    for node in 0..2 {
        let mut client = mesh.client(node);
        wait_until("all to be settled", SOON, || info(&mut client, "mesh_overlay_keys") == "0");
    }
    // What is remembered of the last writes is gone, and the horizon is past them.
    std::thread::sleep(Duration::from_secs(2));
    let loaded = Server::start_with(
        Kind::Everwrite,
        &[&ACTIVE[..], &["--dir", &dir, "--dbfilename", "dump.rdb"]].concat(),
    );
    let mut l = loaded.client();
    for node in &mesh.nodes {
        ok(&mut l, &format!("REPLICAOF 127.0.0.1 {}", node.address().port()));
    }
    wait_until("the links", SOON, || info(&mut l, "connected_slaves") == "2");
    let mut clients = [mesh.client(0), mesh.client(1), l];
    for (question, answer) in [("GET both", "new"), ("GET theirs", "1"), ("GET lonely", "1")] {
        for (node, client) in clients.iter_mut().enumerate() {
            let what = format!("{question} at node {node}");
            wait_until(&what, SOON, || client.cmd(question).unwrap() == text(answer));
        }
    }
    // And it stays so.
    std::thread::sleep(Duration::from_secs(1));
    let digests: Vec<_> = clients.iter_mut().map(digest).collect();
    assert!(digests.windows(2).all(|pair| pair[0] == pair[1]), "{digests:?}");
    assert_eq!(ok(&mut clients[2], "DBSIZE"), Value::Int(3));
}

/// The same with a log of commands: it tells when they were done, to the second, or else they are as old as the file.
#[test]
fn h26_a_log_does_not_beat_what_was_written_after_it() {
    let second = || std::thread::sleep(Duration::from_millis(1_100));
    for stamped in ["yes", "no"] {
        let new = Server::start_with(Kind::Everwrite, &ACTIVE);
        let mut n = new.client();
        ok(&mut n, "MSET theirs 1 younger mesh");
        second();
        let log = ["--appendonly", "yes", "--aof-timestamp-enabled", stamped];
        let mut old = Server::start_with(Kind::Everwrite, &log);
        ok(&mut old.client(), "MSET lonely 1 younger log older log");
        let dir = old.dir().to_str().unwrap().to_string();
        let file = old.dir().join("appendonlydir/appendonly.aof.1.incr.aof");
        old.kill();
        second();
        ok(&mut n, "SET older mesh");
        if stamped == "yes" {
            // Who copies files does not always keep their times.
            std::fs::File::options()
                .append(true)
                .open(&file)
                .unwrap()
                .set_modified(SystemTime::now())
                .unwrap();
        }
        let loaded = Server::start_with(Kind::Everwrite, &[&ACTIVE[..], &log, &["--dir", &dir]].concat());
        let mut l = loaded.client();
        assert_eq!(ok(&mut l, "GET older"), text("log"), "the log was loaded");
        ok(&mut l, &format!("REPLICAOF 127.0.0.1 {}", new.address().port()));
        wait_until("the link", SOON, || info(&mut n, "connected_slaves") == "1");
        for client in [&mut n, &mut l] {
            for (key, answer) in [("older", "mesh"), ("younger", "log"), ("lonely", "1"), ("theirs", "1")] {
                let what = format!("{key}, with times: {stamped}");
                wait_until(&what, SOON, || ok(client, &format!("GET {key}")) == text(answer));
            }
        }
    }
}

/// Who may join a mesh writes down when commands were done, asked or not.
#[test]
fn h26_a_node_that_is_alone_tells_in_its_log_when_commands_were_done() {
    let node = Server::start_with(Kind::Everwrite, &[&ACTIVE[..], &["--appendonly", "yes"]].concat());
    ok(&mut node.client(), "SET key 1");
    let log = std::fs::read(node.dir().join("appendonlydir/appendonly.aof.1.incr.aof")).unwrap();
    assert!(log.starts_with(b"#TS:"), "{}", String::from_utf8_lossy(&log));
}
