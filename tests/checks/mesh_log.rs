//! The log of a member of a mesh: what it keeps, and how a node comes back with it.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use harness::mesh::{ACTIVE, Mesh, SOON, digest, info};
use harness::wait::wait_until;
use harness::{Client, Kind, Server, Value};

const KEPT: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];

fn ok(client: &mut Client, line: &str) -> Value {
    let reply = client.cmd(line).unwrap();
    assert!(!reply.is_error(), "{line}: {reply}");
    reply
}

fn text(value: &str) -> Value {
    Value::Bulk(value.into())
}

/// The files of a node's log, by their names' ends.
fn files(server: &Server, end: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(server.dir().join("appendonlydir")) else { return Vec::new() };
    let mut found: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    found.retain(|path| path.extension().is_some_and(|e| e == end));
    found.sort();
    found
}

/// Waits until a start would find everything.
fn wait_based(server: &Server) {
    wait_until("a base", SOON, || !files(server, "base").is_empty());
    let mut client = server.client();
    wait_until("the rewrite's end", SOON, || info(&mut client, "aof_rewrite_in_progress") == "0");
}

/// A mesh all of whose nodes keep a log.
fn kept(nodes: usize) -> Mesh {
    let mesh = Mesh::start_with(nodes, &KEPT);
    mesh.nodes.iter().for_each(wait_based);
    mesh
}

fn come_back(mesh: &mut Mesh, node: usize) {
    mesh.nodes[node].start_again();
}

fn link_again(mesh: &Mesh) {
    let all = mesh.nodes.len();
    let pairs = (0..all).flat_map(|from| (0..all).filter(move |to| *to != from).map(move |to| (from, to)));
    pairs.for_each(|(from, to)| mesh.follow(from, to));
    mesh.wait_linked();
}

/// A bit of everything.
const MIXED: &[&str] = &[
    "SET key 1",
    "INCRBY counter 5",
    "APPEND text abc",
    "RPUSH list a b c d",
    "LPOP list",
    "LINSERT list BEFORE c between",
    "SADD set m1 m2 m3",
    "SREM set m2",
    "HSET hash f v g w",
    "HINCRBYFLOAT hash x 1.5",
    "ZADD zset 1 a 2 b",
    "ZINCRBY zset 2.5 a",
    "XADD stream 5-1 f v",
    "XGROUP CREATE stream group 0",
    "XREADGROUP GROUP group me STREAMS stream >",
    "PFADD counted a b c",
    "SETBIT bits 77 1",
    "SET passing 1 EX 10000",
    "DEL passing",
    "SET dated 1 EX 10000",
];

fn write(client: &mut Client, round: usize) {
    for line in MIXED {
        let line = line.replace("5-1", &format!("{}-1", 5 + round));
        let reply = client.cmd(&line).unwrap();
        assert!(!reply.is_error() || line.starts_with("XGROUP"), "{line}: {reply}");
    }
}

#[test]
fn what_a_killed_member_had_acknowledged_and_sent_nobody_is_there_again() {
    let mut mesh = kept(2);
    write(&mut mesh.client(0), 0);
    write(&mut mesh.client(1), 1);
    mesh.wait_equal();
    mesh.cut(0, 1);
    mesh.wait_links(0, 0);
    write(&mut mesh.client(0), 2);
    write(&mut mesh.client(1), 3);
    ok(&mut mesh.client(0), "SET only-here 1");
    let before = digest(&mut mesh.client(0));
    mesh.nodes[0].kill();
    come_back(&mut mesh, 0);
    let mut a = mesh.client(0);
    assert_eq!(digest(&mut a), before, "all of it is there before any peer is");
    ok(&mut a, "SET at-once 1");
    mesh.heal();
    link_again(&mesh);
    mesh.wait_equal();
    mesh.wait_for("GET only-here", &text("1"));
    mesh.wait_for("GET at-once", &text("1"));
    for node in 0..2 {
        assert_eq!(
            info(&mut mesh.client(node), "mesh_full_syncs_received"),
            "0",
            "what was missing was enough"
        );
    }
    mesh.wait_for("GET counter", &text("20"));
}

