//! The server: what all workers share. It lives as long as the process.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::time::Instant;

use engine::command::lookup::Lookup;
use engine::command::{CommandId, Facts};
use engine::keyspace::Keyspace;

use crate::acl::Users;
use crate::aof::Aof;
use crate::blocking::Tickets;
use crate::client::{Client, Mail};
use crate::client_memory::ClientMemory;
use crate::clients::Clients;
use crate::commands;
use crate::config::{ConfigStore, Loaded};
use crate::control::Control;
use crate::dispatch::Handler;
use crate::eviction::Memory;
use crate::feed::pump::Pump;
use crate::hotkeys::Hotkeys;
use crate::latency::LatencyMonitor;
use crate::memcached::flush::DelayedFlush;
use crate::mesh::Mesh;
use crate::monitors::Monitors;
use crate::offsite::Offsite;
use crate::overload::Overload;
use crate::pause::Pause;
use crate::persist::Persistence;
use crate::pubsub::PubSub;
use crate::reclaim::Reclaim;
use crate::replicas::{Replicas, history};
use crate::samples::Samples;
use crate::scripting::busy::Busy;
use crate::scripting::libraries::Libraries;
use crate::scripting::scripts::Scripts;
use crate::session::Session;
use crate::shutdown::Shutdown;
use crate::slowlog::CommandLogs;
use crate::standby::Standby;
use crate::stats::{Beside, Latencies, WorkerStats};
use crate::switches::Switches;
use crate::tls::TlsServer;
use crate::tracking::Trackers;
use crate::upstream::Upstream;
use crate::worker::{WorkerHandle, unix_ms};

/// See the [module's page](self).
pub struct Server {
    pub keyspace: Keyspace,
    pub config: ConfigStore,
    pub lookup: Lookup,
    /// Functions by command id.
    pub handlers: Box<[Handler]>,
    pub workers: OnceLock<Vec<WorkerHandle>>,
    pub users: Users,
    pub tls: TlsServer,
    pub clients: Clients,
    pub pubsub: PubSub,
    pub tracking: Trackers,
    pub monitors: Monitors,
    pub logs: CommandLogs,
    pub hotkeys: Hotkeys,
    pub latency: LatencyMonitor,
    pub shutdown: Shutdown,
    pub pause: Pause,
    pub memory: Memory,
    pub memcached_flush: DelayedFlush,
    pub mesh: Mesh,
    pub upstream: Upstream,
    pub beside: Beside,
    pub client_memory: ClientMemory,
    pub reclaim: Reclaim,
    pub persistence: Persistence,
    pub aof: Aof,
    pub offsite: Offsite,
    pub pump: Pump,
    pub samples: Samples,
    pub switches: Switches,
    pub control: Control,
    pub scripts: Scripts,
    pub libraries: Libraries,
    /// Scripts that take long.
    pub busy: Busy,
    pub standby: Standby,
    /// Clients waiting for keys.
    pub blocked: AtomicUsize,
    pub tickets: Tickets,
    pub connections_received: AtomicU64,
    pub connections_rejected: AtomicU64,
    pub evicted_clients: AtomicU64,
    pub overload: Overload,
    pub stopping: AtomicBool,
    /// Random per process, not secret.
    pub seed: u64,
    /// 40 hexadecimal digits, new at each start.
    pub run_id: String,
    /// Servers that follow this one, and the history of the data.
    pub replicas: Replicas,
    at_start: OnceLock<(u64, u64)>,
    pub started: Instant,
    pub started_ms: u64,
    pub threads: usize,
}

