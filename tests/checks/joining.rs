//! Nodes with data of their own become members of a mesh, while everybody is written to: no side may end with other data than
//! the others.

use std::time::Duration;

use harness::mesh::{ACTIVE, Mesh, SOON, digest, info};
use harness::wait::wait_until;
use harness::{Client, Kind, Server, Value};

const KEYS: u64 = 30;

/// A small generator of random numbers.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

fn ok(client: &mut Client, line: &str) -> Value {
    match client.cmd(line).expect("an answer") {
        Value::Error(text) => panic!("{line}: {text:?}"),
        reply => reply,
    }
}

/// Some keys of every type, of which others have some, too.
fn fill(client: &mut Client, dice: &mut Dice, tag: &str) {
    for k in (0..KEYS).filter(|_| dice.below(3) > 0).collect::<Vec<_>>() {
        let n = dice.below(90) + 1;
        for line in [
            format!("SET s{k} {tag}"),
            format!("SADD set{k} {tag} common"),
            format!("INCRBY c{k} {n}"),
            format!("INCRBYFLOAT fl{k} {n}.5"),
            format!("RPUSH l{k} {tag} f"),
            format!("HSET h{k} {tag} 1 shared {tag}"),
            format!("ZADD z{k} {n} m 1 {tag}"),
            format!("XADD x{k} * by {tag}"),
            format!("SET e{k} {tag} EX {}", 1_000 + n),
            format!("SET only:{tag}:{k} 1"),
        ] {
            ok(client, &line);
        }
    }
}

/// Writes to all of them at random.
fn touch(clients: &mut [Client], dice: &mut Dice, writes: u64) {
    for _ in 0..writes {
        let (at, k, n) = (dice.below(clients.len() as u64) as usize, dice.below(KEYS), dice.below(1_000));
        let line = match dice.below(10) {
            0 => format!("INCR c{k}"),
            1 => format!("SADD set{k} t{n}"),
            2 => format!("RPUSH l{k} t{n}"),
            3 => format!("HSET h{k} t{n} 1"),
            4 => format!("ZINCRBY z{k} 1 m"),
            5 => format!("DEL s{k}"),
            6 => format!("LPOP l{k}"),
            7 => format!("APPEND s{k} t{n}"),
            8 => format!("SREM set{k} common"),
            _ => format!("INCRBYFLOAT fl{k} 0.25"),
        };
        ok(&mut clients[at], &line);
    }
}

fn node(options: &[&str]) -> Server {
    let debug = ["--enable-debug-command", "yes"];
    Server::start_with(Kind::Everwrite, &[&ACTIVE[..], &debug, options].concat())
}

/// Has each node follow each other one.
fn link(nodes: &[&Server], clients: &mut [Client]) {
    for (i, client) in clients.iter_mut().enumerate() {
        for (_, other) in nodes.iter().enumerate().filter(|(j, _)| *j != i) {
            ok(client, &format!("REPLICAOF 127.0.0.1 {}", other.address().port()));
        }
    }
}

fn wait_for_links(clients: &mut [Client], links: usize) {
    for client in clients {
        wait_until("the links", SOON, || info(client, "connected_slaves") == links.to_string());
    }
}

