//! The nodes, and the proxies between each two of them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use harness::clock::Clock;
use harness::mesh::{digest, info};
use harness::wait::{wait_for, wait_until};
use harness::{Client, Kind, Server};

use super::Options;
use super::place::{Kind as Of, Place};
use super::proxy::Proxy;

/// Nothing but a broken node takes longer to come up and find the others.
const LINKED_WITHIN: Duration = Duration::from_secs(30);
/// After the nodes are equal, what they remember for late writes must go within this time.
const QUIET_WITHIN: Duration = Duration::from_secs(15);

/// See the [module's page](self).
pub struct Fleet {
    nodes: Vec<Mutex<Server>>,
    proxies: Vec<(usize, usize, Proxy)>,
    /// Of the last node.
    clock: Option<Clock>,
    /// They keep logs.
    logs: bool,
}

/// How the nodes came together after the last heal.
#[derive(Clone, Debug, Default)]
pub struct Converged {
    pub linked_ms: Option<u64>,
    pub equal_ms: Option<u64>,
    /// Keys of which late writes are still awaited, at each node, if that has not ended.
    pub remembered: Vec<String>,
}

impl Fleet {
    pub fn start(options: &Options) -> Result<Fleet, String> {
        let last = options.nodes - 1;
        let clock = (options.skew_ms != 0).then(|| Clock::off_by(options.skew_ms)).transpose();
        let clock = clock.map_err(|e| format!("{e} `--skew-ms 0` drills without it."))?;
        let mut proxies = Vec::new();
        for from in 0..options.nodes {
            for to in (0..options.nodes).filter(|to| *to != from) {
                let proxy = Proxy::open(options.seed * 100 + (from * 10 + to) as u64);
                proxies.push((from, to, proxy.map_err(|e| format!("A proxy: {e}"))?));
            }
        }
        let nodes = (0..options.nodes).map(|node| {
            let ways = proxies.iter().filter(|(from, ..)| *from == node).map(|(.., proxy)| proxy.port());
            let words = node_options(options, ways);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let env = clock.as_ref().filter(|_| node == last).map_or(Vec::new(), Clock::env);
            let env: Vec<(&str, &str)> = env.iter().map(|(name, value)| (&name[..], &value[..])).collect();
            Mutex::new(Server::start_under(Kind::Everwrite, &words, &env))
        });
        let nodes: Vec<_> = nodes.collect();
        let fleet = Fleet { nodes, proxies, clock, logs: options.aof };
        for ((_, to, proxy), addresses) in fleet.proxies.iter().zip(std::iter::repeat(fleet.addresses())) {
            proxy.lead_to(addresses[*to]);
        }
        Ok(fleet)
    }

    /// Waits for all links, and makes what must be there before clients come.
    pub fn prepare(&self) -> Result<(), String> {
        if !self.wait_linked() {
            return Err("The nodes did not find each other; their logs say why.".into());
        }
        if self.logs {
            // Not before all that is written is in them.
            let based = || self.dirs().iter().all(|dir| has_base(dir));
            wait_until("logs at all nodes", LINKED_WITHIN, based);
        }
        let mut first = self.client(0).ok_or("The first node is not there")?;
        for place in Place::all().filter(|place| place.kind == Of::Stream) {
            let made = first.call(&["XGROUP", "CREATE", &place.key(), "readers", "0", "MKSTREAM"]);
            made.map_err(|e| e.to_string())?;
        }
        wait_until("streams at all nodes", LINKED_WITHIN, || self.digests().is_some_and(all_same));
        Ok(())
    }

    /// Where the nodes keep their files.
    pub fn dirs(&self) -> Vec<PathBuf> {
        (0..self.nodes.len()).map(|node| self.node(node).dir().to_path_buf()).collect()
    }

    pub fn addresses(&self) -> Vec<SocketAddr> {
        (0..self.nodes.len()).map(|node| self.node(node).address()).collect()
    }

