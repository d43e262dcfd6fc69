//! Equal nodes, seen from outside: what one takes all have, whatever happens between them.

use harness::mesh::{self, ACTIVE, Mesh, SOON, info};
use harness::wait::wait_until;
use harness::{Client, Kind, Server, Value};
use std::io::{Read, Write};

fn text(value: &str) -> Value {
    Value::Bulk(value.into())
}

fn ok(client: &mut Client, line: &str) -> Value {
    let reply = client.cmd(line).unwrap();
    assert!(!reply.is_error(), "{line}: {reply}");
    reply
}

/// Two nodes, each taking writes to the same keys at the same time.
#[test]
fn crossing_writes_converge() {
    let mesh = Mesh::start(2);
    let (mut a, mut b) = (mesh.client(0), mesh.client(1));
    ok(&mut a, "SET gone 1");
    ok(&mut a, "SET number 100");
    mesh.wait_for("GET number", &text("100"));
    for i in 0..200 {
        ok(&mut a, &format!("SET same a{i}"));
        ok(&mut b, &format!("SET same b{i}"));
        ok(&mut a, &format!("HSET hash a{} {i} both a{i}", i % 7));
        ok(&mut b, &format!("HSET hash b{} {i} both b{i}", i % 5));
        ok(&mut a, "INCR number");
        ok(&mut b, "INCRBY number 10");
        ok(&mut a, "HINCRBY hash count 1");
        ok(&mut b, "HINCRBY hash count 1");
        ok(&mut a, &format!("SADD set {i}"));
        ok(&mut b, &format!("SREM set {i}"));
    }
    ok(&mut a, "DEL gone");
    ok(&mut a, "EXPIREAT same 4102444800");
    mesh.wait_for("GET number", &text("2300"));
    mesh.wait_for("HGET hash count", &text("400"));
    mesh.wait_for("HLEN hash", &Value::Int(14));
    mesh.wait_for("EXISTS gone", &Value::Int(0));
    mesh.wait_for("EXPIRETIME same", &Value::Int(4_102_444_800));
    mesh.wait_equal();
}

#[test]
fn a_healed_partition_loses_nothing() {
    let mesh = Mesh::start(3);
    mesh.cut(0, 1);
    mesh.cut(0, 2);
    mesh.wait_links(0, 0);
    let mut clients: Vec<Client> = (0..3).map(|node| mesh.client(node)).collect();
    for (node, client) in clients.iter_mut().enumerate() {
        for i in 0..100 {
            ok(client, "INCR hits");
            ok(client, &format!("SADD all {node}:{i}"));
            ok(client, &format!("HSET last {} {node}", i % 3));
            ok(client, &format!("ZADD scores {i} {node}:{i}"));
        }
        ok(client, &format!("SET name {node}"));
    }
    mesh.heal();
    mesh.wait_linked();
    mesh.wait_for("GET hits", &text("300"));
    mesh.wait_for("SCARD all", &Value::Int(300));
    mesh.wait_for("ZCARD scores", &Value::Int(300));
    mesh.wait_for("GET name", &text("2"));
    mesh.wait_equal();
}

#[test]
fn a_wrong_password_lets_nothing_in() {
    let locked = Server::start_with(Kind::Everwrite, &[&ACTIVE[..], &["--requirepass", "secret"]].concat());
    let open = Server::start_with(Kind::Everwrite, &[&ACTIVE[..], &["--masterauth", "guess"]].concat());
    let (mut l, mut o) = (locked.client(), open.client());
    ok(&mut l, "AUTH secret");
    ok(&mut o, &format!("REPLICAOF 127.0.0.1 {}", locked.address().port()));
    wait_until("the refusal", SOON, || info(&mut o, "master_last_error").contains("wrong masteruser"));
    assert!(locked.log().contains("Refused a link from"), "{}", locked.log());
    assert_eq!(l.cmd("DBSIZE").unwrap(), Value::Int(0));
    assert_eq!(info(&mut l, "mesh_members"), "0");
    ok(&mut o, "CONFIG SET masterauth secret");
    wait_until("a link", SOON, || info(&mut o, "connected_slaves") == "1");
    ok(&mut o, "SET intruder 1");
    wait_until("the key", SOON, || l.cmd("GET intruder").unwrap() == text("1"));
}

