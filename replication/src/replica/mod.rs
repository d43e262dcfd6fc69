//! A node of the mesh: its streams, its links, its log.
//!
//! The machine owns everything about replication but the data. It is given the time and an event and answers with
//! actions; the driver (the server, or the simulator) moves bytes, keeps the data, and saves the state.
//!
//! A write: the driver mints a version, carries the command out, and hands the effects over as [`Event::Local`]. An
//! effect from a peer comes back as [`Action::Apply`]. On each link both ends say hello with what they have; each sends
//! what the other lacks, in the order of each stream; both tell from time to time how far they are (a beat).
//!
//! *What is announced survives.* Beats acknowledge only what [`Replica::persisted`] has confirmed, so that a crash never
//! takes back what others rely on.
//!
//! Reading order: this file, [`hello`], [`receive`], [`send`], [`restore`].

mod hello;
mod receive;
mod restore;
mod send;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::horizon::Horizon;
use crate::log::{Log, Spill};
use crate::message::{Beat, Head, Hello, Message, PROTOCOL, Reason};
use crate::origin::{Author, Origins, Stream, Uuid};
use crate::overlay::Levels;
use crate::shared::Shared;
use crate::stamp::{COUNTER_BITS, Clock};
use crate::vector::{Have, Vector};

/// A link, as the driver numbers them.
pub type Link = u64;

/// Rules that tests switch off to see that they matter.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// S2: positions are dense numbers. Without: the highest version filters duplicates.
    pub dense: bool,
    /// S3: a peer is sent what its vector lacks. Without: what is new.
    pub vector: bool,
    /// S5: duplicate, gap, clock bound, fold. Without: fold at once.
    pub order: bool,
    /// S7: identities are checked, lost writes are noticed.
    pub identity: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Rules { dense: true, vector: true, order: true, identity: true }
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub rules: Rules,
    /// Passes on what others wrote at once, not only when a peer is seen to lack it.
    pub relay: bool,
    /// Passes on what others wrote when a peer is seen to lack it.
    pub forward: bool,
    /// How long a peer's beats must show no progress of a stream until it is passed on.
    pub forward_after_ms: u64,
    pub max_clock_drift_ms: u64,
    /// Bytes sent on a link and not yet held by the other end.
    pub window_bytes: usize,
    pub part_bytes: usize,
    /// Bytes of a group that comes in parts: beyond them the link is closed, and nothing of it is taken.
    pub group_bytes_max: usize,
    /// How far ahead the clock's bound is saved.
    pub lease_ms: u64,
    /// A member of which nothing is heard for so long is waited for no more; 0: never.
    pub detach_after_ms: u64,
    /// Acknowledges what is not durable: there is no disk.
    pub volatile: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            rules: Rules::default(),
            relay: false,
            forward: true,
            forward_after_ms: 0,
            max_clock_drift_ms: 5_000,
            window_bytes: 4 << 20,
            part_bytes: 256 << 10,
            group_bytes_max: 4 << 30,
            lease_ms: 500,
            detach_after_ms: 0,
            volatile: false,
        }
    }
}

/// How a process comes up with state it found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// It was stopped in order: the stream goes on.
    Clean,
    /// It crashed: its state is durable, its stream may have gone further.
    Crashed,
    /// The state may be old, or there is none: no writes before a peer's state has been reached.
    Unsure,
}

#[derive(Clone, Debug)]
pub enum Event {
    Connected(Link),
    Disconnected(Link),
    Received(Link, Message),
    /// Groups of effects made here, under versions minted before, which rise. See [`codec::groups`].
    Local(Shared),

    /// Time for a beat.
    Tick,
}

#[derive(Clone, Debug)]
pub enum Action {
    Send(Link, Message),
    /// Send a snapshot of the data as it is now, after this head.
    SendSnapshot(Link, Head),
    /// Merge the snapshot that came with this head.
    Merge(Link, Head),
    Close(Link, Reason),
    /// Fold these groups of effects (see [`codec::groups`]), each all at once. They are well formed.
    Apply {
        stream: Stream,
        /// Number of the first of them.
        seq: u64,
        /// Version of the last of them, which is the highest.
        version: u64,
        groups: Shared,
    },
    /// The members are this far: what is settled can be forgotten.
    Settle(Levels),
    /// Save that the clock may run up to this version, before any message leaves.
    SaveBound(u64),
    /// This node lost own writes that a peer has, and began a new incarnation.
    Reincarnated {
        was: Author,
    },
    /// The peer's clock is off by this much.
    ClockOff {
        link: Link,
        ms: i64,
    },
    /// Nobody waits for this member any more.
    Detached(Uuid),
}