    fn node(&self, node: usize) -> std::sync::MutexGuard<'_, Server> {
        self.nodes[node].lock().expect("no thread panics with it")
    }

    pub fn client(&self, node: usize) -> Option<Client> {
        Client::connect(self.node(node).address()).ok()
    }

    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    pub fn kill(&self, node: usize) {
        self.node(node).kill();
    }

    pub fn start_again(&self, node: usize) {
        self.node(node).start_again();
    }

    pub fn between(&self, a: usize, b: usize) -> impl Iterator<Item = &Proxy> {
        let both = move |from: usize, to: usize| (from, to) == (a, b) || (from, to) == (b, a);
        self.proxies.iter().filter(move |(from, to, _)| both(*from, *to)).map(|(.., proxy)| proxy)
    }

    /// The ways to and from a node.
    pub fn around(&self, node: usize) -> impl Iterator<Item = &Proxy> {
        let ends = move |from: usize, to: usize| from == node || to == node;
        self.proxies.iter().filter(move |(from, to, _)| ends(*from, *to)).map(|(.., proxy)| proxy)
    }

    pub fn all(&self) -> impl Iterator<Item = &Proxy> {
        self.proxies.iter().map(|(.., proxy)| proxy)
    }

    pub fn heal(&self) {
        for proxy in self.all() {
            proxy.heal();
            proxy.throttle(0);
            proxy.delay(Duration::from_millis(2));
        }
    }

    /// Sets the last node's clock.
    pub fn set_clock(&self, ms: i64) {
        if let Some(clock) = &self.clock {
            clock.set(ms).expect("the clock's file can be written");
        }
    }

    pub fn wait_linked(&self) -> bool {
        let others = (self.nodes.len() - 1).to_string();
        wait_for(LINKED_WITHIN, || self.fields("connected_slaves").iter().all(|n| *n == others).then_some(()))
            .is_some()
    }

    /// A field of INFO at each node.
    pub fn fields(&self, name: &str) -> Vec<String> {
        (0..self.len())
            .map(|node| self.client(node).map_or(String::new(), |mut c| info(&mut c, name)))
            .collect()
    }

    /// Digests of all data; `None` if a node does not answer.
    fn digests(&self) -> Option<Vec<String>> {
        (0..self.len()).map(|node| self.client(node).map(|mut client| digest(&mut client))).collect()
    }

    /// Waits until all nodes have the same data, and remember nothing any more.
    pub fn converge(&self, within: Duration) -> Converged {
        let began = Instant::now();
        let ms = || began.elapsed().as_millis() as u64;
        let linked_ms = self.wait_linked().then(ms);
        let equal = wait_for(within, || self.digests().filter(|d| all_same(d)).map(|_| ()));
        let equal_ms = equal.map(|()| ms());
        let quiet = || self.fields("mesh_overlay_keys").iter().all(|n| n == "0").then_some(());
        let remembered = match wait_for(QUIET_WITHIN, quiet) {
            Some(()) => Vec::new(),
            None => self.fields("mesh_overlay_keys"),
        };
        Converged { linked_ms, equal_ms, remembered }
    }

    /// Says where the nodes' directories are, and leaves them there.
    pub fn keep(self) {
        for node in self.nodes {
            let node = node.into_inner().expect("no thread panics with it");
            println!("kept: {}", node.keep().display());
        }
    }
}

fn has_base(dir: &Path) -> bool {
    let entries = std::fs::read_dir(dir.join("appendonlydir")).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| entry.path().extension().is_some_and(|end| end == "base"))
}

fn all_same(digests: impl AsRef<[String]>) -> bool {
    digests.as_ref().windows(2).all(|pair| pair[0] == pair[1])
}

fn node_options(options: &Options, ways: impl Iterator<Item = u16>) -> Vec<String> {
    let mut words: Vec<String> =
        ["--active-replica", "yes", "--multi-master", "yes", "--server-threads", "2"]
            .map(str::to_owned)
            .into();
    if options.aof {
        words.extend(
            [
                "--appendonly",
                "yes",
                "--appendfsync",
                &options.appendfsync,
                "--auto-aof-rewrite-percentage",
                "0",
            ]
            .map(str::to_owned),
        );
    }
    for port in ways {
        words.extend(["--replicaof".into(), "127.0.0.1".into(), port.to_string()]);
    }
    words
}
