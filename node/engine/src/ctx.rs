//! What a command works with: the shards it holds, the time, the settings, and an outbox for what must happen after it.
//!
//! Reading goes through [`Ctx::read`] and friends; every change goes through [`Ctx::key`] and [`KeyMut::apply`]. A command
//! reads, decides, applies effects and writes its reply; it never touches an entry in another way.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use protocol::error::WRONGTYPE;
use protocol::{ErrorReply, OwnedArgs};
use replication::{Place, Stamp, codec};

use crate::access;
use crate::apply;
use crate::db::Detached;
use crate::effect::{Effect, Outcome};
use crate::entry::EntryRef;
use crate::family::Family;
use crate::journal::Writer;
use crate::keyspace::{Keyspace, Locks};
use crate::shard::Shard;
use crate::table::Pos;
use crate::tuning::{Tuning, notify};
use crate::types::{Deadlines, List, LiveHash, LiveSet, LiveZset, Stream};
use crate::value::{Kind, Value, ValueRef};

/// What commands see of the world: one per worker, refreshed once per batch.
pub struct Env {
    pub now_ms: u64,
    /// What time it is for writes: in a mesh that of the versions they get, which a clock that is behind does not reach.
    pub write_ms: u64,
    /// What time it is for versions: of what is loaded, the time when it was written.
    pub version_ms: u64,
    pub tuning: Tuning,
    /// LRU clock or LFU minutes of this batch, see [`access`].
    pub clock: u32,
    /// The client has asked not to count as a use of the keys it reads (CLIENT NO-TOUCH).
    pub no_touch: bool,
    /// The client may use the keys among its arguments only: none that SORT would find by a pattern.
    pub confined: bool,
    /// A script is running: what would be in any order is put in one.
    pub in_script: bool,
    /// This member of the mesh, which runs the jobs that are made here; 0: it is none.
    pub node: u128,
    /// Deadlines in the past are hidden and reclaimed. Off while loading and in DEBUG SET-ACTIVE-EXPIRE tests.
    pub expiry: bool,
    /// Nothing is removed by itself: clients are paused (CLIENT PAUSE). What has expired is hidden all the same.
    pub frozen: bool,
    pub hits: Cell<u64>,
    pub misses: Cell<u64>,
    rng: Cell<u64>,
}

impl Env {
    pub fn new(seed: u64) -> Env {
        Env {
            now_ms: 0,
            write_ms: 0,
            version_ms: 0,
            tuning: Tuning::default(),
            clock: 0,
            no_touch: false,
            in_script: false,
            confined: false,
            node: 0,
            expiry: true,
            frozen: false,
            hits: Cell::new(0),
            misses: Cell::new(0),
            rng: Cell::new(seed | 1),
        }
    }

    /// Starts a batch at `now_ms`.
    pub fn tick(&mut self, now_ms: u64) {
        (self.now_ms, self.write_ms, self.version_ms) = (now_ms, now_ms, now_ms);
        self.clock = access::clock(now_ms, self.tuning.policy);
    }

    /// Versions are this far: so is the time of writes.
    pub fn lead(&mut self, ms: u64) {
        self.write_ms = self.write_ms.max(ms);
    }

    /// Deadlines up to this one are past: hidden from readers, reclaimed by writers.
    #[inline]
    pub fn due(&self) -> u64 {
        if self.expiry { self.now_ms } else { 0 }
    }

    /// A random number; fast, not for secrets.
    pub fn random(&self) -> u64 {
        let mut x = self.rng.get();
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.rng.set(x);
        x.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A random number below `n`, which is not 0.
    pub fn random_below(&self, n: u64) -> u64 {
        ((u128::from(self.random()) * u128::from(n)) >> 64) as u64
    }
}

/// Something that happened to a key, for keyspace notifications.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub class: u32,
    pub name: &'static str,
    pub db: usize,
    pub key: Vec<u8>,
}

/// A key that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    pub key: Vec<u8>,
    /// By what the client asked for; not because its time had come, or to make room.
    pub by_client: bool,
}

