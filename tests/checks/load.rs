//! Ten thousand connections at once, subscribers among them that hardly read: no reply is lost or given to another, and
//! memory stays bounded.

use harness::wait::wait_until;
use harness::{Client, Kind, Server, Value};
use std::io::{ErrorKind, Read};
use std::time::Duration;

const CONNECTIONS: usize = 10_000;
const THREADS: usize = 4;
const ROUNDS: usize = 6;
/// Subscribers that read a little now and then.
const SLOW: usize = 20;
const SOON: Duration = Duration::from_secs(60);

/// Lets this process have as many sockets as it needs. False if the system does not.
fn raise_file_limit(files: usize) -> bool {
    let pid = std::process::id().to_string();
    let limits = format!("--nofile={files}:{files}");
    std::process::Command::new("prlimit").args(["--pid", &pid, &limits]).status().is_ok_and(|s| s.success())
}

fn resident_mb(server: &Server) -> usize {
    let statm = std::fs::read_to_string(format!("/proc/{}/statm", server.pid())).unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() / 256
}

/// A few requests of each kind, and the reply to each that must come.
fn requests(client: usize, round: usize) -> Vec<(Vec<String>, Value)> {
    let key = |kind: &str| format!("{kind}:{client}");
    let (round_text, bulk) = (round.to_string(), |text: &str| Value::Bulk(text.as_bytes().to_vec()));
    let words = |line: &[&str]| line.iter().map(|word| word.to_string()).collect::<Vec<_>>();
    vec![
        (words(&["SET", &key("s"), &format!("{client}.{round}")]), Value::Simple("OK".into())),
        (words(&["GET", &key("s")]), bulk(&format!("{client}.{round}"))),
        (words(&["RPUSH", &key("l"), &round_text]), Value::Int(round as i64 + 1)),
        (words(&["HSET", &key("h"), &round_text, "x"]), Value::Int(1)),
        (words(&["ECHO", &format!("echo {client} {round}")]), bulk(&format!("echo {client} {round}"))),
        (words(&["LINDEX", &key("l"), "-1"]), bulk(&round_text)),
        (words(&["ZADD", &key("z"), &round_text, "m"]), Value::Int(i64::from(round == 0))),
        (words(&["PUBLISH", "news", &"n".repeat(500)]), Value::Null),
    ]
}

/// Plays all rounds on some of the connections: everybody's requests are sent before anybody's replies are read.
fn play(clients: &mut [Client], first: usize) {
    for round in 0..ROUNDS {
        for (i, client) in clients.iter_mut().enumerate() {
            for (request, _) in requests(first + i, round) {
                client.send(&request).expect("it takes requests");
            }
            client.send(&["INCR", "all"]).expect("it takes requests");
        }
        for (i, client) in clients.iter_mut().enumerate() {
            for (request, expected) in requests(first + i, round) {
                let reply = client.receive().unwrap_or_else(|e| panic!("{request:?}: {e}"));
                match expected {
                    // How many hear a message depends on who has been closed.
                    Value::Null => assert!(reply.int().is_some(), "{request:?}: {reply}"),
                    _ => assert_eq!(reply, expected, "{request:?}"),
                }
            }
            assert!(client.receive().expect("a reply to INCR").int().is_some());
        }
    }
}

#[test]
fn ten_thousand_connections_lose_nothing() {
    assert!(raise_file_limit(CONNECTIONS + 1000), "prlimit refuses {} files", CONNECTIONS + 1000);
    let options =
        ["--maxclients", "20000", "--client-output-buffer-limit", "pubsub 4mb 0 0", "--tcp-backlog", "1024"];
    let server = Server::start_with(Kind::Everwrite, &options);
    let mut slow: Vec<Client> = (0..SLOW).map(|_| server.client()).collect();
    slow.iter_mut().for_each(|client| drop(client.cmd("SUBSCRIBE news").unwrap()));
    let mut clients: Vec<Client> = (0..CONNECTIONS).map(|_| server.client()).collect();
    clients.iter_mut().for_each(|client| assert_eq!(client.cmd("PING").unwrap().to_string(), "+PONG"));
    let idle = resident_mb(&server);
    std::thread::scope(|scope| {
        for (n, part) in clients.chunks_mut(CONNECTIONS / THREADS).enumerate() {
            scope.spawn(move || play(part, n * (CONNECTIONS / THREADS)));
        }
        let mut chunk = [0; 256];
        for client in slow.iter().cycle().take(100 * SLOW) {
            client.stream().set_read_timeout(Some(Duration::from_millis(1))).unwrap();
            match client.stream().read(&mut chunk) {
                Err(e) if !matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
                _ => {}
            }
        }
    });
    let mut control = server.client();
    assert_eq!(control.cmd("GET all").unwrap().text(), (CONNECTIONS * ROUNDS).to_string());
    assert_eq!(control.cmd("DBSIZE").unwrap(), Value::Int(4 * CONNECTIONS as i64 + 1));
    let (busy, bound) = (resident_mb(&server), idle + 100 + SLOW * 4 * 2);
    assert!(busy < bound, "{idle} MB idle, {busy} MB after it, {bound} MB allowed");
    drop((clients, slow));
    wait_until("all to be gone", SOON, || {
        control.cmd("INFO clients").unwrap().text().contains("connected_clients:1\r\n")
    });
}
