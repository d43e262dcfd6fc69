//! A mesh in one process: nodes, links, disks and clocks, driven step by step from one seed.
//!
//! Links keep order and lose nothing while they last; when one is cut, what was on its way is gone. A disk holds what
//! was saved last. Every effect that arrives is checked against the naive fold of what the node has received.

use std::collections::BTreeMap;

use replication::Place;
use replication::codec;
use replication::effect::{Key, Value, Write};
use replication::log::{Log, MemorySpill};
use replication::message::{Head, Message};
use replication::naive::Naive;
use replication::origin::Author;
use replication::overlay;
use replication::replica::{self, Action, Event, Link, Options, Replica, Start};

use crate::rng::Rng;
use crate::store::Store;
use crate::workload::Client;

/// Rules that a run can switch off.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    pub data: overlay::Rules,
    pub streams: replica::Rules,
    /// M2: writes that change nothing travel too.
    pub touch: bool,
    /// S8: full sync merges.
    pub merge: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Rules { data: Default::default(), streams: Default::default(), touch: true, merge: true }
    }
}

/// How a mesh is made.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub nodes: usize,
    pub rules: Rules,
    pub relay: bool,
    pub volatile: bool,
    pub log_bytes: usize,
    pub spill_entries: usize,
    pub part_bytes: usize,
    pub detach_after_ms: u64,
}

impl Default for Plan {
    fn default() -> Self {
        let rules = Rules::default();
        Plan {
            nodes: 3,
            rules,
            relay: false,
            volatile: false,
            log_bytes: 1 << 20,
            spill_entries: 0,
            part_bytes: 40,
            detach_after_ms: 0,
        }
    }
}

type Machine = Replica<MemorySpill>;

/// A process with its memory.
#[derive(Clone, Debug)]
pub struct Live {
    pub store: Store,
    pub replica: Machine,
}

/// A node: what runs, and what is on its disk.
#[derive(Debug)]
pub struct Node {
    pub live: Option<Live>,
    pub disk: Live,
    pub bound: u64,
    /// How far the node's clock is ahead.
    pub skew_ms: i64,
}

impl Node {
    fn history(&self, key: &Key) -> Vec<String> {
        self.live.as_ref().map_or(Vec::new(), |live| live.store.naive.history(key))
    }
}

#[derive(Debug)]
enum Packet {
    Bytes(Vec<u8>),
    Snapshot(Box<(Head, Store)>),
    Hangup,
}

#[derive(Debug)]
struct Wire {
    ends: [usize; 2],
    /// When the last packet to each end arrives.
    last: [u64; 2],
}

/// The mesh.
pub struct World {
    pub now: u64,
    pub rng: Rng,
    pub nodes: Vec<Node>,
    pub plan: Plan,
    /// Pairs that cannot talk.
    pub cut: std::collections::BTreeSet<(usize, usize)>,
    pub delay_ms: u64,
    /// Repeats a frame now and then.
    pub duplicate: bool,
    /// What clients were promised.
    pub promised: Naive,
    pub snapshots: usize,
    pub trace: Vec<String>,
    wires: BTreeMap<Link, Wire>,
    packets: BTreeMap<(u64, u64), (Link, usize, Packet)>,
    count: u64,
}

pub type Check = Result<(), String>;

impl World {
    pub fn new(seed: u64, plan: Plan) -> World {
        let mut world = World {
            now: 1_000_000,
            rng: Rng::new(seed),
            nodes: Vec::new(),
            plan,
            cut: Default::default(),
            delay_ms: 5,
            duplicate: false,
            promised: Naive::default(),
            snapshots: 0,
            trace: Vec::new(),
            wires: BTreeMap::new(),
            packets: BTreeMap::new(),
            count: 0,
        };
        for i in 0..plan.nodes {
            let live = world.blank(i);
            world.nodes.push(Node { live: Some(live.clone()), disk: live, bound: 0, skew_ms: 0 });
        }
        world
    }

    /// A node without data.
    fn blank(&mut self, i: usize) -> Live {
        let options = Options {
            rules: self.plan.rules.streams,
            relay: self.plan.relay,
            volatile: self.plan.volatile,
            part_bytes: self.plan.part_bytes,
            window_bytes: 4_000,
            detach_after_ms: self.plan.detach_after_ms,
            ..Options::default()
        };
        let author = |i: usize| Author { uuid: i as u128 + 1, incarnation: 1 };
        let log = Log::new(self.plan.log_bytes, MemorySpill::new(self.plan.spill_entries));
        let mut replica = Replica::new(author(i), self.rng.draw(), 2, options, log);
        (0..self.plan.nodes).for_each(|other| replica.expect_member(author(other)));
        Live { store: Store::new(self.plan.rules.data), replica }
    }

