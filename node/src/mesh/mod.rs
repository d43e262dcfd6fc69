//! The mesh: links to the other nodes, and what comes and goes over them.
//!
//! One thread with an event loop of its own does all of it, beside the workers: it drains the journal of what clients
//! wrote here, owns the [machine](replication::replica::Replica) that knows who has what, carries its actions out,
//! applies what peers wrote, and runs the links' transport (gRPC over HTTP/2 on the server's own port). From a client's
//! write to a peer's data there is one hand-over between threads on each side. Nothing here is ever waited for by a
//! client's command, except where the client asks for it (WAIT).
//!
//! Without `active-replica yes` there is no such thread.
//!
//! Reading order: [`identity`] (who this node is), [`order`] and [`status`] (how the rest of the server talks to the
//! mesh), [`driver`] (events and actions), [`link`], [`frames`] and [`outbox`] (what a link sends), [`conflicts`], [`serve`] and
//! [`transport`] (its two ends), [`dial`] (keeping links to configured nodes), [`foreign`] (those that are no peers), [`thread`] (the loop),
//! [`disk`] and [`keep`] (the log that brings a member back), [`functions`] (what is told beside the data).

pub mod conflicts;
pub mod data;
pub mod dial;
pub mod disk;
pub mod driver;
pub mod foreign;
pub mod frames;
mod functions;
pub mod identity;
mod keep;
pub mod link;
pub mod operate;
pub mod order;
pub mod outbox;
pub mod pace;
pub mod receive;
pub mod serve;
pub mod spill;
pub mod status;
pub mod thread;
pub mod transport;
pub mod waits;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use replication::origin::Uuid;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;

pub use order::{Order, Wish};
pub use status::Status;

use crate::config::Config;
use crate::server::Server;

/// The mesh as the rest of the server sees it.
#[derive(Default)]
pub struct Mesh {
    uuid: Mutex<Option<Uuid>>,
    orders: OnceLock<UnboundedSender<Order>>,
    /// Wakes the thread to look at the journal.
    wake: OnceLock<Arc<Notify>>,
    /// Clients may not write: this node may have lost what others rely on, and has yet to get it back.
    refuses_writes: AtomicBool,
    status: Mutex<Arc<Status>>,
    pub conflicts: Mutex<conflicts::ConflictLog>,
}

impl Mesh {
    pub fn is_on(&self) -> bool {
        self.orders.get().is_some()
    }

    /// This node's identity; `None` without a mesh.
    pub fn uuid(&self) -> Option<Uuid> {
        *self.uuid.lock()
    }

    /// Whether this node has ever heard of another one.
    pub fn is_member(&self, server: &Server) -> bool {
        self.is_on() && server.keyspace.journal.is_on()
    }

    /// Has the journal looked at now.
    pub fn wake(&self) {
        if let Some(wake) = self.wake.get() {
            wake.notify_one();
        }
    }

    /// Whether clients' writes are refused for now.
    pub fn refuses_writes(&self) -> bool {
        self.refuses_writes.load(Relaxed)
    }

    pub fn status(&self) -> Arc<Status> {
        self.status.lock().clone()
    }

    fn open(&self, uuid: Uuid, orders: UnboundedSender<Order>, wake: Arc<Notify>) {
        self.set_uuid(uuid);
        let _ = self.wake.set(wake);
        let _ = self.orders.set(orders);
    }

    fn set_uuid(&self, uuid: Uuid) {
        *self.uuid.lock() = Some(uuid);
    }

    /// Whether `min-replicas-to-write` asks for more than there are: peers, and so many replicas.
    pub fn lacks_peers(&self, config: &Config, replicas: usize) -> bool {
        let (wanted, max_lag) = (config.min_replicas_to_write, config.min_replicas_max_lag);
        wanted > 0 && max_lag > 0 && self.status().good_peers(u64::from(max_lag)) + replicas < wanted as usize
    }

    /// Whether fewer of the nodes that are to be followed are linked than `replica-quorum` asks for, and
    /// `replica-serve-stale-data` does not allow to serve without them.
    pub fn is_stale(&self, config: &Config) -> bool {
        if config.replica_serve_stale_data || !self.is_on() {
            return false;
        }
        let status = self.status();
        let targets = status.targets(&config.replicaof);
        let wanted = usize::try_from(config.replica_quorum).unwrap_or(targets.len()).min(targets.len());
        targets.iter().filter(|target| status.link_of(target).is_some()).count() < wanted
    }

    /// True if that is news.
    fn set_refuses_writes(&self, refuses: bool) -> bool {
        self.refuses_writes.swap(refuses, Relaxed) != refuses
    }

    fn publish(&self, status: Status) {
        *self.status.lock() = Arc::new(status);
    }

    /// Asks something of the mesh. False: there is none.
    pub fn order(&self, order: Order) -> bool {
        self.orders.get().is_some_and(|orders| orders.send(order).is_ok())
    }
}
