//! Events go into the machine, its actions are carried out: the one place that knows both the machine and the world.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use engine::active::settle::Size;
use engine::active::sync::Merge;
use proto::peer::{Goodbye, Why};
use replication::log::Log;
use replication::message::{Head, Message, Reason};
use replication::origin::{Author, Uuid};
use replication::overlay::Levels;
use replication::replica::{Action, Event, Link, Options, Replica};
use replication::shared::Shared;

use super::data::{self, Data};
use super::frames::PART_BYTES;
use super::identity::{Identity, show_uuid, this_boot};
use super::keep::Keep;
use super::link::{End, LinkState, Owes};
use super::outbox::{Encoded, Outbox};
use super::spill::FileSpill;
use super::waits::Waits;
use crate::config::Config;
use crate::server::Server;
use crate::worker::{Worker, unix_ms};

/// How far ahead of the clock the bound is saved, ms: below any sensible `max-clock-drift`, for after a crash the clock
/// goes on from there.
const LEASE_MS: u64 = 1_000;
/// A peer that makes no progress with another one's writes for so long seems not to get them: they are passed on.
const FORWARD_AFTER_MS: u64 = 1_000;
/// How often the overlays are looked at, for INFO.
const OVERLAY_EVERY: Duration = Duration::from_millis(500);
/// Until a client that is at work is looked at again.
const A_MOMENT: Duration = Duration::from_micros(100);
/// A link that is silent for so long is as good as gone when another one comes.
const SILENT: Duration = Duration::from_secs(1);

/// See the [module's page](self).
pub struct Driver {
    pub server: &'static Server,
    pub worker: Rc<Worker>,
    pub data: Data,
    pub replica: Replica<FileSpill>,
    pub identity: Identity,
    pub boot: u64,
    pub links: BTreeMap<Link, LinkState>,
    pub waits: Waits,
    next_link: Link,
    /// Of the configuration that is heeded.
    generation: u64,
    /// Snapshots that the machine wants sent; the thread sends them.
    pub exports: Vec<(Link, Head)>,
    /// Who has answered at which target; the thread notes it.
    pub met: Vec<(usize, Uuid)>,
    /// What the overlays held when they were looked at last.
    pub overlay: Size,
    overlay_seen: Instant,
    /// Groups written and carried out before the last beat.
    pub groups_at_beat: u64,
    pub full_syncs: (u64, u64),
    pub links_refused: u64,
    pub last_error: String,
    /// Clients' writes are refused until a peer's state has come, or this moment.
    pub trust_at: Option<Instant>,
    /// A full sync that made this node a member, while what only this node had is written once more.
    pub joining: Option<Merge>,
    /// Members are not on disk yet: a node that has not joined comes up as a newcomer again.
    unsaved: bool,
    /// The log on disk, if one is kept.
    pub keep: Option<Keep>,
}

pub fn options(config: &Config) -> Options {
    Options {
        forward: !config.multi_master_no_forward,
        forward_after_ms: FORWARD_AFTER_MS,
        max_clock_drift_ms: config.max_clock_drift,
        window_bytes: 16 << 20,
        part_bytes: PART_BYTES,
        lease_ms: LEASE_MS,
        detach_after_ms: config.repl_detach_after * 1000,
        volatile: true,
        ..Options::default()
    }
}

impl Driver {
    pub fn new(server: &'static Server, worker: Rc<Worker>, identity: Identity) -> Driver {
        let config = server.config.get();
        let boot = uuid::Uuid::new_v4().as_u64_pair().0;
        let spill = FileSpill::new(config.dir.path().into(), config.repl_spill_limit);
        let log = Log::new(config.repl_memory_limit as usize, spill);
        let mut replica = Replica::new(identity.me, boot, identity.me.incarnation + 1, options(&config), log);
        replica.heeded(Levels::default());
        identity.members.iter().for_each(|member| replica.expect_member(*member));
        identity.gone.iter().for_each(|author| replica.remember_gone(*author));
        if identity.members.is_empty() {
            replica.begin_as_new();
        }
        Driver {
            server,
            data: Data::new(worker.clone()),
            worker,
            replica,
            identity,
            boot,
            links: BTreeMap::new(),
            waits: Waits::default(),
            next_link: 1,
            generation: server.config.generation(),
            exports: Vec::new(),
            met: Vec::new(),
            overlay: Size::default(),
            overlay_seen: Instant::now(),
            groups_at_beat: 0,
            full_syncs: (0, 0),
            links_refused: 0,
            last_error: String::new(),
            trust_at: None,
            joining: None,
            unsaved: false,
            keep: None,
        }
    }

    /// Takes over what may change while the node runs.
    pub fn heed_configuration(&mut self) {
        let generation = self.server.config.generation();
        if generation != self.generation {
            self.generation = generation;
            let config = self.server.config.get();
            self.replica.tune(|now| *now = Options { volatile: now.volatile, ..options(&config) });
        }
    }

    /// Gives the machine an event and carries out what follows.
    pub fn step(&mut self, event: Event) {
        let mut actions = Vec::new();
        self.replica.step(unix_ms(), event, &mut actions);
        self.act(actions);
    }