#[derive(Clone, Debug)]
struct Session {
    peer: Option<(Author, u64)>,
    /// What the peer has or has been sent.
    sent: Vector,
    held: Vector,
    /// Streams of others that this peer seems not to get from them.
    relay: BTreeSet<Stream>,
    /// How far the peer was with streams it lacks something of, by its last beats, and since when.
    stalled: BTreeMap<Stream, (u64, u64)>,
    in_flight: VecDeque<(Stream, u64, usize)>,
    in_flight_bytes: usize,
    partial: Option<(Stream, u64, Vec<u8>)>,
    resyncing: bool,
    /// It needs a full sync, which this node cannot give yet.
    wants_all: bool,
    /// It said that it may have lost what it announced.
    lost: bool,
    /// It is a member that has data.
    rooted: bool,
    /// See [`Hello::newcomer`].
    newcomer: bool,
}

/// What a node would still have after a crash, and so may announce.
#[derive(Clone, Debug, Default)]
pub struct Durable {
    vector: Vector,
    horizon: u64,
    known: u64,
    settled: u64,
}

/// What a node knows of a peer.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    pub author: Author,
    pub boot: u64,
    /// It said that it may have lost what it announced.
    pub lost: bool,
    /// See [`Hello::newcomer`](crate::message::Hello::newcomer).
    pub newcomer: bool,
    /// How far it has this node's stream.
    pub held: Have,
    /// Sent and not yet held.
    pub in_flight_bytes: usize,
}

/// The machine.
#[derive(Clone, Debug)]
pub struct Replica<S> {
    me: Author,
    boot: u64,
    /// The incarnation to take when a new one is needed.
    spare: u64,
    options: Options,
    clock: Clock,
    bound: u64,
    vector: Vector,
    /// As saved last.
    durable: Durable,
    origins: Origins,
    horizon: Horizon,
    log: Log<S>,
    beats: u64,
    /// See [`Replica::promise`].
    promised: Option<u64>,
    /// See [`Replica::heeded`].
    heeded: Option<Levels>,
    sessions: BTreeMap<Link, Session>,
    /// What this node once announced may be lost: it takes no writes and gives no full syncs before it got one.
    lost: bool,
    /// There are data here, see [`Hello::rooted`].
    has_data: bool,
    /// Nobody has ever heard of this node, and it has joined no mesh.
    new: bool,
    /// There were data here before anybody listened.
    brings: bool,
    /// Unix ms of the first tick: who is silent is so since then at most.
    began_ms: Option<u64>,
    /// When those came back who had been detached.
    back_ms: BTreeMap<Uuid, u64>,
}

impl<S: Spill> Replica<S> {
    pub fn new(me: Author, boot: u64, spare: u64, options: Options, log: Log<S>) -> Replica<S> {
        let mut origins = Origins::default();
        let _ = origins.meet(me);
        Replica {
            me,
            boot,
            spare,
            options,
            clock: Clock::default(),
            bound: 0,
            vector: Vector::default(),
            durable: Default::default(),
            origins,
            horizon: Horizon::default(),
            log,
            beats: 0,
            promised: None,
            heeded: None,
            sessions: BTreeMap::new(),
            lost: false,
            has_data: false,
            new: false,
            brings: false,
            began_ms: None,
            back_ms: BTreeMap::new(),
        }
    }

    /// Tells whether there are data here, before a link opens.
    pub fn has_data(&mut self, has: bool) {
        self.has_data = has;
    }

    /// Nobody has ever heard of this node. To be called before a link opens.
    pub fn begin_as_new(&mut self) {
        self.new = true;
    }

    /// See [`Hello::rooted`].
    pub fn rooted(&self) -> bool {
        self.has_data && !self.is_fresh()
    }