#[test]
fn members_that_are_all_killed_at_once_lose_nothing() {
    let mut mesh = kept(3);
    for round in 0..3 {
        (0..3).for_each(|node| write(&mut mesh.client(node), 3 * round + node));
    }
    mesh.nodes.iter_mut().for_each(Server::kill);
    (0..3).for_each(|node| come_back(&mut mesh, node));
    link_again(&mesh);
    mesh.wait_equal();
    mesh.wait_for("GET counter", &text("45"));
    mesh.wait_for("XLEN stream", &Value::Int(9));
    mesh.wait_for("STRLEN text", &Value::Int(27));
    // And once more, with streams of three lives.
    write(&mut mesh.client(1), 20);
    mesh.nodes.iter_mut().for_each(Server::kill);
    (0..3).for_each(|node| come_back(&mut mesh, node));
    link_again(&mesh);
    mesh.wait_for("GET counter", &text("50"));
    mesh.wait_equal();
}

#[test]
fn the_log_is_rewritten_while_clients_write() {
    let mut mesh = kept(2);
    let mut a = mesh.client(0);
    for i in 0..2_000 {
        ok(&mut a, &format!("RPUSH list{} {i}", i % 7));
        if i % 500 == 250 {
            ok(&mut a, "BGREWRITEAOF");
        }
    }
    ok(&mut a, "BGREWRITEAOF");
    wait_until("the rewrites", SOON, || info(&mut a, "aof_rewrites").parse::<u64>().unwrap() >= 3);
    wait_until("the last one's end", SOON, || info(&mut a, "aof_rewrite_in_progress") == "0");
    // Another one may have begun in between.
    wait_until("what is older to go", SOON, || files(&mesh.nodes[0], "base").len() == 1);
    ok(&mut a, "LPOP list1");
    mesh.wait_equal();
    let before = digest(&mut a);
    mesh.nodes[0].kill();
    come_back(&mut mesh, 0);
    assert_eq!(digest(&mut mesh.client(0)), before);
    link_again(&mesh);
    ok(&mut mesh.client(1), "RPOP list1");
    mesh.wait_equal();
}

#[test]
fn what_a_full_sync_has_brought_is_kept() {
    let mut mesh = Mesh::start_with(2, &KEPT);
    let mut a = mesh.client(0);
    let mut late = Server::start_with(Kind::Everwrite, &[&ACTIVE[..], &KEPT[..]].concat());
    (0..3_000).for_each(|i| drop(ok(&mut a, &format!("SET key{i} {i}"))));
    let mut c = late.client();
    ok(&mut c, &format!("REPLICAOF 127.0.0.1 {}", mesh.nodes[0].address().port()));
    wait_until("the data", SOON, || digest(&mut c) == digest(&mut a));
    wait_until("the rewrite that has them", SOON, || {
        info(&mut c, "aof_base_size").parse::<u64>().unwrap() > 3_000
            && info(&mut c, "aof_rewrite_in_progress") == "0"
    });
    mesh.nodes.iter_mut().for_each(Server::kill);
    late.kill();
    late.start_again();
    assert_eq!(ok(&mut late.client(), "DBSIZE"), Value::Int(3_000));
    assert_eq!(ok(&mut late.client(), "GET key77"), text("77"));
}

fn load_function(client: &mut Client, library: &str, name: &str, result: i64) {
    let source =
        format!("#!lua name={library}\nredis.register_function('{name}', function() return {result} end)");
    assert_eq!(client.call(&["FUNCTION", "LOAD", &source]).unwrap(), text(library));
}