fn assert_equal(clients: &mut [Client]) {
    let mut digests = Vec::new();
    let limit = std::time::Instant::now() + SOON;
    while std::time::Instant::now() < limit {
        digests = clients.iter_mut().map(digest).collect();
        let calm = clients.iter_mut().all(|client| info(client, "mesh_overlay_keys") == "0");
        if calm && digests.windows(2).all(|pair| pair[0] == pair[1]) {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("the nodes' data stay different: {digests:?}, {}", differences(clients).join("\n"));
}

/// Keys that are not the same everywhere.
fn differences(clients: &mut [Client]) -> Vec<String> {
    let mut found = Vec::new();
    let Value::Array(keys) = ok(&mut clients[0], "KEYS *") else { return found };
    for key in keys.iter().map(|key| key.clone().text()) {
        let of = |client: &mut Client| format!("{:?}", ok(client, &format!("DEBUG DIGEST-VALUE {key}")));
        let all: Vec<String> = clients.iter_mut().map(of).collect();
        if all.windows(2).any(|pair| pair[0] != pair[1]) {
            found.push(key);
        }
    }
    found
}

/// Two newcomers, one of them with a file, and two members whose data are settled.
#[test]
fn newcomers_with_data_join_a_mesh_that_is_written_to() {
    for seed in 1..=2 {
        let mut dice = Dice(seed);
        let mesh = Mesh::start_with(2, &["--enable-debug-command", "yes"]);
        let (mut third, fourth) = (node(&[]), node(&[]));
        fill(&mut mesh.client(0), &mut dice, "one");
        fill(&mut mesh.client(1), &mut dice, "two");
        fill(&mut third.client(), &mut dice, "three");
        fill(&mut fourth.client(), &mut dice, "four");
        ok(&mut third.client(), "SET younger three");
        ok(&mut third.client(), "SAVE");
        third.terminate();
        std::fs::remove_file(third.dir().join("everwrite.node")).unwrap();
        third.start_again();
        mesh.wait_settled();
        let nodes = [&mesh.nodes[0], &mesh.nodes[1], &third, &fourth];
        let mut clients = nodes.map(|node| node.client());
        link(&nodes[..], &mut clients[2..]);
        for _ in 0..20 {
            touch(&mut clients, &mut dice, 30);
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_equal(&mut clients);
        assert_eq!(ok(&mut clients[0], "GET younger").text(), "three");
        // What a newcomer alone had is everywhere, and goes everywhere.
        ok(&mut clients[1], "DEL younger");
        assert_equal(&mut clients);
        assert_eq!(ok(&mut clients[2], "EXISTS younger"), Value::Int(0));
    }
}

/// Nobody has settled anything when they meet, and they are written to before, while and after they do.
#[test]
fn nodes_meet_while_they_are_written_to() {
    for seed in 1..=4 {
        let mut dice = Dice(seed);
        let nodes = [node(&[]), node(&[])];
        let nodes = [&nodes[0], &nodes[1]];
        let mut clients = nodes.map(|node| node.client());
        if dice.below(2) == 0 {
            fill(&mut clients[0], &mut dice, "one");
        }
        link(&nodes, &mut clients);
        fill(&mut clients[0], &mut dice, "one");
        fill(&mut clients[1], &mut dice, "two");
        touch(&mut clients, &mut dice, 100);
        wait_for_links(&mut clients, 1);
        assert_equal(&mut clients);
    }
}

/// A newcomer's keys are compared with those of the members by age, deadlines come with them, and what is deleted once it has
/// joined stays deleted, also where it came from.
#[test]
fn a_newcomer_brings_what_is_younger() {
    let mesh = Mesh::start(2);
    let late = node(&[]);
    let (mut a, mut n) = (mesh.client(0), late.client());
    ok(&mut n, "MSET older n gone n");
    std::thread::sleep(Duration::from_millis(5));
    ok(&mut a, "MSET older a younger a");
    std::thread::sleep(Duration::from_millis(5));
    ok(&mut n, "SET younger n EX 1000");
    ok(&mut n, "HSET hash f 1");
    ok(&mut n, "HEXPIRE hash 1000 FIELDS 1 f");
    ok(&mut n, "RPUSH list a b c");
    mesh.wait_settled();
    link(&[&late, &mesh.nodes[0], &mesh.nodes[1]], std::slice::from_mut(&mut n));
    mesh.wait_for("LRANGE list 0 -1", &Value::Array(["a", "b", "c"].map(|e| Value::Bulk(e.into())).into()));
    mesh.wait_for("GET older", &Value::Bulk("a".into()));
    mesh.wait_for("GET younger", &Value::Bulk("n".into()));
    for client in [&mut a, &mut n] {
        assert!(matches!(ok(client, "TTL younger"), Value::Int(900..=1000)));
        assert!(format!("{:?}", ok(client, "HTTL hash FIELDS 1 f")).contains("Int(9"));
    }
    ok(&mut a, "DEL gone");
    ok(&mut a, "LPOP list");
    wait_until("the delete", SOON, || n.cmd("EXISTS gone").unwrap() == Value::Int(0));
    wait_until("the pop", SOON, || n.cmd("LLEN list").unwrap() == Value::Int(2));
    assert!(late.log().contains("What only this node had goes to the other members"));
}

/// Each has a file of a Redis of its own, with keys of which nobody knows how old they are.
#[test]
fn nodes_with_files_of_redis_form_a_mesh() {
    let mut dice = Dice(7);
    let dirs: Vec<std::path::PathBuf> = ["one", "two", "three"]
        .into_iter()
        .map(|tag| {
            let redis = Server::start(Kind::Redis);
            let mut client = redis.client();
            fill(&mut client, &mut dice, tag);
            ok(&mut client, "SAVE");
            redis.keep()
        })
        .collect();
    let mut servers: Vec<Server> = dirs.iter().map(|dir| node(&["--dir", dir.to_str().unwrap()])).collect();
    let nodes: Vec<&Server> = servers.iter().collect();
    let mut clients: Vec<Client> = nodes.iter().map(|node| node.client()).collect();
    link(&nodes, &mut clients);
    for _ in 0..10 {
        touch(&mut clients, &mut dice, 30);
        std::thread::sleep(Duration::from_millis(20));
    }
    wait_for_links(&mut clients, 2);
    assert_equal(&mut clients);
    servers.iter_mut().for_each(Server::kill);
    dirs.iter().for_each(|dir| std::fs::remove_dir_all(dir).unwrap());
}
