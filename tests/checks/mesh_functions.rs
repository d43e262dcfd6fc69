//! Functions on the nodes of a mesh: loaded, replaced and removed on any of them, they end up the same on all.

use std::thread::sleep;
use std::time::Duration;

use harness::mesh::{ACTIVE, Mesh, SOON, info};
use harness::wait::wait_until;
use harness::{Client, Kind, Server, Value};

fn load(client: &mut Client, library: &str, function: &str, result: i64) {
    let source = format!(
        "#!lua name={library}\nredis.register_function('{function}', function() return {result} end)"
    );
    let reply = client.call(&["FUNCTION", "LOAD", "REPLACE", &source]).unwrap();
    assert_eq!(reply, Value::Bulk(library.into()), "{reply}");
}

fn ok(client: &mut Client, line: &str) -> Value {
    let reply = client.cmd(line).unwrap();
    assert!(!reply.is_error(), "{line}: {reply}");
    reply
}

/// The names of a node's libraries and functions.
fn shelf(client: &mut Client) -> String {
    ok(client, "FUNCTION LIST").to_string()
}

/// Waits until all nodes answer a call alike.
fn wait_answer(mesh: &Mesh, function: &str, result: i64) {
    mesh.wait_for(&format!("FCALL {function} 0"), &Value::Int(result));
}

fn wait_gone(mesh: &Mesh, function: &str) {
    for node in 0..mesh.nodes.len() {
        let mut client = mesh.client(node);
        let gone = |reply: Value| reply.is_error() && reply.to_string().contains("Function not found");
        wait_until("the function to be gone", SOON, || {
            gone(client.cmd(&format!("FCALL {function} 0")).unwrap())
        });
    }
}

fn wait_same(mesh: &Mesh) {
    let mut clients: Vec<Client> = (0..mesh.nodes.len()).map(|node| mesh.client(node)).collect();
    wait_until("the same libraries", SOON, || {
        let all: Vec<String> = clients.iter_mut().map(shelf).collect();
        all.windows(2).all(|pair| pair[0] == pair[1])
    });
}

#[test]
fn what_is_loaded_replaced_and_removed_anywhere_is_so_everywhere() {
    let mesh = Mesh::start(3);
    let (mut a, mut b) = (mesh.client(0), mesh.client(1));
    load(&mut a, "lib", "f", 1);
    wait_answer(&mesh, "f", 1);
    load(&mut b, "lib", "f", 2);
    wait_answer(&mesh, "f", 2);
    load(&mut b, "other", "g", 3);
    wait_answer(&mesh, "g", 3);
    ok(&mut a, "FUNCTION DELETE lib");
    wait_gone(&mesh, "f");
    wait_answer(&mesh, "g", 3);
    let payload = ok(&mut a, "FUNCTION DUMP").bytes().unwrap().to_vec();
    ok(&mut b, "FUNCTION FLUSH");
    wait_gone(&mesh, "g");
    let restored = a.call(&[&b"FUNCTION"[..], b"RESTORE", &payload]).unwrap();
    assert!(!restored.is_error(), "{restored}");
    wait_answer(&mesh, "g", 3);
    wait_same(&mesh);
}

#[test]
fn the_last_to_write_a_library_wins_on_both_sides_of_a_cut() {
    let mesh = Mesh::start(2);
    let (mut a, mut b) = (mesh.client(0), mesh.client(1));
    load(&mut a, "gone", "gone", 1);
    wait_answer(&mesh, "gone", 1);
    mesh.cut(0, 1);
    let later = || sleep(Duration::from_millis(30));
    load(&mut b, "lib", "f", 2);
    load(&mut b, "gone", "gone", 2);
    load(&mut b, "first", "shared", 7);
    later();
    load(&mut a, "lib", "f", 1);
    ok(&mut a, "FUNCTION DELETE gone");
    load(&mut a, "second", "shared", 8);
    mesh.heal();
    wait_answer(&mesh, "f", 1);
    wait_gone(&mesh, "gone");
    // Two libraries offer one function: the younger one has it, on both.
    wait_answer(&mesh, "shared", 8);
    wait_same(&mesh);
    // When its names are free again, the other one comes back.
    ok(&mut b, "FUNCTION DELETE second");
    wait_answer(&mesh, "shared", 7);
    wait_same(&mesh);
    mesh.cut(0, 1);
    load(&mut b, "old", "old", 1);
    later();
    ok(&mut a, "FUNCTION FLUSH");
    later();
    load(&mut b, "young", "young", 2);
    mesh.heal();
    wait_answer(&mesh, "young", 2);
    wait_gone(&mesh, "old");
    wait_same(&mesh);
}

