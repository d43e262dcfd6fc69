//! KeyDB's words, one by one: what may come before, in and behind its snapshots.

use harness::Kind;
use harness::Server;
use harness::mesh::{ACTIVE, Mesh, info};
use harness::wait::wait_until;
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::peer::{
    KeyDbReplica, OTHER, UUID, envelope, keydb, keydb_that_refuses, request, snapshot, snapshot_of, text,
};
use crate::{SOON, ask, everywhere, follow, merged};

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

fn aux(name: &str, value: &str) -> Vec<u8> {
    [b"\xfa".to_vec(), text(name), text(value)].concat()
}

/// One that loads, or has no snapshot yet, is asked again; and no word is said before the one before is answered.
#[test]
fn a_keydb_that_is_not_ready_is_asked_again() {
    let refusals = [
        ("PING", "-LOADING KeyDB is loading the dataset in memory\r\n"),
        ("PSYNC", "-LOADING KeyDB is loading the dataset in memory\r\n"),
        ("PSYNC", "-ERR BGSAVE failed, replication can't continue\r\n"),
        ("PSYNC", "-NOMASTERLINK Can't SYNC while not connected with my master\r\n"),
    ];
    let (address, replicas) = keydb_that_refuses(snapshot(&[("a", "keydb", now_ms() << 20)]), &refusals);
    let mesh = Mesh::start(2);
    follow(&mesh, address);
    let (mut link, _) = replicas.recv_timeout(SOON).expect("it is followed");
    everywhere(&mesh, "GET a", "\"keydb\"");
    link.write_all(&envelope(UUID, &request(&["SET", "b", "keydb"]), "0", now_ms() << 20)).unwrap();
    everywhere(&mesh, "GET b", "\"keydb\"");
}

/// What KeyDB's snapshots hold that no other server's do.
fn of_keydb_alone(due_ms: u64) -> Vec<u8> {
    let (soon, far) = ((now_ms() + 1_000).to_string(), (now_ms() + 1_000_000).to_string());
    let stamp = aux("mvcc-tstamp", &(now_ms() << 20).to_string());
    let job = [
        &b"\x40"[..],
        &text("job"),
        &text("redis.call('RPUSH', KEYS[1], ARGV[1])"),
        &due_ms.to_le_bytes(),
        &50u64.to_le_bytes(),
        &[1],
        &text("runs"),
        &[1],
        &text("x"),
    ]
    .concat();
    [
        aux("repl-masters", "abcdefabcdefabcdefabcdefabcdefabcdefabcd:7:127.0.0.1:6379:-1;"),
        stamp.clone(),
        [&b"\x02"[..], &text("set"), &[2], &text("a"), &text("b")].concat(),
        aux("keydb-subexpire-key", "b"),
        aux("keydb-subexpire-when", &soon),
        stamp.clone(),
        [&b"\x05"[..], &text("zset"), &[2], &text("a"), &1f64.to_le_bytes(), &text("b"), &2f64.to_le_bytes()]
            .concat(),
        aux("keydb-subexpire-key", "b"),
        aux("keydb-subexpire-when", &soon),
        stamp.clone(),
        [&b"\x04"[..], &text("hash"), &[1], &text("f"), &text("v")].concat(),
        aux("keydb-subexpire-key", "f"),
        aux("keydb-subexpire-when", &far),
        stamp,
        job,
        aux("keydb-subexpire-key", "job"),
        aux("keydb-subexpire-when", &due_ms.to_string()),
    ]
    .concat()
}

/// Waits until the only field of the hash has more than so many seconds left.
fn wait_for_field(mesh: &Mesh, node: usize, seconds: u64) {
    let mut client = mesh.client(node);
    let left = |reply: String| reply.trim_matches(['[', ']']).parse::<u64>();
    wait_until("the field's deadline", SOON, || {
        left(ask(&mut client, "HTTL hash FIELDS 1 f")).is_ok_and(|left| left > seconds)
    });
}

