//! Clients that mean no good, or don't know better: the server refuses them with Redis's words or closes, keeps its memory
//! bounded, and goes on serving everybody else.

use harness::wait::wait_until;
use harness::{Client, Kind, Server, Value};
use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);
const MB: i64 = 1024 * 1024;

fn both() -> [Server; 2] {
    [Server::start(Kind::Redis), Server::start(Kind::Everwrite)]
}

/// What the server says to these bytes until it hangs up or says no more.
fn said(server: &Server, bytes: &[u8]) -> String {
    let client = server.client();
    let mut stream = client.stream();
    let _ = stream.write_all(bytes);
    stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let (mut all, mut chunk) = (Vec::new(), [0; 4096]);
    let end = loop {
        match stream.read(&mut chunk) {
            Ok(0) => break "closed",
            Ok(n) => all.extend_from_slice(&chunk[..n]),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break "open",
            Err(_) => break "closed",
        }
    };
    format!("{} then {end}", String::from_utf8_lossy(&all))
}

fn field(client: &mut Client, section: &str, name: &str) -> i64 {
    let info = client.cmd(&format!("INFO {section}")).unwrap().text();
    let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("INFO {section} has no {name}")).parse().unwrap()
}

/// Memory that the system gave the process, bytes.
fn resident(server: &Server) -> i64 {
    let statm = std::fs::read_to_string(format!("/proc/{}/statm", server.pid())).unwrap();
    statm.split(' ').nth(1).unwrap().parse::<i64>().unwrap() * 4096
}

#[test]
fn malformed_requests_are_answered_as_by_redis() {
    let [redis, ours] = both();
    let long = "x".repeat(70_000);
    for request in [
        "*-1\r\nPING\r\n",
        "*0\r\nPING\r\n",
        "*-2147483648\r\nPING\r\n",
        "*1048577\r\n",
        "*2147483648\r\n",
        "*99999999999999999999\r\n",
        "*1\r\n$-1\r\n",
        "*1\r\n$-99\r\n",
        "*1\r\n$536870913\r\n",
        "*1\r\n$99999999999999999999\r\n",
        "*1\r\n$4294967297\r\n",
        "*1\r\n$abc\r\n",
        "*1\r\n$\r\n",
        "*1\r\n:4\r\nPING\r\n",
        "*1\r\nPING\r\n",
        "*x\r\n",
        "*\r\n",
        "* 1\r\n$4\r\nPING\r\n",
        "*+1\r\n$4\r\nPING\r\n",
        "*01\r\n$4\r\nPING\r\n",
        "*1\r\n$04\r\nPING\r\n",
        "*1\r\n$4\r\nPINGxxPING\r\n",
        "*1\n$4\nPING\n",
        "\r\n\r\nPING\r\n",
        "PING\nPING\n",
        "PING \"unbalanced\r\n",
        "SET k 'a'b\r\n",
        "SET \"a\\x41\" '\\'' \r\nGET aA\r\n",
        "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\nGET k\r\n",
        "*2\r\n$3\r\nGET\r\n",
        "*2\r\n$3\r\nGET\r\n$100\r\nhalf",
        "*1\r\n$4\r\nPI",
        "*",
        "Host: x\r\nPING\r\n",
        "QUIT\r\nPING\r\n",
    ] {
        assert_eq!(said(&redis, request.as_bytes()), said(&ours, request.as_bytes()), "{request:?}");
    }
    for request in [format!("{long}\r\n"), format!("*{long}"), format!("*1\r\n${long}"), long] {
        assert_eq!(said(&redis, request.as_bytes()), said(&ours, request.as_bytes()), "{}...", &request[..8]);
    }
}

#[test]
fn strangers_may_not_send_much() {
    let options: &[&str] = &["--requirepass", "secret"];
    let servers = [Kind::Redis, Kind::Everwrite].map(|kind| Server::start_with(kind, options));
    let large = "*2\r\n$3\r\nGET\r\n$16385\r\n".to_string();
    for request in
        ["*11\r\n$4\r\nPING\r\n".to_string(), large, "*10\r\n".into(), "PING\r\nAUTH secret\r\n".into()]
    {
        let [redis, ours] = [&servers[0], &servers[1]].map(|server| said(server, request.as_bytes()));
        assert_eq!(redis, ours, "{request:?}");
    }
}