#[test]
fn a_node_that_is_told_to_follow_itself_does_not() {
    let node = Server::start_with(Kind::Everwrite, &ACTIVE);
    let mut client = node.client();
    ok(&mut client, &format!("REPLICAOF 127.0.0.1 {}", node.address().port()));
    wait_until("a word about it", SOON, || node.log().contains("is this node itself: ignored"));
    assert_eq!(ok(&mut client, "ROLE").items().unwrap()[3], text("itself"));
    ok(&mut client, "INCR n");
    assert_eq!(info(&mut client, "connected_slaves"), "0");
}

#[test]
fn replicaof_adds_and_removes() {
    let mesh = Mesh::start(2);
    let mut a = mesh.client(0);
    let role = ok(&mut a, "ROLE");
    let items = role.items().unwrap();
    assert_eq!((&items[0], items.len()), (&text("active-replica"), 5));
    let port = items[2].int().unwrap();
    assert_eq!(
        ok(&mut a, &format!("REPLICAOF 127.0.0.1 {port}")),
        Value::Simple("OK Already connected to specified master".into())
    );
    assert_eq!(ok(&mut a, "WAIT 1 10000"), Value::Int(1));
    ok(&mut a, &format!("REPLICAOF REMOVE 127.0.0.1 {port}"));
    assert!(a.cmd(&format!("REPLICAOF REMOVE 127.0.0.1 {port}")).unwrap().is_error());
    assert_eq!(ok(&mut a, "ROLE").items().unwrap()[0], text("master"));
    ok(&mut mesh.client(1), "REPLICAOF NO ONE");
    mesh.wait_links(0, 0);
    assert_eq!(ok(&mut a, "WAIT 1 50"), Value::Int(0));
}

#[test]
fn wait_counts_who_holds_the_write() {
    let mesh = Mesh::start(3);
    let mut a = mesh.client(0);
    ok(&mut a, "SET a 1");
    assert_eq!(ok(&mut a, "WAIT 2 10000"), Value::Int(2));
    assert_eq!(ok(&mut a, "WAITSTABLE 10000"), Value::Int(1));
    mesh.cut(0, 2);
    mesh.cut(1, 2);
    mesh.wait_links(0, 1);
    ok(&mut a, "SET a 2");
    assert_eq!(ok(&mut a, "WAIT 2 300"), Value::Int(1));
    assert_eq!(
        ok(&mut a, "WAITSTABLE 100"),
        Value::Int(0),
        "the member that is away may have written before"
    );
}

/// Whatever comes over HTTP/2 to this port, the server goes on and its data are what they were.
#[test]
fn hostile_bytes_change_nothing() {
    let node = Server::start_with(Kind::Everwrite, &ACTIVE);
    let mut client = node.client();
    ok(&mut client, "SET a 1");
    let preface: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let settings: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
    let mut seed = 12_345_u64;
    for round in 0..40 {
        let mut stream = std::net::TcpStream::connect(node.address()).unwrap();
        stream.set_read_timeout(Some(std::time::Duration::from_millis(20))).unwrap();
        let noise: Vec<u8> = (0..round * 37)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (seed >> 56) as u8
            })
            .collect();
        let settings = if round % 2 == 0 { settings } else { &[] };
        let _ = stream.write_all(&[preface, settings, &noise].concat());
        let _ = stream.read(&mut [0; 1024]);
    }
    assert_eq!(ok(&mut client, "GET a"), text("1"));
    assert_eq!(info(&mut client, "mesh_members"), "0");
}

#[test]
fn what_was_there_before_reaches_a_new_peer() {
    let mesh = Mesh::start(1);
    let mut a = mesh.client(0);
    for i in 0..2_000 {
        ok(&mut a, &format!("SET key:{i} {i}"));
    }
    ok(&mut a, "RPUSH list a b c");
    ok(&mut a, "HSET hash f v");
    let late = Server::start_with(Kind::Everwrite, &ACTIVE);
    let mut b = late.client();
    ok(&mut b, "SET mine 1");
    ok(&mut b, &format!("REPLICAOF 127.0.0.1 {}", mesh.nodes[0].address().port()));
    wait_until("all keys", SOON, || b.cmd("DBSIZE").unwrap() == Value::Int(2_003));
    assert_eq!(b.cmd("LRANGE list 0 -1").unwrap().items().map(<[_]>::len), Some(3));
    wait_until("the other's key", SOON, || a.cmd("GET mine").unwrap() == text("1"));
}

