//! The clients that are connected, by id.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::*};

use parking_lot::Mutex;

use crate::client::Client;

/// Parts of the registry, so that connections of different workers seldom meet.
const PARTS: usize = 64;

/// See the [module's page](self).
pub struct Clients {
    next_id: AtomicU64,
    count: AtomicUsize,
    parts: [Mutex<HashMap<u64, Arc<Client>>>; PARTS],
}

impl Default for Clients {
    fn default() -> Self {
        Clients {
            next_id: AtomicU64::new(1),
            count: AtomicUsize::new(0),
            parts: std::array::from_fn(|_| Mutex::default()),
        }
    }
}

impl Clients {
    pub fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Relaxed)
    }

    pub fn len(&self) -> usize {
        self.count.load(Relaxed)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn part(&self, id: u64) -> &Mutex<HashMap<u64, Arc<Client>>> {
        &self.parts[id as usize % PARTS]
    }

    pub fn add(&self, client: &Arc<Client>) {
        self.part(client.id).lock().insert(client.id, client.clone());
        self.count.fetch_add(1, Relaxed);
    }

    pub fn remove(&self, id: u64) {
        if self.part(id).lock().remove(&id).is_some() {
            self.count.fetch_sub(1, Relaxed);
        }
    }

    pub fn get(&self, id: u64) -> Option<Arc<Client>> {
        self.part(id).lock().get(&id).cloned()
    }

    /// All clients, by id.
    pub fn all(&self) -> Vec<Arc<Client>> {
        let mut all: Vec<_> =
            self.parts.iter().flat_map(|p| p.lock().values().cloned().collect::<Vec<_>>()).collect();
        all.sort_unstable_by_key(|c| c.id);
        all
    }
}