    pub fn live(&mut self, i: usize) -> &mut Live {
        self.nodes[i].live.as_mut().expect("the node runs")
    }

    pub fn clock(&self, i: usize) -> u64 {
        (self.now as i64 + self.nodes[i].skew_ms) as u64
    }

    /// Saves a node's state.
    pub fn sync(&mut self, i: usize) {
        if let Some(live) = &mut self.nodes[i].live {
            live.replica.persisted();
            self.nodes[i].disk = live.clone();
        }
    }

    /// The process ends and what is not on disk is lost.
    pub fn crash(&mut self, i: usize) {
        self.trace.push(format!("{} crash {i}", self.now));
        self.nodes[i].live = None;
        self.hang_up(|wire| wire.ends.contains(&i));
    }

    pub fn stop(&mut self, i: usize) {
        self.sync(i);
        self.crash(i);
    }

    /// The process comes up with what is on disk.
    pub fn start(&mut self, i: usize, start: Start) {
        self.trace.push(format!("{} start {i} {start:?}", self.now));
        let mut live = self.nodes[i].disk.clone();
        // Incarnations rise with time.
        live.replica.resume(start, self.rng.draw(), self.now, self.nodes[i].bound);
        self.nodes[i].live = Some(live);
    }

    /// The process comes up with an empty disk.
    pub fn start_blank(&mut self, i: usize) {
        self.nodes[i].disk = self.blank(i);
        self.start(i, Start::Unsure);
    }

    pub fn cut(&mut self, a: usize, b: usize) {
        self.cut.insert((a.min(b), a.max(b)));
        self.hang_up(|wire| wire.ends.contains(&a) && wire.ends.contains(&b));
    }

    pub fn heal(&mut self) {
        self.cut.clear();
    }

    fn hang_up(&mut self, which: impl Fn(&Wire) -> bool) {
        let gone: Vec<Link> =
            self.wires.iter().filter(|(_, wire)| which(wire)).map(|(link, _)| *link).collect();
        for link in gone {
            self.drop_wire(link);
        }
    }

    fn drop_wire(&mut self, link: Link) {
        let Some(wire) = self.wires.remove(&link) else { return };
        self.packets.retain(|_, (l, _, _)| *l != link);
        for end in wire.ends {
            if let Some(live) = &mut self.nodes[end].live {
                live.replica.step(self.now, Event::Disconnected(link), &mut Vec::new());
            }
        }
    }

    /// Connects all pairs that can talk and do not.
    pub fn connect(&mut self) -> Check {
        for a in 0..self.nodes.len() {
            for b in a + 1..self.nodes.len() {
                let up = self.nodes[a].live.is_some() && self.nodes[b].live.is_some();
                let linked = self.wires.values().any(|wire| wire.ends == [a, b]);
                if up && !linked && !self.cut.contains(&(a, b)) {
                    self.count += 1;
                    let link = self.count;
                    self.wires.insert(link, Wire { ends: [a, b], last: [0, 0] });
                    self.step(a, Event::Connected(link), None)?;
                    self.step(b, Event::Connected(link), None)?;
                }
            }
        }
        Ok(())
    }

    /// A client's random command at a node, if it takes writes.
    pub fn write(&mut self, i: usize) -> Check {
        self.client(i, |client, rng| client.command(rng))
    }