/// What must happen after a command, once its reply is written. Emptied by the node.
#[derive(Default)]
pub struct Outbox {
    pub events: Vec<Event>,
    /// Keys that blocked clients wait on and that were added to: database and key.
    pub ready: VecDeque<(usize, Vec<u8>)>,
    /// Clients that cached a key which changed.
    pub invalidated: Vec<(u64, Changed)>,
    /// Keys that changed, while some client asked to hear of all changes.
    pub changed: Vec<Changed>,
    /// A flush: every cache must drop everything.
    pub flushed: bool,
    /// FLUSHALL has run.
    pub emptied: bool,
    pub wants_changed: bool,
    /// Why a payload was refused, for the log.
    pub refused: Option<String>,
    /// What the command has done in words that any reader of the feed knows, where its own are not: set by the command,
    /// taken by the feed.
    pub done_as: Vec<OwnedArgs>,
    /// Values too large to free here.
    pub garbage: Vec<Garbage>,
    /// Effects applied.
    pub dirty: u64,
    /// Of these, how many nobody asked for: keys that expired or made room.
    pub reclaimed: u64,
    expired_seen: RefCell<Vec<(usize, Vec<u8>)>>,
    /// Keys that were read and not there: how many events came before, database and key. Only while somebody listens.
    missed: RefCell<Vec<(usize, usize, Vec<u8>)>>,
}

/// Something to be freed, on another thread if it takes long.
pub enum Garbage {
    Value(Value),
    Db(Detached),
    /// Something that is no data.
    Other(Box<dyn Send>),
}

/// Values whose freeing takes more steps than this are not freed on the hot path.
pub const LAZYFREE_EFFORT: usize = 64;

/// Members with passed deadlines that one access to their key removes at most: what bounds the wait of whoever comes by.
pub(crate) const RECLAIM_MAX: usize = 200;

/// A command's working set. See the [module's page](self).
pub struct Ctx<'e> {
    pub keyspace: &'e Keyspace,
    pub locks: Locks<'e>,
    pub env: Env,
    pub out: Outbox,
    pub db: usize,
    /// The hash of one argument of the command being executed, by its address and length: computed before, to prefetch.
    known_hash: (usize, usize, u64),
    /// The command is being run again for a blocked client, because this key has become ready.
    pub serving: Option<Box<[u8]>>,
}

impl<'e> Ctx<'e> {
    pub fn new(keyspace: &'e Keyspace, seed: u64) -> Ctx<'e> {
        Ctx {
            keyspace,
            locks: Locks::new(keyspace),
            env: Env::new(seed),
            out: Outbox::default(),
            db: 0,
            known_hash: (0, 0, 0),
            serving: None,
        }
    }

    /// Begins a command or a transaction: what it writes will share one version.
    #[inline]
    pub fn begin(&mut self) {
        self.locks.writer.end_group();
    }

    /// What is written through this context is handed over without waiting: see
    /// [`Writer::hurry`](crate::journal::Writer::hurry).
    pub fn hurry(&mut self) {
        self.locks.writer.hurry();
    }

    /// Begins a group if none is under way: what is written down without having changed anything needs a version, too.
    pub fn ensure_group(&mut self) {
        if self.locks.writer.version() == 0 {
            self.locks.mint(self.env.version_ms);
        }
    }

    /// Tells the hash of an argument of the command that is about to run. The argument must stay where it is until
    /// [`Ctx::forget_hash`].
    #[inline]
    pub fn know_hash(&mut self, key: &[u8], hash: u64) {
        self.known_hash = (key.as_ptr() as usize, key.len(), hash);
    }

    #[inline]
    pub fn forget_hash(&mut self) {
        self.known_hash = (0, 0, 0);
    }

    /// The hash of a key.
    #[inline]
    pub fn hash(&self, key: &[u8]) -> u64 {
        let (address, len, hash) = self.known_hash;
        if address == key.as_ptr() as usize && len == key.len() && address != 0 {
            return hash;
        }
        self.keyspace.hash(key)
    }

    #[inline]
    fn place(&self, key: &[u8]) -> (u64, usize) {
        let hash = self.hash(key);
        (hash, self.keyspace.shard_of(hash))
    }

    /// Whether a command that waits for one of several keys may look at this one: when it is run again, it may be served
    /// from the key that has become ready only.
    pub fn offers(&self, key: &[u8]) -> bool {
        self.serving.as_ref().is_none_or(|ready| **ready == *key)
    }

    /// Whether the key's shard is held.
    pub fn holds(&self, key: &[u8]) -> bool {
        self.locks.holds(self.place(key).1)
    }

    /// The entry of a key for reading, in the selected database. Counts as a use of the key and as a hit or miss.
    #[inline]
    pub fn read(&self, key: &[u8]) -> Option<EntryRef<'_>> {
        let entry = self.peek(key);
        match &entry {
            Some(entry) => {
                self.env.hits.set(self.env.hits.get() + 1);
                if !self.env.no_touch {
                    access::touch(entry, &self.env);
                }
            }
            None => self.missed(key),
        }
        entry
    }

