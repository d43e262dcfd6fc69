//! The mesh's thread: its event loop, and what wakes it.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::active::sync::Export;
use replication::replica::{Event, Link, Start};
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::LocalSet;

use super::dial::{self, Target};
use super::disk;
use super::driver::Driver;
use super::frames::PIECE_BYTES;
use super::identity::{self, Identity, show_uuid, this_boot};
use super::keep;
use super::link::ACK_EVERY;
use super::order::{Order, Wish};
use super::pace::{self, Pace};
use super::serve;
use super::status::State;
use super::waits::For;
use crate::aof::Wait;
use crate::config::choice::AppendFsync;
use crate::config::values::Master;
use crate::process;
use crate::server::Server;
use crate::worker::{Worker, unix_ms};

/// Between beats without links.
const BEAT_ALONE: Duration = Duration::from_secs(1);
/// How long a node that may have lost what others rely on waits for one of them before it serves with what it has.
const TRUST_AFTER: Duration = Duration::from_secs(10);

/// What the tasks of the thread share.
pub struct Shared {
    pub server: &'static Server,
    pub driver: RefCell<Driver>,
    targets: RefCell<Vec<Target>>,
    next_target: std::cell::Cell<usize>,
    /// A link has come or gone, or a target.
    pub changed: Notify,
    /// Something has to be looked at before the next beat.
    timers: Notify,
    wake: Arc<Notify>,
    orders: UnboundedSender<Order>,
    /// There was no link at the last beat.
    is_alone: std::cell::Cell<bool>,
    /// A task writes what only this node had before it joined.
    writes_rest: std::cell::Cell<bool>,
}

/// Starts the mesh, if the configuration wants one.
pub fn start(server: &'static Server) -> Result<(), String> {
    let config = server.config.get();
    if !config.active_replica {
        return Ok(());
    }
    let found = Identity::load(config.dir.path())?;
    let known = found.is_some();
    let identity =
        found.unwrap_or_else(|| Identity::new(config.dir.path(), uuid::Uuid::new_v4().as_u128(), unix_ms()));
    identity.save(true).map_err(|e| {
        let (file, dir) = (identity::FILE, config.dir.path().display());
        format!("Can't save this node's identity, {file} in {dir}: {}", process::reason(&e))
    })?;
    let (orders, received) = unbounded_channel();
    let wake = Arc::new(Notify::new());
    server.mesh.open(identity.me.uuid, orders.clone(), wake.clone());
    let restores = disk::load::is_there(&config)?;
    let come = if restores {
        Come::Restored
    } else if known {
        Come::Without
    } else {
        Come::New
    };
    // Before the first client: it must not write what would be taken back.
    server.mesh.set_refuses_writes(come == Come::Without && !identity.members.is_empty());
    let (loaded, result) = std::sync::mpsc::channel();
    std::thread::Builder::new()
        .name("mesh".into())
        .spawn(move || run(server, identity, come, (orders, received), wake, &loaded))
        .map_err(|e| format!("Can't start the mesh's thread: {e}"))?;
    result.recv().map_err(|e| format!("The mesh's thread has ended: {e}"))?
}

/// How a node comes up.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Come {
    /// Nobody has heard of it.
    New,
    /// It was there before, and has its data no more, or not those of a member.
    Without,
    /// Its log brings it back.
    Restored,
}

fn run(
    server: &'static Server,
    identity: Identity,
    come: Come,
    (orders, received): (UnboundedSender<Order>, UnboundedReceiver<Order>),
    wake: Arc<Notify>,
    loaded: &std::sync::mpsc::Sender<Result<(), String>>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime needs an epoll instance and an event descriptor");
    let worker = Rc::new(Worker::beside(server));
    worker.ctx.borrow_mut().hurry();
    let shared = Rc::new(Shared {
        server,
        driver: RefCell::new(Driver::new(server, worker, identity)),
        targets: RefCell::default(),
        next_target: Default::default(),
        changed: Notify::new(),
        timers: Notify::new(),
        wake,
        orders,
        is_alone: Default::default(),
        writes_rest: Default::default(),
    });
    let result = shared.begin(come);
    let failed = result.is_err();
    let _ = loaded.send(result);
    if failed {
        return;
    }
    LocalSet::new().block_on(&runtime, async move {
        tokio::task::spawn_local(drain(shared.clone()));
        tokio::task::spawn_local(tick(shared.clone()));
        shared.follow(server.config.get().replicaof.0.clone());
        obey(shared, received).await;
    });
}