    /// A client's command at a node.
    pub fn client(&mut self, i: usize, command: impl FnOnce(&mut Client<'_>, &mut Rng)) -> Check {
        let now = self.clock(i);
        let touch = self.plan.rules.touch;
        let Some(live) = &mut self.nodes[i].live else { return Ok(()) };
        if !live.replica.serves() {
            return Ok(());
        }
        let mut actions = Vec::new();
        let version = live.replica.mint(now, &mut actions);
        let (label, horizon) = (live.replica.label(), live.replica.horizon().horizon);
        let mut client = Client::new(&mut live.store, version, label, horizon, touch);
        command(&mut client, &mut self.rng);
        let (writes, promised) = (client.writes, client.promised);
        for write in &writes {
            live.store.check(&write.key, now).map_err(|e| format!("write at {i}: {write:?}: {e:?}"))?;
        }
        for (place, write) in promised {
            self.promised.add::<overlay::Memory>(place, &write);
        }
        if std::env::var("TRACE").is_ok() {
            let about = format!("{now} {i} writes {version} {writes:?}");
            self.trace.push(about);
        }
        self.act(i, actions, None)?;
        if writes.is_empty() {
            return Ok(());
        }
        let mut bytes = codec::Writer::default();
        codec::begin_group(&mut bytes, version);
        writes.iter().for_each(|write| codec::put_write(&mut bytes, write));
        codec::end_group(&mut bytes, 0);
        self.step(i, Event::Local(bytes.0.into()), None)
    }

    /// A node's beat.
    pub fn tick(&mut self, i: usize) -> Check {
        if self.nodes[i].live.is_some() { self.step(i, Event::Tick, None) } else { Ok(()) }
    }

    /// Lets time pass, and what is due arrive.
    pub fn pass(&mut self, ms: u64) -> Check {
        self.now += ms;
        while let Some(entry) = self.packets.first_entry() {
            if entry.key().0 > self.now {
                break;
            }
            let (link, to, packet) = entry.remove();
            self.deliver(link, to, packet)?;
        }
        Ok(())
    }

    fn deliver(&mut self, link: Link, to: usize, packet: Packet) -> Check {
        match packet {
            Packet::Hangup => {
                self.drop_wire(link);
                Ok(())
            }
            Packet::Bytes(bytes) => {
                let message = Message::decode(&bytes).map_err(|e| format!("{e:?}"))?;
                self.step(to, Event::Received(link, message), None)
            }
            Packet::Snapshot(both) => {
                let (head, store) = *both;
                self.step(to, Event::Received(link, Message::Snapshot(head)), Some(store))
            }
        }
    }

    fn step(&mut self, i: usize, event: Event, snapshot: Option<Store>) -> Check {
        let now = self.clock(i);
        let Some(live) = &mut self.nodes[i].live else { return Ok(()) };
        let mut actions = Vec::new();
        live.replica.step(now, event, &mut actions);
        self.act(i, actions, snapshot)
    }

    fn act(&mut self, i: usize, actions: Vec<Action>, mut snapshot: Option<Store>) -> Check {
        for action in actions {
            let now = self.clock(i);
            match action {
                Action::Send(link, message) => {
                    let twice = self.duplicate && matches!(message, Message::Part(_)) && self.rng.once_in(20);
                    let bytes = message.encode();
                    if twice {
                        self.send(i, link, Packet::Bytes(bytes.clone()));
                    }
                    self.send(i, link, Packet::Bytes(bytes));
                }
                Action::SendSnapshot(link, head) => {
                    self.snapshots += 1;
                    self.trace.push(format!("{now} {i} sends all on {link}"));
                    let store = self.live(i).store.clone();
                    self.send(i, link, Packet::Snapshot(Box::new((head, store))));
                }
                Action::Merge(_, head) => {
                    let merges = self.plan.rules.merge;
                    let live = self.live(i);
                    if let Some(theirs) = snapshot.take() {
                        let Live { store, replica } = live;
                        store.merge(theirs, merges, |place| replica.covered(&head, place));
                        store.check_all(now).map_err(|e| format!("merge at {i}: {e:?}"))?;
                    }
                }
                Action::Close(link, reason) => {
                    self.trace.push(format!("{now} {i} closes {link}: {reason:?}"));
                    self.send(i, link, Packet::Hangup);
                }
                Action::Apply { stream, groups, .. } => {
                    for group in codec::groups(&groups) {
                        let (version, writes) = group.map_err(|e| format!("{e:?}"))?;
                        let writes = codec::decode_writes(writes).map_err(|e| format!("{e:?}"))?;
                        self.apply(i, stream.author, version, &writes)?;
                    }
                }
                Action::Settle(levels) => {
                    let live = self.live(i);
                    live.store.settle(levels);
                    live.store.check_all(now).map_err(|e| format!("settle at {i}: {e:?}"))?;
                }
                Action::SaveBound(bound) => self.nodes[i].bound = bound,
                Action::Reincarnated { was } => self.trace.push(format!("{now} {i} was {was:?}")),
                Action::Detached(uuid) => self.trace.push(format!("{now} {i} detaches {uuid}")),
                Action::ClockOff { .. } => {}
            }
        }
        Ok(())
    }

    fn apply(&mut self, i: usize, author: Author, version: u64, writes: &[Write]) -> Check {
        let now = self.clock(i);
        let live = self.live(i);
        for (sub, write) in writes.iter().enumerate() {
            let place = Place { version, origin: author.label(), sub: sub as u32 };
            live.store.apply(place, write);
        }
        for write in writes {
            live.store
                .check(&write.key, now)
                .map_err(|e| format!("at {i} from {author:?}: {write:?}: {e:?}"))?;
        }
        Ok(())
    }

    fn send(&mut self, from: usize, link: Link, packet: Packet) {
        let delay = 1 + self.rng.below(self.delay_ms);
        let Some(wire) = self.wires.get_mut(&link) else { return };
        let to = usize::from(wire.ends[0] == from);
        wire.last[to] = wire.last[to].max(self.now + delay);
        self.count += 1;
        self.packets.insert((wire.last[to], self.count), (link, wire.ends[to], packet));
    }

    /// Heals everything and waits until nothing moves; then all nodes must have the same data and empty overlays.
    pub fn settle(&mut self) -> Check {
        self.heal();
        for node in &mut self.nodes {
            node.skew_ms = 0;
        }
        for _ in 0..2_000 {
            self.connect()?;
            for i in 0..self.nodes.len() {
                self.sync(i);
                self.tick(i)?;
            }
            self.pass(20)?;
            let quiet = |node: &Node| node.live.as_ref().is_some_and(|l| l.store.overlay.is_empty());
            if self.nodes.iter().all(quiet) && self.same_vectors() {
                return self.compare();
            }
        }
        let overlays: Vec<usize> =
            self.nodes.iter().map(|n| n.live.as_ref().map_or(0, |l| l.store.overlay.len())).collect();
        let levels: Vec<_> = self
            .nodes
            .iter()
            .filter_map(|n| n.live.as_ref())
            .map(|l| {
                format!("{:?} {:?}", l.replica.vector(), l.replica.horizon().members().collect::<Vec<_>>())
            })
            .collect();
        Err(format!(
            "never quiet: overlays {overlays:?}, same vectors {}, {levels:#?}, {:#?}",
            self.same_vectors(),
            self.trace
        ))
    }

    fn same_vectors(&self) -> bool {
        let vectors: Vec<_> =
            self.nodes.iter().filter_map(|n| n.live.as_ref()).map(|l| l.replica.vector()).collect();
        vectors.windows(2).all(|pair| pair[0] == pair[1])
    }

    /// The latest of all clocks. (A deadline can be settled before it has passed on every wall clock.)
    fn latest(&self) -> u64 {
        let clocks = self.nodes.iter().filter_map(|n| n.live.as_ref()).map(|l| l.replica.clock_ms());
        clocks.fold(self.now, u64::max)
    }

    fn compare(&mut self) -> Check {
        let now = self.latest();
        let first = self.live(0).store.plain.visible(now);
        for i in 0..self.nodes.len() {
            let store = &self.live(i).store;
            store.check_all(now).map_err(|e| format!("at the end, {i}: {e:?}"))?;
            let here = store.plain.visible(now);
            if let Some(key) = first.keys().chain(here.keys()).find(|key| first.get(key) != here.get(key)) {
                let (a, b) = (self.nodes[0].history(key), self.nodes[i].history(key));
                let (first, here) = (first.get(key), here.get(key));
                return Err(format!("{key:?}: node 0 has {first:?}, node {i} has {here:?}: {a:#?} {b:#?}"));
            }
        }
        Ok(())
    }

    /// Whether what clients were promised is what the nodes have.
    pub fn kept(&mut self) -> Check {
        let now = self.latest();
        let mut expected = self.promised.clone();
        expected.join(&self.live(0).store.naive);
        let plain = self.live(0).store.plain.visible(now);
        let keys: Vec<Key> = expected.keys().cloned().collect();
        for key in keys {
            let live = |found: &(Value, Option<u64>)| found.1.is_none_or(|at| at > now);
            let should = expected.value::<overlay::Memory>(&key).filter(live);
            if plain.get(&key) != should.as_ref() {
                let (all, here) = (expected.history(&key), self.live(0).store.naive.history(&key));
                return Err(format!(
                    "{key:?}: promised {should:?}, is {:?}; {all:#?} {here:#?}",
                    plain.get(&key)
                ));
            }
        }
        Ok(())
    }
}
