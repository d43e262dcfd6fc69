//! Nodes of a mesh that are told to follow a server which is no node: a real `redis-server`, and one that speaks as KeyDB
//! does. They go on taking writes, and what the other one sends reaches all nodes.

mod peer;
mod wire;

use harness::mesh::Mesh;
use harness::proxy::Proxy;
use harness::wait::wait_until;
use harness::{Client, Kind, Server, Value};
use peer::{KeyDbReplica, OTHER, UUID, envelope, keydb, request, snapshot};
use std::io::{BufReader, Write};
use std::net::SocketAddr;
use std::time::Duration;

/// No wait of these tests may take longer, however busy the machine.
const SOON: Duration = Duration::from_secs(20);

fn ask(client: &mut Client, line: &str) -> String {
    client.cmd(line).unwrap_or_else(|e| panic!("{line}: {e}")).to_string()
}

fn merged(mesh: &Mesh, field: &str) -> String {
    let text = mesh.client(0).cmd("INFO replication").expect("a reply").text();
    let line = text.lines().find(|line| line.starts_with("merged_master0:")).unwrap_or_default().to_owned();
    let start = format!("{field}=");
    line.split([':', ',']).find_map(|part| part.strip_prefix(&start)).unwrap_or_default().to_owned()
}

#[track_caller]
fn everywhere(mesh: &Mesh, line: &str, expected: &str) {
    for node in 0..mesh.nodes.len() {
        wait_until(&format!("{line} on node {node}"), SOON, || ask(&mut mesh.client(node), line) == expected);
    }
}

fn follow(mesh: &Mesh, master: SocketAddr) {
    let reply = ask(&mut mesh.client(0), &format!("REPLICAOF {} {}", master.ip(), master.port()));
    assert_eq!(reply, "+OK");
}

#[test]
fn what_a_redis_is_told_reaches_all_nodes() {
    let master = Server::start_with(Kind::Redis, &["--repl-diskless-sync-delay", "0"]);
    let mut client = master.client();
    for line in [
        "SET old from-redis",
        "RPUSH list a b c",
        "HSET hash f v",
        "ZADD zset 1 a 2 b",
        "SADD set x y",
        "XADD stream 1-1 f v",
        "SET gone v EX 1000",
    ] {
        ask(&mut client, line);
    }
    let (mesh, proxy) = (Mesh::start(2), Proxy::before(master.address()));
    assert_eq!(ask(&mut mesh.client(1), "SET own from-mesh"), "+OK");
    follow(&mesh, proxy.address());
    everywhere(&mesh, "GET old", "\"from-redis\"");
    everywhere(&mesh, "LRANGE list 0 -1", &ask(&mut client, "LRANGE list 0 -1"));
    everywhere(&mesh, "XRANGE stream - +", &ask(&mut client, "XRANGE stream - +"));
    everywhere(&mesh, "ZRANGE zset 0 -1 WITHSCORES", &ask(&mut client, "ZRANGE zset 0 -1 WITHSCORES"));
    everywhere(&mesh, "GET own", "\"from-mesh\"");
    assert!(mesh.nodes[0].log().contains("nothing can be promised"));
    // All go on taking writes, and streams of both kinds go on.
    for round in 0..5 {
        assert_eq!(
            ask(&mut mesh.client(round % 2), &format!("RPUSH list mesh{round}")),
            format!("{}", 4 + 2 * round)
        );
        everywhere(&mesh, "LLEN list", &format!("{}", 4 + 2 * round));
        ask(&mut client, &format!("RPUSH list redis{round}"));
        ask(&mut client, "INCR count");
        everywhere(&mesh, "GET count", &format!("\"{}\"", round + 1));
        everywhere(&mesh, "LLEN list", &format!("{}", 5 + 2 * round));
        proxy.hang_up();
    }
    ask(&mut client, "DEL gone");
    everywhere(&mesh, "EXISTS gone", "0");
    assert_eq!((merged(&mesh, "full_syncs"), merged(&mesh, "failed")), ("1".into(), "0".into()));
    let reply = ask(&mut mesh.client(0), &format!("REPLICAOF REMOVE 127.0.0.1 {}", proxy.address().port()));
    assert_eq!(reply, "+OK");
    wait_until("it is not followed any more", SOON, || merged(&mesh, "state").is_empty());
    ask(&mut client, "SET old newer");
    assert_eq!(ask(&mut mesh.client(0), "GET old"), "\"from-redis\"");
}

