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

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::codec::{self, Malformed};
use crate::horizon::Horizon;
use crate::log::{Chunk, Log, Spill};
use crate::message::{Beat, Head, Hello, Message, PROTOCOL, Part, Reason};
use crate::origin::{Author, Origins, Stream, Uuid};
use crate::overlay::Levels;
use crate::shared::Shared;
use crate::stamp::{COUNTER_BITS, Clock, Place};
use crate::vector::{Arrival, Have, Vector};

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
    sessions: BTreeMap<Link, Session>,
    /// What this node once announced may be lost: it takes no writes and gives no full syncs before it got one.
    lost: bool,
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
            sessions: BTreeMap::new(),
            lost: false,
        }
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
    }

    /// Changes what may change while the node runs.
    pub fn tune(&mut self, edit: impl FnOnce(&mut Options)) {
        edit(&mut self.options);
    }

    /// What is known of the peer at the other end of a link that has said hello.
    pub fn peer(&self, link: Link) -> Option<Peer> {
        let session = self.sessions.get(&link)?;
        let (author, boot) = session.peer?;
        let held = session.held.have(self.own_stream());
        Some(Peer { author, boot, lost: session.lost, held, in_flight_bytes: session.in_flight_bytes })
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

    /// Takes another identity: what is written from now on belongs to a new node. Links must have been closed.
    pub fn rename(&mut self, uuid: Uuid, incarnation: u64) {
        assert!(self.sessions.is_empty(), "peers know this node by its identity");
        self.me = Author { uuid, incarnation };
        while self.origins.meet(self.me).is_err() {
            self.me.incarnation += 1;
        }
        self.spare = self.me.incarnation + 1;
        self.beats = 0;
    }

    /// A version for a write.
    pub fn mint(&mut self, now_ms: u64, actions: &mut Vec<Action>) -> u64 {
        let version = self.clock.mint(now_ms);
        self.extend_bound(actions);
        version
    }

    /// The state as of now is on disk.
    pub fn persisted(&mut self) {
        self.durable = self.state();
    }

    /// What may be announced once the state as of now is on disk, see [`Replica::persisted_as`].
    pub fn state(&self) -> Durable {
        let Horizon { horizon, known, settled, .. } = self.horizon;
        Durable { vector: self.vector.clone(), horizon, known, settled }
    }

    /// The state that was so once is on disk.
    pub fn persisted_as(&mut self, state: Durable) {
        self.durable = state;
    }

    /// What describes a copy of the data as they are now.
    pub fn head(&self) -> Head {
        Head {
            vector: self.vector.clone(),
            horizon: self.horizon.horizon,
            beats: self.horizon.beats().cloned().collect(),
        }
    }

    /// Takes up what a copy with this head had: this node's own, from its disk, or a peer's.
    pub fn restore(&mut self, head: &Head, actions: &mut Vec<Action>) {
        for (stream, have) in head.vector.iter() {
            self.clock.observe(have.version);
            let _ = self.origins.meet(stream.author);
        }
        self.extend_bound(actions);
        self.vector.join(&head.vector);
        for beat in head.beats.iter().filter(|beat| beat.author.uuid != self.me.uuid) {
            self.horizon.hear(beat, &self.vector);
        }
    }

    /// Takes groups from this node's own disk, of any stream. Those it has are left out; false if others before them are
    /// missing.
    pub fn replay(
        &mut self,
        stream: Stream,
        seq: u64,
        bytes: &Shared,
        actions: &mut Vec<Action>,
    ) -> Result<bool, Malformed> {
        let groups = survey(bytes)?;
        let have = self.vector.have(stream).seq;
        let Some(known) = (have + 1).checked_sub(seq) else { return Ok(false) };
        let Some((_, from)) = groups.get(known as usize) else { return Ok(true) };
        self.origins.meet(stream.author).map_err(|_| Malformed::Number)?;
        let chunk = Chunk::of(seq + known, bytes.part(*from..bytes.len()));
        self.take(stream, chunk, actions);
        Ok(true)
    }

    /// This node had come so far: what is known to be everywhere need not be passed on.
    pub fn reach(&mut self, levels: Levels) {
        let Horizon { horizon, known, settled, agreed, .. } = &mut self.horizon;
        *horizon = levels.horizon.max(*horizon);
        *known = levels.known.max(*known);
        *settled = levels.settled.max(*settled);
        *agreed = levels.agreed.max(*agreed);
        self.log.trim_known(levels.known);
    }

    /// Whether a state described by `head` has the effect at a place.
    pub fn covered(&self, head: &Head, place: Place) -> bool {
        covered(self.me, &self.origins, head, place)
    }

    /// [`Replica::covered`] as it is now, to be kept.
    pub fn coverage(&self, head: &Head) -> impl Fn(Place) -> bool + Send + 'static {
        let (me, origins, head) = (self.me, self.origins.clone(), head.clone());
        move |place| covered(me, &origins, &head, place)
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
        };
        self.sessions.insert(link, session);
        let hello = Hello {
            protocol: PROTOCOL,
            author: self.me,
            boot: self.boot,
            vector: self.vector.clone(),
            clock_ms: now_ms,
            lost: !self.serves(),
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
        }
    }

    fn hello(&mut self, now_ms: u64, link: Link, hello: Hello, actions: &mut Vec<Action>) {
        if let Some(reason) = self.objection(&hello) {
            return self.close(link, reason, actions);
        }
        let off = hello.clock_ms as i64 - now_ms as i64;
        if off.unsigned_abs() > self.options.max_clock_drift_ms / 10 {
            actions.push(Action::ClockOff { link, ms: off });
        }
        let mine = self.own_stream();
        if self.options.rules.identity && hello.vector.have(mine).seq > self.vector.have(mine).seq {
            // The peer has writes of this incarnation that this node has not: they were lost here.
            let was = self.me;
            self.reincarnate();
            actions.push(Action::Reincarnated { was });
            self.lost = true;
            let links: Vec<Link> = self.sessions.keys().copied().collect();
            for link in links {
                self.close(link, Reason::Reincarnated, actions);
            }
            return;
        }
        for author in hello.members.iter().copied().chain([hello.author]) {
            self.meet(author, link, actions);
        }
        let lacks = if self.options.rules.vector { hello.vector.clone() } else { self.vector.clone() };
        if let Some(session) = self.sessions.get_mut(&link) {
            session.peer = Some((hello.author, hello.boot));
            session.held = hello.vector;
            session.sent = lacks;
            session.lost = hello.lost;
        }
        if hello.lost {
            self.full_sync(link, actions);
        }
        self.pump(link, actions);
    }

    fn objection(&mut self, hello: &Hello) -> Option<Reason> {
        if hello.protocol != PROTOCOL {
            return Some(Reason::Protocol);
        }
        if !self.options.rules.identity {
            return None;
        }
        let twin =
            |s: &Session| s.peer.is_some_and(|(a, boot)| a.uuid == hello.author.uuid && boot != hello.boot);
        if hello.author.uuid == self.me.uuid || self.sessions.values().any(twin) {
            return Some(Reason::SameIdentity);
        }
        if self.origins.meet(hello.author).is_err() {
            return Some(Reason::LabelTaken);
        }
        let newest = self.horizon.newest(hello.author.uuid);
        newest.is_some_and(|newest| newest > hello.author.incarnation).then_some(Reason::Reincarnated)
    }

    /// Learns of a member; links to older incarnations of it are closed, so that nothing more comes from them.
    fn meet(&mut self, author: Author, but: Link, actions: &mut Vec<Action>) {
        if author.uuid == self.me.uuid || self.origins.meet(author).is_err() {
            return;
        }
        if !self.horizon.meet(author) {
            return;
        }
        let old = |s: &Session| s.peer.is_some_and(|(a, _)| a.uuid == author.uuid && a != author);
        let links: Vec<Link> =
            self.sessions.iter().filter(|(l, s)| **l != but && old(s)).map(|(l, _)| *l).collect();
        for link in links {
            self.close(link, Reason::Reincarnated, actions);
        }
    }

    fn reincarnate(&mut self) {
        let was = self.me;
        self.me = Author { uuid: was.uuid, incarnation: self.spare.max(was.incarnation + 1) };
        while self.origins.meet(self.me).is_err() {
            self.me.incarnation += 1;
        }
        self.spare = self.me.incarnation + 1;
        self.beats = 0;
        self.horizon.retire(was);
    }

    fn close(&mut self, link: Link, reason: Reason, actions: &mut Vec<Action>) {
        self.sessions.remove(&link);
        actions.push(Action::Send(link, Message::Close(reason)));
        actions.push(Action::Close(link, reason));
    }

    fn local(&mut self, groups: Shared, actions: &mut Vec<Action>) {
        let stream = self.own_stream();
        let chunk = Chunk::of(self.vector.have(stream).seq + 1, groups);
        self.clock.observe(chunk.version);
        self.extend_bound(actions);
        self.vector.advance(stream, Have { seq: chunk.last(), version: chunk.version });
        self.log.append(stream, chunk);
        self.pump_all(actions);
    }

    fn part(&mut self, now_ms: u64, link: Link, part: Part, actions: &mut Vec<Action>) {
        let Some(session) = self.sessions.get_mut(&link) else { return };
        if part.offset == 0 && part.last {
            session.partial = None;
            return self.chunk(now_ms, link, part.stream, part.seq, part.bytes, actions);
        }
        let mut bytes = match session.partial.take() {
            Some((stream, seq, bytes)) if (stream, seq) == (part.stream, part.seq) && part.offset > 0 => {
                bytes
            }
            _ => Vec::new(),
        };
        if bytes.len() as u64 != part.offset {
            // A repeated part is ignored; after a missing one the group is discarded, and the next shows the gap.
            if bytes.len() as u64 > part.offset {
                session.partial = Some((part.stream, part.seq, bytes));
            }
            return;
        }
        if bytes.len() + part.bytes.len() > self.options.group_bytes_max {
            return self.close(link, Reason::Malformed, actions);
        }
        bytes.extend_from_slice(&part.bytes);
        if !part.last {
            session.partial = Some((part.stream, part.seq, bytes));
            return;
        }
        self.chunk(now_ms, link, part.stream, part.seq, bytes.into(), actions);
    }

    /// Whole groups have come: duplicate, gap, clock bound, fold (S5).
    fn chunk(
        &mut self,
        now_ms: u64,
        link: Link,
        stream: Stream,
        seq: u64,
        bytes: Shared,
        actions: &mut Vec<Action>,
    ) {
        let Ok(groups) = survey(&bytes) else { return self.close(link, Reason::Malformed, actions) };
        let fresh = groups
            .iter()
            .zip(seq..)
            .position(|((version, _), seq)| self.judge(stream, seq, *version) != Arrival::Duplicate);
        let Some(fresh) = fresh else { return };
        let (first, from) = (seq + fresh as u64, groups[fresh].1);
        if self.judge(stream, first, groups[fresh].0) == Arrival::Gap {
            return self.resync(link, actions);
        }
        let latest = groups.iter().map(|(version, _)| version >> COUNTER_BITS).max().unwrap_or(0);
        if self.options.rules.order && latest > now_ms + self.options.max_clock_drift_ms {
            return self.close(link, Reason::ClockAhead, actions);
        }
        if self.origins.meet(stream.author).is_err() {
            return self.close(link, Reason::Malformed, actions);
        }
        let chunk = Chunk::of(first, bytes.part(from..bytes.len()));
        let have = Have { seq: chunk.last(), version: chunk.version };
        self.take(stream, chunk, actions);
        if let Some(session) = self.sessions.get_mut(&link) {
            session.resyncing = false;
            session.sent.advance(stream, have);
        }
        self.pump_all(actions);
    }

    fn judge(&self, stream: Stream, seq: u64, version: u64) -> Arrival {
        let rules = self.options.rules;
        match rules {
            Rules { order: false, .. } => Arrival::Next,
            Rules { dense: false, .. } if version <= self.vector.have(stream).version => Arrival::Duplicate,
            Rules { dense: false, .. } => Arrival::Next,
            _ => self.vector.judge(stream, seq),
        }
    }

    fn take(&mut self, stream: Stream, chunk: Chunk, actions: &mut Vec<Action>) {
        self.clock.observe(chunk.version);
        self.extend_bound(actions);
        self.vector.advance(stream, Have { seq: chunk.last(), version: chunk.version });
        actions.push(Action::Apply {
            stream,
            seq: chunk.first,
            version: chunk.version,
            groups: chunk.bytes.clone(),
        });
        self.log.append(stream, chunk);
    }

    fn resync(&mut self, link: Link, actions: &mut Vec<Action>) {
        let Some(session) = self.sessions.get_mut(&link) else { return };
        if !session.resyncing {
            session.resyncing = true;
            actions.push(Action::Send(link, Message::Resync(self.vector.clone())));
        }
    }

    fn heard(&mut self, now_ms: u64, link: Link, beats: Vec<Beat>, actions: &mut Vec<Action>) {
        let peer = self.sessions.get(&link).and_then(|s| s.peer).map(|(author, _)| author);
        for beat in &beats {
            if beat.author.uuid != self.me.uuid {
                for author in beat.members.iter().copied().chain([beat.author]) {
                    self.meet(author, u64::MAX, actions);
                }
                self.horizon.hear(beat, &self.vector);
            }
            if Some(beat.author) == peer {
                self.acknowledged(now_ms, link, beat);
            }
        }
        self.pump(link, actions);
        let streams: Vec<Stream> = self.vector.iter().map(|(stream, _)| stream).collect();
        for stream in streams {
            let seq = self.horizon.acknowledged(stream).min(self.announced().vector.have(stream).seq);
            self.log.trim(stream, seq);
        }
    }

    /// The peer told what it has.
    fn acknowledged(&mut self, now_ms: u64, link: Link, beat: &Beat) {
        let Some(session) = self.sessions.get_mut(&link) else { return };
        for (stream, have) in self.vector.iter() {
            let now = beat.held.have(stream).seq;
            if now >= have.seq {
                session.relay.remove(&stream);
                session.stalled.remove(&stream);
                continue;
            }
            match session.stalled.get(&stream) {
                Some((seq, since)) if *seq == now => {
                    if now_ms.saturating_sub(*since) >= self.options.forward_after_ms {
                        session.relay.insert(stream);
                    }
                }
                _ => drop(session.stalled.insert(stream, (now, now_ms))),
            }
        }
        self.holds(link, &beat.held);
    }

    /// The peer has this much.
    fn holds(&mut self, link: Link, held: &Vector) {
        let Some(session) = self.sessions.get_mut(&link) else { return };
        session.held.join(held);
        session.sent.join(held);
        while let Some((stream, seq, bytes)) = session.in_flight.front().copied()
            && held.have(stream).seq >= seq
        {
            session.in_flight.pop_front();
            session.in_flight_bytes -= bytes;
        }
    }

    fn pump_all(&mut self, actions: &mut Vec<Action>) {
        let links: Vec<Link> = self.sessions.keys().copied().collect();
        for link in links {
            self.pump(link, actions);
        }
    }

    /// Sends what the peer lacks, as far as its window allows.
    fn pump(&mut self, link: Link, actions: &mut Vec<Action>) {
        let Some(session) = self.sessions.get_mut(&link) else { return };
        let Some((peer, _)) = session.peer.filter(|_| !session.wants_all) else { return };
        let mut dropped = false;
        'streams: for (stream, have) in self.vector.iter() {
            if stream.author == peer {
                // What it wrote in this life it has.
                continue;
            }
            let own = stream.author.uuid == self.me.uuid || stream.author.uuid == peer.uuid;
            let passed_on = self.options.relay || self.options.forward && session.relay.contains(&stream);
            if !own && !passed_on {
                continue;
            }
            while session.sent.have(stream).seq < have.seq
                && session.in_flight_bytes < self.options.window_bytes
            {
                let seq = session.sent.have(stream).seq + 1;
                let Some(chunk) = self.log.get(stream, seq) else {
                    dropped = true;
                    break 'streams;
                };
                let chunk = chunk.stretch(seq, self.options.part_bytes);
                session.sent.advance(stream, Have { seq: chunk.last(), version: chunk.version });
                session.in_flight.push_back((stream, chunk.last(), chunk.bytes.len()));
                session.in_flight_bytes += chunk.bytes.len();
                send(link, stream, &chunk, self.options.part_bytes, actions);
            }
        }
        if dropped {
            self.full_sync(link, actions);
        }
    }

    /// Sends all there is.
    fn full_sync(&mut self, link: Link, actions: &mut Vec<Action>) {
        let head = self.head();
        let Some(session) = self.sessions.get_mut(&link) else { return };
        session.wants_all = self.lost;
        if !self.lost {
            session.sent.join(&self.vector);
            actions.push(Action::SendSnapshot(link, head));
        }
    }

    /// Gives those a full sync who could not get one before, and everybody what they lack.
    fn serve_waiting(&mut self, actions: &mut Vec<Action>) {
        let waiting: Vec<Link> =
            self.sessions.iter().filter(|(_, s)| s.wants_all).map(|(link, _)| *link).collect();
        for link in waiting {
            self.full_sync(link, actions);
        }
        self.pump_all(actions);
    }

    fn snapshot(&mut self, link: Link, head: Head, actions: &mut Vec<Action>) {
        actions.push(Action::Merge(link, head.clone()));
        self.restore(&head, actions);
        if let Some(session) = self.sessions.get_mut(&link) {
            session.sent.join(&head.vector);
            session.resyncing = false;
        }
        self.lost = false;
        self.serve_waiting(actions);
    }

    fn extend_bound(&mut self, actions: &mut Vec<Action>) {
        if self.clock.last() > self.bound {
            self.bound = self.clock.last() + (self.options.lease_ms << COUNTER_BITS);
            actions.push(Action::SaveBound(self.bound));
        }
    }

    fn announced(&self) -> Durable {
        if self.options.volatile { self.state() } else { self.durable.clone() }
    }

    fn tick(&mut self, now_ms: u64, actions: &mut Vec<Action>) {
        if self.promised.is_none() {
            self.clock.observe(now_ms << COUNTER_BITS);
            self.extend_bound(actions);
        }
        let promise = self.promised.unwrap_or(self.clock.last());
        let Durable { horizon, known, settled, .. } = self.durable;
        let durable = (!self.options.volatile).then_some((horizon, known, settled));
        self.horizon.update(&self.vector, promise, durable);
        let Durable { vector: durable, horizon, known, settled } = self.announced();
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

fn covered(me: Author, origins: &Origins, head: &Head, place: Place) -> bool {
    let author = match place.origin {
        // A computed delete stands earlier than the write it came with: that may still be on its way.
        u16::MAX => return false,
        0 => Some(me),
        label => origins.of(label),
    };
    match author {
        // Of an author it never met, the other end has nothing, however far its horizon is.
        Some(author) => head.vector.covers_stamp(author, place.stamp()),
        None => place.version <= head.horizon,
    }
}

/// Version and place of each group; an error if the bytes are anything else than groups of effects.
fn survey(bytes: &Shared) -> Result<Vec<(u64, usize)>, Malformed> {
    let mut found = Vec::new();
    let mut at = 0;
    for group in codec::groups(bytes) {
        let (version, writes) = group?;
        codec::check_writes(writes)?;
        found.push((version, at));
        at += codec::GROUP_HEAD + writes.len();
    }
    if found.is_empty() { Err(Malformed::Short) } else { Ok(found) }
}

/// Sends groups, or one in as many parts as it needs.
fn send(link: Link, stream: Stream, chunk: &Chunk, part_bytes: usize, actions: &mut Vec<Action>) {
    let (mut offset, whole) = (0, chunk.bytes.len());
    while offset < whole {
        let end = (offset + part_bytes.max(1)).min(whole);
        let bytes = chunk.bytes.part(offset..end);
        let part = Part { stream, seq: chunk.first, offset: offset as u64, last: end == whole, bytes };
        actions.push(Action::Send(link, Message::Part(part)));
        offset = end;
    }
}
