//! The keyspace: shards by the top bits of a key's hash, and the locks a command holds on them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::*};
use std::time::{Duration, Instant};

use parking_lot::MutexGuard;
use smallvec::SmallVec;

use crate::db::{self, Detached};
use crate::journal::{Journal, Writer};
use crate::shard::{Shard, ShardCell};

/// All data of the node.
pub struct Keyspace {
    shards: Box<[ShardCell]>,
    bits: u32,
    databases: usize,
    hasher: ahash::RandomState,
    /// What was applied, for those who pass it on.
    pub journal: Arc<Journal>,
    /// Somebody who can let go of nothing waits for a shard, see [`Locks::insist`].
    insisting: AtomicBool,
    /// The same as commands, see [`crate::journal::feed`].
    pub feed: Arc<Journal>,
}

/// Nobody can guess where a key goes; but tests replay what they have drawn.
pub(crate) fn hasher() -> ahash::RandomState {
    if cfg!(test) { ahash::RandomState::with_seeds(1, 2, 3, 4) } else { ahash::RandomState::new() }
}

impl Keyspace {
    /// A keyspace for `threads` workers: enough shards that two workers rarely meet, few enough to take them all.
    pub fn new(databases: usize, threads: usize) -> Keyspace {
        let count = (threads.max(1) * 64).next_power_of_two().clamp(64, 4096);
        let bits = count.trailing_zeros();
        let hasher = hasher();
        let shards = (0..count).map(|_| ShardCell::new(databases, bits, &hasher)).collect();
        let insisting = AtomicBool::new(false);
        Keyspace { shards, bits, databases, hasher, journal: Arc::default(), feed: Arc::default(), insisting }
    }

    /// An empty keyspace whose shards hold the same ranges of the same hashes: what is put into it can take the place of
    /// what is here, shard by shard.
    pub fn sibling(&self) -> Keyspace {
        let Keyspace { bits, databases, ref hasher, .. } = *self;
        let shards = (0..self.shards.len()).map(|_| ShardCell::new(databases, bits, hasher)).collect();
        let insisting = AtomicBool::new(false);
        let (journal, feed) = (Arc::default(), Arc::default());
        Keyspace { shards, bits, databases, hasher: hasher.clone(), journal, feed, insisting }
    }

    pub fn databases(&self) -> usize {
        self.databases
    }

    pub fn shard_count(&self) -> usize {
        self.shards.len()
    }

    #[inline]
    pub fn hash(&self, key: &[u8]) -> u64 {
        db::hash(&self.hasher, key)
    }

    /// The shard of a hash.
    #[inline]
    pub fn shard_of(&self, hash: u64) -> usize {
        (hash >> (64 - self.bits)) as usize
    }

    /// Bits of a hash that select the shard.
    pub fn shard_bits(&self) -> u32 {
        self.bits
    }

    #[inline]
    pub fn cell(&self, shard: usize) -> &ShardCell {
        &self.shards[shard]
    }

    /// Brings the bucket of a key into the cache.
    #[inline]
    pub fn prefetch_bucket(&self, db: usize, hash: u64, pinned: &crossbeam_epoch::Guard) {
        self.shards[self.shard_of(hash)].published[db].prefetch_bucket(hash << self.bits, pinned);
    }

    /// Brings the lock of a key's shard into this core's cache. Not long before it is taken, or another core has it back.
    #[inline]
    pub fn prefetch_shard(&self, hash: u64) {
        self.shards[self.shard_of(hash)].prefetch();
    }

    /// Brings the entry of a key into the cache, once its bucket is there.
    #[inline]
    pub fn prefetch_entry(&self, db: usize, hash: u64, pinned: &crossbeam_epoch::Guard) {
        self.shards[self.shard_of(hash)].published[db].prefetch_item(hash << self.bits, hash, pinned);
    }

    /// Makes room for about so many keys in a database that has none. Takes the shards one after the other.
    pub fn reserve(&self, db: usize, keys: usize) {
        let each = keys / self.shards.len();
        self.shards.iter().for_each(|cell| cell.lock.lock().dbs[db].reserve(each));
    }

    /// Keys and keys with a deadline in one database. Takes the shards one after the other.
    pub fn sizes(&self, db: usize) -> (usize, usize) {
        self.shards.iter().fold((0, 0), |(keys, expiring), cell| {
            let shard = cell.lock.lock();
            (keys + shard.dbs[db].len(), expiring + shard.dbs[db].expiring())
        })
    }

    /// The highest version that any shard has seen.
    pub fn latest_version(&self) -> u64 {
        self.shards.iter().map(|cell| cell.lock.lock().clock.last()).max().unwrap_or(0)
    }