impl Server {
    pub fn new(loaded: &Loaded) -> Result<Server, String> {
        let config = ConfigStore::new(loaded);
        let settings = config.get();
        let threads = match settings.server_threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            n => n as usize,
        };
        let handlers = commands::handlers();
        let lookup = commands::lookup(&handlers, loaded)?;
        let persistence = Persistence::default();
        persistence.started(unix_ms() / 1000);
        Ok(Server {
            keyspace: Keyspace::new(settings.databases.max(1) as usize, threads),
            lookup,
            handlers,
            workers: OnceLock::new(),
            users: Users::new(loaded)?,
            tls: TlsServer::default(),
            clients: Clients::default(),
            pubsub: PubSub::default(),
            tracking: Trackers::default(),
            monitors: Monitors::default(),
            logs: CommandLogs::default(),
            hotkeys: Hotkeys::default(),
            latency: LatencyMonitor::default(),
            shutdown: Shutdown::default(),
            pause: Pause::default(),
            memory: Memory::default(),
            memcached_flush: DelayedFlush::default(),
            mesh: Mesh::default(),
            upstream: Upstream::default(),
            beside: Beside::default(),
            client_memory: ClientMemory::default(),
            reclaim: Reclaim::start().map_err(|e| format!("Can't start a thread: {e}"))?,
            persistence,
            aof: Aof::default(),
            offsite: Offsite::default(),
            pump: Pump::default(),
            samples: Samples::default(),
            switches: Switches::default(),
            control: Control::default(),
            scripts: Scripts::default(),
            libraries: Libraries::default(),
            busy: Busy::default(),
            standby: Standby::default(),
            blocked: AtomicUsize::new(0),
            tickets: Tickets::default(),
            connections_received: AtomicU64::new(0),
            connections_rejected: AtomicU64::new(0),
            evicted_clients: AtomicU64::new(0),
            overload: Overload::default(),
            stopping: AtomicBool::new(false),
            seed: uuid::Uuid::new_v4().as_u64_pair().0,
            run_id: history::new_id(),
            replicas: Replicas::default(),
            at_start: OnceLock::new(),
            started: Instant::now(),
            started_ms: unix_ms(),
            threads,
            config,
        })
    }

    /// How long a command took, over all workers; `None` if it was not called.
    pub fn latency_of(&self, id: CommandId) -> Option<Latencies> {
        Latencies::sum(
            self.stats().filter_map(|stats| stats.commands[id.index()].histogram.get()).map(|h| &**h),
        )
    }

    /// Notes how much memory is in use before there are data.
    pub fn note_memory_at_start(&self) {
        let tables =
            self.keyspace.sum(|shard| shard.dbs.iter().map(|db| db.table_bytes() as u64).sum::<u64>());
        let _ = self.at_start.set((crate::memory::used(), tables));
    }

    /// Bytes in use before there were data.
    pub fn memory_at_start(&self) -> u64 {
        self.at_start.get().map_or(0, |(used, _)| *used)
    }

    /// Of these, bytes of empty tables.
    pub fn tables_at_start(&self) -> u64 {
        self.at_start.get().map_or(0, |(_, tables)| *tables)
    }

    /// The workers, and last the one that stands by.
    pub fn workers(&self) -> &[WorkerHandle] {
        self.workers.get().map_or(&[], Vec::as_slice)
    }

    /// The counters of all that run commands.
    pub fn stats(&self) -> impl Iterator<Item = &'static WorkerStats> {
        self.workers().iter().map(|w| w.stats).chain(self.beside.all())
    }

    /// Puts something into a client's mailbox, if the client is still there.
    pub fn send(&self, client: u64, mail: Mail) {
        if let Some(client) = self.clients.get(client) {
            self.post(&client, mail);
        }
    }

    /// Puts something into a client's mailbox, closing the client if its output exceeds its limit.
    pub fn post(&self, client: &Client, mail: Mail) {
        let limit = self.config.get().client_output_buffer_limit.of(client.class()).hard;
        client.post(mail, limit);
    }

    /// Closes a client's connection. The client counts no longer as connected, though its worker has yet to let go of it.
    pub fn disconnect(&self, client: &Client) {
        self.clients.remove(client.id);
        client.kill();
    }

    /// A connection has ended: nothing refers to it any more.
    pub fn forget(&self, session: &mut Session) {
        self.pubsub.leave(session);
        self.tracking.stop(session);
        self.monitors.leave(session);
        if let Some(sender) = session.peer.take().and_then(|peer| peer.sender) {
            self.replicas.leave(self, &sender.link);
        }
        self.clients.remove(session.client.id);
        self.client_memory.forget(&session.client);
    }

    /// Whether the command is answered by this server.
    pub fn answers(&self, facts: &Facts) -> bool {
        !matches!(self.handlers[facts.id.index()], Handler::Missing)
    }

    pub fn handler(&self, id: CommandId) -> Handler {
        self.handlers[id.index()]
    }

    pub fn log_output_limit(&self, client: &Client, bytes: u64) {
        tracing::warn!(
            "Client id={} addr={} scheduled to be closed ASAP for overcoming of output buffer limits ({bytes} bytes unsent).",
            client.id,
            client.addr
        );
    }

    pub fn log_query_limit(&self, client: &Client, bytes: usize) {
        tracing::warn!(
            "Closing client id={} addr={} that reached max query buffer length ({bytes} bytes).",
            client.id,
            client.addr
        );
    }
}
