//! What one connection does must not be felt by another, nor by itself at the wrong time.

use harness::mesh::info;
use harness::wait::wait_until;
use harness::{Client, Kind, Server, Value};
use std::io::{Read, Write};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

fn words(line: &str) -> Vec<&str> {
    line.split(' ').collect()
}

fn text(value: &str) -> Value {
    Value::Bulk(value.into())
}

/// Sends nothing more, and tells whether the server has closed the connection, without a byte.
fn is_closed_empty(client: &Client) -> bool {
    let mut byte = [0];
    matches!(client.stream().read(&mut byte), Ok(0) | Err(_))
}

/// Workers write replies of all their clients into one buffer: it must be empty for the next, whatever became of the one
/// before.
#[test]
fn a_reply_that_cannot_be_sent_is_not_sent_to_another() {
    let server =
        Server::start_with(Kind::Everwrite, &["--server-threads", "1", "--enable-debug-command", "yes"]);
    let gone = server.client();
    let mut stream = gone.stream();
    stream.write_all(b"PING\r\n").unwrap();
    let mut unread = [0; 7];
    wait_until("a reply in the client's buffer", SOON, || stream.peek(&mut unread).is_ok_and(|n| n == 7));
    stream.write_all(b"DEBUG LOG begun\r\nDEBUG SLEEP 0.3\r\nECHO secret\r\n").unwrap();
    wait_until("the commands to run", SOON, || server.log().contains("begun"));
    // Closing with something unread resets the connection: the replies cannot be written.
    drop(gone);
    let mut next = server.client();
    assert_eq!(next.cmd("ECHO mine").unwrap(), text("mine"));
    assert_eq!(next.cmd("ECHO again").unwrap(), text("again"));
}

#[test]
fn a_reply_beyond_the_hard_limit_is_not_begun() {
    let server = Server::start_with(Kind::Everwrite, &["--client-output-buffer-limit", "normal 100000 0 0"]);
    let (mut client, mut other) = (server.client(), server.client());
    client.call(&["SET", "small", &"x".repeat(90_000)]).unwrap();
    client.call(&["SET", "large", &"x".repeat(110_000)]).unwrap();
    assert!(!client.cmd("GET small").unwrap().is_error());
    client.send(&words("GET large")).unwrap();
    assert!(is_closed_empty(&client));
    // A transaction takes place even though its reply cannot be had.
    let mut client = server.client();
    for line in ["MULTI", "SET done yes", "GET large"] {
        client.cmd(line).unwrap();
    }
    client.send(&["EXEC"]).unwrap();
    assert!(is_closed_empty(&client));
    assert_eq!(other.cmd("GET done").unwrap(), text("yes"));
}

#[test]
fn a_new_timeout_reaches_clients_that_are_idle_already() {
    let server = Server::start(Kind::Everwrite);
    let (idle, mut active) = (server.client(), server.client());
    active.cmd("CONFIG SET timeout 1").unwrap();
    assert!(is_closed_empty(&idle));
}

#[test]
fn an_idle_clients_timer_does_not_end_a_block() {
    let server = Server::start_with(Kind::Everwrite, &["--timeout", "1"]);
    let mut client = server.client();
    client.cmd("PING").unwrap();
    client.send(&words("BLPOP list 0")).unwrap();
    assert_eq!(client.receive_within(Duration::from_millis(1500)).unwrap(), None);
    server.client().cmd("RPUSH list a").unwrap();
    assert_eq!(client.receive().unwrap(), Value::Array(vec![text("list"), text("a")]));
}

#[test]
fn what_a_transaction_changes_is_told_behind_its_reply() {
    let server = Server::start(Kind::Everwrite);
    let mut client = server.client();
    for line in ["HELLO 3", "CLIENT TRACKING ON", "SET a 1", "GET a", "MULTI", "INCR a", "GET a"] {
        client.cmd(line).unwrap();
    }
    assert_eq!(client.cmd("EXEC").unwrap(), Value::Array(vec![Value::Int(2), text("2")]));
    let told = client.receive().unwrap();
    assert_eq!(told, Value::Push(vec![text("invalidate"), Value::Array(vec![text("a")])]));
    assert_eq!(client.cmd("PING").unwrap(), Value::Simple("PONG".into()));
}

