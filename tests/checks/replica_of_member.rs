//! A real redis-server that follows a node of a mesh: it gets what the node's clients write, and what its peers do.

use std::time::{Duration, Instant};

use harness::mesh::{ACTIVE, Mesh, digest, info};
use harness::proxy::Proxy;
use harness::wait::wait_until;
use harness::{Client, Kind, Server, Value};

const SOON: Duration = Duration::from_secs(30);
const NO_DELAY: [&str; 2] = ["--repl-diskless-sync-delay", "0"];

fn ask(client: &mut Client, line: &str) -> String {
    client.cmd(line).unwrap_or_else(|e| panic!("{line}: {e}")).to_string()
}

fn follower(address: std::net::SocketAddr) -> Server {
    Server::start_with(Kind::Redis, &["--replicaof", &format!("{} {}", address.ip(), address.port())])
}

fn wait_up(replica: &Server) {
    let mut client = replica.client();
    wait_until("the replica's link", SOON, || info(&mut client, "master_link_status") == "up");
}

/// A small generator of random numbers.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// Commands that meet each other: few keys, all types. `n`: a number; `w`: a word; `K`: a key of any type.
const COMMANDS: &[&str] = &[
    "SET s:n w",
    "SET s:n n",
    "SET s:n w PX 300",
    "INCRBY c:n n",
    "INCRBYFLOAT c:n 1.5",
    "APPEND a:n w",
    "SETRANGE a:n n w",
    "SETBIT b:n n 1",
    "BITFIELD b:n INCRBY u8 n n",
    "PFADD p:n w",
    "GETDEL s:n",
    "HSET h:n w w",
    "HSET h:n w w w w w n",
    "HDEL h:n w",
    "HINCRBY h:n count n",
    "SADD m:n w w",
    "SREM m:n w",
    "SPOP m:n",
    "SMOVE m:n m:n w",
    "SUNIONSTORE m:n m:n m:n",
    "ZADD z:n n w",
    "ZADD z:n GT n w",
    "ZINCRBY z:n n w",
    "ZREM z:n w",
    "ZPOPMIN z:n",
    "ZRANGESTORE z:n z:n 0 3",
    "LPUSH l:n w",
    "RPUSH l:n w w",
    "LPOP l:n",
    "RPOP l:n",
    "LINSERT l:n BEFORE w w",
    "LSET l:n 1 w",
    "LREM l:n 1 w",
    "LTRIM l:n 0 9",
    "LMOVE l:n l:n LEFT RIGHT",
    "XADD x:n * f w",
    "XADD x:n MAXLEN 5 * f w",
    "XTRIM x:n MAXLEN 3",
    "XGROUP CREATE x:n g 0 MKSTREAM",
    "XREADGROUP GROUP g u COUNT 2 STREAMS x:n >",
    "XAUTOCLAIM x:n g v 0 0",
    "XNACK x:n g SILENT IDS 1 0-1",
    "XREADGROUP GROUP g w CLAIM 0 COUNT 1 STREAMS x:n >",
    "XGROUP DESTROY x:n g",
    "DEL K",
    "UNLINK K K",
    "PEXPIRE K 200",
    "PEXPIRE K 100000",
    "PERSIST K",
    "RENAME K K",
    "COPY K K REPLACE",
    "SADD K w",
    "RPUSH K w",
    "HSET K w w",
    "SET K w",
];

fn line(dice: &mut Dice) -> String {
    let template = COMMANDS[dice.below(COMMANDS.len() as u64) as usize];
    let kinds = ["s", "c", "a", "h", "m", "z", "l", "x", "any"];
    let word = |word: &str, dice: &mut Dice| match word {
        "n" => dice.below(8).to_string(),
        "w" => format!("w{}", dice.below(12)),
        "K" => format!("{}:{}", kinds[dice.below(9) as usize], dice.below(3)),
        other => match other.strip_suffix(":n") {
            Some(kind) => format!("{kind}:{}", dice.below(3)),
            None => other.to_string(),
        },
    };
    template.split(' ').map(|part| word(part, dice)).collect::<Vec<_>>().join(" ")
}

/// Writes at a node for a while; some of it in transactions.
fn write(mut client: Client, seed: u64, until: Instant) -> u64 {
    let (mut dice, mut written) = (Dice(seed), 0);
    while Instant::now() < until {
        if dice.below(10) == 0 {
            ask(&mut client, "MULTI");
            (0..1 + dice.below(4)).for_each(|_| drop(ask(&mut client, &line(&mut dice))));
            ask(&mut client, "EXEC");
        } else {
            ask(&mut client, &line(&mut dice));
        }
        written += 1;
    }
    written
}

