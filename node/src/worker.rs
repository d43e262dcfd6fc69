//! A worker: a thread with its own event loop, on which connections live from accept to close.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::*};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use engine::command::{CommandId, Flags};
use engine::ctx::Ctx;
use engine::eviction::Pool;
use protocol::resp::Batch;
use protocol::{Args, Reply};
use tokio::sync::mpsc;
use tokio::task::LocalSet;

use crate::client::{Class, Client};
use crate::config::Config;
use crate::config::values::Affinity;
use crate::connection::{self, Moving, Slot, Socket};
use crate::dispatch::Hint;
use crate::held::{self, Held};
use crate::hindrance;
use crate::hotkeys::Cost;
use crate::persist::background;
use crate::scripting;
use crate::scripting::cache::Cache;
use crate::server::Server;
use crate::standby;
use crate::stats::{CommandStats, WorkerStats};
use crate::ticks;
use crate::tracking::Own;
use crate::upkeep;

/// A connection on its way to its worker.
pub enum Arrival {
    /// From the acceptor.
    New(Newcomer),
    /// From another worker.
    Moved(Box<Moving>),
}

/// Something for a worker to do.
pub enum Order {
    Serve(Arrival),
    /// Hand all connections to others.
    Disband,
}

/// A connection that has just been accepted.
pub struct Newcomer {
    pub stream: Socket,
    pub addr: String,
    pub laddr: String,
    pub fd: i32,
    /// Came through a unix socket.
    pub unix: bool,
    /// Came through memcached's port.
    pub memcached: bool,
    pub id: u64,
}

/// Connections that may wait for a worker to take them.
const ARRIVALS_MAX: usize = 1024;

/// A worker as the acceptor and INFO see it.
pub struct WorkerHandle {
    arrivals: mpsc::Sender<Order>,
    pub stats: &'static WorkerStats,
    /// It takes no connections now.
    closed: AtomicBool,
}

/// Buffers that all connections of a worker share while they are being served: an idle connection has none.
pub struct Buffers {
    pub read: Vec<u8>,
    pub batch: Batch,
    /// What prefetching found out about the batch's first commands.
    pub hints: Vec<Hint>,
    pub reply: Reply,
}

/// Bytes that are read from a socket at once.
const READ_SIZE: usize = 32 * 1024;

/// See the [module's page](self).
pub struct Worker {
    pub index: usize,
    pub server: &'static Server,
    pub stats: &'static WorkerStats,
    pub ctx: RefCell<Ctx<'static>>,
    pub buffers: RefCell<Buffers>,
    /// Keys that may be evicted next.
    pub pool: RefCell<Pool>,
    pub config: RefCell<Arc<Config>>,
    generation: Cell<u64>,
    /// `slowlog-log-slower-than` in ticks; `u64::MAX`: off.
    slow_ticks: Cell<u64>,
    /// `latency-monitor-threshold` in ticks; `u64::MAX`: off.
    late_ticks: Cell<u64>,
    /// The lesser of both.
    notable_ticks: Cell<u64>,
    /// `commandlog-request-larger-than` and `commandlog-reply-larger-than`, bytes; `usize::MAX`: off.
    large_request: Cell<usize>,
    large_reply: Cell<usize>,
    track_latency: Cell<bool>,
    ns_per_tick: Cell<f64>,
    /// The least hard limit of `client-output-buffer-limit`, bytes; `u64::MAX` if there is none.
    pub least_output_limit: Cell<u64>,
    /// What keeps commands from running, see [`hindrance`].
    pub hindrances: Cell<u16>,
    /// The data are a master's: nothing is removed by itself.
    replica: Cell<bool>,
    /// `busy-reply-threshold` in ticks; `u64::MAX`: never.
    patience: Cell<u64>,
    /// Scripts and functions that it has compiled.
    pub scripts: Cache,
    /// Its connections, by their clients' ids.
    pub connections: RefCell<HashMap<u64, Slot, ahash::RandomState>>,
    /// What is to be done.
    pub orders: RefCell<mpsc::Receiver<Order>>,
    /// Connections to be handed to another worker: which one, and how many.
    pub shed: Cell<(usize, usize)>,
    /// Replies that wait for the log.
    pub held: Held,
    /// When the last command ended, in ticks: the next one's time begins there, so one reading a command is enough.
    pub lap: Cell<u64>,
}

/// Unix time, ms.
pub fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64)
}