/// What was removed while a node was away stays removed when it comes back with a file that has it.
#[test]
fn a_node_that_was_away_brings_nothing_back() {
    let mut mesh = Mesh::start(2);
    let (mut a, mut b) = (mesh.client(0), mesh.client(1));
    load(&mut a, "kept", "kept", 1);
    load(&mut a, "removed", "removed", 1);
    wait_answer(&mesh, "removed", 1);
    ok(&mut b, "SAVE");
    mesh.nodes[1].terminate();
    ok(&mut a, "FUNCTION DELETE removed");
    load(&mut a, "kept", "kept", 2);
    mesh.nodes[1].start_again();
    mesh.follow(1, 0);
    mesh.wait_linked();
    wait_answer(&mesh, "kept", 2);
    wait_gone(&mesh, "removed");
    wait_same(&mesh);
}

#[test]
fn a_log_keeps_who_wrote_them_last() {
    let mut mesh = Mesh::start_with(2, &["--appendonly", "yes", "--appendfsync", "always"]);
    let (mut a, mut b) = (mesh.client(0), mesh.client(1));
    load(&mut a, "lib", "f", 1);
    wait_answer(&mesh, "f", 1);
    wait_until("a base", SOON, || {
        let entries = std::fs::read_dir(mesh.nodes[1].dir().join("appendonlydir"));
        entries.is_ok_and(|all| all.flatten().any(|e| e.path().extension().is_some_and(|x| x == "base")))
    });
    wait_until("its end", SOON, || info(&mut b, "aof_rewrite_in_progress") == "0");
    load(&mut b, "lib", "f", 2);
    wait_answer(&mesh, "f", 2);
    // Beats write it down.
    sleep(Duration::from_millis(300));
    mesh.nodes.iter_mut().for_each(Server::kill);
    mesh.nodes[1].start_again();
    assert_eq!(ok(&mut mesh.client(1), "FCALL f 0"), Value::Int(2));
    mesh.nodes[0].start_again();
    mesh.follow(0, 1);
    wait_answer(&mesh, "f", 2);
}

#[test]
fn a_library_that_is_too_large_for_a_mesh_is_refused() {
    let node = Server::start_with(Kind::Everwrite, &ACTIVE);
    let source =
        format!("#!lua name=large\n-- {}\nredis.register_function('f', function() end)", "x".repeat(3 << 20));
    let reply = node.client().call(&["FUNCTION", "LOAD", &source]).unwrap();
    assert!(reply.is_error() && reply.to_string().contains("can't send each other"), "{reply}");
}

/// Clients of a node and its peers change libraries at the same time: who follows that node has what it has.
#[test]
fn a_replica_has_what_clients_and_peers_have_loaded_at_once() {
    let mesh = Mesh::start(2);
    let address = format!("127.0.0.1 {}", mesh.nodes[0].address().port());
    let replica = Server::start_with(Kind::Everwrite, &["--replicaof", &address]);
    let mut follows = replica.client();
    wait_until("the replica's link", SOON, || info(&mut follows, "master_link_status") == "up");
    let mut a = mesh.client(0);
    let mut clients = [mesh.client(0), mesh.client(1)];
    for round in 0..150 {
        let barrier = std::sync::Barrier::new(2);
        std::thread::scope(|scope| {
            for (node, client) in clients.iter_mut().enumerate() {
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    // What a peer tells takes about as long to come.
                    sleep(Duration::from_micros(if node == 0 { 120 * (round % 20) } else { 0 }));
                    load(client, &format!("lib{node}"), &format!("f{node}"), round as i64);
                });
            }
        });
        wait_same(&mesh);
        let codes = |client: &mut Client| ok(client, "FUNCTION LIST WITHCODE").to_string();
        let what = format!("what the node has at its replica, round {round}");
        wait_until(&what, SOON, || codes(&mut a) == codes(&mut follows));
    }
}