    /// Neither is this node a member as far as anybody knows, nor has it settled anything with others.
    fn is_fresh(&self) -> bool {
        self.new && self.horizon.settled == 0
    }

    /// See [`Hello::newcomer`]. Among newcomers all data are effects that are not settled yet; so whoever has settled
    /// something is none any more.
    pub fn is_newcomer(&self) -> bool {
        self.is_fresh() && self.brings
    }

    /// Whether a link leads to a member that has data, of whom this node is to get them before it gives its own: what the
    /// member has and this node has not would be taken for deleted here.
    pub fn joins(&self, link: Link) -> bool {
        let lacks = |session: &Session| session.rooted && (self.brings || !self.vector.covers(&session.held));
        self.is_fresh() && self.sessions.get(&link).is_some_and(lacks)
    }

    /// This node has got what the members have, and its own data are effects like any other: it is a member.
    pub fn joined(&mut self, actions: &mut Vec<Action>) {
        self.new = false;
        self.serve_waiting(actions);
    }

    /// Makes saved state live again. `bound`: the clock's bound as saved last.
    pub fn resume(&mut self, start: Start, boot: u64, spare: u64, bound: u64) {
        self.sessions.clear();
        self.boot = boot;
        self.spare = spare;
        self.bound = self.bound.max(bound);
        self.clock.observe(self.bound);
        if start != Start::Clean && self.options.rules.identity {
            self.reincarnate();
        }
        self.lost = start == Start::Unsure;
    }

    pub fn me(&self) -> Author {
        self.me
    }

    /// Unix ms of the hybrid clock: what time it is for writes.
    pub fn clock_ms(&self) -> u64 {
        self.clock.last() >> COUNTER_BITS
    }

    /// The stream of what is written here.
    pub fn own_stream(&self) -> Stream {
        Stream { author: self.me, lane: 0 }
    }

    pub fn label(&self) -> u16 {
        self.me.label()
    }

    pub fn horizon(&self) -> &Horizon {
        &self.horizon
    }

    /// How far the members are.
    pub fn levels(&self) -> Levels {
        let Horizon { horizon, known, settled, agreed, .. } = self.horizon;
        Levels { horizon, known, settled, agreed }
    }

    /// How far the data have heeded [`Action::Settle`], for a driver that cannot always do so at once. Effects name elements
    /// of lists by what the data know to be everywhere: no more of it is announced, or the others would forget what such an
    /// element was. What a beat announces was heeded before the beat's last effects were taken from the data, so that any that
    /// name elements by what was known before are among them. Without a word from the driver all is heeded at once.
    pub fn heeded(&mut self, levels: Levels) {
        self.heeded = Some(levels);
    }

    /// What this node promises in its beats, for a driver that mints versions without asking [`Replica::mint`]: no group
    /// up to this version follows in an [`Event::Local`]. Without a word from the driver it is the clock's last version.
    pub fn promise(&mut self, version: u64) {
        self.promised = Some(self.promised.map_or(version, |old| old.max(version)));
    }

    pub fn vector(&self) -> &Vector {
        &self.vector
    }

    pub fn log(&self) -> &Log<S> {
        &self.log
    }

    pub fn origins(&self) -> &Origins {
        &self.origins
    }

    /// A member that is to be waited for, before it is ever heard of.
    pub fn expect_member(&mut self, author: Author) {
        if author.uuid != self.me.uuid {
            let _ = self.origins.meet(author);
            self.horizon.meet(author);
        }
    }

    /// A member that was forgotten, before anybody speaks of it again.
    pub fn remember_gone(&mut self, author: Author) {
        self.horizon.remember_gone(author);
    }

    /// Whether clients may write.
    pub fn serves(&self) -> bool {
        !self.lost
    }

    /// Takes the state as it is, because the operator says that there is no better one.
    pub fn trust(&mut self, actions: &mut Vec<Action>) {
        self.lost = false;
        self.serve_waiting(actions);
    }

    pub fn has_link_to(&self, uuid: Uuid) -> bool {
        self.sessions.values().any(|s| s.peer.is_some_and(|(author, _)| author.uuid == uuid))
    }