#[test]
fn a_node_that_comes_back_without_its_data_gets_them_from_its_peers() {
    let mut mesh = Mesh::start(2);
    let mut a = mesh.client(0);
    for i in 0..500 {
        ok(&mut a, &format!("SADD set {i}"));
    }
    mesh.wait_for("SCARD set", &Value::Int(500));
    mesh.nodes[1].kill();
    for i in 500..600 {
        ok(&mut a, &format!("SADD set {i}"));
    }
    mesh.nodes[1].start_again();
    mesh.follow(1, 0);
    mesh.wait_linked();
    mesh.wait_for("SCARD set", &Value::Int(600));
    let mut b = mesh.client(1);
    wait_until("it takes writes", SOON, || !b.cmd("SET again 1").unwrap().is_error());
    mesh.wait_for("GET again", &text("1"));
    mesh.wait_equal();
}

#[test]
fn a_copied_identity_is_refused_until_it_is_replaced() {
    let mesh = Mesh::start(2);
    mesh.nodes[0].client().cmd("SET a 1").unwrap();
    let mut twin = Server::start_with(Kind::Everwrite, &ACTIVE);
    twin.terminate();
    std::fs::copy(mesh.nodes[0].dir().join("everwrite.node"), twin.dir().join("everwrite.node")).unwrap();
    twin.start_again();
    let mut t = twin.client();
    ok(&mut t, &format!("REPLICAOF 127.0.0.1 {}", mesh.nodes[1].address().port()));
    wait_until("the refusal", SOON, || info(&mut t, "mesh_last_error").contains("REPLICATION NEWID"));
    ok(&mut t, "REPLICATION NEWID");
    wait_until("the data", SOON, || t.cmd("GET a").unwrap() == text("1"));
    wait_until("to serve", SOON, || !t.cmd("SET b 2").unwrap().is_error());
    mesh.wait_for("GET b", &text("2"));
}

/// The node whose directory was copied is refused by its copy, and the other way round, and both say what to do; whoever had the identity
/// first goes on undisturbed.
#[test]
fn two_processes_with_one_identity_refuse_each_other() {
    let mesh = Mesh::start(2);
    let (mut a, mut b) = (mesh.client(0), mesh.client(1));
    ok(&mut a, "SET a 1");
    mesh.wait_for("GET a", &text("1"));
    let mut twin = Server::start_with(Kind::Everwrite, &ACTIVE);
    twin.terminate();
    std::fs::copy(mesh.nodes[0].dir().join("everwrite.node"), twin.dir().join("everwrite.node")).unwrap();
    twin.start_again();
    let mut t = twin.client();
    assert_eq!(info(&mut t, "mesh_uuid"), info(&mut a, "mesh_uuid"));
    ok(&mut t, &format!("REPLICAOF 127.0.0.1 {}", mesh.nodes[0].address().port()));
    ok(&mut t, &format!("REPLICAOF 127.0.0.1 {}", mesh.nodes[1].address().port()));
    ok(&mut a, &format!("REPLICAOF 127.0.0.1 {}", twin.address().port()));
    for (client, who) in [(&mut a, "the node"), (&mut b, "its peer"), (&mut t, "the copy")] {
        wait_until(&format!("a word of {who}"), SOON, || {
            let error = info(client, "mesh_last_error");
            error.contains("has an identity that another node has") && error.contains("REPLICATION NEWID")
        });
    }
    for client in [&mut a, &mut b] {
        assert_eq!(info(client, "connected_slaves"), "1", "the copy is no peer");
    }
    assert_eq!(info(&mut t, "connected_slaves"), "0");
    ok(&mut a, "SET b 2");
    mesh.wait_for("GET b", &text("2"));
    for key in ["a", "b"] {
        let found = t.cmd(&format!("GET {key}")).unwrap();
        assert!(found.is_null() || found.to_string().contains("LOADING"), "the copy gets nothing: {found}");
    }
    mesh.wait_equal();
}