#[test]
fn the_log_of_commands_gives_way_to_it_with_the_first_peer() {
    let options = [&ACTIVE[..], &KEPT[..]].concat();
    let mut alone = Server::start_with(Kind::Everwrite, &options);
    let mut a = alone.client();
    (0..100).for_each(|i| drop(ok(&mut a, &format!("SET key{i} {i}"))));
    load_function(&mut a, "lib", "f", 7);
    assert_eq!(files(&alone, "manifest").len(), 1, "alone it keeps what Redis keeps");
    alone.kill();
    alone.start_again();
    let mut a = alone.client();
    assert_eq!(ok(&mut a, "DBSIZE"), Value::Int(100));
    let peer = Server::start_with(Kind::Everwrite, &options);
    ok(&mut peer.client(), &format!("REPLICAOF 127.0.0.1 {}", alone.address().port()));
    wait_based(&alone);
    wait_until("the old log's end", SOON, || files(&alone, "manifest").is_empty());
    ok(&mut a, "SET later 1");
    load_function(&mut a, "other", "g", 8);
    wait_until("the functions to be written", SOON, || {
        let log = files(&alone, "log").pop().unwrap();
        String::from_utf8_lossy(&fs::read(log).unwrap()).contains("name=other")
    });
    alone.kill();
    alone.start_again();
    let mut a = alone.client();
    assert_eq!(ok(&mut a, "DBSIZE"), Value::Int(101));
    assert_eq!(ok(&mut a, "FCALL f 0"), Value::Int(7));
    assert_eq!(ok(&mut a, "FCALL g 0"), Value::Int(8));
}

