//! What being a member of a mesh costs: one node alone, and one of three that are linked, with the same load.
//!
//! The figures are the server's CPU time per write in nanoseconds, of the node that clients write to and of one that is told; of
//! a node that comes back, the time until it has what it missed; of a key that two nodes count with, the rate; and memory per
//! key when all is quiet again.

use crate::load::{self, fill};
use crate::options::Options;
use crate::report::{Report, median};
use crate::speed::words;
use harness::mesh::{ACTIVE, SOON, info};
use harness::wait::wait_until;
use harness::{Client, Kind, Server, process};
use std::time::{Duration, Instant};

const DEPTH: usize = 16;
const KEYS: usize = 100_000;
/// Of the writing node's CPU time alone.
const WRITER_BAR: f64 = 1.18;
/// Of the CPU time that the command takes from a client.
const PEER_BAR: f64 = 0.5;
/// Of the rate on one node.
const COUNTER_BAR: f64 = 0.7;

const WRITES: [(&str, &str); 11] = [
    ("SET", "SET key:__rand_int__ __value__"),
    ("INCR", "INCR counter:__rand_int__"),
    ("HSET", "HSET hash:__rand_int__ field __value__"),
    ("HSET, one hash", "HSET myhash element:__rand_int__ __value__"),
    ("SADD", "SADD set:__rand_int__ member"),
    ("SADD, one set", "SADD myset element:__rand_int__"),
    ("ZADD, one set", "ZADD myzset __rand_int__ element:__rand_int__"),
    ("LPUSH", "LPUSH list:__rand_int__ element"),
    ("LPUSH, one list", "LPUSH mylist element"),
    ("RPOPLPUSH, one list", "RPOPLPUSH mylist mylist"),
    ("EXPIRE", "EXPIRE key:__rand_int__ 1000"),
];

/// Nodes that follow each other.
struct Nodes(Vec<Server>);

impl Nodes {
    fn start(options: &Options, count: usize) -> Nodes {
        let nodes: Vec<Server> = (0..count).map(|_| options.start_with(Kind::Everwrite, &ACTIVE)).collect();
        for (i, node) in nodes.iter().enumerate() {
            for other in &nodes[..i] {
                follow(node, other);
            }
        }
        for node in &nodes {
            let mut client = node.client();
            wait_until("the links", SOON, || {
                info(&mut client, "connected_slaves") == (count - 1).to_string()
            });
        }
        Nodes(nodes)
    }

    /// Waits until all have what the first one wrote, and nothing more is to be done.
    fn rest(&self) {
        let others = self.0.len() - 1;
        self.0[0].client().cmd(&format!("WAIT {others} 60000")).expect("an answer");
        self.0[0].client().cmd("WAITSTABLE 10000").expect("an answer");
    }
}

fn follow(node: &Server, other: &Server) {
    let port = other.address().port();
    node.client().cmd(&format!("REPLICAOF 127.0.0.1 {port}")).expect("an answer");
}

fn cpu(server: &Server) -> u64 {
    process::cpu_nanos(server.pid()).expect("the server's CPU time")
}

pub fn run(options: &Options, report: &mut Report) {
    if !options.wants("cost") {
        return;
    }
    writes(options, report);
    counter(options, report);
    comeback(options, report);
}

