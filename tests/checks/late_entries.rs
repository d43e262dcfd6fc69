//! Entries that reached a node behind what a group had read there are handed out, whatever became of the node in between.

use std::fs;

use harness::mesh::{Mesh, SOON, info};
use harness::wait::wait_until;
use harness::{Client, Kind, Server};

fn ask(client: &mut Client, line: &str) -> String {
    client.cmd(line).unwrap_or_else(|e| panic!("{line}: {e}")).to_string()
}

/// Two nodes with a stream in which `5-1` and `5-2` came behind what the group had read.
fn with_late_entries(options: &[&str]) -> Mesh {
    let mesh = Mesh::start_with(2, options);
    let (mut a, mut b) = (mesh.client(0), mesh.client(1));
    ask(&mut a, "XADD s 1-1 f v");
    ask(&mut a, "XGROUP CREATE s g 0");
    mesh.wait_equal();
    mesh.cut(0, 1);
    ask(&mut a, "XADD s 5-1 f late");
    ask(&mut a, "XADD s 5-2 f late");
    ask(&mut b, "XADD s 6-1 f v");
    ask(&mut b, "XREADGROUP GROUP g me STREAMS s >");
    mesh.heal();
    mesh.wait_equal();
    // Which does not look at groups.
    wait_until("both know what was delivered", SOON, || {
        let pending = [&mut a, &mut b].map(|client| ask(client, "XPENDING s g"));
        pending.iter().all(|text| text.contains("1-1") && text.contains("6-1"))
    });
    assert_eq!(ask(&mut a, "XLEN s"), "4");
    mesh
}

/// The ids that the group's next read gives, of those that are late.
fn next(client: &mut Client, options: &str) -> Vec<&'static str> {
    let reply = ask(client, &format!("XREADGROUP GROUP g me {options} STREAMS s >"));
    ["5-1", "5-2", "6-1"].into_iter().filter(|id| reply.contains(id)).collect()
}

fn wait_loaded(server: &Server) {
    wait_until("the data are loaded", SOON, || ask(&mut server.client(), "XLEN s") == "4");
}

/// A server without peers that begins with a snapshot.
fn from_file(kind: Kind, snapshot: &[u8], options: &[&str]) -> Server {
    let mut server = Server::start_with(kind, options);
    server.kill();
    fs::write(server.dir().join("dump.rdb"), snapshot).unwrap();
    server.start_again();
    wait_loaded(&server);
    server
}

fn snapshot_of(server: &Server) -> Vec<u8> {
    assert_eq!(ask(&mut server.client(), "SAVE"), "+OK");
    fs::read(server.dir().join("dump.rdb")).unwrap()
}

#[test]
fn a_snapshot_tells_of_them() {
    let mesh = with_late_entries(&[]);
    for node in &mesh.nodes {
        let mut server = from_file(Kind::Everwrite, &snapshot_of(node), &[]);
        assert_eq!(next(&mut server.client(), "COUNT 1"), ["5-1"]);
        ask(&mut server.client(), "SAVE");
        server.restart();
        wait_loaded(&server);
        assert_eq!(next(&mut server.client(), "COUNT 9"), ["5-2"]);
        assert!(next(&mut server.client(), "COUNT 9").is_empty());
    }
    // To Redis it says nothing that it would not take.
    from_file(Kind::Redis, &snapshot_of(&mesh.nodes[0]), &[]);
}

#[test]
fn so_do_logs_whatever_their_base_is() {
    let snapshot = snapshot_of(&with_late_entries(&[]).nodes[1]);
    for preamble in ["yes", "no"] {
        let options = ["--aof-use-rdb-preamble", preamble];
        let server = from_file(Kind::Everwrite, &snapshot, &options);
        let mut client = server.client();
        ask(&mut client, "CONFIG SET appendonly yes");
        wait_until("the log has its base", SOON, || {
            info(&mut client, "aof_rewrite_in_progress") == "0"
                && info(&mut client, "aof_rewrite_scheduled") == "0"
                && info(&mut client, "aof_last_rewrite_time_sec") != "-1"
        });
        for (options, ids) in [("COUNT 1 NOACK", &["5-1"][..]), ("COUNT 9", &["5-2"]), ("COUNT 9", &[])] {
            assert_eq!(ask(&mut client, "DEBUG LOADAOF"), "+OK");
            assert_eq!(next(&mut client, options), ids, "preamble {preamble}, {options}");
        }
    }
}

#[test]
fn a_replica_hands_them_out_when_it_is_a_master() {
    let server = from_file(
        Kind::Everwrite,
        &snapshot_of(&with_late_entries(&[]).nodes[1]),
        &["--repl-diskless-sync-delay", "0"],
    );
    let of = format!("127.0.0.1 {}", server.address().port());
    let replica = Server::start_with(Kind::Everwrite, &["--replicaof", &of]);
    wait_loaded(&replica);
    let mut client = server.client();
    assert_eq!(next(&mut client, "COUNT 1 NOACK"), ["5-1"]);
    assert_eq!(ask(&mut client, "WAIT 1 20000"), "1");
    ask(&mut replica.client(), "REPLICAOF NO ONE");
    assert_eq!(next(&mut replica.client(), "COUNT 9"), ["5-2"]);
}

/// A member that finds no peer serves what its own files say.
#[test]
fn a_member_that_is_started_again_hands_them_out() {
    for options in [&["--appendonly", "no"][..], &["--appendonly", "yes", "--appendfsync", "always"]] {
        let mut mesh = with_late_entries(options);
        snapshot_of(&mesh.nodes[0]);
        mesh.nodes.iter_mut().for_each(Server::terminate);
        mesh.nodes[0].start_again();
        let mut client = mesh.client(0);
        // Without a log it waits a while for one who might have more.
        wait_until("it takes writes", SOON, || ask(&mut client, "SET taken 1") == "+OK");
        assert_eq!(next(&mut client, "COUNT 9"), ["5-1", "5-2"], "{options:?}: {}", mesh.nodes[0].log());
    }
}
