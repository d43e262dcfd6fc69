//! The nodes of a round, the ways between them, and the plain replicas that follow them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use harness::clock::Clock;
use harness::mesh::{ACTIVE, info};
use harness::proxy::Proxy;
use harness::random::Rng;
use harness::wait::{wait_for, wait_until};
use harness::{Client, Kind, Server, Value};

use super::shape::{Keeps, Shape, Trait};

/// Nothing but a broken node takes longer, on a busy machine too.
const SOON: Duration = Duration::from_secs(60);

/// Lines of a log that are shown.
const SHOWN: usize = 25;

/// A node.
pub struct Node {
    server: Mutex<Server>,
    pub address: SocketAddr,
    /// Clients may try it.
    pub up: AtomicBool,
    /// It is a member, and no newcomer any more.
    pub joined: AtomicBool,
    /// It has gone for good.
    pub gone: AtomicBool,
    /// Its clock, if that is not the machine's.
    pub clock: Option<Clock>,
}

/// A way on which one node calls another.
pub struct Edge {
    pub from: usize,
    pub to: usize,
    pub proxy: Proxy,
}

/// See the [module's page](self).
pub struct Fleet {
    pub shape: Shape,
    pub nodes: Vec<Node>,
    pub edges: Vec<Edge>,
    /// The node each follows, which is no part of the mesh itself.
    pub replicas: Vec<(usize, Server)>,
}

impl Fleet {
    pub fn start(shape: &Shape, rng: &mut Rng) -> Fleet {
        let last = shape.nodes - 1;
        let newcomer = shape.has(Trait::Newcomer).then_some(last);
        let mut edges: Vec<Edge> = Vec::new();
        for (from, to) in shape.edges(rng) {
            // Who comes late calls the others, or they would call it at once.
            let (from, to) = if newcomer == Some(to) { (to, from) } else { (from, to) };
            if !edges.iter().any(|edge| (edge.from, edge.to) == (from, to)) {
                let proxy = Proxy::open();
                if shape.has(Trait::Slow) {
                    proxy.delay(Duration::from_millis(1 + rng.below(40) as u64));
                }
                edges.push(Edge { from, to, proxy });
            }
        }
        let nodes: Vec<Node> = (0..shape.nodes)
            .map(|node| {
                let clock = (shape.has(Trait::Clock) && node == last)
                    .then(|| Clock::off_by(800).expect("a clock that can be set"));
                let linked = newcomer != Some(node);
                Node::start(&options(shape, &edges, node, linked), clock, linked)
            })
            .collect();
        for edge in &edges {
            edge.proxy.lead_to(nodes[edge.to].address);
        }
        let followed = if shape.has(Trait::Replica) { 0..shape.nodes } else { 0..0 };
        let follow = |node: usize| {
            let master = format!("127.0.0.1 {}", nodes[node].address.port());
            (node, Server::start_with(Kind::Everwrite, &["--replicaof", &master]))
        };
        let replicas = followed.map(follow).collect();
        let fleet = Fleet { shape: shape.clone(), nodes, edges, replicas };
        for node in fleet.present().filter(|node| Some(*node) != newcomer) {
            let peers = fleet.neighbours(node).iter().filter(|peer| Some(**peer) != newcomer).count();
            fleet.wait_links(node, peers);
        }
        fleet
    }