/// Each command on a node alone and on a node with two peers, in turns.
fn writes(options: &Options, report: &mut Report) {
    let (alone, mesh) = (options.start(Kind::Everwrite), Nodes::start(options, 3));
    for (name, command) in WRITES {
        let command = words(command);
        let probe = load::run(&alone, &command, DEPTH, KEYS, 20_000);
        let count = ((probe.rate * options.run.as_secs_f64()) as usize).max(20_000) / DEPTH * DEPTH;
        let (mut plain, mut writer, mut peer) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..options.rounds {
            plain.push(load::run(&alone, &command, DEPTH, KEYS, count).cpu_ns);
            let before = (cpu(&mesh.0[0]), cpu(&mesh.0[1]));
            load::run(&mesh.0[0], &command, DEPTH, KEYS, count);
            mesh.rest();
            writer.push((cpu(&mesh.0[0]) - before.0) as f64 / count as f64);
            peer.push((cpu(&mesh.0[1]) - before.1) as f64 / count as f64);
        }
        let [plain, writer, peer] = [plain, writer, peer].map(median);
        report.add_cost(&format!("{name}: the writing node, ns/op"), [plain, writer], WRITER_BAR);
        report.add_cost(&format!("{name}: one that is told, ns/op"), [plain, peer], PEER_BAR);
    }
    std::thread::sleep(Duration::from_secs(1));
    let per_key = |server: &Server| {
        let mut client = server.client();
        let number = |client: &mut Client, name: &str| info(client, name).parse::<f64>().unwrap_or(f64::NAN);
        let keys = client.cmd("DBSIZE").expect("an answer").to_string();
        let keys: f64 = keys.trim_start_matches(|c: char| !c.is_ascii_digit()).parse().unwrap_or(f64::NAN);
        number(&mut client, "used_memory_dataset") / keys
    };
    report.add_cost("bytes per key at rest", [per_key(&alone), per_key(&mesh.0[0])], 1.0);
}

/// One key counted with at full speed on two nodes: on two that are alone, which share the machine as well, and on two that are
/// linked.
fn counter(options: &Options, report: &mut Report) {
    let (alone, mesh) = ([0; 2].map(|_| options.start(Kind::Everwrite)), Nodes::start(options, 2));
    let command = words("INCR hot");
    let count = 400_000;
    let both = |nodes: &[Server]| -> Vec<f64> {
        std::thread::scope(|scope| {
            let run = |node| load::run(node, &command, DEPTH, KEYS, count).rate;
            let runs: Vec<_> = nodes.iter().map(|node| scope.spawn(move || run(node))).collect();
            runs.into_iter().map(|run| run.join().expect("a run")).collect()
        })
    };
    let one = both(&alone).iter().sum::<f64>() / 2.0;
    let rates = both(&mesh.0);
    mesh.rest();
    let sums: Vec<String> =
        mesh.0.iter().map(|node| node.client().cmd("GET hot").expect("an answer").to_string()).collect();
    assert_eq!(sums[0], sums[1], "all increments count");
    for rate in rates {
        // More is better here: the bar is on the inverse.
        report.add_cost(
            "INCR of one key on two nodes, 1/rate, ns",
            [1e9 / one, 1e9 / rate],
            1.0 / COUNTER_BAR,
        );
    }
}

/// A node writes while the other is not linked; then they are: effects a second until both have all.
fn comeback(options: &Options, report: &mut Report) {
    let nodes = Nodes::start(options, 2);
    nodes.0[0].client().cmd("SET first 1").expect("an answer");
    nodes.rest();
    let port = nodes.0[0].address().port();
    nodes.0[1].client().cmd(&format!("REPLICAOF REMOVE 127.0.0.1 {port}")).expect("an answer");
    let mut client = nodes.0[0].client();
    wait_until("no link", SOON, || info(&mut client, "connected_slaves") == "0");
    let count = options.scaled(1_000_000);
    let began = Instant::now();
    fill(&mut client, count, |i| words(&format!("SET key:{:012} __value__", i % KEYS)));
    let filling = began.elapsed();
    follow(&nodes.0[1], &nodes.0[0]);
    let began = Instant::now();
    let before = cpu(&nodes.0[1]);
    wait_until("all that was missed", Duration::from_secs(120), || {
        client.cmd("WAIT 1 100").expect("an answer").to_string().contains('1')
    });
    let took = began.elapsed();
    let peer = (cpu(&nodes.0[1]) - before) as f64 / count as f64;
    println!(
        "{count} effects: {:.0}/s after the heal, {peer:.0} ns of CPU each (written at {:.0}/s)",
        count as f64 / took.as_secs_f64(),
        count as f64 / filling.as_secs_f64()
    );
    report.add_cost("what was missed, ms", [filling.as_millis() as f64, took.as_millis() as f64], 1.0);
}