#[test]
fn a_soft_shutdown_waits_for_the_last_client() {
    let server = Server::start(Kind::Everwrite);
    let (mut first, mut second) = (server.client(), server.client());
    // A connection that the server has not taken yet would be refused.
    assert_eq!(second.cmd("PING").unwrap(), Value::Simple("PONG".into()));
    assert_eq!(first.cmd("SHUTDOWN SOFT").unwrap(), Value::Simple("OK".into()));
    assert_eq!(second.cmd("PING").unwrap(), Value::Error("SHUTDOWN PENDING".into()));
    assert_eq!(second.cmd("SET k v").unwrap(), Value::Simple("OK".into()));
    assert_eq!(server.client().receive().unwrap(), Value::Error("SHUTDOWN".into()));
    assert_eq!(second.cmd("SHUTDOWN ABORT").unwrap(), Value::Simple("OK".into()));
    assert_eq!(server.client().cmd("PING").unwrap(), Value::Simple("PONG".into()));
    first.cmd("SHUTDOWN SOFT").unwrap();
    drop(first);
    assert_eq!(second.cmd("GET k").unwrap(), text("v"));
    drop(second);
    wait_until("the server to leave", SOON, || server.log().contains("ready to exit"));
}

#[test]
fn directives_of_other_servers_work() {
    let options = ["--version-override", "6.3.4", "--client-default-resp", "3", "--keys_output_limit", "2"];
    let server = Server::start_with(
        Kind::Everwrite,
        &[&options[..], &["--server-thread-affinity", "true", "--server-threads", "1"]].concat(),
    );
    let mut client = server.client();
    let Value::Map(hello) = client.cmd("HELLO").unwrap() else { panic!("no map") };
    assert!(hello.contains(&(text("version"), text("6.3.4"))), "{hello:?}");
    for key in ["a", "b", "c"] {
        client.call(&["SET", key, "v"]).unwrap();
    }
    let Value::Array(keys) = client.cmd("KEYS *").unwrap() else { panic!("no array") };
    assert_eq!(keys.len(), 2);
    assert!(client.cmd("FLUSHALL CACHE").unwrap().is_error());
    assert_eq!(client.cmd("LFENCE").unwrap(), Value::Simple("OK".into()));
    assert_eq!(client.cmd("DBSIZE").unwrap(), Value::Int(3));
}

/// What a command with very many arguments needs is given back, by its worker and by its connection.
#[test]
fn many_arguments_leave_no_memory_behind() {
    let server = Server::start(Kind::Everwrite);
    let mut client = server.client();
    let used = |client: &mut Client| info(client, "used_memory").parse::<u64>().unwrap();
    let before = used(&mut client);
    let members = (0..100_000).map(|n| n.to_string());
    let add: Vec<String> = ["SADD".to_string(), "set".to_string()].into_iter().chain(members).collect();
    assert_eq!(client.call(&add).unwrap(), Value::Int(100_000));
    assert!(used(&mut client) > before + 1_000_000);
    assert_eq!(client.cmd("UNLINK set").unwrap(), Value::Int(1));
    wait_until("the memory to be given back", SOON, || used(&mut client) < before + 600_000);
}

/// What a user was denied is logged with the client as it was at that: about to run what it was denied.
#[test]
fn denials_are_logged_with_what_was_tried() {
    for kind in [Kind::Everwrite, Kind::Redis] {
        let server = Server::start(kind);
        let (mut client, mut other) = (server.client(), server.client());
        client.cmd("ACL SETUSER narrow on nopass ~k +get").unwrap();
        other.cmd("AUTH narrow x").unwrap();
        for (line, tried) in
            [("GET other", "cmd=get"), ("SET k v", "cmd=set"), ("CONFIG GET x", "cmd=config|get")]
        {
            assert!(other.cmd(line).unwrap().is_error());
            let entry = client.cmd("ACL LOG 1").unwrap().to_string();
            assert!(entry.contains(tried), "{kind:?} {line}: {entry}");
        }
    }
}
