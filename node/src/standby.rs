//! What becomes of a worker's clients while the worker is held up by a script that takes long: its own, or another worker's
//! that has the shard it waits for. It hands them to a worker that is free; if there is none, to a standby worker, whose
//! thread is started for that. When it is over, the standby hands back what it has.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use parking_lot::Mutex;
use tokio::sync::mpsc::Receiver;

use crate::connection::Slot;
use crate::server::Server;
use crate::worker::{self, Arrival, Order, Worker, WorkerHandle};

thread_local! {
    static HERE: RefCell<Weak<Worker>> = const { RefCell::new(Weak::new()) };
}

/// The orders of the standby worker, until its thread is there to take them.
#[derive(Default)]
pub struct Standby(Mutex<Option<Receiver<Order>>>);

impl Standby {
    pub fn keep(&self, orders: Receiver<Order>) {
        *self.0.lock() = Some(orders);
    }
}

/// Makes a worker known to its thread, so that it is found when the thread waits for a shard.
pub fn enlist(worker: &Rc<Worker>) {
    HERE.set(Rc::downgrade(worker));
    engine::shard::while_waiting(|| {
        if let Some(worker) = HERE.with_borrow(Weak::upgrade)
            && (worker.server.busy.is_on() || worker.server.persistence.loading.is_active())
        {
            hand_over(&worker);
        }
    });
}

/// Hands all connections but the one whose command is running to a worker that is free. What works beside the workers has
/// none.
pub fn hand_over(worker: &Worker) {
    if !HERE.with_borrow(|here| std::ptr::eq(here.as_ptr(), worker)) {
        return;
    }
    if let Some(own) = worker.server.workers().get(worker.index) {
        own.set_open(false);
    }
    let resting = |(id, slot): (&u64, &Slot)| slot.is_resting().then(|| (*id, slot.clone()));
    let connections: Vec<_> = worker.connections.borrow().iter().filter_map(resting).collect();
    if connections.is_empty() && worker.orders.borrow().is_empty() {
        return;
    }
    let Some(target) = target(worker) else { return };
    while target.has_room() {
        let Ok(order) = worker.orders.borrow_mut().try_recv() else { break };
        target.hand(order);
    }
    for (id, slot) in connections {
        if !target.has_room() {
            // The rest follows when this is looked at again.
            return;
        }
        if let Some(moving) = slot.take() {
            worker.connections.borrow_mut().remove(&id);
            worker.stats.clients.set(worker.stats.clients.get() - 1);
            target.hand(Order::Serve(Arrival::Moved(moving)));
        }
    }
}

/// A worker that is free, or the standby.
fn target(worker: &Worker) -> Option<&'static WorkerHandle> {
    let server = worker.server;
    let (standby, others) = server.workers().split_last()?;
    if let Some(free) = others.iter().filter(|w| w.is_open()).min_by_key(|w| w.stats.clients.get()) {
        return Some(free);
    }
    if worker.index == others.len() {
        return None;
    }
    if let Some(orders) = server.standby.0.lock().take()
        && let Err(e) = worker::spawn(others.len(), server, standby.stats, orders)
    {
        tracing::warn!("Can't start a standby worker: {e}");
        return None;
    }
    standby.set_open(true);
    Some(standby)
}

/// Nothing takes long any more: all workers are there again.
pub fn over(server: &'static Server) {
    let Some((standby, others)) = server.workers().split_last() else { return };
    others.iter().for_each(|w| w.set_open(true));
    if standby.is_open() {
        standby.set_open(false);
        standby.hand(Order::Disband);
    }
}