    pub fn act(&mut self, actions: Vec<Action>) {
        // What goes to several links is encoded once.
        let mut encoded: Option<(Message, Encoded)> = None;
        for action in actions {
            match action {
                Action::Send(link, message) => match &encoded {
                    Some((last, bytes)) if last.is_same_part(&message) => {
                        self.send(link, &message, &bytes.clone());
                    }
                    _ => {
                        let bytes = Encoded::of(&message);
                        self.send(link, &message, &bytes);
                        encoded = Some((message, bytes));
                    }
                },
                Action::SendSnapshot(link, head) => self.exports.push((link, head)),
                // Its pieces were merged as they came.
                Action::Merge(..) => {}
                Action::Close(link, reason) => self.closed_by_machine(link, reason),
                Action::Apply { stream, seq, version, groups } => {
                    if let Some(keep) = &mut self.keep {
                        keep.groups(stream, seq, version, &groups);
                    }
                    self.data.apply(stream.author.label(), version, &groups);
                }
                Action::Settle(levels) => {
                    if self.data.may_settle() {
                        if let Some(keep) = &mut self.keep {
                            keep.levels(levels);
                        }
                        self.data.settle(levels);
                        self.replica.heeded(levels);
                    } else {
                        self.data.reach(levels);
                    }
                }
                Action::SaveBound(bound) => {
                    self.identity.bound = bound;
                    self.save(false);
                }
                Action::Reincarnated { was } => self.reincarnated(was),
                Action::ClockOff { link, ms } => self.clock_off(link, ms),
                Action::Detached(uuid) => {
                    tracing::warn!(
                        "Nothing is heard of member {} for longer than repl-detach-after: it is detached, and nothing is kept for it",
                        show_uuid(uuid)
                    );
                }
            }
        }
    }

    fn send(&mut self, link: Link, message: &Message, bytes: &Encoded) {
        let Some(state) = self.links.get(&link) else { return };
        if matches!(message, Message::Beats(_)) && state.outbox.is_stuffed() {
            return;
        }
        state.outbox.push_encoded(message, bytes);
    }

    /// Looks at the journal: what clients wrote goes to the peers. True if there is more soon.
    pub fn drain(&mut self) -> (usize, bool) {
        let drained = self.data.drain();
        let bytes = drained.chunks.iter().map(|chunk| chunk.len()).sum();
        self.tell(drained.chunks, drained.promise);
        self.promise(drained.promise);
        (bytes, drained.waiting)
    }

    /// Groups that were written here, of versions up to this one, go to the peers.
    fn tell(&mut self, chunks: Vec<Shared>, version: u64) {
        for chunk in chunks {
            let seq = self.written() + 1;
            if let Some(keep) = &mut self.keep {
                keep.groups(self.replica.own_stream(), seq, version, &chunk);
            }
            self.step(Event::Local(chunk));
        }
    }

    fn promise(&mut self, version: u64) {
        if let Some(keep) = &self.keep {
            keep.disk.promise(version);
            self.server.aof.hand_over(version);
        }
        self.replica.promise(version);
    }

    /// Takes a new identity. What was written before it belongs to the old one: data and streams name them alike.
    pub fn rename(&mut self, uuid: Uuid) {
        let author = self.replica.new_author(uuid, unix_ms());
        let listens = self.server.keyspace.journal.is_on();
        let renamed =
            listens.then(|| self.data.rename(author.label())).map(|cut| (cut, self.drain_until(cut)));
        self.replica.rename(author);
        self.server.mesh.set_uuid(uuid);
        // Workers make jobs in this node's name.
        self.server.config.touch();
        self.save(true);
        if let Some((cut, (later, promise))) = renamed {
            // All there is is sent as a whole: nobody has it from the new one.
            self.replica.begin_with_data(cut);
            self.note_position();
            self.tell(later, promise);
            self.promise(promise);
        }
    }

    /// Looks at the journal until everything up to a version has come. Returns what has come besides, and what can be promised.
    /// Waits for clients that are at work, a script among them: whoever settles anything does so, too.
    fn drain_until(&mut self, version: u64) -> (Vec<Shared>, u64) {
        let mut later = Vec::new();
        loop {
            let drained = self.data.drain();
            for chunk in drained.chunks {
                let n = data::up_to(version, &chunk);
                if n > 0 {
                    self.tell(vec![chunk.part(0..n)], version);
                }
                if n < chunk.len() {
                    later.push(chunk.part(n..chunk.len()));
                }
            }
            if drained.promise >= version {
                return (later, drained.promise);
            }
            std::thread::sleep(A_MOMENT);
        }
    }

    /// Groups written here since the stream began.
    pub fn written(&self) -> u64 {
        self.replica.vector().have(self.replica.own_stream()).seq
    }

    /// Looks at the overlays now and then.
    pub fn look_at_overlay(&mut self) {
        if self.overlay_seen.elapsed() >= OVERLAY_EVERY && self.server.keyspace.journal.is_on() {
            self.overlay_seen = Instant::now();
            let mut overlay = self.data.overlay();
            self.keep_conflicts(std::mem::take(&mut overlay.recent));
            self.overlay = overlay;
        }
    }