/// Keys whose values differ.
fn differences(a: &mut Client, b: &mut Client) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    for client in [&mut *a, &mut *b] {
        keys.extend(client.cmd("KEYS *").unwrap().items().unwrap_or_default().iter().map(Value::text));
    }
    keys.sort();
    keys.dedup();
    let mut found = Vec::new();
    for key in keys {
        let values = [&mut *a, &mut *b].map(|client| ask(client, &format!("DEBUG DIGEST-VALUE {key}")));
        if values[0] != values[1] {
            let both = [&mut *a, &mut *b].map(|client| ask(client, &format!("DUMP {key}")));
            found.push(format!("{key}: {} {both:?}", ask(a, &format!("TYPE {key}"))));
        }
    }
    found
}

/// Waits until the nodes agree, the replica has come as far, and has the same.
fn agree(mesh: &Mesh, replica: &Server) {
    mesh.wait_equal();
    let (mut a, mut r) = (mesh.client(0), replica.client());
    wait_until("the replica has caught up", SOON, || {
        info(&mut r, "master_link_status") == "up"
            && info(&mut r, "slave_repl_offset") == info(&mut a, "master_repl_offset")
    });
    let same = harness::wait::wait_for(SOON, || (digest(&mut a) == digest(&mut r)).then_some(()));
    assert!(same.is_some(), "the data differ: {:#?}", differences(&mut a, &mut r));
    assert_eq!(ask(&mut a, "DBSIZE"), ask(&mut r, "DBSIZE"));
}

#[test]
fn what_all_nodes_write_reaches_a_replica_of_one() {
    let mesh = Mesh::start_with(3, &NO_DELAY);
    let proxy = Proxy::before(mesh.nodes[0].address());
    let mut seeded = mesh.client(1);
    (0..200).for_each(|n| drop(ask(&mut seeded, &format!("RPUSH before {n}"))));
    let replica = follower(proxy.address());
    wait_up(&replica);
    for round in 0..3 {
        let until = Instant::now() + Duration::from_secs(2);
        let writers: Vec<_> = (0..3)
            .map(|node| {
                let (client, seed) = (mesh.client(node), 31 * round + node as u64 + 1);
                std::thread::spawn(move || write(client, seed, until))
            })
            .collect();
        match round {
            // Two nodes write on without each other.
            1 => {
                mesh.cut(0, 1);
                std::thread::sleep(Duration::from_secs(1));
                mesh.heal();
            }
            // The replica's connection is cut, and it goes on where it was.
            2 => {
                proxy.cut();
                std::thread::sleep(Duration::from_millis(500));
                proxy.heal();
            }
            _ => {}
        }
        let written: Vec<u64> = writers.into_iter().map(|writer| writer.join().unwrap()).collect();
        assert!(written.iter().all(|n| *n > 20), "{written:?}");
        agree(&mesh, &replica);
    }
    let full = info(&mut mesh.client(0), "sync_full");
    assert_eq!(full, "1", "one snapshot is enough");
    assert_eq!(info(&mut replica.client(), "role"), "slave");
}

#[test]
fn functions_of_peers_and_waits_reach_it() {
    let mesh = Mesh::start_with(2, &NO_DELAY);
    let replica = follower(mesh.nodes[0].address());
    wait_up(&replica);
    let (mut a, mut b, mut r) = (mesh.client(0), mesh.client(1), replica.client());
    let source = "#!lua name=lib\nredis.register_function{function_name='f', callback=function() return 7 end, flags={'no-writes'}}";
    assert!(!b.call(&["FUNCTION", "LOAD", source]).unwrap().is_error());
    wait_until("the function", SOON, || r.cmd("FCALL f 0").unwrap() == Value::Int(7));
    ask(&mut b, "FUNCTION FLUSH");
    wait_until("no function", SOON, || r.cmd("FUNCTION LIST").unwrap().items().is_some_and(<[_]>::is_empty));
    ask(&mut a, "SET k v");
    assert_eq!(ask(&mut a, "WAIT 2 5000"), "2", "a peer and a replica");
    ask(&mut b, "FLUSHALL");
    wait_until("nothing is left", SOON, || ask(&mut r, "DBSIZE") == "0");
}

/// A full sync that the node takes reaches its replica as what it changes.
#[test]
fn what_a_full_sync_brings_reaches_it() {
    let old = Server::start_with(Kind::Everwrite, &ACTIVE);
    let new = Server::start_with(Kind::Everwrite, &[&ACTIVE[..], &NO_DELAY].concat());
    let (mut o, mut n) = (old.client(), new.client());
    for i in 0..300 {
        ask(&mut o, &format!("HSET hash f{i} {i}"));
        ask(&mut o, &format!("SET key{i} {i} EX 1000"));
        ask(&mut o, &format!("ZADD zset {i} m{i}"));
        ask(&mut o, &format!("XADD stream {}-1 f v", i + 1));
    }
    ask(&mut n, "SET own 1");
    let replica = follower(new.address());
    wait_up(&replica);
    ask(&mut n, &format!("REPLICAOF 127.0.0.1 {}", old.address().port()));
    let mut r = replica.client();
    wait_until("the data", SOON, || ask(&mut r, "DBSIZE") == "304");
    wait_until("the same", SOON, || digest(&mut r) == digest(&mut o));
}