/// What others wrote is passed on to who lacks it, unless that is not wanted: then it waits for the one who wrote it. What nobody
/// else can give is passed on all the same.
#[test]
fn what_others_wrote_is_passed_on_unless_that_is_not_wanted() {
    let mut mesh = Mesh::start_with(3, &["--multi-master-no-forward", "yes"]);
    let (mut a, mut b, mut c) = (mesh.client(0), mesh.client(1), mesh.client(2));
    let a_id = info(&mut a, "mesh_uuid");
    mesh.cut(0, 2);
    for node in [0, 2] {
        mesh.wait_links(node, 1);
    }
    ok(&mut a, "INCR n");
    ok(&mut c, "INCR n");
    wait_until("both at the one in between", SOON, || ok(&mut b, "GET n") == text("2"));
    // Far longer than it takes to see that somebody lacks it.
    std::thread::sleep(std::time::Duration::from_secs(4));
    for client in [&mut a, &mut c] {
        assert_eq!(ok(client, "GET n"), text("1"), "nothing is passed on");
    }
    ok(&mut b, "CONFIG SET multi-master-no-forward no");
    mesh.wait_for("GET n", &text("2"));
    ok(&mut b, "CONFIG SET multi-master-no-forward yes");
    // It is heeded with the next beat.
    std::thread::sleep(std::time::Duration::from_secs(1));
    ok(&mut a, "INCR n");
    wait_until("it at the one in between", SOON, || ok(&mut b, "GET n") == text("3"));
    std::thread::sleep(std::time::Duration::from_secs(4));
    assert_eq!(ok(&mut c, "GET n"), text("2"), "nothing is passed on");
    mesh.heal();
    mesh.wait_linked();
    mesh.wait_for("GET n", &text("3"));
    mesh.wait_equal();
    mesh.wait_settled();
    // Who never comes back cannot give it.
    mesh.cut(0, 2);
    mesh.wait_links(2, 1);
    ok(&mut a, "INCR n");
    wait_until("it at the one in between", SOON, || ok(&mut b, "GET n") == text("4"));
    mesh.nodes[0].kill();
    for client in [&mut b, &mut c] {
        wait_until("its links' end", SOON, || info(client, "connected_slaves") == "1");
        ok(client, &format!("REPLICATION FORGET {a_id}"));
    }
    wait_until("it at the third", SOON, || ok(&mut c, "GET n") == text("4"));
    let mut same = || mesh::digest(&mut b) == mesh::digest(&mut c);
    wait_until("the same at both", SOON, &mut same);
}

/// Two meshes that have settled data of their own cannot tell what is older: they are not linked, and nothing is lost. As a
/// newcomer with a file the data of one come to the other.
#[test]
fn two_meshes_with_data_are_merged_by_a_newcomer_only() {
    let (one, mut two) = (Mesh::start(2), Mesh::start(2));
    let (mut a, mut b) = (one.client(0), two.client(0));
    for i in 0..50 {
        ok(&mut a, &format!("SET one:{i} {i}"));
        ok(&mut b, &format!("SET two:{i} {i}"));
    }
    let later = || std::thread::sleep(std::time::Duration::from_millis(5));
    ok(&mut a, "SET both one");
    later();
    ok(&mut b, "MSET both two other two");
    later();
    ok(&mut a, "SET other one");
    for mesh in [&one, &two] {
        mesh.wait_equal();
        mesh.wait_settled();
    }
    let address = one.nodes[0].address();
    ok(&mut b, &format!("REPLICAOF 127.0.0.1 {}", address.port()));
    wait_until("the refusal", SOON, || info(&mut b, "mesh_last_error").contains("another mesh"));
    assert_eq!(ok(&mut a, "DBSIZE"), Value::Int(52));
    assert_eq!(ok(&mut b, "DBSIZE"), Value::Int(52));
    ok(&mut b, "SAVE");
    two.nodes[1].terminate();
    two.nodes[0].terminate();
    std::fs::remove_file(two.nodes[0].dir().join("everwrite.node")).unwrap();
    two.nodes[0].start_again();
    let mut b = two.client(0);
    for node in &one.nodes {
        ok(&mut b, &format!("REPLICAOF 127.0.0.1 {}", node.address().port()));
    }
    // The file has the versions of its keys: of what both sides have, the younger stays.
    let youngest = Value::Array(vec![text("two"), text("one")]);
    one.wait_for("DBSIZE", &Value::Int(102));
    one.wait_for("MGET both other", &youngest);
    wait_until("the same there", SOON, || b.cmd("DBSIZE").unwrap() == Value::Int(102));
    assert_eq!(ok(&mut b, "MGET both other"), youngest);
    one.wait_equal();
    assert_eq!(mesh::digest(&mut a), mesh::digest(&mut b));
}