    pub fn save(&mut self, durable: bool) {
        self.identity.me = self.replica.me();
        self.unsaved = self.replica.is_newcomer();
        self.identity.members =
            if self.unsaved { Vec::new() } else { self.replica.horizon().members().collect() };
        self.identity.gone = self.replica.horizon().gone().collect();
        self.identity.boot = this_boot();
        if let Err(e) = self.identity.save(durable) {
            tracing::error!("Can't save this node's identity: {e}");
            self.last_error = format!("saving the identity: {e}");
        }
    }

    /// Takes note if this node is a member by now.
    pub fn see_membership(&mut self) {
        if self.unsaved && !self.replica.is_newcomer() {
            self.save(true);
        }
    }

    /// Whether there are data here, for the machine.
    pub fn look_for_data(&mut self) {
        let data = &self.server.keyspace;
        self.replica.has_data((0..data.databases()).any(|db| data.sizes(db).0 > 0));
    }

    fn reincarnated(&mut self, was: Author) {
        tracing::warn!(
            "Node {}: incarnation {} gives way to {}",
            show_uuid(was.uuid),
            was.incarnation,
            self.replica.me().incarnation
        );
        self.show_label();
        self.save(true);
    }

    fn clock_off(&mut self, link: Link, ms: i64) {
        let Some(state) = self.links.get_mut(&link) else { return };
        state.clock_ms = ms;
        tracing::warn!("The clock of peer {} is off by {ms} ms", state.addr);
    }

    /// A link has opened. Its reader stops when the receiver tells it to.
    pub fn open(
        &mut self,
        outbox: Outbox,
        addr: String,
        target: Option<usize>,
    ) -> (Link, tokio::sync::oneshot::Receiver<End>) {
        let link = self.next_link;
        self.next_link += 1;
        self.listen();
        let (mut state, stopped) = LinkState::new(outbox, addr, target, unix_ms());
        if !self.replica.serves() {
            state.owes = Owes::Snapshot;
        }
        self.links.insert(link, state);
        self.look_for_data();
        self.step(Event::Connected(link));
        (link, stopped)
    }

    /// A link has ended.
    pub fn ended(&mut self, link: Link) {
        if let Some(state) = self.links.remove(&link) {
            state.outbox.close(None);
            self.step(Event::Disconnected(link));
        }
    }

    /// Ends a link with a word to the other end.
    pub fn hang_up(&mut self, link: Link, why: Why, text: &str, end: End) {
        let Some(mut state) = self.links.remove(&link) else { return };
        state.outbox.close(Some(Goodbye { why: why as i32, text: text.into() }));
        if let Some(stop) = state.stop.take() {
            let _ = stop.send(end);
        }
        self.step(Event::Disconnected(link));
    }

    fn closed_by_machine(&mut self, link: Link, reason: Reason) {
        let addr = self.links.get(&link).map(|state| state.addr.clone()).unwrap_or_default();
        let (why, text) = super::dial::explain(reason, &addr, self.identity.me);
        match reason {
            Reason::Reincarnated => tracing::info!("{text}"),
            _ => tracing::error!("{text}"),
        }
        self.links_refused += 1;
        self.last_error = text.clone();
        let end = match reason {
            Reason::Reincarnated => End::Broken(text.clone()),
            _ => End::Refused(text.clone()),
        };
        self.hang_up(link, why, &text, end);
    }

    /// The other link to the same process, if there is one: which must go?
    pub fn twin(&self, link: Link, peer: Uuid, boot: u64) -> Option<Link> {
        let other = self.links.keys().copied().find(|other| {
            let same = self.replica.peer(*other).is_some_and(|p| p.author.uuid == peer && p.boot == boot);
            *other != link && same
        })?;
        if self.links.get(&other)?.heard.elapsed() > SILENT {
            return Some(other);
        }
        let me = self.replica.me().uuid;
        let dialled = |link: Link| self.links.get(&link).is_some_and(|l| l.target.is_some());
        match (dialled(link), dialled(other)) {
            // This node dialled one process twice, by two names.
            (true, true) => Some(link.max(other)),
            // The other end did: it decides.
            (false, false) => None,
            // The one that the node with the lower identity dialled stays.
            (new, _) => Some(if new == (me < peer) { other } else { link }),
        }
    }

    /// Stamps name this node once anybody has heard of it. What was written before has the label 0, and is this node's.
    pub fn show_label(&self) {
        let journal = &self.server.keyspace.journal;
        if journal.is_on() {
            journal.set_label(self.replica.label());
        }
    }

    /// Clients may use the data, or not.
    pub fn show_serves(&self) {
        let vector = self.replica.vector();
        let lacks = !self.replica.serves() || self.links.values().any(|link| link.is_in_debt(vector));
        if self.server.mesh.set_refuses_writes(lacks) {
            // The workers look at it anew.
            self.server.config.touch();
        }
    }
}
