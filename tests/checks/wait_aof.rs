//! WAITAOF: what is on whose disk.

use harness::mesh::{Mesh, info};
use harness::wait::wait_until;
use harness::{Client, Kind, Server};
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(30);
const LOGGED: [&str; 2] = ["--appendonly", "yes"];

fn ask(client: &mut Client, line: &str) -> String {
    client.cmd(line).unwrap_or_else(|e| panic!("{line}: {e}")).to_string()
}

fn pair(client: &mut Client, line: &str) -> (i64, i64) {
    let reply = client.cmd(line).unwrap();
    let items = reply.items().unwrap_or_else(|| panic!("{line}: {reply}"));
    let int = |at: usize| items[at].to_string().parse().unwrap_or_else(|_| panic!("{line}: {reply}"));
    (int(0), int(1))
}

#[test]
fn a_write_is_on_the_disk() {
    for policy in ["everysec", "always", "no"] {
        let server = Server::start_with(Kind::Everwrite, &[&LOGGED[..], &["--appendfsync", policy]].concat());
        let mut client = server.client();
        assert_eq!(pair(&mut client, "WAITAOF 1 0 0"), (1, 0), "{policy}: nothing was written");
        let began = Instant::now();
        for n in 0..20 {
            ask(&mut client, &format!("SET key {n}"));
            assert_eq!(pair(&mut client, "WAITAOF 1 0 0"), (1, 0), "{policy}");
        }
        // Nobody waits for the next second.
        assert!(began.elapsed() < Duration::from_secs(15), "{policy}: {:?}", began.elapsed());
        ask(&mut client, "SET key last");
        assert_eq!(pair(&mut client, "WAITAOF 1 1 50"), (1, 0), "{policy}: there is no replica");
        ask(&mut client, "MULTI");
        ask(&mut client, "WAITAOF 0 1 0");
        let inside = client.cmd("EXEC").unwrap();
        assert_eq!(inside.items().unwrap()[0].items().unwrap().len(), 2, "{policy}: {inside}");
    }
}

#[test]
fn what_cannot_be_waited_for_is_refused() {
    let server = Server::start(Kind::Everwrite);
    let mut client = server.client();
    let refused = "-ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.";
    assert_eq!(ask(&mut client, "WAITAOF 1 0 0"), refused);
    assert_eq!(ask(&mut client, "WAITAOF 2 0 0"), "-ERR value is out of range, value must between 0 and 1");
    assert_eq!(ask(&mut client, "WAITAOF 0 -1 0"), "-ERR value is out of range, must be positive");
    assert_eq!(ask(&mut client, "WAITAOF 0 0 -1"), "-ERR timeout is negative");
    ask(&mut client, "SET key 1");
    assert_eq!(pair(&mut client, "WAITAOF 0 0 0"), (0, 0));
    assert_eq!(pair(&mut client, "WAITAOF 0 1 20"), (0, 0));

    ask(&mut client, "CONFIG SET appendonly yes");
    ask(&mut client, "SET key 2");
    assert_eq!(pair(&mut client, "WAITAOF 1 0 0"), (1, 0));
    let id = ask(&mut client, "CLIENT ID");
    let mut other = server.client();
    for (end, answer) in
        [(format!("CLIENT UNBLOCK {id}"), None), ("CONFIG SET appendonly no".into(), Some(refused))]
    {
        client.send(&["WAITAOF", "1", "1", "0"]).unwrap();
        wait_until("it waits", SOON, || info(&mut other, "blocked_clients") == "1");
        ask(&mut other, &end);
        let reply = client.receive().unwrap();
        match answer {
            Some(text) => assert_eq!(reply.to_string(), text),
            None => assert_eq!(reply.items().unwrap()[0].to_string(), "1", "{reply}"),
        }
    }
}

#[test]
fn replicas_say_what_they_have_on_disk() {
    let options = [&LOGGED[..], &["--repl-diskless-sync-delay", "0"]].concat();
    let master = Server::start_with(Kind::Everwrite, &options);
    let of = format!("127.0.0.1 {}", master.address().port());
    let logging = Server::start_with(Kind::Everwrite, &[&LOGGED[..], &["--replicaof", &of]].concat());
    let plain = Server::start_with(Kind::Everwrite, &["--replicaof", &of]);
    let mut client = master.client();
    for replica in [&logging, &plain] {
        wait_until("the link", SOON, || info(&mut replica.client(), "master_link_status") == "up");
    }
    for n in 0..5 {
        ask(&mut client, &format!("SET key {n}"));
        assert_eq!(pair(&mut client, "WAITAOF 1 1 20000"), (1, 1));
    }
    ask(&mut client, "SET key last");
    assert_eq!(pair(&mut client, "WAITAOF 1 2 1500"), (1, 1), "one of them has no log");
    assert_eq!(ask(&mut client, "WAIT 2 20000"), "2");
    let refused = ask(&mut plain.client(), "WAITAOF 0 0 0");
    assert!(refused.starts_with("-ERR WAITAOF cannot be used with replica instances."), "{refused}");
}

#[test]
fn a_member_of_a_mesh_waits_for_its_own_log() {
    let mesh = Mesh::start_with(2, &LOGGED);
    let mut client = mesh.client(0);
    for n in 0..5 {
        ask(&mut client, &format!("SET key {n}"));
        assert_eq!(pair(&mut client, "WAITAOF 1 0 20000"), (1, 0));
    }
}
