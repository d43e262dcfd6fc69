//! Who wants to hear that a key changed: transactions that watch it and clients that cache it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Set when any key that a transaction watches has changed.
pub type WatchFlag = Arc<AtomicBool>;

#[derive(Default)]
struct Interest {
    watchers: Vec<WatchFlag>,
    /// Clients that have read the key since they last heard of it, each once.
    trackers: Vec<u64>,
}

/// Interests in the keys of one shard.
#[derive(Default)]
pub struct Interests {
    by_key: HashMap<(usize, Box<[u8]>), Interest, ahash::RandomState>,
    tracked: usize,
}

impl Interests {
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// Keys that some client caches.
    pub fn tracked_keys(&self) -> usize {
        self.tracked
    }

    /// Sum over keys of the clients that cache them.
    pub fn tracked_items(&self) -> usize {
        self.by_key.values().map(|i| i.trackers.len()).sum()
    }

    pub fn watch(&mut self, db: usize, key: &[u8], flag: &WatchFlag) {
        self.by_key.entry((db, key.into())).or_default().watchers.push(flag.clone());
    }

    pub fn unwatch(&mut self, db: usize, key: &[u8], flag: &WatchFlag) {
        let at = (db, key.into());
        if let Some(interest) = self.by_key.get_mut(&at) {
            interest.watchers.retain(|w| !Arc::ptr_eq(w, flag));
            if interest.watchers.is_empty() && interest.trackers.is_empty() {
                self.by_key.remove(&at);
            }
        }
    }

    /// Remembers that `client` caches the key. Tracking does not distinguish databases, as in Redis.
    pub fn track(&mut self, key: &[u8], client: u64) {
        let interest = self.by_key.entry((TRACKED, key.into())).or_default();
        if interest.trackers.is_empty() {
            self.tracked += 1;
        }
        if !interest.trackers.contains(&client) {
            interest.trackers.push(client);
        }
    }

    /// Forgets one tracked key, to keep within the table's limit; returns it with the clients to tell.
    pub fn evict_tracked(&mut self) -> Option<(Box<[u8]>, Vec<u64>)> {
        let at = self.by_key.iter().find(|(at, _)| at.0 == TRACKED).map(|(at, _)| at.clone())?;
        self.tracked -= 1;
        let interest = self.by_key.remove(&at)?;
        Some((at.1, interest.trackers))
    }

    /// The key changed: marks its watchers and returns the clients that cached it, who are forgotten.
    pub fn changed(&mut self, db: usize, key: &[u8]) -> Vec<u64> {
        let at = (db, Box::from(key));
        if let Some(interest) = self.by_key.get(&at) {
            interest.watchers.iter().for_each(|w| w.store(true, Relaxed));
        }
        match self.by_key.remove(&(TRACKED, at.1)) {
            Some(interest) => {
                self.tracked -= 1;
                interest.trackers
            }
            None => Vec::new(),
        }
    }

    /// Keys of a database that transactions watch.
    pub fn watched(&self, db: usize) -> Vec<Box<[u8]>> {
        let watched = self.by_key.iter().filter(|((of, _), it)| *of == db && !it.watchers.is_empty());
        watched.map(|((_, key), _)| key.clone()).collect()
    }

    /// A database was emptied or exchanged: marks watchers of the keys that `touched` names.
    pub fn changed_where(&mut self, touched: impl Fn(usize, &[u8]) -> bool) {
        for ((db, key), interest) in &self.by_key {
            if *db != TRACKED && !interest.watchers.is_empty() && touched(*db, key) {
                interest.watchers.iter().for_each(|w| w.store(true, Relaxed));
            }
        }
    }

    /// Forgets every tracked key: after a flush all caches are told to drop everything.
    pub fn forget_tracked(&mut self) {
        self.by_key.retain(|at, _| at.0 != TRACKED);
        self.tracked = 0;
    }
}

/// Stands for "any database" in the keys of tracked interests.
const TRACKED: usize = usize::MAX;