/// Nobody has heard of it by its writes: a full sync took it for a stranger, whose data nobody can have deleted.
#[test]
fn a_node_that_never_writes_takes_deletes_by_a_full_sync() {
    let mesh = Mesh::start_with(2, &["--repl-memory-limit", "1mb", "--repl-spill-limit", "0"]);
    let mut a = mesh.client(0);
    ok(&mut a, "MSET gone 1 kept 1");
    ok(&mut a, "SADD set a b c");
    mesh.wait_for("SCARD set", &Value::Int(3));
    wait_until("all to be settled", SOON, || info(&mut a, "mesh_overlay_keys") == "0");
    std::thread::sleep(std::time::Duration::from_secs(1));
    mesh.cut(0, 1);
    ok(&mut a, "DEL gone");
    ok(&mut a, "SREM set b");
    let large = "x".repeat(100_000);
    (0..40).for_each(|i| drop(ok(&mut a, &format!("SET large{} {large}", i % 4))));
    mesh.heal();
    mesh.wait_for("EXISTS gone large3", &Value::Int(1));
    mesh.wait_for("SCARD set", &Value::Int(2));
    let mut b = mesh.client(1);
    let what = "a full sync: what is needed is in no log any more";
    wait_until(what, SOON, || info(&mut b, "mesh_full_syncs_received") != "0");
    mesh.wait_equal();
}

#[test]
fn a_member_that_stays_away_is_detached_and_comes_back() {
    let mut mesh = Mesh::start_with(2, &["--repl-detach-after", "1"]);
    let mut a = mesh.client(0);
    (0..100).for_each(|i| drop(ok(&mut a, &format!("SADD set {i}"))));
    mesh.wait_for("SCARD set", &Value::Int(100));
    mesh.cut(0, 1);
    ok(&mut a, "SREM set 7");
    wait_until("it to be detached", SOON, || info(&mut a, "mesh_detached") == "1");
    wait_until("nothing to be remembered", SOON, || info(&mut a, "mesh_overlay_keys") == "0");
    assert!(mesh.nodes[0].log().contains("it is detached"));
    let mut b = mesh.client(1);
    wait_until("the other side, too", SOON, || info(&mut b, "mesh_detached") == "1");
    mesh.heal();
    mesh.wait_for("SCARD set", &Value::Int(99));
    mesh.wait_linked();
    wait_until("it to count again", SOON, || info(&mut a, "mesh_detached") == "0");
    wait_until("it to take writes", SOON, || !b.cmd("SADD set back").unwrap().is_error());
    mesh.wait_for("SCARD set", &Value::Int(100));
    mesh.wait_equal();
    // Both write without the other: nothing is merged, and both say why.
    mesh.cut(0, 1);
    ok(&mut a, "SADD set a");
    ok(&mut b, "SADD set b");
    for client in [&mut a, &mut b] {
        wait_until("both to be detached", SOON, || info(client, "mesh_detached") == "1");
    }
    mesh.heal();
    wait_until("the refusal", SOON, || {
        let all = format!("{}{}", info(&mut a, "mesh_last_error"), info(&mut b, "mesh_last_error"));
        all.contains("cannot be merged")
    });
    mesh.nodes.iter_mut().for_each(Server::kill);
}

/// What is settled among the members, a newcomer has never heard of: its own full sync must not take it for deleted.
#[test]
fn a_newcomer_with_data_of_its_own_takes_nothing_away() {
    let mesh = Mesh::start(2);
    let mut a = mesh.client(0);
    for i in 0..300 {
        ok(&mut a, &format!("SET old:{i} {i}"));
    }
    ok(&mut a, "SADD set a b");
    mesh.wait_for("SCARD set", &Value::Int(2));
    wait_until("all to be settled", SOON, || info(&mut a, "mesh_overlay_keys") == "0");
    let late = Server::start_with(Kind::Everwrite, &ACTIVE);
    let mut c = late.client();
    ok(&mut c, "SET mine 1");
    ok(&mut c, "SADD set c");
    for node in &mesh.nodes {
        ok(&mut c, &format!("REPLICAOF 127.0.0.1 {}", node.address().port()));
    }
    wait_until("all keys", SOON, || c.cmd("DBSIZE").unwrap() == Value::Int(302));
    mesh.wait_for("DBSIZE", &Value::Int(302));
    mesh.wait_for("GET mine", &text("1"));
    mesh.wait_equal();
    ok(&mut c, "DEL old:7");
    mesh.wait_for("DBSIZE", &Value::Int(301));
}

