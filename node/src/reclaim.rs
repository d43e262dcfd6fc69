//! Frees large values on a thread of its own, so that no client waits for it.

use std::sync::atomic::{AtomicU64, Ordering::*};

use crossbeam::channel::{SendError, Sender, unbounded};
use engine::ctx::Garbage;

/// Values that may wait to be freed; when as many are waiting, the worker frees the next by itself.
const QUEUE_MAX: usize = 64 * 1024;

static PENDING: AtomicU64 = AtomicU64::new(0);
static FREED: AtomicU64 = AtomicU64::new(0);

/// See the [module's page](self).
pub struct Reclaim {
    queue: Sender<Garbage>,
}

fn objects(garbage: &Garbage) -> u64 {
    match garbage {
        Garbage::Value(_) => 1,
        Garbage::Db(db) => db.len() as u64,
        Garbage::Other(_) => 0,
    }
}

impl Reclaim {
    pub fn start() -> std::io::Result<Reclaim> {
        // Bounded in `free`: a bounded channel would take its room from the start.
        let (queue, garbage) = unbounded::<Garbage>();
        std::thread::Builder::new().name("reclaim".into()).spawn(move || {
            for g in garbage {
                let n = objects(&g);
                drop(g);
                PENDING.fetch_sub(n, Relaxed);
                FREED.fetch_add(n, Relaxed);
            }
        })?;
        Ok(Reclaim { queue })
    }

    pub fn free(&self, garbage: Garbage) {
        let n = objects(&garbage);
        PENDING.fetch_add(n, Relaxed);
        let kept = match self.queue.len() < QUEUE_MAX {
            true => self.queue.send(garbage),
            false => Err(SendError(garbage)),
        };
        if let Err(SendError(garbage)) = kept {
            drop(garbage);
            PENDING.fetch_sub(n, Relaxed);
        }
    }

    /// Objects waiting to be freed.
    pub fn pending(&self) -> u64 {
        PENDING.load(Relaxed)
    }

    /// Objects freed since the start or the last reset.
    pub fn freed(&self) -> u64 {
        FREED.load(Relaxed)
    }

    pub fn reset(&self) {
        FREED.store(0, Relaxed);
    }
}
