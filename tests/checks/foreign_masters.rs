//! Nodes of a mesh that are told to follow a server which is no node: a real `redis-server`, and one that speaks as KeyDB
//! does. They go on taking writes, and what the other one sends reaches all nodes.

use harness::client::encode;
use harness::mesh::Mesh;
use harness::proxy::Proxy;
use harness::wait::wait_until;
use harness::{Client, Kind, Server, Value};
use std::io::{BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
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

const UUID: &str = "0a1b2c3d-0000-4000-8000-000000000001";
const OTHER: &str = "0a1b2c3d-0000-4000-8000-000000000002";
const REPLID: &str = "abcdefabcdefabcdefabcdefabcdefabcdefabcd";

/// A master that says what KeyDB says. It hands out the sockets of replicas that have got its snapshot, and what they said
/// their UUID is.
fn keydb(snapshot: Vec<u8>) -> (SocketAddr, Receiver<(TcpStream, String)>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let (address, (tell, told)) = (listener.local_addr().unwrap(), channel());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (snapshot, tell) = (snapshot.clone(), tell.clone());
            std::thread::spawn(move || serve(stream, &snapshot, &tell));
        }
    });
    (address, told)
}

fn serve(stream: TcpStream, snapshot: &[u8], tell: &Sender<(TcpStream, String)>) -> Option<()> {
    let (mut reader, mut out) = (BufReader::new(stream.try_clone().ok()?), stream.try_clone().ok()?);
    let mut uuid = String::new();
    loop {
        let Value::Array(words) = harness::decode::read_value(&mut reader).ok()? else {
            // HTTP/2, or anything else.
            let _ = out.write_all(b"-ERR unknown command\r\n");
            return None;
        };
        let words: Vec<String> = words.iter().map(Value::text).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words[..] {
            ["PING"] => out.write_all(b"+PONG\r\n").ok()?,
            ["REPLCONF", "capa", ..] => {
                assert!(words.contains(&"activeExpire"), "{words:?}");
                out.write_all(b"+OK active-replica\r\n").ok()?;
            }
            ["REPLCONF", "uuid", theirs] => {
                uuid = theirs.to_owned();
                out.write_all(format!("+{UUID}\r\n").as_bytes()).ok()?;
            }
            ["REPLCONF", ..] => out.write_all(b"+OK\r\n").ok()?,
            ["PSYNC", ..] => {
                out.write_all(format!("+FULLRESYNC {REPLID} 1000\r\n\n\n${}\r\n", snapshot.len()).as_bytes())
                    .ok()?;
                out.write_all(snapshot).ok()?;
                return tell.send((stream, uuid)).ok();
            }
            _ => out.write_all(format!("-ERR unknown command `{}`\r\n", words[0]).as_bytes()).ok()?,
        }
    }
}

fn text(bytes: &str) -> Vec<u8> {
    [&[bytes.len() as u8], bytes.as_bytes()].concat()
}

/// RDB 9 with KeyDB's times.
fn snapshot(keys: &[(&str, &str, u64)]) -> Vec<u8> {
    let mut out = b"REDIS0009\xfa".to_vec();
    out.extend([text("redis-ver"), text("6.3.4"), b"\xfe\x00".to_vec()].concat());
    for (key, value, time) in keys {
        out.extend([b"\xfa".to_vec(), text("mvcc-tstamp"), text(&time.to_string())].concat());
        out.extend([b"\x00".to_vec(), text(key), text(value)].concat());
    }
    out.extend(b"\xff\0\0\0\0\0\0\0\0");
    out
}

fn request(words: &[&str]) -> Vec<u8> {
    let mut wire = Vec::new();
    encode(&mut wire, words);
    wire
}

fn envelope(origin: &str, payload: &[u8], db: &str, time: u64) -> Vec<u8> {
    let mut wire = Vec::new();
    encode(&mut wire, &[b"RREPLAY", origin.as_bytes(), payload, db.as_bytes(), time.to_string().as_bytes()]);
    wire
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