    /// Sums something over all shards, one after the other.
    pub fn sum<T: std::iter::Sum>(&self, of: impl Fn(&Shard) -> T) -> T {
        self.shards.iter().map(|cell| of(&cell.lock.lock())).sum()
    }
}

/// Between two looks at a shard that somebody else has.
const STEP: Duration = Duration::from_millis(1);
/// How long one who insists waits for another one to have done so.
const PATIENCE: Duration = Duration::from_secs(1);

/// The shards a command holds, in ascending order: that order is what makes deadlock impossible.
pub struct Locks<'e> {
    keyspace: &'e Keyspace,
    held: SmallVec<[(usize, MutexGuard<'e, Shard>); 1]>,
    /// A transaction holds what it needs: commands inside neither release nor add.
    pinned: bool,
    /// What is written down of what is done under the locks.
    pub(crate) writer: Writer,
}

impl<'e> Locks<'e> {
    pub fn new(keyspace: &'e Keyspace) -> Locks<'e> {
        Locks {
            keyspace,
            held: SmallVec::new(),
            pinned: false,
            writer: Writer::new(&keyspace.journal).with_feed(&keyspace.feed),
        }
    }

    /// Lets go of everything, and hands over what was written down meanwhile.
    pub fn release(&mut self) {
        if self.pinned {
            return;
        }
        self.held.clear();
        self.writer.flush();
    }

    /// Whether commands are written down from the next group on, see [`Writer::mute_feed`].
    pub fn mute_feed(&mut self, muted: bool) {
        self.writer.mute_feed(muted);
    }

    /// The writer of commands, if they are written down in the group under way.
    #[inline]
    pub fn feed(&mut self) -> Option<&mut Writer> {
        self.writer.feed()
    }

    /// Whether commands are written down, as of the last group.
    #[inline]
    pub fn feeds(&self) -> bool {
        self.writer.feeds()
    }

    /// See [`Writer::rest_feed`].
    pub(crate) fn rest_feed(&mut self) {
        self.writer.rest_feed();
    }

    /// All that is done under these locks is what another server, of no mesh, has sent.
    pub fn for_another(&mut self) {
        self.writer.is_for_another();
    }

    /// The version of the last group.
    pub fn last_version(&self) -> u64 {
        self.writer.last()
    }

    /// Lets go of what is held; a group of effects never goes on under other locks.
    #[inline]
    fn let_go(&mut self) {
        self.writer.end_group();
        self.held.clear();
    }

    /// Holds one shard, keeping it if it is held alone already.
    #[inline]
    pub fn hold_one(&mut self, shard: usize) {
        if self.held.len() == 1 && self.held[0].0 == shard {
            return;
        }
        if self.pinned {
            assert!(self.holds(shard), "a transaction holds the shards of all its keys");
            return;
        }
        self.let_go();
        self.held.push((shard, self.keyspace.shards[shard].lock.lock()));
    }

    /// Holds exactly the shards of `wanted`, which is sorted here.
    pub fn hold(&mut self, wanted: &mut SmallVec<[usize; 16]>) {
        if self.pinned {
            return;
        }
        wanted.sort_unstable();
        wanted.dedup();
        if let [one] = wanted[..] {
            return self.hold_one(one);
        }
        if self.held.len() == wanted.len() && self.held.iter().zip(wanted.iter()).all(|(h, w)| h.0 == *w) {
            return;
        }
        self.take_all(|| wanted.iter().copied());
    }

    /// Holds every shard.
    pub fn hold_all(&mut self) {
        if self.held.len() == self.keyspace.shards.len() {
            return;
        }
        let count = self.keyspace.shards.len();
        self.take_all(|| 0..count);
    }

    /// Takes shards in ascending order, none being held before; lets go of them and begins anew while somebody insists.
    fn take_all<I: Iterator<Item = usize>>(&mut self, shards: impl Fn() -> I) {
        self.let_go();
        loop {
            if shards().all(|shard| self.take_last(shard)) {
                return;
            }
            self.held.clear();
            while self.keyspace.insisting.load(Acquire) {
                std::thread::sleep(STEP);
            }
        }
    }

    /// Takes a shard that is behind all that are held. False: somebody insists, and may be waiting for what is held.
    #[inline]
    fn take_last(&mut self, shard: usize) -> bool {
        let guard = self.keyspace.shards[shard].lock.try_lock().or_else(|| self.wait_for(shard));
        let taken = guard.is_some();
        self.held.extend(guard.map(|guard| (shard, guard)));
        taken
    }

    #[cold]
    fn wait_for(&self, shard: usize) -> Option<MutexGuard<'e, Shard>> {
        let keyspace = self.keyspace;
        let holds_some = !self.held.is_empty();
        keyspace.shards[shard].lock.wait(|| holds_some && keyspace.insisting.load(Acquire))
    }

    /// Holds more shards without letting go of any: for who has written and can't begin anew. Whoever else waits for
    /// several shards lets go of those it has. Only one may insist at a time; false if another one does, and goes on doing
    /// so for long, since it may be waiting for what is held here.
    pub fn insist(&mut self, shards: impl Iterator<Item = usize> + Clone) -> bool {
        if shards.clone().all(|shard| self.try_add(shard)) {
            return true;
        }
        let began = Instant::now();
        while self.keyspace.insisting.compare_exchange(false, true, AcqRel, Relaxed).is_err() {
            if began.elapsed() > PATIENCE {
                return false;
            }
            std::thread::sleep(STEP);
        }
        for shard in shards {
            while !self.try_add(shard) {
                std::thread::sleep(STEP / 10);
            }
        }
        self.keyspace.insisting.store(false, Release);
        true
    }

    /// Holds one more shard if nobody has it.
    fn try_add(&mut self, shard: usize) -> bool {
        let Err(at) = self.place(shard) else { return true };
        let Some(guard) = self.keyspace.shards[shard].lock.try_lock() else { return false };
        self.held.insert(at, (shard, guard));
        self.join_group(at);
        true
    }

    /// Keeps what is held until [`Locks::unpin`].
    pub fn pin(&mut self) {
        self.pinned = true;
    }

    /// Whether a transaction is under way.
    pub fn is_pinned(&self) -> bool {
        self.pinned
    }

    pub fn unpin(&mut self) {
        self.pinned = false;
    }

    /// Whether every shard is held.
    pub fn holds_all(&self) -> bool {
        self.held.len() == self.keyspace.shards.len()
    }

    /// Holds one more shard, if that can't deadlock: it is behind all that are held, or nobody has it. False if not.
    pub fn add(&mut self, shard: usize) -> bool {
        match self.place(shard) {
            Ok(_) => true,
            Err(at) if at == self.held.len() => {
                let taken = self.take_last(shard);
                if taken {
                    self.join_group(at);
                }
                taken
            }
            Err(_) => self.try_add(shard),
        }
    }

    /// Brings a shard that has been added, the `at`-th that is held, into the group under way.
    fn join_group(&mut self, at: usize) {
        if self.held[at].1.clock.last() >= self.writer.version() {
            // The shard has seen newer writes than the group under way.
            self.writer.end_group();
        }
        let version = self.writer.version();
        self.held[at].1.clock.observe(version);
    }

    #[inline]
    fn place(&self, shard: usize) -> Result<usize, usize> {
        // One shard, or all of them, are the usual cases.
        for guess in [0, shard] {
            if self.held.get(guess).is_some_and(|h| h.0 == shard) {
                return Ok(guess);
            }
        }
        self.held.binary_search_by_key(&shard, |h| h.0)
    }

    #[inline]
    pub fn holds(&self, shard: usize) -> bool {
        self.place(shard).is_ok()
    }

    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// A held shard. Panics if it is not held: the command's table row is wrong about its keys.
    #[inline]
    pub fn get(&self, shard: usize) -> &Shard {
        let at = self.place(shard).expect("a command only touches shards that it holds");
        &self.held[at].1
    }

    #[inline]
    pub fn get_mut(&mut self, shard: usize) -> &mut Shard {
        let at = self.place(shard).expect("a command only touches shards that it holds");
        &mut self.held[at].1
    }

    pub fn iter(&self) -> impl Iterator<Item = &Shard> {
        self.held.iter().map(|h| &*h.1)
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Shard> {
        self.held.iter_mut().map(|h| &mut *h.1)
    }

    /// Begins a group: its version is above all that the held shards have seen.
    #[inline]
    pub fn mint(&mut self, now_ms: u64) -> u64 {
        let seen = match &self.held[..] {
            [(_, one)] => one.clock.last(),
            all => all.iter().map(|h| h.1.clock.last()).max().unwrap_or(0),
        };
        let version = self.writer.begin_group(seen, now_ms);
        self.held.iter_mut().for_each(|h| h.1.clock.observe(version));
        version
    }

    /// A held shard, and the writer.
    #[inline]
    pub(crate) fn get_to_write(&mut self, shard: usize) -> (&mut Shard, &mut Writer) {
        let at = self.place(shard).expect("a command only touches shards that it holds");
        (&mut self.held[at].1, &mut self.writer)
    }

    /// Empties one database in every held shard.
    pub fn take_db(&mut self, db: usize) -> Vec<Detached> {
        self.iter_mut().map(|shard| shard.dbs[db].take()).filter(|d| !d.is_empty()).collect()
    }
}
