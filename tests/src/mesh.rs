//! Several servers that replicate to each other, configured with KeyDB's words.

use crate::client::Client;
use crate::proxy::Proxy;
use crate::server::{Kind, Server};
use crate::value::Value;
use crate::wait::wait_until;
use std::time::Duration;

/// Nothing between nodes takes longer, however busy the machine is.
pub const SOON: Duration = Duration::from_secs(20);

/// Servers, each of which follows each other one through a proxy of its own.
#[derive(Debug)]
pub struct Mesh {
    pub nodes: Vec<Server>,
    /// From, to, and what lies between.
    proxies: Vec<(usize, usize, Proxy)>,
}

/// The options that make a server a node of a mesh.
pub const ACTIVE: [&str; 4] = ["--active-replica", "yes", "--multi-master", "yes"];

impl Mesh {
    /// So many linked nodes.
    pub fn start(nodes: usize) -> Mesh {
        Mesh::start_with(nodes, &[])
    }

    pub fn start_with(nodes: usize, options: &[&str]) -> Mesh {
        let options: Vec<String> = options.iter().map(|option| option.to_string()).collect();
        Mesh::start_each(&vec![options; nodes])
    }

    /// A node with each of these options.
    pub fn start_each(options: &[Vec<String>]) -> Mesh {
        let start = |options: &Vec<String>| {
            let all: Vec<&str> = ACTIVE.into_iter().chain(options.iter().map(String::as_str)).collect();
            Server::start_with(Kind::Everwrite, &all)
        };
        let nodes = options.iter().map(start).collect();
        let mut mesh = Mesh { nodes, proxies: Vec::new() };
        for from in 0..mesh.nodes.len() {
            for to in (0..mesh.nodes.len()).filter(|to| *to != from) {
                mesh.proxies.push((from, to, Proxy::before(mesh.nodes[to].address())));
                mesh.follow(from, to);
            }
        }
        mesh.wait_linked();
        mesh
    }

    pub fn client(&self, node: usize) -> Client {
        self.nodes[node].client()
    }

    /// Has a node follow another one through their proxy.
    pub fn follow(&self, from: usize, to: usize) {
        let (_, _, proxy) =
            self.proxies.iter().find(|(f, t, _)| (*f, *t) == (from, to)).expect("these two have a proxy");
        let port = proxy.address().port();
        let reply = self.client(from).cmd(&format!("REPLICAOF 127.0.0.1 {port}")).expect("an answer");
        assert!(!reply.is_error(), "{reply}");
    }

    /// Nothing passes between two nodes.
    pub fn cut(&self, a: usize, b: usize) {
        self.between(a, b).for_each(Proxy::cut);
    }

    /// Nodes can talk again.
    pub fn heal(&self) {
        self.proxies.iter().for_each(|(.., proxy)| proxy.heal());
    }

    fn between(&self, a: usize, b: usize) -> impl Iterator<Item = &Proxy> {
        let both = move |from: usize, to: usize| (from, to) == (a, b) || (from, to) == (b, a);
        self.proxies.iter().filter(move |(from, to, _)| both(*from, *to)).map(|(.., proxy)| proxy)
    }

    /// Waits until every node has a link to every other one.
    pub fn wait_linked(&self) {
        let others = self.nodes.len() - 1;
        for node in 0..self.nodes.len() {
            self.wait_links(node, others);
        }
    }

    /// Waits until a node has so many links.
    pub fn wait_links(&self, node: usize, links: usize) {
        let mut client = self.client(node);
        let what = format!("node {node} to have {links} links; its log:\n{}", self.nodes[node].log());
        wait_until(&what, SOON, || info(&mut client, "connected_slaves") == links.to_string());
    }

    /// Waits until all nodes have the same data.
    pub fn wait_equal(&self) {
        let mut clients: Vec<Client> = (0..self.nodes.len()).map(|node| self.client(node)).collect();
        let mut digests = Vec::new();
        let same = || {
            digests = clients.iter_mut().map(digest).collect();
            digests.windows(2).all(|pair| pair[0] == pair[1])
        };
        if crate::wait::wait_for(SOON, {
            let mut same = same;
            move || same().then_some(())
        })
        .is_none()
        {
            let logs: Vec<String> = self.nodes.iter().map(Server::log).collect();
            panic!("the nodes' data stay different:\n{}", logs.join("\n--\n"));
        }
    }

    /// Waits until what was written has arrived everywhere, and everybody knows it and has forgotten how it came about.
    pub fn wait_settled(&self) {
        for node in 0..self.nodes.len() {
            let mut client = self.client(node);
            let young = |client: &mut Client| {
                info(client, "mesh_horizon_age_ms").parse().is_ok_and(|ms: u64| ms < 500)
            };
            wait_until("the horizon to move", SOON, || young(&mut client));
            // The overlay is looked at twice a second.
            std::thread::sleep(Duration::from_millis(600));
            wait_until("all to be settled", SOON, || info(&mut client, "mesh_overlay_keys") == "0");
        }
    }

    /// Asks all nodes the same until all give this answer.
    pub fn wait_for(&self, request: &str, expected: &Value) {
        for node in 0..self.nodes.len() {
            let mut client = self.client(node);
            let what = format!("{request} at node {node} to be {expected}");
            wait_until(&what, SOON, || client.cmd(request).is_ok_and(|reply| reply == *expected));
        }
    }
}

/// A digest of all data, whatever the order of keys.
pub fn digest(client: &mut Client) -> String {
    client.cmd("DEBUG DIGEST").expect("an answer").text()
}

/// A field of INFO; empty if it is not there.
pub fn info(client: &mut Client, field: &str) -> String {
    let text = client.cmd("INFO everything").expect("INFO").text();
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap_or_default().trim().to_owned()
}

/// The beginning of a peer's call in raw HTTP/2: preface, SETTINGS, and HEADERS of stream 1, in literals that need no table.
pub fn raw_call() -> Vec<u8> {
    let mut headers = Vec::new();
    for (name, value) in [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/everwrite.peer.v1.Peer/Link"),
        (":authority", "node"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ] {
        headers.extend([0, name.len() as u8]);
        headers.extend(name.as_bytes());
        headers.push(value.len() as u8);
        headers.extend(value.as_bytes());
    }
    let mut wire = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    wire.extend([0, 0, 0, 4, 0, 0, 0, 0, 0]);
    wire.extend([0, 0, headers.len() as u8, 1, 4, 0, 0, 0, 1]);
    wire.extend(headers);
    wire
}