    /// A key that was looked for is not there: counts and announces it.
    fn missed(&self, key: &[u8]) {
        self.env.misses.set(self.env.misses.get() + 1);
        self.out.note_miss(&self.env.tuning, self.db, key);
    }

    /// The entry of a key for commands that look at its metadata: a hit or miss, but no use of the key.
    pub fn glance(&self, key: &[u8]) -> Option<EntryRef<'_>> {
        let entry = self.peek(key);
        match entry {
            Some(_) => self.env.hits.set(self.env.hits.get() + 1),
            None => self.missed(key),
        }
        entry
    }

    /// The entry of a key, without any trace that it was read.
    #[inline]
    pub fn peek(&self, key: &[u8]) -> Option<EntryRef<'_>> {
        self.peek_in(self.db, key)
    }

    /// [`Ctx::peek`] in another database.
    #[inline]
    pub fn peek_in(&self, db: usize, key: &[u8]) -> Option<EntryRef<'_>> {
        let (hash, shard) = self.place(key);
        let entry = self.locks.get(shard).dbs[db].get(hash, key)?;
        if entry.deadline().is_some_and(|at| at <= self.env.due()) {
            self.out.expired_seen.borrow_mut().push((db, key.to_vec()));
            return None;
        }
        Some(entry)
    }

    /// Value for reading; see [`Ctx::read`]. Announces a miss to those who listen for it.
    pub fn value(&self, key: &[u8]) -> Option<ValueRef<'_>> {
        self.read(key).map(|e| e.value())
    }

    /// A hash as it is now: without fields whose time has come.
    pub fn read_hash(&self, key: &[u8]) -> Result<Option<LiveHash<'_>>, ErrorReply> {
        match self.value(key) {
            None => Ok(None),
            Some(ValueRef::Hash(v)) => {
                let live = v.live(self.env.due());
                self.note_due(key, live.has_due());
                Ok(Some(live))
            }
            Some(_) => Err(WRONGTYPE),
        }
    }

    /// A set as it is now: without members whose time has come.
    pub fn read_set(&self, key: &[u8]) -> Result<Option<LiveSet<'_>>, ErrorReply> {
        match self.value(key) {
            None => Ok(None),
            Some(ValueRef::Set(v)) => {
                let live = v.live(self.env.due());
                self.note_due(key, live.has_due());
                Ok(Some(live))
            }
            Some(_) => Err(WRONGTYPE),
        }
    }

    /// Remembers a key of the selected database that has something to be reclaimed.
    #[inline]
    fn note_due(&self, key: &[u8], due: bool) {
        if due {
            self.out.expired_seen.borrow_mut().push((self.db, key.to_vec()));
        }
    }

    /// A sorted set as it is now: without members whose time has come.
    pub fn read_zset(&self, key: &[u8]) -> Result<Option<LiveZset<'_>>, ErrorReply> {
        match self.value(key) {
            None => Ok(None),
            Some(ValueRef::Zset(v)) => {
                let live = v.live(self.env.due());
                self.note_due(key, live.has_due());
                Ok(Some(live))
            }
            Some(_) => Err(WRONGTYPE),
        }
    }

    pub fn read_list(&self, key: &[u8]) -> Result<Option<&List>, ErrorReply> {
        match self.value(key) {
            None => Ok(None),
            Some(ValueRef::List(v)) => Ok(Some(v)),
            Some(_) => Err(WRONGTYPE),
        }
    }

    pub fn read_stream(&self, key: &[u8]) -> Result<Option<&Stream>, ErrorReply> {
        match self.value(key) {
            None => Ok(None),
            Some(ValueRef::Stream(v)) => Ok(Some(v)),
            Some(_) => Err(WRONGTYPE),
        }
    }

    /// A key to be written, in the selected database. A value that has expired is removed first.
    #[inline]
    pub fn key<'c, 'k>(&'c mut self, key: &'k [u8]) -> KeyMut<'c, 'k> {
        self.key_in(self.db, key)
    }

    /// [`Ctx::key`] in another database.
    #[inline]
    pub fn key_in<'c, 'k>(&'c mut self, db: usize, key: &'k [u8]) -> KeyMut<'c, 'k> {
        let mut handle = self.open_key(db, key);
        handle.reclaim();
        if let Some(entry) = handle.entry()
            && !handle.env.no_touch
        {
            access::touch(&entry, handle.env);
        }
        handle
    }

    /// A key to be written, expired or not.
    #[inline]
    fn open_key<'c, 'k>(&'c mut self, db: usize, key: &'k [u8]) -> KeyMut<'c, 'k> {
        let (hash, shard) = self.place(key);
        if self.locks.writer.version() == 0 {
            self.locks.mint(self.env.version_ms);
        }
        let (shard, writer) = self.locks.get_to_write(shard);
        let stamp = Stamp { version: writer.version(), origin: writer.label() };
        let pos = shard.dbs[db].find(hash, key);
        KeyMut { shard, env: &self.env, out: &mut self.out, stamp, writer, db, key, hash, pos }
    }

    /// Removes what has expired of a key, because somebody has come upon it who does not want to write to it.
    pub(crate) fn reclaim_in(&mut self, db: usize, key: &[u8]) {
        self.open_key(db, key).reclaim_unasked();
    }

    /// Announces an event on a key, if somebody listens for its class.
    #[inline]
    pub fn notify(&mut self, class: u32, name: &'static str, key: &[u8]) {
        self.out.notify(&self.env.tuning, class, name, self.db, key);
    }

    /// Removes the keys that were found expired while reading, and announces those that were not found. To be called
    /// before the locks are released.
    #[inline]
    pub fn reap(&mut self) {
        if !self.out.expired_seen.get_mut().is_empty() || !self.out.missed.get_mut().is_empty() {
            self.reap_seen();
        }
    }

    #[cold]
    fn reap_seen(&mut self) {
        let events_before = self.out.events.len();
        let mut expired = std::mem::take(self.out.expired_seen.get_mut());
        if self.env.frozen {
            expired.clear();
        }
        if !expired.is_empty() {
            self.begin();
        }
        for (db, key) in expired {
            if self.holds(&key) {
                self.reclaim_in(db, &key);
            }
        }
        self.out.announce_misses(events_before);
    }

    /// Keys, and keys with a deadline, in one database. Takes the shards one after the other unless all are held.
    pub fn sizes(&mut self, db: usize) -> (usize, usize) {
        let (mut keys, mut expiring) = (0, 0);
        self.each_shard(|shard| {
            keys += shard.dbs[db].len();
            expiring += shard.dbs[db].expiring();
        });
        (keys, expiring)
    }

    /// Visits every shard, one after the other. Inside a transaction all of them must be held.
    pub fn each_shard(&mut self, mut visit: impl FnMut(&mut Shard)) {
        for shard in 0..self.keyspace.shard_count() {
            self.locks.hold_one(shard);
            visit(self.locks.get_mut(shard));
        }
        self.locks.release();
    }

    /// Empties a database, all of whose shards must be held; tells watchers, caches and who waits for a key to go.
    pub fn flush(&mut self, db: usize) {
        if self.locks.writer.version() == 0 {
            self.locks.mint(self.env.version_ms);
        }
        let stamp = Stamp { version: self.locks.writer.version(), origin: self.locks.writer.label() };
        let place = Place::new(stamp, self.locks.writer.subs());
        if self.locks.writer.is_on() {
            self.locks.writer.add(|w| {
                codec::put_head(w, db as u32, false, b"");
                codec::clear_db(w);
            });
        }
        for shard in self.locks.iter_mut() {
            if let Some(overlay) = &mut shard.overlay {
                overlay.note_clear_db(place, db as u32);
            }
            let Shard { dbs, interests, waiting, .. } = shard;
            let had = |key: &[u8]| dbs[db].get(self.keyspace.hash(key), key).is_some();
            interests.changed_where(|d, key| d == db && had(key));
            interests.forget_tracked();
            let gone = waiting.keys(db).into_iter().filter(|key| had(key));
            self.out.ready.extend(gone.map(|key| (db, key.into_vec())));
            self.out.dirty += dbs[db].len() as u64;
        }
        let garbage = self.locks.take_db(db);
        self.out.garbage.extend(garbage.into_iter().map(Garbage::Db));
        self.out.flushed = true;
    }

    /// Empties a database to fill it from a file: nobody is told. All shards must be held.
    pub fn empty(&mut self, db: usize) {
        let garbage = self.locks.take_db(db);
        self.out.garbage.extend(garbage.into_iter().map(Garbage::Db));
    }

    /// Exchanges the contents of two databases, all of whose shards must be held; tells watchers of what either has, and
    /// wakes who waits for a key that has come or gone.
    pub fn swap(&mut self, a: usize, b: usize) {
        if a == b {
            self.out.dirty += 1;
            return;
        }
        let now = self.env.now_ms;
        for shard in self.locks.iter_mut() {
            let Shard { dbs, interests, waiting, .. } = shard;
            // What has expired is not there, whether it has been removed already or not.
            let has = |key: &[u8]| {
                let hash = self.keyspace.hash(key);
                let entries = [a, b].into_iter().filter_map(|db| dbs[db].get(hash, key));
                entries.into_iter().any(|entry| entry.deadline().is_none_or(|at| at > now))
            };
            interests.changed_where(|d, key| (d == a || d == b) && has(key));
            for (db, from) in [(a, b), (b, a)] {
                let (moved, rest): (Vec<_>, Vec<_>) = waiting.keys(db).into_iter().partition(|key| has(key));
                self.out.ready.extend(moved.into_iter().map(|key| (db, key.into_vec())));
                // What has expired meets somebody who would have taken it, and goes.
                let expired =
                    rest.into_iter().filter(|key| dbs[from].get(self.keyspace.hash(key), key).is_some());
                self.out.expired_seen.get_mut().extend(expired.map(|key| (db, key.into_vec())));
            }
            let (low, high) = dbs.split_at_mut(a.max(b));
            low[a.min(b)].swap(&mut high[0]);
        }
        self.out.dirty += 1;
    }
}