/// A peer's call in raw HTTP/2, with a first message of these bytes. `len`: what its prefix says that it has.
fn call_with(address: std::net::SocketAddr, message: &[u8], len: u32) {
    let mut wire = mesh::raw_call();
    wire.extend([0, 0, message.len() as u8 + 5, 0, 0, 0, 0, 0, 1, 0]);
    wire.extend(len.to_be_bytes());
    wire.extend(message);
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.write_all(&wire).unwrap();
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    // The end of stream 1 in one form or another: trailers, or a reset.
    let ended = |answer: &[u8]| {
        let mut rest = answer;
        while let [a, b, c, kind, flags, _, _, _, stream, ..] = rest {
            let len = (usize::from(*a) << 16) + (usize::from(*b) << 8) + usize::from(*c);
            if *stream == 1 && (*kind == 3 || *kind == 1 && flags & 1 == 1) {
                return true;
            }
            rest = rest.get(9 + len..).unwrap_or_default();
        }
        false
    };
    while !ended(&answer) {
        match stream.read(&mut buffer) {
            Ok(n @ 1..) => answer.extend(&buffer[..n]),
            _ => break,
        }
    }
}

#[test]
fn malformed_and_oversize_frames_close_the_link_and_change_nothing() {
    let node = Server::start_with(Kind::Everwrite, &ACTIVE);
    let mut client = node.client();
    ok(&mut client, "SET a 1");
    // Field 1 of a frame, its messages: one of three bytes that is none.
    let garbage = [0x0a, 4, 3, 0xff, 0xff, 0xff];
    // An acknowledgement, before the hello.
    let early = [0x0a, 3, 2, 7, 0];
    for (message, len, word) in [
        (&garbage[..], garbage.len() as u32, Some("a message that cannot be read")),
        (&early[..], early.len() as u32, Some("makes no sense")),
        (&[], 0, Some("a frame without anything in it")),
        (&[0xff; 20], 20, None),
        (&garbage[..], 64 << 20, None),
    ] {
        call_with(node.address(), message, len);
        if let Some(word) = word {
            wait_until(word, SOON, || node.log().contains(word));
        }
    }
    assert_eq!(ok(&mut client, "GET a"), text("1"));
    assert_eq!((&info(&mut client, "mesh_members")[..], ok(&mut client, "DBSIZE")), ("0", Value::Int(1)));
    wait_until("no link to be left", SOON, || info(&mut client, "connected_slaves") == "0");
}

/// Of who does not say the password not even a frame is read, whatever is in it.
#[test]
fn who_does_not_say_the_password_is_not_listened_to() {
    let node = Server::start_with(Kind::Everwrite, &[&ACTIVE[..], &["--requirepass", "secret"]].concat());
    let mut client = node.client();
    ok(&mut client, "AUTH secret");
    ok(&mut client, "SET a 1");
    for message in [&[0x0a, 4, 3, 0xff, 0xff, 0xff][..], &[0x0a, 3, 2, 7, 0], &[]] {
        call_with(node.address(), message, message.len() as u32);
    }
    let log = node.log();
    assert_eq!(log.matches("Refused a link from").count(), 3, "{log}");
    assert!(!log.contains("Peer 127.0.0.1"), "{log}");
    assert_eq!((&info(&mut client, "mesh_members")[..], ok(&mut client, "DBSIZE")), ("0", Value::Int(1)));
}

#[test]
fn the_demo_shows_that_nothing_is_lost() {
    let output = std::process::Command::new(Kind::Everwrite.program())
        .args(["demo", "--seconds", "1", "--exit"])
        .output()
        .expect("the demo starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    for line in ["linked, each to each", "is cut off", "The cut is healed", "All nodes have the same data"] {
        assert!(said.contains(line), "{line}: {said}");
    }
}