    /// What is here was written before anybody listened: it counts as a position that the log cannot serve, so that who
    /// lacks it gets a full sync. To be called while the own stream is empty.
    pub fn begin_with_data(&mut self, version: u64) {
        let stream = self.own_stream();
        assert_eq!(self.vector.have(stream).seq, 0, "the stream has begun");
        self.vector.advance(stream, Have { seq: 1, version });
        self.brings = true;
    }

    /// Changes what may change while the node runs.
    pub fn tune(&mut self, edit: impl FnOnce(&mut Options)) {
        edit(&mut self.options);
    }

    /// Who is at the other end of a link, and how far he has a stream.
    pub fn holder(&self, link: Link, stream: Stream) -> Option<(Uuid, Have)> {
        let session = self.sessions.get(&link)?;
        Some((session.peer?.0.uuid, session.held.have(stream)))
    }

    /// What is known of the peer at the other end of a link that has said hello.
    pub fn peer(&self, link: Link) -> Option<Peer> {
        let session = self.sessions.get(&link)?;
        let (author, boot) = session.peer?;
        let held = session.held.have(self.own_stream());
        let Session { lost, newcomer, in_flight_bytes, .. } = *session;
        Some(Peer { author, boot, lost, newcomer, held, in_flight_bytes })
    }

    /// Tells the peer what is here.
    pub fn acknowledge(&self, link: Link, actions: &mut Vec<Action>) {
        if self.sessions.get(&link).is_some_and(|s| s.peer.is_some()) {
            actions.push(Action::Send(link, Message::Held(self.vector.clone())));
        }
    }

    /// Nobody waits for this member any more.
    pub fn detach(&mut self, uuid: Uuid) {
        self.horizon.detach(uuid);
    }

    /// The member counts again.
    pub fn attach(&mut self, uuid: Uuid) {
        self.horizon.attach(uuid);
    }

    /// The member will never come back. False if there is none, or it is linked.
    pub fn forget(&mut self, uuid: Uuid) -> bool {
        !self.has_link_to(uuid) && self.horizon.forget(uuid)
    }

    /// An identity that nobody has, with a label that nobody has who is known here.
    pub fn new_author(&mut self, uuid: Uuid, incarnation: u64) -> Author {
        let mut author = Author { uuid, incarnation };
        while self.origins.meet(author).is_err() {
            author.incarnation += 1;
        }
        author
    }

    /// Takes a [new identity](Replica::new_author): what is handed over from now on belongs to a new node. Links must have been
    /// closed.
    pub fn rename(&mut self, author: Author) {
        assert!(self.sessions.is_empty(), "peers know this node by its identity");
        self.me = author;
        self.spare = self.me.incarnation + 1;
        self.beats = 0;
    }

    /// A version for a write.
    pub fn mint(&mut self, now_ms: u64, actions: &mut Vec<Action>) -> u64 {
        let version = self.clock.mint(now_ms);
        self.extend_bound(actions);
        version
    }

    pub fn step(&mut self, now_ms: u64, event: Event, actions: &mut Vec<Action>) {
        match event {
            Event::Connected(link) => self.connected(now_ms, link, actions),
            Event::Disconnected(link) => drop(self.sessions.remove(&link)),
            Event::Received(link, message) => self.received(now_ms, link, message, actions),
            Event::Local(groups) => self.local(groups, actions),
            Event::Tick => self.tick(now_ms, actions),
        }
    }

    fn connected(&mut self, now_ms: u64, link: Link, actions: &mut Vec<Action>) {
        let session = Session {
            peer: None,
            sent: Vector::default(),
            held: Vector::default(),
            relay: BTreeSet::new(),
            stalled: BTreeMap::new(),
            in_flight: VecDeque::new(),
            in_flight_bytes: 0,
            partial: None,
            resyncing: false,
            wants_all: false,
            lost: false,
            rooted: false,
            newcomer: false,
        };
        self.sessions.insert(link, session);
        let hello = Hello {
            protocol: PROTOCOL,
            author: self.me,
            boot: self.boot,
            vector: self.vector.clone(),
            clock_ms: now_ms,
            lost: !self.serves(),
            rooted: self.rooted(),
            newcomer: self.is_newcomer(),
            members: self.members(),
        };
        actions.push(Action::Send(link, Message::Hello(hello)));
    }

    fn members(&self) -> Vec<Author> {
        self.horizon.members().chain([self.me]).collect()
    }