#[test]
fn what_a_keydb_is_told_reaches_all_nodes() {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64;
    let at = |ms: u64| (now + ms - 1_000_000) << 20;
    // One key is older than what the mesh has, one is newer, and one says that it is of no known time.
    let keys = [("a", "keydb", at(0)), ("b", "keydb", at(2_000_000)), ("c", "keydb", u64::MAX)];
    let (address, replicas) = keydb(snapshot(&keys));
    let mesh = Mesh::start(2);
    for key in ["a", "b"] {
        assert_eq!(ask(&mut mesh.client(0), &format!("SET {key} mesh")), "+OK");
    }
    follow(&mesh, address);
    let (mut link, own) = replicas.recv_timeout(SOON).expect("it is followed");
    assert_eq!(own.len(), 36);
    everywhere(&mesh, "GET a", "\"mesh\"");
    everywhere(&mesh, "GET b", "\"keydb\"");
    everywhere(&mesh, "GET c", "\"keydb\"");
    let add = request(&["RPUSH", "list", "x"]);
    let stream = [
        envelope(UUID, &request(&["PING"]), "0", at(1)),
        envelope(UUID, &add, "0", at(2)),
        // By another way, and once more: it is not done again.
        envelope(OTHER, &envelope(UUID, &add, "0", at(2)), "0", at(3)),
        envelope(UUID, &add, "0", at(2)),
        // Ours, come back.
        envelope(&own, &add, "0", at(4)),
        // A transaction that is passed on for another server, in another database.
        envelope(UUID, &envelope(OTHER, &request(&["MULTI"]), "3", at(5)), "3", at(5)),
        envelope(UUID, &envelope(OTHER, &request(&["SET", "t", "1"]), "3", at(6)), "3", at(6)),
        envelope(UUID, &envelope(OTHER, &request(&["INCR", "t"]), "3", at(7)), "3", at(7)),
        envelope(UUID, &envelope(OTHER, &request(&["EXEC"]), "3", at(8)), "3", at(8)),
        envelope(UUID, &request(&["SET", "done", "1"]), "0", at(9)),
        envelope(UUID, &request(&["REPLCONF", "GETACK", "*"]), "0", at(10)),
    ]
    .concat();
    link.write_all(&stream).unwrap();
    everywhere(&mesh, "GET done", "\"1\"");
    everywhere(&mesh, "LRANGE list 0 -1", "[\"x\"]");
    for node in 0..2 {
        let mut client = mesh.client(node);
        ask(&mut client, "SELECT 3");
        wait_until("the transaction is done", SOON, || ask(&mut client, "GET t") == "\"2\"");
    }
    let mut acks = BufReader::new(link);
    let expected = format!("{}", 1000 + stream.len());
    wait_until("all bytes are acknowledged", SOON, || {
        let Ok(Value::Array(words)) = harness::decode::read_value(&mut acks) else { panic!("an ACK") };
        words.last().is_some_and(|word| word.text() == expected)
    });
    assert_eq!((merged(&mesh, "failed"), merged(&mesh, "ignored")), ("0".into(), "4".into()));
}