/// Starts a node that must not come up; its log.
fn refused(server: &Server, options: &[&str]) -> String {
    let output = Command::new(Kind::Everwrite.program())
        .args(["--port", "0", "--unixsocket", "refused.sock", "--save", ""])
        .args(options)
        .current_dir(server.dir())
        .stdout(Stdio::piped())
        .output()
        .unwrap();
    assert!(!output.status.success(), "it must not start");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_torn_end_is_cut_off_and_damage_stops_the_start() {
    let mut mesh = kept(2);
    let mut a = mesh.client(0);
    (0..50).for_each(|i| drop(ok(&mut a, &format!("SET key{i} {i}"))));
    mesh.nodes[0].kill();
    let node = &mesh.nodes[0];
    let options = [&ACTIVE[..], &KEPT[..]].concat();
    let log = files(node, "log").pop().unwrap();
    let whole = fs::read(&log).unwrap();
    let append = |path: &Path, bytes: &[u8]| {
        File::options().append(true).open(path).unwrap().write_all(bytes).unwrap()
    };

    append(&log, &whole[8..20]);
    let strict = [&options[..], &["--aof-load-truncated", "no"]].concat();
    let told = refused(node, &strict);
    assert!(told.contains("Unexpected end of file") && told.contains(&whole.len().to_string()), "{told}");

    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    fs::write(&log, &flipped).unwrap();
    let told = refused(node, &options);
    assert!(told.contains("Bad file format") && told.contains("checksum"), "{told}");

    fs::write(&log, &whole).unwrap();
    let told = refused(node, &["--appendonly", "yes", "--active-replica", "no"]);
    assert!(told.contains("the log of a member of a mesh"), "{told}");

    append(&log, &whole[8..20]);
    come_back(&mut mesh, 0);
    assert!(mesh.nodes[0].log().contains("Truncating it at offset"), "{}", mesh.nodes[0].log());
    assert_eq!(fs::read(&log).unwrap(), whole);
    assert_eq!(ok(&mut mesh.client(0), "DBSIZE"), Value::Int(50));

    mesh.nodes[0].kill();
    let base = files(&mesh.nodes[0], "base").pop().unwrap();
    let short = fs::metadata(&base).unwrap().len() - 1;
    File::options().write(true).open(&base).unwrap().set_len(short).unwrap();
    let told = refused(&mesh.nodes[0], &options);
    assert!(told.contains("the base of a member's log"), "{told}");
}

/// What `everwrite check-aof` says of a file or directory, and whether it is content.
fn check(options: &[&str], path: &Path, answer: &str) -> (bool, String) {
    let mut tool = Command::new(Kind::Everwrite.program())
        .arg("check-aof")
        .args(options)
        .arg(path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    tool.stdin.take().unwrap().write_all(answer.as_bytes()).unwrap();
    let output = tool.wait_with_output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn its_files_are_checked_and_a_torn_end_is_cut_off() {
    let mut mesh = kept(2);
    let (mut a, mut b) = (mesh.client(0), mesh.client(1));
    (0..50).for_each(|i| drop(ok(&mut a, &format!("SET key{i} {i}"))));
    MIXED.iter().for_each(|line| drop(ok(&mut b, line)));
    mesh.wait_equal();
    let first = files(&mesh.nodes[0], "base");
    ok(&mut a, "BGREWRITEAOF");
    wait_until("another base", SOON, || {
        let bases = files(&mesh.nodes[0], "base");
        !bases.is_empty() && bases != first
    });
    wait_based(&mesh.nodes[0]);
    (0..50).for_each(|i| drop(ok(&mut a, &format!("SET late{i} {i}"))));
    let before = digest(&mut a);
    mesh.nodes[0].kill();
    let dir = mesh.nodes[0].dir().join("appendonlydir");
    let (sound, told) = check(&[], &dir, "");
    assert!(sound && told.contains("The base and all logs are valid"), "{told}");
    let groups = |told: &str| -> u64 {
        told.rsplit("groups=").next().and_then(|rest| rest.split(',').next()?.parse().ok()).unwrap_or(0)
    };
    assert!(groups(&told) > 0 && !told.contains("keys=0, groups=0"), "{told}");
    let base = files(&mesh.nodes[0], "base").pop().unwrap();
    let log = files(&mesh.nodes[0], "log").pop().unwrap();
    let (sound, told) = check(&[], &base, "");
    assert!(sound && told.contains("Member's base"), "{told}");

    let whole = fs::read(&log).unwrap();
    let position = format!("0x{:x}", whole.len());
    fs::write(&log, [&whole[..], &whole[8..30]].concat()).unwrap();
    let (sound, told) = check(&[], &dir, "");
    assert!(!sound && told.contains(&position) && told.contains("--fix"), "{told}");
    let (sound, told) = check(&["--fix"], &log, "n\n");
    assert!(!sound && told.contains("Aborting"), "{told}");
    assert_eq!(fs::read(&log).unwrap().len(), whole.len() + 22);
    let (sound, told) = check(&["--fix"], &dir, "y\n");
    assert!(sound && told.contains("Successfully truncated"), "{told}");
    assert_eq!(fs::read(&log).unwrap(), whole);

    // What is damaged within is not cut: more than the damage would go.
    for at in [8, whole.len() / 2] {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x80;
        fs::write(&log, &flipped).unwrap();
        let (sound, told) = check(&["--fix"], &log, "y\n");
        assert!(!sound && told.contains("cannot be mended by cutting"), "{told}");
        assert_eq!(fs::read(&log).unwrap(), flipped);
    }
    fs::write(&log, &whole).unwrap();
    let short = fs::read(&base).unwrap();
    fs::write(&base, &short[..short.len() - 1]).unwrap();
    let (sound, told) = check(&["--fix"], &dir, "y\n");
    assert!(!sound && told.contains("Member's base"), "{told}");
    fs::write(&base, &short).unwrap();
    mesh.nodes[0].start_again();
    assert_eq!(digest(&mut mesh.client(0)), before);
}

#[test]
fn it_can_be_turned_on_and_off() {
    let mut mesh = Mesh::start(2);
    let mut a = mesh.client(0);
    ok(&mut a, "SET before 1");
    assert_eq!(info(&mut a, "aof_enabled"), "0");
    ok(&mut a, "CONFIG SET appendonly yes appendfsync always");
    wait_until("the log", SOON, || info(&mut a, "aof_enabled") == "1");
    wait_based(&mesh.nodes[0]);
    ok(&mut a, "SET between 1");
    ok(&mut a, "CONFIG SET appendonly no");
    wait_until("its end", SOON, || info(&mut a, "aof_enabled") == "0");
    ok(&mut a, "SET unlogged 1");
    ok(&mut a, "CONFIG SET appendonly yes");
    wait_until("the log again", SOON, || info(&mut a, "aof_enabled") == "1");
    wait_based(&mesh.nodes[0]);
    ok(&mut a, "SET after 1");
    let dir = mesh.nodes[0].dir().join("appendonlydir");
    mesh.nodes.iter_mut().for_each(Server::kill);
    // What it has kept, another start finds.
    let mut heir = Server::start_with(Kind::Everwrite, &[&ACTIVE[..], &KEPT[..]].concat());
    heir.kill();
    let place = heir.dir().join("appendonlydir");
    fs::remove_dir_all(&place).unwrap();
    fs::rename(dir, place).unwrap();
    heir.start_again();
    let mut h = heir.client();
    for key in ["before", "between", "unlogged", "after"] {
        assert_eq!(ok(&mut h, &format!("GET {key}")), text("1"), "{key}");
    }
}
