//! Stamps name who wrote by sixteen bits of a hash. Two nodes that come with the same bits, one pair in 65,534, must not stay apart, nor
//! take each other's writes for their own: one of them begins a new incarnation.

use harness::mesh::{ACTIVE, SOON, digest, info};
use harness::wait::{wait_for, wait_until};
use harness::{Client, Kind, Server, Value};
use replication::origin::Author;

/// Above the time, so that a start counts on from it.
const INCARNATION: u64 = 9_000_000_000_000;

fn ok(client: &mut Client, line: &str) -> Value {
    let reply = client.cmd(line).unwrap();
    assert!(!reply.is_error(), "{line}: {reply}");
    reply
}

/// A node that comes up with this identity, in the incarnation behind this one.
fn node(uuid: u128) -> Server {
    let mut server = Server::start_with(Kind::Everwrite, &ACTIVE);
    server.terminate();
    let text = format!("uuid {uuid:032x}\nincarnation {INCARNATION}\nbound 0\n");
    std::fs::write(server.dir().join("everwrite.node"), text).unwrap();
    server.start_again();
    server
}

/// Two nodes that come up with one label.
fn alike() -> [Server; 2] {
    let label = |uuid| Author { uuid, incarnation: INCARNATION + 1 }.label();
    let other = (2..).find(|uuid| label(*uuid) == label(1)).expect("there are many");
    [node(1), node(other)]
}

/// Links them, and waits until both have the same and have forgotten how it came about.
fn meet(nodes: &[Server; 2], clients: &mut [Client; 2]) {
    ok(&mut clients[0], &format!("REPLICAOF 127.0.0.1 {}", nodes[1].address().port()));
    ok(&mut clients[1], &format!("REPLICAOF 127.0.0.1 {}", nodes[0].address().port()));
    for client in &mut *clients {
        let linked = || (info(client, "connected_slaves") == "1").then_some(());
        if wait_for(SOON, linked).is_none() {
            panic!("they are not linked:\n{}\n--\n{}", nodes[0].log(), nodes[1].log());
        }
    }
    wait_until("the same at both", SOON, || digest(&mut clients[0]) == digest(&mut clients[1]));
    let renamed = nodes.each_ref().map(|node| node.log().contains("gives way to"));
    assert!(renamed[0] != renamed[1], "one of them:\n{}\n--\n{}", nodes[0].log(), nodes[1].log());
}

/// Both write, and each sees what the other one writes.
fn go_on(clients: &mut [Client; 2]) {
    for round in 0..50 {
        for (name, client) in ["a", "b"].into_iter().zip(&mut *clients) {
            for line in [
                "INCR count".to_owned(),
                format!("RPUSH list {name}{round}"),
                format!("SADD set {name}{round}"),
                format!("SET last {name}{round}"),
            ] {
                ok(client, &line);
            }
        }
    }
    wait_until("the same at both", SOON, || {
        let all = clients.each_mut().map(|client| {
            let count = ok(client, "GET count").text();
            (count, ok(client, "LLEN list").int(), digest(client))
        });
        all[0] == all[1] && all[0].0 == "100" && all[0].1 == Some(100)
    });
    for client in clients {
        wait_until("nothing to be remembered", SOON, || {
            std::thread::sleep(std::time::Duration::from_millis(600));
            info(client, "mesh_overlay_keys") == "0"
        });
    }
}

#[test]
fn two_nodes_with_one_label_meet_all_the_same() {
    let nodes = alike();
    let mut clients = nodes.each_ref().map(Server::client);
    meet(&nodes, &mut clients);
    go_on(&mut clients);
}

#[test]
fn two_nodes_with_one_label_and_data_of_their_own_keep_both() {
    let nodes = alike();
    let mut clients = nodes.each_ref().map(Server::client);
    for (name, client) in ["a", "b"].into_iter().zip(&mut clients) {
        for i in 0..100 {
            ok(client, &format!("SET {name}:{i} {i}"));
        }
        ok(client, &format!("SADD both {name}"));
        ok(client, &format!("SET one {name}"));
    }
    meet(&nodes, &mut clients);
    for client in &mut clients {
        assert_eq!(ok(client, "DBSIZE"), Value::Int(202));
    }
    go_on(&mut clients);
}
