//! Links between equal nodes over TLS: both ends show certificates, and who shows none gets nothing in.

#[path = "authority.rs"]
mod authority;

use authority::{Authority, Identity};
use harness::mesh::{self, ACTIVE, SOON, info};
use harness::server::{free_address, fresh_dir};
use harness::wait::wait_until;
use harness::{Client, Kind, Server, Value};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

struct Node {
    server: Server,
    tls_port: u16,
}

impl Node {
    /// A node that lives by this certificate, and knows this authority.
    fn start(authority: &Authority, own: &Identity, options: &[&str]) -> Node {
        let dir = fresh_dir("certificates");
        let path = |name: &str, text: &str| {
            let path = dir.join(name);
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let (cert, key) = (path("node.crt", &own.cert_pem), path("node.key", &own.key_pem));
        let ca = path("ca.crt", &authority.pem);
        let tls_port = free_address().port();
        let port = tls_port.to_string();
        let mut all: Vec<&str> = ACTIVE.into();
        all.extend(["--tls-replication", "yes", "--tls-port", &port, "--tls-cert-file", &cert]);
        all.extend(["--tls-key-file", &key, "--tls-ca-cert-file", &ca]);
        all.extend(options);
        let server = Server::start_with(Kind::Everwrite, &all);
        Node { server, tls_port }
    }

    fn client(&self) -> Client {
        self.server.client()
    }
}

fn follow(client: &mut Client, port: u16) {
    assert!(!client.cmd(&format!("REPLICAOF 127.0.0.1 {port}")).unwrap().is_error());
}

fn linked(client: &mut Client) -> bool {
    info(client, "connected_slaves") == "1"
}

#[test]
fn nodes_that_know_one_authority_link_over_tls() {
    let authority = Authority::new();
    let (one, two) = (authority.issue("one", "node-1"), authority.issue("two", "node-2"));
    for options in [&[][..], &["--tls-auth-clients", "no", "--tls-protocols", "TLSv1.2"]] {
        let (a, b) = (Node::start(&authority, &one, options), Node::start(&authority, &two, options));
        let (mut x, mut y) = (a.client(), b.client());
        follow(&mut x, b.tls_port);
        wait_until("the link", SOON, || linked(&mut x) && linked(&mut y));
        let large = "x".repeat(3 << 20);
        x.call(&["SET", "large", &large]).unwrap();
        for i in 0..500 {
            x.cmd(&format!("SADD set a{i}")).unwrap();
            y.cmd(&format!("SADD set b{i}")).unwrap();
        }
        wait_until("all members", SOON, || y.cmd("SCARD set").unwrap() == Value::Int(1000));
        wait_until("the large value", SOON, || y.cmd("STRLEN large").unwrap() == Value::Int(3 << 20));
        wait_until("the others", SOON, || x.cmd("SCARD set").unwrap() == Value::Int(1000));
    }
}

#[test]
fn a_node_of_another_authority_gets_nothing_in() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let a = Node::start(&authority, &authority.issue("one", "node-1"), &[]);
    // It trusts the others, who do not trust it.
    let b = Node::start(&authority, &stranger.issue("two", "node-2"), &[]);
    let (mut x, mut y) = (a.client(), b.client());
    y.cmd("SET intruder 1").unwrap();
    follow(&mut y, a.tls_port);
    wait_until("the refusal", SOON, || !info(&mut y, "master_last_error").is_empty());
    let log = || a.server.log();
    wait_until("a word about it", SOON, || log().contains("A connection over TLS was refused"));
    assert_eq!((x.cmd("DBSIZE").unwrap(), &info(&mut x, "mesh_members")[..]), (Value::Int(0), "0"));
    // Nor does it take them for peers.
    let c = Node::start(&stranger, &stranger.issue("three", "node-3"), &[]);
    let mut z = c.client();
    follow(&mut z, a.tls_port);
    wait_until("the refusal", SOON, || info(&mut z, "master_last_error").contains("TLS"));
}

#[test]
fn who_shows_no_certificate_or_comes_without_tls_gets_nothing_in() {
    let authority = Authority::new();
    let a = Node::start(&authority, &authority.issue("one", "node-1"), &["--tls-auth-clients", "optional"]);
    let plain = Server::start_with(Kind::Everwrite, &ACTIVE);
    let (mut x, mut y) = (a.client(), plain.client());
    y.cmd("SET intruder 1").unwrap();
    follow(&mut y, a.server.address().port());
    wait_until("the refusal", SOON, || info(&mut y, "master_last_error").contains("tls-replication is on"));
    let log = || a.server.log();
    assert!(log().contains("tls-replication is on here: peers come over TLS"), "{}", log());
    let tls = SocketAddr::from(([127, 0, 0, 1], a.tls_port));
    call_without_certificate(tls, &authority);
    wait_until("a word about it", SOON, || log().contains("a peer has to show a certificate"));
    assert_eq!((x.cmd("DBSIZE").unwrap(), &info(&mut x, "mesh_members")[..]), (Value::Int(0), "0"));
}

#[test]
fn a_password_is_asked_for_over_tls_too() {
    let authority = Authority::new();
    let own = authority.issue("one", "node-1");
    let a = Node::start(&authority, &own, &["--requirepass", "secret"]);
    let b = Node::start(&authority, &own, &["--masterauth", "guess"]);
    let mut y = b.client();
    y.cmd("SET k 1").unwrap();
    follow(&mut y, a.tls_port);
    wait_until("the refusal", SOON, || info(&mut y, "master_last_error").contains("wrong masteruser"));
    let mut x = a.client();
    x.cmd("AUTH secret").unwrap();
    assert_eq!(x.cmd("DBSIZE").unwrap(), Value::Int(0));
    y.cmd("CONFIG SET masterauth secret").unwrap();
    wait_until("the key", SOON, || x.cmd("GET k").unwrap() == Value::Bulk(b"1".into()));
}

/// The call of a peer, as far as it gets without a certificate.
fn call_without_certificate(address: SocketAddr, authority: &Authority) {
    let config: Arc<rustls::ClientConfig> = authority.client(None, &[&rustls::version::TLS13]);
    let name = rustls::pki_types::ServerName::try_from("node-1").unwrap();
    let connection = rustls::ClientConnection::new(config, name).unwrap();
    let tcp = TcpStream::connect(address).unwrap();
    tcp.set_read_timeout(Some(SOON)).unwrap();
    let mut stream = rustls::StreamOwned::new(connection, tcp);
    stream.write_all(&mesh::raw_call()).unwrap();
    let _ = stream.read(&mut [0; 4096]);
}