#[test]
fn a_keydb_that_follows_a_node_gets_what_its_clients_write() {
    let mesh = Mesh::start_with(2, &["--repl-diskless-sync-delay", "0"]);
    let mut client = mesh.client(0);
    for n in 0..300 {
        ask(&mut client, &format!("RPUSH list element:{n}"));
        ask(&mut client, &format!("HSET {} f{n} v", if n < 10 { "small" } else { "hash" }));
        ask(&mut client, &format!("ZADD {} {n} m{n}", if n < 10 { "few" } else { "zset" }));
        ask(&mut client, &format!("SADD {} {n}", if n < 10 { "ints" } else { "set" }));
        ask(&mut client, &format!("XADD stream 1-{} f v", n + 1));
    }
    for line in [
        "SADD set x",
        "SET text v EX 1000",
        "SET int 12",
        "XGROUP CREATE stream g 0",
        "XREADGROUP GROUP g c COUNT 3 STREAMS stream >",
    ] {
        ask(&mut client, line);
    }
    let mut keydb = KeyDbReplica::connect(mesh.nodes[0].address());
    let node = keydb.introduce();
    let answer = keydb.ask(&["PSYNC", "?", "-1"]);
    let words: Vec<&str> = answer.split(' ').collect();
    let ["+FULLRESYNC", replid, offset] = words[..] else { panic!("{answer}") };
    let snapshot = keydb.snapshot();
    assert!(snapshot.starts_with(b"REDIS0009"));
    // A real server reads it, and has the same data.
    let mut reader = Server::start(Kind::Redis);
    reader.terminate();
    std::fs::write(reader.dir().join("dump.rdb"), &snapshot).unwrap();
    reader.start_again();
    assert_eq!(harness::mesh::digest(&mut reader.client()), harness::mesh::digest(&mut client));
    keydb.out.write_all(&request(&["REPLCONF", "ACK", offset])).unwrap();
    let refused = mesh.client(0).cmd("PSYNC ? -1").unwrap().to_string();
    assert!(refused.contains("KeyDB servers follow this node"), "{refused}");

    ask(&mut client, "SELECT 3");
    ask(&mut client, "SET k 1");
    let (command, db, first) = keydb.envelope(&node);
    assert_eq!((command, &db[..]), (vec!["SET".to_owned(), "k".into(), "1".into()], "3"));
    // What another member writes comes from that one, and what KeyDB servers send does not go back.
    let (master, replicas) = peer::keydb(peer::snapshot(&[]));
    follow(&mesh, master);
    let (mut link, _) = replicas.recv_timeout(SOON).expect("it is followed");
    link.write_all(&envelope(OTHER, &request(&["INCR", "foreign"]), "0", 77)).unwrap();
    ask(&mut mesh.client(1), "SET other 1");
    everywhere(&mesh, "GET foreign", "\"1\"");
    everywhere(&mesh, "GET other", "\"1\"");
    for line in ["MULTI", "INCR k", "LPUSH l x", "EXEC"] {
        ask(&mut client, line);
    }
    let mut last = first;
    for expected in ["MULTI", "INCR k", "LPUSH l x", "EXEC"] {
        let (command, _, time) = keydb.envelope(&node);
        assert_eq!(command.join(" "), expected);
        assert!(time > last, "{time} after {last}");
        last = time;
    }
    assert_eq!(ask(&mut client, "RREPLAY x y"), "-ERR Command must be sent from a master");
    ask(&mut client, "SPUBLISH channel message");
    wait_until("what KeyDB does not know is withheld", SOON, || {
        harness::mesh::info(&mut mesh.client(0), "keydb_commands_withheld") == "1"
    });
    // A link that was cut goes on where it was.
    let end = harness::mesh::info(&mut mesh.client(0), "master_repl_offset").parse::<u64>().unwrap();
    drop(keydb);
    let mut keydb = KeyDbReplica::connect(mesh.nodes[0].address());
    assert_eq!(keydb.introduce(), node);
    assert_eq!(keydb.ask(&["PSYNC", replid, &(end + 1).to_string()]), format!("+CONTINUE {replid}"));
    ask(&mut client, "SET k 2");
    assert_eq!(keydb.envelope(&node).0.join(" "), "SET k 2");
}