impl Worker {
    fn new(
        index: usize,
        server: &'static Server,
        stats: &'static WorkerStats,
        orders: mpsc::Receiver<Order>,
    ) -> Worker {
        let seed = server.seed.wrapping_mul(2 * index as u64 + 1) ^ 0x9e37_79b9_7f4a_7c15;
        let worker = Worker {
            index,
            server,
            stats,
            ctx: RefCell::new(Ctx::new(&server.keyspace, seed)),
            buffers: RefCell::new(Buffers {
                read: vec![0; READ_SIZE],
                batch: Batch::default(),
                hints: Vec::new(),
                reply: Reply::default(),
            }),
            pool: RefCell::default(),
            config: RefCell::new(server.config.get()),
            generation: Cell::new(u64::MAX),
            slow_ticks: Cell::new(u64::MAX),
            late_ticks: Cell::new(u64::MAX),
            notable_ticks: Cell::new(u64::MAX),
            large_request: Cell::new(usize::MAX),
            large_reply: Cell::new(usize::MAX),
            track_latency: Cell::new(true),
            ns_per_tick: Cell::new(1000.0 / ticks::per_us()),
            least_output_limit: Cell::new(u64::MAX),
            hindrances: Cell::new(0),
            replica: Cell::new(false),
            patience: Cell::new(u64::MAX),
            scripts: Cache::default(),
            connections: RefCell::default(),
            orders: RefCell::new(orders),
            shed: Cell::new((0, 0)),
            held: Held::default(),
            lap: Cell::new(ticks::now()),
        };
        worker.tick(&mut worker.ctx.borrow_mut());
        worker
    }

    /// What a worker works with, for a thread that is none: it has no connections and is not counted among the workers.
    pub fn beside(server: &'static Server) -> Worker {
        Worker::new(server.threads, server, server.beside.take(), mpsc::channel(1).1)
    }

    /// Begins a batch: the time, and the settings if they have changed.
    #[inline]
    pub fn tick(&self, ctx: &mut Ctx<'static>) {
        self.refresh(ctx);
        let now = unix_ms();
        ctx.env.tick(now);
        if self.server.keyspace.journal.is_on() {
            ctx.env.lead(self.server.keyspace.journal.floor() >> replication::stamp::COUNTER_BITS);
        }
        ctx.env.frozen = self.replica.get() || self.server.pause.is_on(now);
        self.watch_changes(ctx);
    }

    /// Has every change noted if some client wants to hear of it.
    #[inline]
    pub fn watch_changes(&self, ctx: &mut Ctx<'static>) {
        ctx.out.wants_changed = self.server.tracking.wants_all();
    }

    /// Takes over the configuration if it has changed.
    #[inline]
    pub fn refresh(&self, ctx: &mut Ctx<'static>) {
        let generation = self.server.config.generation();
        if generation != self.generation.get() {
            self.reload(ctx, generation);
        }
    }

    /// The length of a reply, bytes, that clients of a class are never sent; 0: none.
    #[inline]
    pub fn reply_limit(&self, class: Class) -> usize {
        match self.least_output_limit.get() {
            u64::MAX => 0,
            _ => self.config.borrow().client_output_buffer_limit.of(class).hard as usize,
        }
    }

    /// Whether the data are a master's.
    #[inline]
    pub fn is_replica(&self) -> bool {
        self.replica.get()
    }

    /// [`Worker::refresh`] between batches.
    #[inline]
    pub fn refresh_idle(&self) {
        if self.server.config.generation() != self.generation.get() {
            self.refresh(&mut self.ctx.borrow_mut());
        }
    }

    #[cold]
    fn reload(&self, ctx: &mut Ctx<'static>, generation: u64) {
        let config = self.server.config.get();
        self.generation.set(generation);
        ctx.env.tuning = crate::settings::tuning(&config, self.server);
        ctx.env.expiry = true;
        ctx.env.node = self.server.mesh.uuid().unwrap_or(0);
        let per_us = ticks::per_us();
        self.ns_per_tick.set(1000.0 / per_us);
        self.slow_ticks.set(match config.slowlog_log_slower_than {
            us if us < 0 => u64::MAX,
            us => (us as f64 * per_us) as u64,
        });
        let bytes = |limit: i64| usize::try_from(limit).unwrap_or(usize::MAX);
        // While keys are measured, all requests are looked at.
        let measuring = self.server.hotkeys.is_on();
        self.large_request.set(if measuring { 0 } else { bytes(config.commandlog_request_larger_than) });
        self.large_reply.set(bytes(config.commandlog_reply_larger_than));
        self.late_ticks.set(match config.latency_monitor_threshold {
            0 => u64::MAX,
            ms => (ms as f64 * 1000.0 * per_us) as u64,
        });
        self.patience.set(match config.busy_reply_threshold {
            0 => u64::MAX,
            ms => (ms as f64 * 1000.0 * per_us) as u64,
        });
        self.notable_ticks.set(self.slow_ticks.get().min(self.late_ticks.get()));
        self.least_output_limit.set(config.client_output_buffer_limit.least_hard());
        self.hindrances.set(hindrance::now(self.server, &config));
        self.replica.set(self.server.upstream.is_replica());
        self.track_latency.set(config.latency_tracking);
        if !ctx.locks.is_pinned() {
            ctx.locks.release();
            self.server.tracking.limit(self.server, config.tracking_table_max_keys);
        }
        *self.config.borrow_mut() = config;
    }

