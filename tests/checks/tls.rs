//! Clients that come over TLS.

use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use harness::decode::read_value;
use harness::wait::wait_until;
use harness::{Kind, Server, Value};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, StreamOwned, SupportedProtocolVersion};

#[path = "authority.rs"]
mod authority;

use authority::{Authority, Identity};

const SOON: Duration = Duration::from_secs(20);

/// A server with a TLS port, and the files it has its certificates from.
struct Fixture {
    server: Server,
    tls: SocketAddr,
    authority: Authority,
    dir: PathBuf,
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn start(options: &[&str]) -> Fixture {
    let authority = Authority::new();
    let dir = std::env::temp_dir().join(format!("everwrite-tls-{}-{}", std::process::id(), free_port()));
    std::fs::create_dir_all(&dir).unwrap();
    let identity = authority.issue("server", "localhost");
    let path = |name: &str, text: &str| {
        let path = dir.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (cert, key) = (path("server.crt", &identity.cert_pem), path("server.key", &identity.key_pem));
    let ca = path("ca.crt", &authority.pem);
    let port = free_port();
    let tls_port = port.to_string();
    let mut all = vec![
        "--tls-port",
        &tls_port,
        "--tls-cert-file",
        &cert,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &ca,
        "--enable-debug-command",
        "yes",
    ];
    all.extend(options);
    let server = Server::start_with(Kind::Everwrite, &all);
    let tls = SocketAddr::from(([127, 0, 0, 1], port));
    Fixture { server, tls, authority, dir }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// A connection over TLS.
struct Client(BufReader<StreamOwned<ClientConnection, TcpStream>>);

impl Client {
    fn connect(address: SocketAddr, config: &Arc<ClientConfig>) -> io::Result<Client> {
        let tcp = TcpStream::connect(address)?;
        tcp.set_read_timeout(Some(SOON))?;
        tcp.set_write_timeout(Some(SOON))?;
        let name = ServerName::try_from("localhost").unwrap();
        let connection = ClientConnection::new(config.clone(), name).map_err(io::Error::other)?;
        Ok(Client(BufReader::new(StreamOwned::new(connection, tcp))))
    }

    fn send(&mut self, args: &[&[u8]]) -> io::Result<()> {
        let mut wire = format!("*{}\r\n", args.len()).into_bytes();
        for arg in args {
            wire.extend(format!("${}\r\n", arg.len()).into_bytes());
            wire.extend_from_slice(arg);
            wire.extend_from_slice(b"\r\n");
        }
        self.0.get_mut().write_all(&wire)
    }

    fn call(&mut self, args: &[&[u8]]) -> io::Result<Value> {
        self.send(args)?;
        read_value(&mut self.0)
    }

    fn ping(&mut self) -> io::Result<()> {
        match self.call(&[b"PING"])? {
            Value::Simple(text) if text == b"PONG" => Ok(()),
            other => Err(io::Error::other(format!("{other:?}"))),
        }
    }

    fn shown(&self) -> &[CertificateDer<'static>] {
        self.0.get_ref().conn.peer_certificates().unwrap()
    }
}

const BOTH: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12, &rustls::version::TLS13];

#[test]
fn values_of_all_sizes_go_both_ways_in_both_versions() {
    let fixture = start(&["--tls-auth-clients", "no"]);
    for version in BOTH {
        let config = fixture.authority.client(None, &[version]);
        let mut client = Client::connect(fixture.tls, &config).unwrap();
        client.ping().unwrap();
        for size in [0, 1, 16_383, 16_384, 16_385, 65_536, 3_000_000] {
            let value: Vec<u8> = (0..size).map(|i| (i * 7 % 251) as u8).collect();
            client.call(&[b"SET", b"k", &value]).unwrap();
            assert_eq!(client.call(&[b"GET", b"k"]).unwrap(), Value::Bulk(value), "{size} {version:?}");
        }
        for _ in 0..2000 {
            client.send(&[b"ECHO", b"0123456789"]).unwrap();
        }
        for _ in 0..2000 {
            assert_eq!(read_value(&mut client.0).unwrap(), Value::Bulk(b"0123456789"[..].into()));
        }
    }
}

#[test]
fn a_slow_reader_gets_everything() {
    let fixture = start(&["--tls-auth-clients", "no"]);
    let mut client = Client::connect(fixture.tls, &fixture.authority.client(None, BOTH)).unwrap();
    let value = vec![b'x'; 500_000];
    client.call(&[b"SET", b"k", &value]).unwrap();
    for _ in 0..40 {
        client.send(&[b"GET", b"k"]).unwrap();
    }
    let mut other = fixture.server.client();
    wait_until("replies to wait for the reader", SOON, || {
        let Value::Bulk(list) = other.cmd("CLIENT LIST").unwrap() else { return false };
        let list = String::from_utf8_lossy(&list).into_owned();
        list.split_whitespace().any(|word| word.strip_prefix("omem=").is_some_and(|n| n.len() > 6))
    });
    for _ in 0..40 {
        assert_eq!(read_value(&mut client.0).unwrap(), Value::Bulk(value.clone()));
    }
    client.ping().unwrap();
}

#[test]
fn clients_show_certificates_as_asked() {
    let fixture = start(&[]);
    let (own, stranger) = (fixture.authority.issue("worker.example", "localhost"), Authority::new());
    let unknown = stranger.issue("worker.example", "localhost");
    let ping = |identity: Option<&Identity>| {
        Client::connect(fixture.tls, &fixture.authority.client(identity, BOTH)).and_then(|mut c| c.ping())
    };
    let mut plain = fixture.server.client();
    let mut set = |name: &str, value: &str| {
        let reply = plain.call(&["CONFIG", "SET", name, value]).unwrap();
        assert_eq!(reply, Value::Simple("OK".into()), "{name} {value}");
    };
    assert!(ping(Some(&own)).is_ok() && ping(None).is_err() && ping(Some(&unknown)).is_err());
    set("tls-auth-clients", "optional");
    assert!(ping(Some(&own)).is_ok() && ping(None).is_ok() && ping(Some(&unknown)).is_err());
    for (list, fits) in
        [("*.example", true), ("localhost", true), ("a *.EXAMPLE", true), ("b.example", false)]
    {
        set("tls-allowlist", list);
        assert_eq!((ping(Some(&own)).is_ok(), ping(None).is_ok()), (fits, false), "{list}");
    }
    set("tls-allowlist", "");
    set("tls-auth-clients", "no");
    assert!(ping(None).is_ok());
}

#[test]
fn certificates_are_renewed_without_a_restart() {
    let fixture = start(&["--tls-auth-clients", "no"]);
    let config = fixture.authority.client(None, BOTH);
    let mut first = Client::connect(fixture.tls, &config).unwrap();
    first.ping().unwrap();
    let renew = |name: &str| {
        let new = fixture.authority.issue(name, "localhost");
        std::fs::write(fixture.dir.join("server.key"), &new.key_pem).unwrap();
        std::fs::write(fixture.dir.join("server.crt"), &new.cert_pem).unwrap();
        new
    };
    let shown = || {
        let fresh = fixture.authority.client(None, BOTH);
        let mut client = Client::connect(fixture.tls, &fresh).unwrap();
        client.ping().unwrap();
        client.shown()[0].clone()
    };
    let new = renew("second");
    assert_eq!(shown(), first.shown()[0]);
    let mut plain = fixture.server.client();
    let file = fixture.dir.join("server.crt");
    // The same name again: what is behind it has changed.
    assert_eq!(
        plain.call(&["CONFIG", "SET", "tls-cert-file", file.to_str().unwrap()]).unwrap(),
        Value::Simple("OK".into())
    );
    assert_eq!(shown(), new.cert);
    plain.cmd("CONFIG SET tls-rotation yes").unwrap();
    let new = renew("third");
    wait_until("the new certificate", SOON, || shown() == new.cert);
    first.ping().unwrap();
    std::fs::write(&file, "nothing").unwrap();
    let reply = plain.call(&["CONFIG", "SET", "tls-cert-file", file.to_str().unwrap()]).unwrap();
    assert!(reply.is_error(), "{reply:?}");
    assert_eq!(shown(), new.cert);
}

#[test]
fn sessions_are_resumed_where_that_is_allowed() {
    for (caching, kind) in [("yes", HandshakeKind::Resumed), ("no", HandshakeKind::Full)] {
        let fixture = start(&["--tls-auth-clients", "no", "--tls-session-caching", caching]);
        for version in BOTH {
            let config = fixture.authority.client(None, &[version]);
            Client::connect(fixture.tls, &config).unwrap().ping().unwrap();
            let mut second = Client::connect(fixture.tls, &config).unwrap();
            second.ping().unwrap();
            assert_eq!(second.0.get_ref().conn.handshake_kind(), Some(kind), "{caching} {version:?}");
        }
    }
}

#[test]
fn the_other_port_may_be_closed() {
    let fixture = start(&["--tls-auth-clients", "no"]);
    let config = fixture.authority.client(None, BOTH);
    let mut client = Client::connect(fixture.tls, &config).unwrap();
    assert_eq!(client.call(&[b"CONFIG", b"SET", b"port", b"0"]).unwrap(), Value::Simple("OK".into()));
    assert!(TcpStream::connect(fixture.server.address()).is_err());
    Client::connect(fixture.tls, &config).unwrap().ping().unwrap();
    // Its own port moves away under it.
    let moved = free_port();
    let reply = client.call(&[b"CONFIG", b"SET", b"tls-port", moved.to_string().as_bytes()]).unwrap();
    assert_eq!(reply, Value::Simple("OK".into()));
    assert!(TcpStream::connect(fixture.tls).is_err());
    Client::connect(SocketAddr::from(([127, 0, 0, 1], moved)), &config).unwrap().ping().unwrap();
}

#[test]
fn who_speaks_no_tls_is_sent_away() {
    let fixture = start(&["--tls-auth-clients", "no"]);
    for words in [&b"PING\r\n"[..], b"*1\r\n$4\r\nPING\r\n", &[0x16, 3, 1, 0xff, 0xff, 0], &[0; 70_000]] {
        let mut tcp = TcpStream::connect(fixture.tls).unwrap();
        tcp.set_read_timeout(Some(SOON)).unwrap();
        let _ = tcp.write_all(words);
        let mut answer = Vec::new();
        let ended = tcp.read_to_end(&mut answer);
        assert!(ended.is_ok() || ended.is_err_and(|e| e.kind() == io::ErrorKind::ConnectionReset));
        assert!(!answer.windows(4).any(|w| w == b"PONG"));
    }
    Client::connect(fixture.tls, &fixture.authority.client(None, BOTH)).unwrap().ping().unwrap();
}

#[test]
fn what_cannot_work_is_refused() {
    let fixture = start(&["--tls-auth-clients", "no"]);
    let mut plain = fixture.server.client();
    let stranger = Authority::new().issue("x", "y");
    let key = fixture.dir.join("other.key");
    std::fs::write(&key, &stranger.key_pem).unwrap();
    for (name, value) in [
        ("tls-key-file", key.to_str().unwrap()),
        ("tls-key-file", "/nowhere"),
        ("tls-key-file-pass", "secret"),
        ("tls-protocols", "TLSv1.1"),
        ("tls-protocols", "SSLv3"),
        ("tls-ciphersuites", "TLS_NOTHING"),
        ("tls-ca-cert-file", key.to_str().unwrap()),
    ] {
        // The authority only matters to who asks for certificates.
        let wanted = if name == "tls-ca-cert-file" { "optional" } else { "no" };
        let reply = plain.call(&["CONFIG", "SET", name, value, "tls-auth-clients", wanted]).unwrap();
        assert!(reply.is_error(), "{name} {value}: {reply:?}");
    }
    Client::connect(fixture.tls, &fixture.authority.client(None, BOTH)).unwrap().ping().unwrap();
}

#[test]
fn redis_cli_gets_in() {
    let fixture = start(&[]);
    let own = fixture.authority.issue("cli", "localhost");
    let path = |name: &str, text: &str| {
        std::fs::write(fixture.dir.join(name), text).unwrap();
        fixture.dir.join(name)
    };
    let (cert, key) = (path("cli.crt", &own.cert_pem), path("cli.key", &own.key_pem));
    let cli = |words: &[&str]| {
        let output = std::process::Command::new("redis-cli")
            .args(["-h", "localhost", "-p", &fixture.tls.port().to_string(), "--tls", "--cacert"])
            .arg(fixture.dir.join("ca.crt"))
            .arg("--cert")
            .arg(&cert)
            .arg("--key")
            .arg(&key)
            .args(words)
            .stdin(std::process::Stdio::null())
            .output()
            .expect("redis-cli is there");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert_eq!(cli(&["ECHO", "hello"]), "hello\n");
    assert_eq!(cli(&["-3", "--csv", "MSET", "a", "1", "b", "2"]), "\"OK\"\n");
    assert_eq!(cli(&["--scan"]).lines().count(), 2);
    let big = cli(&["--bigkeys"]);
    assert!(big.contains("Sampled 2 keys"), "{big}");
    let rdb = fixture.dir.join("cli.rdb");
    let said = cli(&["--rdb", rdb.to_str().unwrap()]);
    assert!(std::fs::read(&rdb).is_ok_and(|bytes| bytes.starts_with(b"REDIS")), "{said}");
}

/// Both ends of a link between servers, one of them Redis's.
#[test]
fn a_replica_comes_over_tls() {
    let fixture = start(&["--repl-diskless-sync-delay", "0"]);
    let path = |name: &str| fixture.dir.join(name).to_str().unwrap().to_owned();
    let (cert, key, ca) = (path("server.crt"), path("server.key"), path("ca.crt"));
    let common = [
        "--tls-cert-file",
        &cert,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &ca,
        "--tls-replication",
        "yes",
    ];
    let tls_port = free_port().to_string();
    let theirs = ["--tls-port", &tls_port, "--repl-diskless-sync-delay", "0"];
    let redis = Server::start_with(Kind::Redis, &[&common[..], &theirs].concat());
    let replica = Server::start_with(Kind::Everwrite, &common);
    let ports = [redis.address().port(), tls_port.parse().unwrap(), fixture.tls.port()];
    let ask = |server: &Server, line: &str| server.client().cmd(line).expect("a reply").to_string();
    ask(&redis, "SET k redis");
    ask(&fixture.server, "SET k everwrite");
    // Without TLS the master is not there.
    ask(&replica, &format!("REPLICAOF 127.0.0.1 {}", ports[0]));
    wait_until("it is refused", SOON, || replica.log().contains("Error condition on socket for SYNC"));
    for (port, expected) in [(ports[1], "\"redis\""), (ports[2], "\"everwrite\"")] {
        ask(&replica, &format!("REPLICAOF 127.0.0.1 {port}"));
        wait_until("the snapshot arrives", SOON, || ask(&replica, "GET k") == expected);
        let master = if port == ports[1] { &redis } else { &fixture.server };
        ask(master, "SET more 1");
        wait_until("the stream arrives", SOON, || ask(&replica, "GET more") == "\"1\"");
        ask(master, "DEL more");
    }
}