#[test]
fn what_only_keydb_has_is_taken() {
    let (address, replicas) = keydb(snapshot_of(&[], &of_keydb_alone(now_ms() + 1_500)));
    let mesh = Mesh::start(2);
    follow(&mesh, address);
    let (mut link, _) = replicas.recv_timeout(SOON).expect("it is followed");
    for node in 0..2 {
        wait_for_field(&mesh, node, 900);
    }
    everywhere(&mesh, "SMEMBERS set", "[\"a\"]");
    everywhere(&mesh, "ZRANGE zset 0 -1", "[\"a\"]");
    // KeyDB runs its jobs itself.
    assert_eq!(ask(&mut mesh.client(0), "EXISTS job"), "0");

    // A value as it was taken from a snapshot of ours, with the word that KeyDB has for no deadline.
    let mut source = mesh.client(0);
    ask(&mut source, "RPUSH dumped a b");
    let harness::Value::Bulk(dump) = source.cmd("DUMP dumped").unwrap() else { panic!("a dump") };
    let time = |n: u64| ((now_ms() + 10) << 20) + n;
    let stamp = time(0).to_string();
    let mut restore = Vec::new();
    harness::client::encode(
        &mut restore,
        &[&b"KEYDB.MVCCRESTORE"[..], b"restored", stamp.as_bytes(), b"9223372036854775807", &dump],
    );
    let far = (now_ms() + 2_000_000).to_string();
    let commands = [
        restore,
        request(&["PEXPIREMEMBERAT", "hash", "f", &far]),
        request(&["PEXPIREAT", "set", &far]),
        request(&["PUBLISH", "channel", "message"]),
        request(&["KEYDB.CRON", "once", "single", "1", "redis.call('SET', 'ran', '1')"]),
        request(&["EVAL", "return redis.call('SET', KEYS[1], 'script')", "1", "scripted"]),
        request(&["SET", "last", "1"]),
    ];
    let frames: Vec<u8> =
        (1u64..).zip(&commands).flat_map(|(n, command)| envelope(OTHER, command, "0", time(n))).collect();
    link.write_all(&frames).unwrap();
    everywhere(&mesh, "GET last", "\"1\"");
    everywhere(&mesh, "LRANGE restored 0 -1", "[\"a\", \"b\"]");
    everywhere(&mesh, "TTL restored", "-1");
    everywhere(&mesh, "GET scripted", "\"script\"");
    for node in 0..2 {
        wait_for_field(&mesh, node, 1_900);
        let mut client = mesh.client(node);
        wait_until("the deadline", SOON, || {
            ask(&mut client, "TTL set").parse().is_ok_and(|s: u64| s > 1_900)
        });
    }
    assert_eq!(ask(&mut mesh.client(0), "EXISTS once"), "0");
    assert_eq!(merged(&mesh, "failed"), "2", "both jobs, and nothing else: {}", mesh.nodes[0].log());
    mesh.wait_equal();
}

/// Its place taken, with its file, its jobs go on.
#[test]
fn the_jobs_in_a_file_of_keydb_go_on() {
    let mut server = Server::start(Kind::Everwrite);
    server.kill();
    let due_ms = now_ms() + 2_000;
    std::fs::write(server.dir().join("dump.rdb"), snapshot_of(&[], &of_keydb_alone(due_ms))).unwrap();
    server.start_again();
    let mut client = server.client();
    assert_eq!(ask(&mut client, "TYPE job"), "+keydb.cron");
    assert!(now_ms() >= due_ms || ask(&mut client, "EXISTS runs") == "0", "it is not due yet");
    wait_until("runs", SOON, || ask(&mut client, "LLEN runs").parse::<u64>().unwrap() >= 3);
    assert_eq!(ask(&mut client, "LINDEX runs 0"), "\"x\"");
    // And what is saved has them, too.
    ask(&mut client, "SAVE");
    server.kill();
    server.start_again();
    let mut client = server.client();
    let before: u64 = ask(&mut client, "LLEN runs").parse().unwrap();
    wait_until("more runs", SOON, || ask(&mut client, "LLEN runs").parse::<u64>().unwrap() > before);
}

/// KeyDB says all of this at once, and then waits for the answers.
#[test]
fn a_keydb_introduces_itself_in_one_breath() {
    let options = [&ACTIVE[..], &["--repl-diskless-sync-delay", "0"]].concat();
    let mut node = Server::start_with(Kind::Everwrite, &options);
    let mut last = (String::new(), 0);
    for round in 0..2 {
        let mut client = node.client();
        ask(&mut client, "SET key value");
        let mut keydb = KeyDbReplica::connect(node.address());
        assert_eq!(keydb.ask(&["REPLPING"]), "+PONG");
        let words: [&[&str]; 5] = [
            &["REPLCONF", "listening-port", "7777"],
            &["REPLCONF", "ip-address", "10.0.0.1"],
            &["REPLCONF", "capa", "eof", "capa", "psync2", "capa", "activeExpire", "capa", "keydb-fastsync"],
            &["REPLCONF", "license", "any"],
            &["REPLCONF", "uuid", UUID],
        ];
        keydb.out.write_all(&words.iter().flat_map(|words| request(words)).collect::<Vec<u8>>()).unwrap();
        for _ in 0..2 {
            assert_eq!(keydb.line(), "+OK");
        }
        let capabilities = keydb.line();
        assert!(capabilities.starts_with("+OK") && !capabilities.contains("fastsync"), "{capabilities}");
        keydb.line();
        let uuid = keydb.line();
        assert_eq!(uuid.len(), 37, "{uuid}");
        assert!(keydb.ask(&["PSYNC", "?", "-1"]).starts_with("+FULLRESYNC "));
        let snapshot = keydb.snapshot();
        let stamped = [&b"\xfa"[..], &text("mvcc-tstamp")].concat();
        assert!(
            snapshot.windows(stamped.len()).any(|bytes| bytes == stamped),
            "a key without its time beats all"
        );
        keydb.out.write_all(&request(&["REPLCONF", "ACK", "1"])).unwrap();
        wait_until("it is there", SOON, || info(&mut client, "connected_slaves") == "1");
        ask(&mut client, "INCR counter");
        let (_, _, time) = keydb.envelope(&uuid[1..]);
        assert!(uuid != last.0 || time > last.1, "round {round}: times of one server only rise");
        last = (uuid, time);
        node.kill();
        node.start_again();
    }
}