impl Outbox {
    /// Nothing has to happen.
    #[inline]
    pub fn is_quiet(&self) -> bool {
        self.ready.is_empty()
            && self.events.is_empty()
            && self.invalidated.is_empty()
            && self.changed.is_empty()
            && self.garbage.is_empty()
            && !self.flushed
    }

    /// What a command left to do is not to be done: it only repeats what was done before.
    pub fn forget(&mut self) {
        *self = Outbox { wants_changed: self.wants_changed, ..Outbox::default() };
    }

    #[inline]
    pub fn notify(&mut self, tuning: &Tuning, class: u32, name: &'static str, db: usize, key: &[u8]) {
        if tuning.notify & class != 0 {
            self.events.push(Event { class, name, db, key: key.to_vec() });
        }
    }

    /// Remembers that a key was looked for in vain, if somebody listens for that.
    #[inline]
    pub(crate) fn note_miss(&self, tuning: &Tuning, db: usize, key: &[u8]) {
        if tuning.notify & notify::KEY_MISS != 0 {
            self.missed.borrow_mut().push((self.events.len(), db, key.to_vec()));
        }
    }

    /// Puts the misses among the events, where they happened. What was found expired, after the first `events_before`
    /// events, was so before it was missed.
    fn announce_misses(&mut self, events_before: usize) {
        for (earlier, (at, db, key)) in std::mem::take(self.missed.get_mut()).into_iter().enumerate() {
            let at = if at < events_before { at + earlier } else { self.events.len() };
            self.events.insert(at, Event { class: notify::KEY_MISS, name: "keymiss", db, key });
        }
    }