    /// Ticks as a duration.
    pub fn duration(&self, ticks: u64) -> Duration {
        Duration::from_nanos((ticks as f64 * self.ns_per_tick.get()) as u64)
    }

    /// How long a script runs before others are told, in ticks.
    #[inline]
    pub fn patience_ticks(&self) -> u64 {
        self.patience.get()
    }

    /// Whether so many ticks of a command are noted somewhere, with its arguments.
    #[inline]
    pub fn is_notable(&self, ticks: u64) -> bool {
        ticks >= self.notable_ticks.get()
    }

    /// Counts a command that took `ticks`.
    #[inline]
    pub fn count(&self, stats: &CommandStats, ticks: u64, client: &Client, id: CommandId, args: Args<'_>) {
        stats.calls.add(1);
        stats.ticks.add(ticks);
        self.note_duration(stats, ticks, client, id, args);
    }

    /// Shows how long a command took where single durations are shown: histogram and slow log.
    #[inline]
    pub fn note_duration(
        &self,
        stats: &CommandStats,
        ticks: u64,
        client: &Client,
        id: CommandId,
        args: Args<'_>,
    ) {
        if self.track_latency.get() {
            let ns = (ticks as f64 * self.ns_per_tick.get()) as u64;
            stats.histogram.get_or_init(Box::default).record(ns);
        }
        if ticks >= self.notable_ticks.get() {
            self.note_slow(ticks, client, id, args);
        }
    }

    #[cold]
    fn note_slow(&self, ticks: u64, client: &Client, id: CommandId, args: Args<'_>) {
        let us = (ticks as f64 * self.ns_per_tick.get() / 1000.0) as u64;
        if ticks >= self.slow_ticks.get() {
            self.server.logs.slow.record(client, id, args, us, self.config.borrow().slowlog_max_len);
        }
        if ticks >= self.late_ticks.get() {
            let event = if id.facts().flags.has(Flags::FAST) { "fast-command" } else { "command" };
            self.note_late(event, us / 1000);
        }
    }

    /// Notes a command whose request or reply is large, if it is large enough, and what it costs, if that is measured.
    #[inline]
    pub fn note_size(&self, client: &Client, id: CommandId, args: Args<'_>, reply: usize, ticks: u64) {
        if args.extent() >= self.large_request.get() || reply >= self.large_reply.get() {
            self.note_large(client, id, args, reply, ticks);
        }
    }

    #[cold]
    fn note_large(&self, client: &Client, id: CommandId, args: Args<'_>, reply: usize, ticks: u64) {
        let (config, logs, request) = (self.config.borrow(), &self.server.logs, args.extent());
        if self.server.hotkeys.is_on() && !scripting::runs_script(id.facts()) {
            let cost = Cost {
                time: (ticks as f64 * self.ns_per_tick.get()) as u64,
                bytes: (request + reply) as u64,
            };
            if self.server.hotkeys.note(self.stats, id, args, cost, unix_ms()) {
                self.server.config.touch();
            }
        }
        if usize::try_from(config.commandlog_request_larger_than).is_ok_and(|least| request >= least) {
            let max_len = config.commandlog_large_request_max_len;
            logs.large_requests.record(client, id, args, request as u64, max_len);
        }
        if reply >= self.large_reply.get() {
            logs.large_replies.record(client, id, args, reply as u64, config.commandlog_large_reply_max_len);
        }
    }

    /// Tells the latency monitor that something took `ms`, if that is worth noting.
    pub fn note_late(&self, event: &'static str, ms: u64) {
        let threshold = self.config.borrow().latency_monitor_threshold;
        if threshold > 0 && ms >= threshold {
            self.server.latency.add(event, unix_ms() / 1000, ms);
        }
    }