#[test]
fn announced_arguments_take_no_memory_until_they_come() {
    let server = Server::start(Kind::Everwrite);
    let mut watcher = server.client();
    let before = field(&mut watcher, "memory", "used_memory");
    let clients: Vec<Client> = (0..200).map(|_| server.client()).collect();
    for client in &clients {
        client.stream().write_all(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\n0123456789").unwrap();
        client.stream().write_all(&[b'x'; 5000]).unwrap();
    }
    wait_until("all requests to arrive", SOON, || {
        let list = watcher.cmd("CLIENT LIST").unwrap().text();
        list.lines().filter(|line| line.contains(" qbuf=5010 ")).count() == clients.len()
    });
    let taken = field(&mut watcher, "memory", "used_memory") - before;
    assert!(taken < 200 * 40_000, "{taken} bytes for 200 clients with 5 kB each");
}

#[test]
fn a_large_argument_arrives_whole() {
    let server = Server::start(Kind::Everwrite);
    let mut client = server.client();
    let value: Vec<u8> = (0..24_000_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    client.call(&[&b"SET"[..], b"large", &value]).unwrap();
    assert_eq!(client.cmd("GET large").unwrap(), Value::Bulk(value));
    client.cmd("DEL large").unwrap();
    let mut many: Vec<Vec<u8>> = vec![b"RPUSH".to_vec(), b"l".to_vec()];
    many.extend((0..300_000).map(|i| format!("{i}").into_bytes()));
    assert_eq!(client.call(&many).unwrap(), Value::Int(300_000));
}

#[test]
fn a_query_beyond_the_limit_closes_its_client() {
    let server = Server::start_with(Kind::Everwrite, &["--client-query-buffer-limit", "1mb"]);
    let client = server.client();
    let mut stream = client.stream();
    let _ = stream.write_all(b"*2\r\n$3\r\nGET\r\n$100000000\r\n");
    let chunk = [b'x'; 65536];
    let closed = (0..1000).any(|_| stream.write_all(&chunk).is_err());
    assert!(closed, "65 MB were taken");
    assert_eq!(server.client().cmd("PING").unwrap(), Value::Simple("PONG".into()));
}

/// Whoever asks and never reads is closed once its replies exceed the limit, and takes no more memory than that.
#[test]
fn a_slow_reader_is_closed_at_its_limit() {
    let server = Server::start_with(Kind::Everwrite, &["--client-output-buffer-limit", "normal 20mb 0 0"]);
    let mut other = server.client();
    other.call(&["SET", "v", &"x".repeat(1_000_000)]).unwrap();
    let before = resident(&server);
    let slow: Vec<Client> = (0..4).map(|_| server.client()).collect();
    for client in &slow {
        for _ in 0..200 {
            let _ = client.stream().write_all(b"*2\r\n$3\r\nGET\r\n$1\r\nv\r\n");
        }
    }
    wait_until("the slow readers to be closed", SOON, || {
        field(&mut other, "clients", "connected_clients") == 1
    });
    let grown = resident(&server) - before;
    assert!(grown < 4 * 60 * MB, "{} MB more", grown / MB);
}

#[test]
fn slow_subscribers_are_closed_and_the_others_miss_nothing() {
    let server = Server::start_with(Kind::Everwrite, &["--client-output-buffer-limit", "pubsub 8mb 0 0"]);
    let (mut slow, mut keen, mut publisher) = (server.client(), server.client(), server.client());
    slow.cmd("SUBSCRIBE c").unwrap();
    keen.cmd("SUBSCRIBE c").unwrap();
    let message = "m".repeat(100_000);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            (0..600)
                .all(|_| keen.receive().is_ok_and(|told| told.items().is_some_and(|told| told.len() == 3)))
        });
        for i in 0..600 {
            publisher.call(&["PUBLISH", "c", &message]).unwrap();
            // No faster than the one who reads can be served.
            if i % 20 == 0 {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        assert!(reader.join().unwrap(), "a message was lost");
    });
    wait_until("the slow one to be closed", SOON, || {
        publisher.cmd("PUBSUB NUMSUB c").unwrap().items().unwrap()[1] == Value::Int(1)
    });
}