    /// Nodes that have not gone for good.
    pub fn present(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.nodes.len()).filter(|node| !self.nodes[*node].gone.load(SeqCst))
    }

    /// Nodes that have a way to or from this one.
    pub fn neighbours(&self, node: usize) -> Vec<usize> {
        let mut all: Vec<usize> = self
            .edges
            .iter()
            .filter_map(|edge| match node {
                _ if edge.from == node => Some(edge.to),
                _ if edge.to == node => Some(edge.from),
                _ => None,
            })
            .filter(|other| !self.nodes[*other].gone.load(SeqCst))
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    pub fn server(&self, node: usize) -> MutexGuard<'_, Server> {
        self.nodes[node].server.lock().expect("no thread panics with it")
    }

    pub fn client(&self, node: usize) -> Client {
        Client::connect(self.nodes[node].address).unwrap_or_else(|e| {
            panic!("node {node} cannot be reached: {e}; its log:\n{}", tail(&self.server(node).log()))
        })
    }

    pub fn ask(&self, node: usize, line: &str) -> Value {
        let reply = self.client(node).cmd(line);
        reply.unwrap_or_else(|e| {
            panic!("node {node}, {line}: {e}; its log:\n{}", tail(&self.server(node).log()))
        })
    }

    pub fn info(&self, node: usize, field: &str) -> String {
        info(&mut self.client(node), field)
    }

    /// Ends a node, at once or in order, and starts it again after a while.
    pub fn restart(&self, node: usize, at_once: bool, after: Duration) {
        self.nodes[node].up.store(false, SeqCst);
        let mut server = self.server(node);
        assert!(!server.has_ended(), "node {node} has ended by itself; its log:\n{}", tail(&server.log()));
        if at_once {
            server.kill()
        } else {
            server.terminate()
        }
        std::thread::sleep(after);
        server.start_again();
        self.nodes[node].up.store(true, SeqCst);
    }

    /// What a node is told when it starts the next time: to follow those it calls.
    pub fn tell_to_follow(&self, node: usize) {
        let words = options(&self.shape, &self.edges, node, true);
        self.server(node).set_options(words);
    }

    /// The ways to and from a node.
    pub fn around(&self, node: usize) -> impl Iterator<Item = &Edge> {
        self.edges.iter().filter(move |edge| edge.from == node || edge.to == node)
    }

    pub fn heal(&self) {
        self.edges.iter().for_each(|edge| edge.proxy.heal());
    }

    pub fn wait_links(&self, node: usize, links: usize) {
        let has = || self.info(node, "connected_slaves").parse::<usize>().unwrap_or(0);
        let replicas = self.replicas.iter().filter(|(of, _)| *of == node).count();
        if wait_for(SOON, || (has() == links + replicas).then_some(())).is_none() {
            panic!(
                "node {node} has {} links instead of {links} and {replicas} replicas; its log:\n{}",
                has(),
                tail(&self.server(node).log())
            );
        }
    }

    /// Waits until all have their links, and none has gone.
    pub fn wait_linked(&self) {
        for node in self.present() {
            let mut server = self.server(node);
            assert!(
                !server.has_ended(),
                "node {node} has ended by itself; its log:\n{}",
                tail(&server.log())
            );
        }
        for node in self.present() {
            self.wait_links(node, self.neighbours(node).len());
        }
        for (_, replica) in self.replicas.iter().filter(|(of, _)| !self.nodes[*of].gone.load(SeqCst)) {
            let mut client = replica.client();
            wait_until("a replica's link", SOON, || info(&mut client, "master_link_status") == "up");
        }
    }

    /// Leaves the nodes' directories there, and says where.
    pub fn keep(self) -> Vec<PathBuf> {
        let nodes =
            self.nodes.into_iter().map(|node| node.server.into_inner().expect("no thread panics with it"));
        let replicas = self.replicas.into_iter().map(|(_, server)| server);
        nodes.chain(replicas).map(Server::keep).collect()
    }
}

impl Node {
    fn start(options: &[String], clock: Option<Clock>, joined: bool) -> Node {
        let words: Vec<&str> = options.iter().map(String::as_str).collect();
        let env = clock.as_ref().map_or(Vec::new(), Clock::env);
        let env: Vec<(&str, &str)> = env.iter().map(|(name, value)| (&name[..], &value[..])).collect();
        let server = Server::start_under(Kind::Everwrite, &words, &env);
        Node {
            address: server.address(),
            server: Mutex::new(server),
            up: AtomicBool::new(true),
            joined: AtomicBool::new(joined),
            gone: AtomicBool::new(false),
            clock,
        }
    }

    pub fn is_up(&self) -> bool {
        self.up.load(SeqCst) && !self.gone.load(SeqCst)
    }
}

fn options(shape: &Shape, edges: &[Edge], node: usize, linked: bool) -> Vec<String> {
    let mut words: Vec<String> = ACTIVE.map(str::to_owned).into();
    let mut say = |more: &[&str]| words.extend(more.iter().map(|word| word.to_string()));
    say(&["--server-threads", "2", "--repl-diskless-sync-delay", "0"]);
    if shape.keeps == Keeps::Log {
        // A killed process loses nothing with any of them.
        let policy = ["everysec", "no", "always"][node % 3];
        say(&["--appendonly", "yes", "--appendfsync", policy]);
    }
    if shape.has(Trait::Short) {
        say(&["--repl-memory-limit", "100kb", "--repl-spill-limit", "0"]);
    }
    if shape.has(Trait::Alone) {
        say(&["--multi-master-no-forward", "yes"]);
    }
    if shape.has(Trait::Slow) {
        say(&["--repl-compression", "yes"]);
    }
    if linked {
        for edge in edges.iter().filter(|edge| edge.from == node) {
            say(&["--replicaof", "127.0.0.1", &edge.proxy.address().port().to_string()]);
        }
    }
    words
}

/// The end of a log, or how a process came to its end.
pub fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    let crash = lines.iter().rposition(|line| line.contains("panicked at") || line.contains("CRASH REPORT"));
    let from = crash.map_or(lines.len().saturating_sub(SHOWN), |at| at.saturating_sub(3));
    lines[from..].iter().take(SHOWN).copied().collect::<Vec<_>>().join("\n")
}