    /// Sends what a command left for others: notifications, invalidations, garbage.
    /// `own`: the client that caused it.
    pub fn publish(&self, own: &mut Own<'_>, ctx: &mut Ctx<'static>) {
        let server = self.server;
        for event in ctx.out.events.drain(..) {
            server.pubsub.keyspace_event(server, &event, ctx.env.tuning.notify);
        }
        for (client, changed) in ctx.out.invalidated.drain(..) {
            server.tracking.invalidate(server, client, &changed, own);
        }
        if !ctx.out.changed.is_empty() {
            server.tracking.broadcast(server, &ctx.out.changed, own);
            ctx.out.changed.clear();
        }
        if std::mem::take(&mut ctx.out.emptied) {
            background::after_flush(server, ctx);
        }
        if std::mem::take(&mut ctx.out.flushed) {
            server.tracking.invalidate_all(server, own);
        }
        for garbage in ctx.out.garbage.drain(..) {
            server.reclaim.free(garbage);
        }
    }

    /// Adds the hits, misses and changes of a batch to the worker's counters.
    pub fn count_lookups(&self, ctx: &mut Ctx<'static>) {
        self.stats.hits.add(ctx.env.hits.take());
        self.stats.misses.add(ctx.env.misses.take());
        self.stats.dirty.add(std::mem::take(&mut ctx.out.dirty));
    }
}

/// A worker as others see it, and what its thread gets its orders from.
pub fn prepare(closed: bool) -> (WorkerHandle, mpsc::Receiver<Order>) {
    let (arrivals, orders) = mpsc::channel::<Order>(ARRIVALS_MAX);
    let stats: &'static WorkerStats = Box::leak(Box::default());
    (WorkerHandle { arrivals, stats, closed: AtomicBool::new(closed) }, orders)
}

/// Starts a worker's thread.
pub fn spawn(
    index: usize,
    server: &'static Server,
    stats: &'static WorkerStats,
    orders: mpsc::Receiver<Order>,
) -> std::io::Result<()> {
    std::thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
        if let Affinity::From(first) = server.config.get().server_thread_affinity
            && !crate::system::pin_to_core(first as usize + index)
        {
            tracing::warn!("Worker {index} can't be bound to core {}", first as usize + index);
        }
        crate::crash::prepare_thread();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .event_interval(31)
            .build()
            .expect("a runtime needs an epoll instance and an event descriptor");
        let worker = Rc::new(Worker::new(index, server, stats, orders));
        standby::enlist(&worker);
        let (local, served) = (LocalSet::new(), worker.clone());
        let work = local.run_until(async move {
            if index < server.threads {
                tokio::task::spawn_local(upkeep::run(worker.clone()));
            }
            obey(worker).await;
        });
        runtime.block_on(held::beside(&served, work));
    })?;
    Ok(())
}

/// Serves connections as they come, for ever.
async fn obey(worker: Rc<Worker>) {
    while let Some(order) = poll_fn(|cx| worker.orders.borrow_mut().poll_recv(cx)).await {
        let arrival = match order {
            Order::Serve(arrival) => arrival,
            Order::Disband => {
                standby::hand_over(&worker);
                continue;
            }
        };
        let worker = worker.clone();
        tokio::task::spawn_local(async move {
            if let Some((target, moving)) = connection::serve(&worker, arrival).await {
                worker.server.workers()[target].send(Arrival::Moved(moving)).await;
            }
        });
    }
}

impl WorkerHandle {
    /// Connections on their way.
    pub fn waiting(&self) -> u64 {
        (self.arrivals.max_capacity() - self.arrivals.capacity()) as u64
    }

    /// Hands a connection to the worker. Waits while too many are on their way.
    pub async fn send(&self, arrival: Arrival) {
        let _ = self.arrivals.send(Order::Serve(arrival)).await;
    }

    /// As [`WorkerHandle::send`], at once; there must be room.
    pub fn hand(&self, order: Order) -> bool {
        self.arrivals.try_send(order).is_ok()
    }

    pub fn has_room(&self) -> bool {
        self.arrivals.capacity() > 0
    }

    /// Whether it takes connections.
    pub fn is_open(&self) -> bool {
        !self.closed.load(Acquire)
    }

    pub fn set_open(&self, open: bool) {
        self.closed.store(!open, Release);
    }
}

/// Commands processed by all workers.
pub fn processed(workers: &[WorkerHandle]) -> u64 {
    workers.iter().map(|w| w.stats.processed.get()).sum()
}

/// Changes made by all that run commands.
pub fn changes(server: &Server) -> u64 {
    server.stats().map(|stats| stats.dirty.get()).sum()
}

/// Whether the server is about to stop.
pub fn stopping(server: &Server) -> bool {
    server.stopping.load(Relaxed)
}