    fn received(&mut self, now_ms: u64, link: Link, message: Message, actions: &mut Vec<Action>) {
        let Some(session) = self.sessions.get_mut(&link) else { return };
        match message {
            Message::Hello(hello) if session.peer.is_none() => self.hello(now_ms, link, hello, actions),
            Message::Close(reason) => {
                self.sessions.remove(&link);
                if reason == Reason::LabelTaken {
                    let was = self.me;
                    self.reincarnate();
                    actions.push(Action::Reincarnated { was });
                }
            }
            _ if session.peer.is_none() => self.close(link, Reason::Malformed, actions),
            Message::Hello(_) => self.close(link, Reason::Malformed, actions),
            Message::Part(part) => self.part(now_ms, link, part, actions),
            Message::Beats(beats) => self.heard(now_ms, link, beats, actions),
            Message::Held(vector) => {
                self.holds(link, &vector);
                self.pump(link, actions);
            }
            Message::Resync(vector) => {
                session.sent = vector;
                session.in_flight.clear();
                session.in_flight_bytes = 0;
                self.pump(link, actions);
            }
            Message::Snapshot(head) => self.snapshot(link, head, actions),
            Message::Libraries(_) => {}
        }
    }

    fn extend_bound(&mut self, actions: &mut Vec<Action>) {
        if self.clock.last() > self.bound {
            self.bound = self.clock.last() + (self.options.lease_ms << COUNTER_BITS);
            actions.push(Action::SaveBound(self.bound));
        }
    }

    /// Waits no more for members of which nothing has been heard for long, from themselves or others.
    fn detach_silent(&mut self, now_ms: u64, actions: &mut Vec<Action>) {
        let (began, after) = (*self.began_ms.get_or_insert(now_ms), self.options.detach_after_ms);
        if after == 0 {
            return;
        }
        let silent = |author: &Author| {
            let heard = self.horizon.last_beat(*author).map_or(0, |beat| beat.promise >> COUNTER_BITS);
            let since = self.back_ms.get(&author.uuid).copied().unwrap_or(began);
            let waits = !self.horizon.is_detached(author.uuid) && !self.has_link_to(author.uuid);
            waits && now_ms.saturating_sub(heard.max(since)) >= after
        };
        let silent: Vec<Author> = self.horizon.members().filter(silent).collect();
        for author in silent {
            self.horizon.detach(author.uuid);
            actions.push(Action::Detached(author.uuid));
        }
    }

    fn announced(&self) -> Durable {
        if self.options.volatile { self.state() } else { self.durable.clone() }
    }

    fn tick(&mut self, now_ms: u64, actions: &mut Vec<Action>) {
        if !self.lost && self.sessions.iter().any(|(link, s)| s.wants_all && !self.joins(*link)) {
            self.serve_waiting(actions);
        }
        if self.promised.is_none() {
            self.clock.observe(now_ms << COUNTER_BITS);
            self.extend_bound(actions);
        }
        self.detach_silent(now_ms, actions);
        let promise = self.promised.unwrap_or(self.clock.last());
        let Durable { horizon, known, settled, .. } = self.durable;
        let durable = (!self.options.volatile).then_some((horizon, known, settled));
        let heeded = self.heeded.map_or((u64::MAX, u64::MAX), |levels| (levels.known, levels.settled));
        self.horizon.update(&self.vector, promise, durable, heeded);
        let Durable { vector: durable, horizon, known, settled } = self.announced();
        let (known, settled) = (known.min(heeded.0), settled.min(heeded.1));
        self.beats += 1;
        let own = Beat {
            author: self.me,
            number: self.beats,
            upto: self.vector.lanes(self.me).map(|(stream, have)| (stream.lane, have.seq)).collect(),
            promise,
            horizon,
            known,
            settled,
            durable,
            held: self.vector.clone(),
            members: self.members(),
        };
        let beats: Vec<Beat> = self.horizon.beats().cloned().chain([own]).collect();
        for (link, session) in &mut self.sessions {
            session.resyncing = false;
            if session.peer.is_some() {
                actions.push(Action::Send(*link, Message::Beats(beats.clone())));
            }
        }
        actions.push(Action::Settle(self.levels()));
    }
}