/// Takes what clients write, for ever.
async fn drain(shared: Rc<Shared>) {
    let mut pace = Pace::begin();
    loop {
        shared.wake.notified().await;
        gather(&shared, pace.pause(Instant::now())).await;
        loop {
            let (bytes, waiting) = shared.driver.borrow_mut().drain();
            pace.took(bytes, Instant::now());
            shared.after();
            if !waiting {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
}

/// Lets more come for so long, unless clients wait for what has come to be written down.
async fn gather(shared: &Shared, pause: Duration) {
    let aof = &shared.server.aof;
    if pause >= Duration::from_millis(1) {
        let over = tokio::time::sleep(pause);
        tokio::pin!(over);
        while !aof.is_awaited() {
            tokio::select! {
                () = &mut over => return,
                () = shared.wake.notified() => {}
            }
        }
    } else if !pause.is_zero() && aof.wait() == Wait::Nothing {
        // Finer than the event loop's timer; what arrives meanwhile is gathered, too.
        std::thread::sleep(pause);
    }
}

/// Writes what only this node had before it became a member, a little at a time.
async fn write_rest(shared: Rc<Shared>) {
    loop {
        let more = {
            let mut driver = shared.driver.borrow_mut();
            let more = driver.write_rest();
            driver.drain();
            more
        };
        shared.after();
        if !more {
            break;
        }
        tokio::task::yield_now().await;
    }
    shared.writes_rest.set(false);
}

/// Beats, acknowledgements that are due, and clients whose time is up.
async fn tick(shared: Rc<Shared>) {
    let mut beat = tokio::time::Instant::now();
    loop {
        let now = tokio::time::Instant::now();
        if now >= beat || shared.is_alone.get() && shared.has_links() {
            let linked = shared.beat();
            shared.is_alone.set(linked.is_none());
            beat = now + linked.unwrap_or(BEAT_ALONE);
        }
        let next = shared.next_timer().map_or(beat, |at| beat.min(at.into()));
        tokio::select! {
            () = tokio::time::sleep_until(next) => {}
            () = shared.timers.notified() => {}
        }
        let links: Vec<Link> = shared.driver.borrow().links.keys().copied().collect();
        links.into_iter().for_each(|link| shared.driver.borrow_mut().acknowledge(link));
        shared.serve_waits();
    }
}

async fn obey(shared: Rc<Shared>, mut orders: UnboundedReceiver<Order>) {
    while let Some(order) = orders.recv().await {
        match order {
            Order::Adopt { socket, read, addr } => {
                let orders = shared.orders.clone();
                match socket.adopt() {
                    Ok(stream) => drop(tokio::spawn(serve::serve(shared.server, orders, stream, read, addr))),
                    Err(e) => tracing::warn!("Can't serve {addr}: {e}"),
                }
            }
            Order::Incoming { stream, outbox, addr, local } => {
                let config = shared.server.config.get();
                outbox.set_compress(config.repl_compression && !local);
                let shared = shared.clone();
                tokio::task::spawn_local(async move {
                    dial::run(&shared, *stream, outbox, addr, None).await;
                });
            }
            Order::Follow(masters) => shared.follow(masters),
            Order::Look => shared.serve_waits(),
            Order::Libraries => shared.driver.borrow_mut().tell_libraries(),
            Order::Rewrite => drop(shared.driver.borrow_mut().want_base()),
            Order::Wait { ticket, mark, holders, timeout_ms } => {
                let mut driver = shared.driver.borrow_mut();
                driver.drain();
                let (stream, seq) = (driver.replica.own_stream(), driver.written());
                driver.waits.add(ticket, For::Held { stream, seq, mark, holders }, timeout_ms);
                drop(driver);
                shared.after();
            }
            Order::WaitStable { ticket, timeout_ms } => {
                let mut driver = shared.driver.borrow_mut();
                driver.drain();
                let version = driver.replica.vector().have(driver.replica.own_stream()).version;
                driver.waits.add(ticket, For::Stable { version }, timeout_ms);
                drop(driver);
                shared.after();
            }
            Order::Ask { ticket, wish } => shared.grant(&ticket, wish),
        }
    }
}

impl Shared {
    /// Comes up as who it was, or as somebody new.
    fn begin(&self, come: Come) -> Result<(), String> {
        let mut driver = self.driver.borrow_mut();
        let journal = &self.server.keyspace.journal;
        let wake = self.wake.clone();
        journal.on_wake(move || wake.notify_one());
        if come == Come::Restored {
            driver.load()?;
            // What the system had not written yet when the machine stopped was announced all the same.
            let lazy = self.server.config.get().appendfsync == AppendFsync::No;
            let start =
                if lazy && driver.identity.boot != this_boot() { Start::Unsure } else { Start::Crashed };
            if start == Start::Unsure {
                driver.trust_at = Some(Instant::now() + TRUST_AFTER);
            }
            let (boot, bound) = (driver.boot, driver.identity.bound);
            driver.replica.resume(start, boot, unix_ms(), bound);
            journal.raise_floor(bound);
            driver.show_label();
            driver.resume_log()?;
            driver.save(true);
        }
        if come == Come::Without {
            // Its data are gone: nothing here is restored from disk.
            let lonely = driver.identity.members.is_empty();
            let start = if lonely { Start::Crashed } else { Start::Unsure };
            let (boot, bound) = (driver.boot, driver.identity.bound);
            driver.replica.resume(start, boot, unix_ms(), bound);
            journal.raise_floor(bound);
            driver.save(true);
            if !lonely {
                driver.trust_at = Some(Instant::now() + TRUST_AFTER);
                driver.listen();
                tracing::warn!(
                    "This node comes back without its data: it takes writes once a peer has sent it what there is"
                );
            }
        }
        driver.show_serves();
        tracing::info!("This is node {} of the mesh", show_uuid(driver.replica.me().uuid));
        Ok(())
    }

    /// Links to exactly these nodes.
    fn follow(self: &Rc<Self>, masters: Vec<Master>) {
        let gone: Vec<usize> = {
            let targets = self.targets.borrow();
            targets.iter().filter(|t| !masters.contains(&t.master)).map(|t| t.id).collect()
        };
        self.targets.borrow_mut().retain(|target| !gone.contains(&target.id));
        self.driver.borrow_mut().leave(&gone);
        for master in masters {
            if self.targets.borrow().iter().any(|t| t.master == master) {
                continue;
            }
            let id = self.next_target.replace(self.next_target.get() + 1);
            self.targets.borrow_mut().push(Target::new(id, master));
            tokio::task::spawn_local(dial::keep(self.clone(), id));
        }
        self.changed.notify_waiters();
        self.after();
        self.publish();
    }

    pub fn wanted(&self, id: usize) -> Option<Master> {
        self.targets.borrow().iter().find(|t| t.id == id).map(|t| t.master.clone())
    }

    /// Whether a link that the other end opened serves a target.
    pub fn is_served(&self, id: usize) -> bool {
        let uuid = self.targets.borrow().iter().find(|t| t.id == id).and_then(|t| t.uuid);
        uuid.is_some_and(|uuid| self.driver.borrow().replica.has_link_to(uuid))
    }

    pub fn set(&self, id: usize, state: State, error: Option<String>) {
        if let Some(target) = self.targets.borrow_mut().iter_mut().find(|t| t.id == id) {
            if target.state.is_up() && !state.is_up() {
                target.down_since_ms = unix_ms();
            }
            target.state = state;
            if let Some(error) = error {
                target.error = error;
            }
        }
        self.publish();
    }

    /// Whether the other end of a link has said who it is.
    pub fn greeted(&self, link: Link, target: Option<usize>) -> bool {
        if self.driver.borrow().replica.peer(link).is_none() {
            return false;
        }
        if let Some(id) = target {
            self.set(id, State::Connected, None);
        }
        self.changed.notify_waiters();
        true
    }

    /// Sees to what the driver has left: snapshots to be sent, clients that need not wait any more.
    pub fn after(self: &Rc<Self>) {
        for (id, uuid) in std::mem::take(&mut self.driver.borrow_mut().met) {
            if let Some(target) = self.targets.borrow_mut().iter_mut().find(|t| t.id == id) {
                target.uuid = Some(uuid);
                target.error.clear();
            }
        }
        let exports = std::mem::take(&mut self.driver.borrow_mut().exports);
        for (link, head) in exports {
            tokio::task::spawn_local(send_snapshot(self.clone(), link, head));
        }
        if self.driver.borrow().joining.is_some() && !self.writes_rest.replace(true) {
            tokio::task::spawn_local(write_rest(self.clone()));
        }
        self.serve_waits();
        if self.next_timer().is_some() || self.is_alone.get() && self.has_links() {
            self.timers.notify_one();
        }
    }

    fn has_links(&self) -> bool {
        !self.driver.borrow().links.is_empty()
    }

    /// When an acknowledgement is due, or a client's time is up.
    fn next_timer(&self) -> Option<Instant> {
        let driver = self.driver.borrow();
        let due = |l: &super::link::LinkState| (l.unacknowledged > 0).then(|| l.acknowledged + ACK_EVERY);
        driver.links.values().filter_map(due).chain(driver.waits.next()).chain(driver.trust_at).min()
    }

    /// Returns when the next beat is due, if there are links.
    fn beat(self: &Rc<Self>) -> Option<Duration> {
        let (next, base) = {
            let mut driver = self.driver.borrow_mut();
            driver.heed_configuration();
            driver.drain();
            let base = driver.keep_log();
            driver.step(Event::Tick);
            driver.see_membership();
            driver.tell_libraries();
            driver.look_at_overlay();
            driver.trust_if_alone();
            let links = driver.links.len();
            let groups = driver.written() + driver.data.applied;
            // Under a new identity they are counted from the start.
            let next = pace::until_beat(links, groups.saturating_sub(driver.groups_at_beat));
            driver.groups_at_beat = groups;
            ((links > 0).then_some(next), base)
        };
        if base {
            tokio::task::spawn_local(keep::write_base(self.clone()));
        }
        self.after();
        self.publish();
        next
    }

    fn serve_waits(&self) {
        let mut driver = self.driver.borrow_mut();
        if !driver.waits.is_empty() {
            driver.serve_waits();
        }
    }

    /// Shows how things are.
    pub fn publish(&self) {
        let driver = self.driver.borrow();
        let config = self.server.config.get();
        let good = self.server.replicas.good();
        let mesh = &self.server.mesh;
        let lacks = || (mesh.lacks_peers(&config, good), mesh.is_stale(&config));
        let lacked = lacks();
        mesh.publish(driver.status(&self.targets.borrow()));
        if lacks() != lacked {
            self.server.config.touch();
        }
    }

    /// Does what the operator wants.
    fn grant(self: &Rc<Self>, ticket: &Arc<engine::waiting::Ticket>, wish: Wish) {
        let answer = self.driver.borrow_mut().grant(wish);
        if let Err(text) = &answer {
            tracing::warn!("REPLICATION {wish:?}: {text}");
        }
        self.after();
        // Who has the answer sees what came of it.
        self.publish();
        let mut out = protocol::Reply::new(ticket.resp3);
        match answer {
            Ok(()) => out.ok(),
            Err(text) => out.error(&protocol::ErrorReply::err(text)),
        }
        crate::blocking::answer_from_outside(&self.driver.borrow().worker, ticket, out.buf);
    }
}

/// Sends all there is over a link, as fast as the other end takes it.
async fn send_snapshot(shared: Rc<Shared>, link: Link, head: replication::message::Head) {
    let message = replication::message::Message::Snapshot(head);
    let (outbox, mut export) = {
        let mut driver = shared.driver.borrow_mut();
        let newcomer = driver.replica.peer(link).is_some_and(|peer| peer.newcomer);
        let export = if newcomer { Export::for_newcomer() } else { Export::default() };
        let Some(state) = driver.links.get_mut(&link) else { return };
        state.sends_snapshot = true;
        tracing::info!("Full sync to {}: sending", state.addr);
        (state.outbox.clone(), export)
    };
    outbox.begin_snapshot(&message);
    while outbox.room().await {
        let piece = shared.driver.borrow_mut().data.next_piece(&mut export, PIECE_BYTES);
        match piece {
            Some(piece) => outbox.push_piece(piece),
            None => {
                outbox.end_snapshot(&message);
                let mut driver = shared.driver.borrow_mut();
                driver.full_syncs.0 += 1;
                if let Some(state) = driver.links.get_mut(&link) {
                    state.sends_snapshot = false;
                    tracing::info!("Full sync to {}: sent", state.addr);
                }
                return;
            }
        }
        tokio::task::yield_now().await;
    }
}
