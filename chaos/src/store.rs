//! A node's data in the simulator: plain values, the overlay, and the naive fold of the same effects beside them.

use replication::Place;
use replication::effect::{Effect, Key, Kind, Value, Write};
use replication::naive::Naive;
use replication::overlay::{Levels, Memory, Overlay, Plain, Rules};

/// Data of one node.
#[derive(Clone, Debug, Default)]
pub struct Store {
    pub plain: Memory,
    pub overlay: Overlay,
    pub naive: Naive,
}

/// Where the store and the definition differ.
#[derive(Debug)]
pub struct Differs {
    pub key: Key,
    pub has: Option<(Value, Option<u64>)>,
    pub should: Option<(Value, Option<u64>)>,
    pub history: Vec<String>,
}

impl Store {
    pub fn new(rules: Rules) -> Store {
        Store { overlay: Overlay::new(rules), ..Store::default() }
    }

    pub fn apply(&mut self, place: Place, write: &Write) {
        if let Some(deadline) = self.plain.deadline(&write.key)
            && self.overlay.due(&write.key, deadline)
        {
            let reclaim =
                Write { key: write.key.clone(), create: false, effect: Effect::Reclaim { deadline } };
            self.naive.add::<Memory>(Place::ZERO, &reclaim);
        }
        self.overlay.apply(&mut self.plain, place, write);
        self.naive.add::<Memory>(place, write);
    }

    /// Full sync: takes their state, and into it what is mine and they lack. `merges`: false takes theirs only (S8).
    pub fn merge(&mut self, mut theirs: Store, merges: bool, covered: impl Fn(Place) -> bool) {
        if merges {
            self.overlay.merge(&self.plain, &mut theirs.plain, &mut theirs.overlay, covered);
        }
        theirs.naive.join(&self.naive);
        *self = theirs;
    }

    /// A key's type, if a command at `now_ms` sees it.
    pub fn kind(&self, key: &Key, now_ms: u64) -> Option<Kind> {
        match self.plain.deadline(key) {
            Some(at) if at <= now_ms => None,
            _ => self.plain.kind(key),
        }
    }

    /// Forgets what is settled, and removes keys whose deadline is, as every node does on its own.
    pub fn settle(&mut self, levels: Levels) {
        let Levels { settled, agreed, .. } = levels;
        let due = |key: &&Key| {
            self.plain.deadline(key).is_some_and(|at| {
                Place::reclaim(at).version <= if self.overlay.has(key) { settled } else { agreed }
            })
        };
        let due: Vec<Key> = self.plain.all().filter(due).cloned().collect();
        for key in &due {
            let deadline = self.plain.deadline(key).unwrap_or_default();
            let reclaim = Write { key: key.clone(), create: false, effect: Effect::Reclaim { deadline } };
            self.naive.add::<Memory>(Place::ZERO, &reclaim);
        }
        self.overlay.settle(&mut self.plain, levels);
        for key in due {
            if self.plain.deadline(&key).is_some_and(|at| self.overlay.may_reclaim(&key, at)) {
                self.plain.remove(&key);
            }
        }
        let gone = |key: &&Key| self.plain.kind(key).is_none() && !self.overlay.has(key);
        let gone: Vec<Key> = self.naive.keys().filter(gone).cloned().collect();
        gone.iter().for_each(|key| self.naive.forget(key, settled));
    }

    pub fn check(&self, key: &Key, now_ms: u64) -> Result<(), Box<Differs>> {
        let live = |found: &(Value, Option<u64>)| found.1.is_none_or(|at| at > now_ms);
        let should = self.naive.value::<Memory>(key).filter(live);
        let has = self.plain.value(key).map(|value| (value, self.plain.deadline(key))).filter(live);
        if has == should {
            Ok(())
        } else {
            Err(Box::new(Differs { key: key.clone(), has, should, history: self.naive.history(key) }))
        }
    }

    pub fn check_all(&self, now_ms: u64) -> Result<(), Box<Differs>> {
        let keys: std::collections::BTreeSet<Key> =
            self.naive.keys().chain(self.plain.all()).cloned().collect();
        keys.iter().try_for_each(|key| self.check(key, now_ms))
    }
}