    /// Frees a value, here if that is quick.
    fn discard(&mut self, value: Value, lazily: bool) {
        if lazily && value.free_effort() > LAZYFREE_EFFORT {
            self.garbage.push(Garbage::Value(value));
        }
    }
}

/// A key that may be written: where it is or would be. The only way to change data.
pub struct KeyMut<'c, 'k> {
    pub(crate) shard: &'c mut Shard,
    pub env: &'c Env,
    pub(crate) out: &'c mut Outbox,
    pub(crate) writer: &'c mut Writer,
    pub(crate) stamp: Stamp,
    pub(crate) db: usize,
    pub key: &'k [u8],
    pub(crate) hash: u64,
    pub(crate) pos: Option<Pos>,
}

impl KeyMut<'_, '_> {
    #[inline]
    pub fn exists(&self) -> bool {
        self.pos.is_some()
    }

    #[inline]
    pub fn entry(&self) -> Option<EntryRef<'_>> {
        self.pos.map(|pos| self.shard.dbs[self.db].at(pos))
    }

    #[inline]
    pub fn value(&self) -> Option<ValueRef<'_>> {
        self.entry().map(|e| e.value())
    }

    pub fn kind(&self) -> Option<Kind> {
        self.entry().map(|e| e.kind())
    }

    /// When the key expires, unix ms.
    pub fn deadline(&self) -> Option<u64> {
        self.entry().and_then(|e| e.deadline())
    }

    pub fn hash(&self) -> Result<Option<LiveHash<'_>>, ErrorReply> {
        match self.value() {
            None => Ok(None),
            Some(ValueRef::Hash(v)) => Ok(Some(v.live(self.env.due()))),
            Some(_) => Err(WRONGTYPE),
        }
    }

    pub fn set(&self) -> Result<Option<LiveSet<'_>>, ErrorReply> {
        match self.value() {
            None => Ok(None),
            Some(ValueRef::Set(v)) => Ok(Some(v.live(self.env.due()))),
            Some(_) => Err(WRONGTYPE),
        }
    }

    pub fn zset(&self) -> Result<Option<LiveZset<'_>>, ErrorReply> {
        match self.value() {
            None => Ok(None),
            Some(ValueRef::Zset(v)) => Ok(Some(v.live(self.env.due()))),
            Some(_) => Err(WRONGTYPE),
        }
    }

    pub fn list(&self) -> Result<Option<&List>, ErrorReply> {
        match self.value() {
            None => Ok(None),
            Some(ValueRef::List(v)) => Ok(Some(v)),
            Some(_) => Err(WRONGTYPE),
        }
    }

    pub fn stream(&self) -> Result<Option<&Stream>, ErrorReply> {
        match self.value() {
            None => Ok(None),
            Some(ValueRef::Stream(v)) => Ok(Some(v)),
            Some(_) => Err(WRONGTYPE),
        }
    }

    /// The stamp that effects of this command carry.
    #[inline]
    pub fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// Changes the key. The one door for writes: stamps the key, tells watchers, caches and blocked clients.
    #[inline]
    pub fn apply(&mut self, effect: Effect<'_>) -> Outcome {
        if self.writer.is_on() {
            return self.apply_and_tell(effect);
        }
        let outcome = apply::apply(self, effect);
        if outcome != Outcome::Unchanged {
            self.changed(true);
        }
        outcome
    }

    /// [`KeyMut::apply`] of what counts as a change even where all is so already: who watches the key, the log and replicas hear
    /// of it, as Redis has it.
    pub fn apply_counted(&mut self, effect: Effect<'_>) {
        if !self.apply(effect).changed() {
            self.changed(true);
        }
    }

    /// [`KeyMut::apply`], written down. An effect that found nothing to do is told only if it asserts something.
    fn apply_and_tell(&mut self, effect: Effect<'_>) -> Outcome {
        if self.shard.overlay.is_some() {
            let outcome = self.apply_as_member(effect);
            if outcome != Outcome::Unchanged {
                self.changed(true);
            }
            return outcome;
        }
        let asserts = effect.asserts();
        let told = self.tell(&effect);
        let outcome = apply::apply(self, effect);
        if outcome != Outcome::Unchanged {
            self.changed(true);
        } else if !(asserts && self.exists()) {
            self.writer.retract(told);
        }
        outcome
    }

    #[inline]
    pub(crate) fn changed(&mut self, by_client: bool) {
        self.out.dirty += 1;
        if !self.shard.interests.is_empty() {
            let clients = self.shard.interests.changed(self.db, self.key);
            let changed = |client| (client, Changed { key: self.key.to_vec(), by_client });
            self.out.invalidated.extend(clients.into_iter().map(changed));
        }
        if self.out.wants_changed {
            self.out.changed.push(Changed { key: self.key.to_vec(), by_client });
        }
        if !self.shard.waiting.is_empty() {
            self.wake();
        }
    }

    /// Has the clients served that wait on the key.
    fn wake(&mut self) {
        let known = self.out.ready.back().is_some_and(|(db, key)| *db == self.db && key == self.key);
        if !known && self.shard.waiting.has(self.db, self.key) {
            self.out.ready.push_back((self.db, self.key.to_vec()));
        }
    }

    /// Announces an event on this key.
    #[inline]
    pub fn notify(&mut self, class: u32, name: &'static str) {
        self.out.notify(&self.env.tuning, class, name, self.db, self.key);
    }

    /// Removes the key if its deadline has passed, or those of its members whose deadlines have.
    #[inline]
    pub(crate) fn reclaim(&mut self) {
        let (now, Some(entry)) = (self.env.due(), self.entry()) else { return };
        if self.shard.overlay.is_some() {
            return self.reclaim_in_mesh();
        }
        if entry.deadline().is_some_and(|at| at <= now) {
            self.expire();
        } else if entry.next_member_deadline().is_some_and(|at| at <= now) {
            self.expire_members(now);
        }
    }

    /// Removes members whose time has come, a bounded number of them, and the key with its last one.
    #[cold]
    fn expire_members(&mut self, now: u64) {
        let Some(value) = self.value() else { return };
        let Some(family) = Family::of(value) else { return };
        // If all go, the key goes as a whole.
        let all = value.is_spent(now).then(|| value.deadlines().map_or(0, Deadlines::len));
        self.tell_due_members(now, if all.is_some() { usize::MAX } else { RECLAIM_MAX });
        self.out.reclaimed += 1;
        let reclaimed = match all {
            Some(all) => Some((all, 0)),
            None => self.value_mut().and_then(|mut value| value.reclaim(now, RECLAIM_MAX)),
        };
        let Some((removed, left)) = reclaimed else { return };
        self.shard.stats.expired_members += removed as u64;
        self.changed(false);
        self.notify(family.class(), family.expired_event());
        if left == 0 {
            self.remove(self.env.tuning.lazyfree_expire);
            self.notify(notify::GENERIC, "del");
        } else if let Some(next) = self.entry().and_then(|entry| entry.next_due()) {
            self.note_member_deadline(next);
        }
    }

    /// The key goes by itself: that is a command, too.
    pub(crate) fn feed_removal(&mut self, lazily: bool) {
        self.out.reclaimed += 1;
        if let Some(feed) = self.writer.feed() {
            let name: &[u8] = if lazily { b"UNLINK" } else { b"DEL" };
            feed.command(self.db, [name, self.key].into_iter());
        }
    }

    /// Lets the expiry cycle know that a member of the key expires at `deadline`.
    pub(crate) fn note_member_deadline(&mut self, deadline: u64) {
        self.shard.dbs[self.db].note_deadline(self.hash, deadline);
    }

    /// Removes the key because its time has come.
    pub(crate) fn expire(&mut self) {
        if let Some(deadline) = self.deadline().filter(|_| self.writer.is_on()) {
            self.tell_reclaim_at(deadline);
        }
        self.feed_removal(self.env.tuning.lazyfree_expire);
        self.remove(true);
        self.shard.stats.expired += 1;
        self.changed(false);
        self.notify(notify::EXPIRED, "expired");
    }

    /// Removes the key to make room. Returns by how much the reading of `used` has fallen; what others are told of it
    /// comes after that.
    pub(crate) fn evict(&mut self, used: fn() -> i64) -> i64 {
        if self.shard.overlay.is_some() {
            self.tell_evict();
        } else {
            self.tell_clear();
        }
        self.feed_removal(self.env.tuning.lazyfree_eviction);
        let before = used();
        self.remove(true);
        let freed = before - used();
        self.shard.stats.evicted += 1;
        self.changed(false);
        self.notify(notify::EVICTED, "evicted");
        freed
    }

    /// Takes the value out of the keyspace, for RENAME and MOVE, without freeing it.
    pub fn take(&mut self) -> Option<Value> {
        self.tell_clear();
        let pos = self.pos.take()?;
        let value = self.shard.dbs[self.db].remove(pos);
        self.changed(true);
        Some(value)
    }

    pub(crate) fn remove(&mut self, lazily: bool) {
        if let Some(pos) = self.pos.take() {
            let value = self.shard.dbs[self.db].remove(pos);
            self.out.discard(value, lazily);
        }
    }

    pub(crate) fn discard(&mut self, value: Value) {
        self.out.discard(value, self.env.tuning.lazyfree_server_del);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effect::{Deadline, NewValue};
    use crate::types::string::IntText;

    fn put(ctx: &mut Ctx<'_>, key: &[u8], value: &[u8], deadline: Deadline) -> Outcome {
        ctx.begin();
        let shard = ctx.keyspace.shard_of(ctx.keyspace.hash(key));
        ctx.locks.hold_one(shard);
        ctx.key(key).apply(Effect::Put { value: NewValue::String(value), deadline, absent: false })
    }

    fn get(ctx: &mut Ctx<'_>, key: &[u8]) -> Option<Vec<u8>> {
        let shard = ctx.keyspace.shard_of(ctx.keyspace.hash(key));
        ctx.locks.hold_one(shard);
        ctx.value(key).map(|v| v.string_bytes(&mut IntText::default()).unwrap().to_vec())
    }

    #[test]
    fn what_was_put_is_read_until_its_deadline() {
        let keyspace = Keyspace::new(16, 2);
        let mut ctx = Ctx::new(&keyspace, 1);
        ctx.env.tick(1_000);
        for n in 0..20_000u32 {
            let key = format!("key:{n}");
            let value = "v".repeat(n as usize % 400);
            assert_eq!(put(&mut ctx, key.as_bytes(), value.as_bytes(), Deadline::Clear), Outcome::Created);
        }
        for n in 0..20_000u32 {
            let key = format!("key:{n}");
            assert_eq!(get(&mut ctx, key.as_bytes()).map(|v| v.len()), Some(n as usize % 400));
        }
        put(&mut ctx, b"key:5", b"12", Deadline::At(2_000));
        ctx.env.tick(1_999);
        assert_eq!(get(&mut ctx, b"key:5"), Some(b"12".to_vec()));
        ctx.env.tick(2_000);
        assert_eq!(get(&mut ctx, b"key:5"), None);
        ctx.reap();
        ctx.locks.release();
        assert_eq!(keyspace.sizes(0), (19_999, 0));
        put(&mut ctx, b"key:5", b"13", Deadline::Clear);
        assert_eq!(get(&mut ctx, b"key:5"), Some(b"13".to_vec()));
    }

    #[test]
    fn every_effect_of_a_command_has_one_version_and_versions_rise() {
        let keyspace = Keyspace::new(16, 2);
        let mut ctx = Ctx::new(&keyspace, 1);
        ctx.env.tick(5);
        ctx.locks.hold_all();
        let mut last = 0;
        for round in 0..100 {
            ctx.begin();
            let stamps: Vec<u64> = [&b"a"[..], b"b", b"c"]
                .iter()
                .map(|key| {
                    let mut k = ctx.key(key);
                    k.apply(Effect::Put {
                        value: NewValue::String(format!("{round}").as_bytes()),
                        deadline: Deadline::Clear,
                        absent: false,
                    });
                    k.entry().unwrap().stamp().version
                })
                .collect();
            assert!(stamps[0] > last && stamps.iter().all(|s| *s == stamps[0]));
            last = stamps[0];
        }
    }

    #[test]
    fn the_expiry_cycle_finds_keys_with_members_that_are_due() {
        let keyspace = Keyspace::new(16, 2);
        let mut ctx = Ctx::new(&keyspace, 1);
        ctx.env.tick(1_000);
        ctx.locks.hold_all();
        let mut key = ctx.key(b"h");
        for (field, deadline) in [(b"a", Some(2_000)), (b"b", None), (b"c", Some(3_000))] {
            key.apply(Effect::SetField { field, value: b"v", absent: false });
            key.apply(Effect::FieldExpire { field, deadline });
        }
        let shard = keyspace.shard_of(keyspace.hash(b"h"));
        let due = |ctx: &mut Ctx<'_>, now| {
            ctx.env.tick(now);
            let (mut keys, mut budget) = (Vec::new(), 1000);
            ctx.locks.get_mut(shard).dbs[0].sweep(now, &mut budget, &mut keys);
            keys.iter().for_each(|key: &Vec<u8>| assert!(ctx.key(key).exists()));
            keys
        };
        assert!(due(&mut ctx, 1_999).is_empty());
        assert_eq!(due(&mut ctx, 2_000), [b"h"]);
        assert!(due(&mut ctx, 2_999).is_empty());
        assert_eq!(due(&mut ctx, 3_000), [b"h"]);
        assert_eq!(ctx.read_hash(b"h").unwrap().map(|hash| hash.len()), Some(1));
        assert!(due(&mut ctx, 9_000).is_empty());
        assert_eq!(ctx.locks.get(shard).stats.expired_members, 2);
    }
}
