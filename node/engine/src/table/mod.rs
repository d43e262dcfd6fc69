//! The hash table of the keyspace and of every big hash, set and sorted set.
//!
//! It is an extendible-hash directory of small segments. The top bits of an item's hash select the directory entry, the
//! following bits the bucket inside the segment, the lowest byte is a fingerprint. A bucket is one cache line: seven
//! item words and a word of seven fingerprints plus a count of the items that found it full and moved on.
//!
//! ```text
//! hash  | skip: shard | directory | bucket ...            | fingerprint |
//! dir   [ w w w w ... ]   word = address | buckets << 48 | depth << 56
//! segment [header][bucket 0][bucket 1]...   up to 64 buckets = 448 items
//! ```
//!
//! What follows from it:
//! * Growth is one segment at a time (at most 448 items move): no pause grows with the data.
//! * Buckets and segments are in hash order, so a SCAN cursor is a position in hash order: stateless, complete and
//!   without repeats however the table grows or shrinks between calls, because an item's hash never changes.
//! * A lookup touches the directory word (cached), one bucket line and the item. Both can be prefetched for a whole
//!   batch of commands before the first is executed, see [`Published`].
//! * Each segment keeps a lower bound of its items' deadlines, so expiry visits only segments that have something due.
//!
//! Writers need `&mut`. Words are atomics only so that [`Published`] may look at them without the lock to prefetch;
//! segments and directories of a published table are freed through epochs for the same reason.

mod published;
mod segment;
#[cfg(test)]
mod tests;

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::*};

pub use published::Published;
pub(crate) use published::{prefetch, prefetch_to_write};
use smallvec::SmallVec;

use segment::{BUCKETS_MAX, SEG_SLOTS_MAX, Segment};

/// What a table holds: a non-zero 64-bit word, usually an address.
pub trait Item: Copy {
    fn to_word(self) -> u64;
    /// The item whose `to_word` gave `word`.
    fn from_word(word: u64) -> Self;
}

/// Bits of a word that are an address, if the word holds one.
const ADDRESS: u64 = (1 << 48) - 1;

/// Depth beyond which a segment is not split: the directory would be larger than any memory.
const DEPTH_MAX: u32 = 36;

/// Bits of a position that a cursor leaves out: cursors are below 2^52, so they survive clients that keep them in doubles.
pub const CURSOR_UNIT: u32 = 12;

/// Items that a segment is to hold at most where room is made for many: with some more it is neither grown nor split soon.
const RESERVED_SLOTS_MAX: usize = 300;

/// Items that are fetched before the one is looked at that moves to another segment.
const AHEAD: usize = 12;

/// Segments that [`Table::sample`] looks at, once it has found something.
const SAMPLED_SEGMENTS_MAX: usize = 4;

/// What [`Table::due_segment`] has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DueStep {
    /// The position to go on from; `None` at the end.
    pub next: Option<u64>,
    /// A position in the segment that may have something due.
    pub due: Option<u64>,
    /// A lower bound of the deadlines in the segments that were passed over.
    pub bound: u64,
}

/// Where an item was found. Good until the table changes; a stale one is detected, not followed.
#[derive(Clone, Copy, Debug)]
pub struct Pos {
    hash: u64,
    word: u64,
    bucket: u32,
    slot: u32,
}

impl Pos {
    /// The item that was found.
    pub fn item<T: Item>(&self) -> T {
        T::from_word(self.word)
    }
}

pub(crate) struct Dir {
    bits: u32,
    words: Box<[AtomicU64]>,
}

impl Dir {
    fn of_one(seg: Segment) -> Dir {
        Dir { bits: 0, words: Box::new([AtomicU64::new(seg.to_word())]) }
    }

    #[inline]
    fn index(&self, frac: u64) -> usize {
        // Two shifts, as a shift by 64 is not one.
        ((frac >> 1) >> (63 - self.bits)) as usize
    }

    #[inline]
    fn segment(&self, frac: u64) -> Segment {
        Segment::from_word(self.words[self.index(frac)].load(Acquire))
    }
}

/// See the [module's page](self).
pub struct Table<T: Item> {
    /// `None` while the table is empty.
    dir: Option<Box<Dir>>,
    published: Option<Arc<Published>>,
    len: usize,
    /// Segments as deep as the directory; at none the directory is halved.
    deepest: usize,
    skip: u32,
    items: PhantomData<T>,
}

impl<T: Item> Default for Table<T> {
    fn default() -> Self {
        Table::new()
    }
}

impl<T: Item> Table<T> {
    pub const fn new() -> Table<T> {
        Table { dir: None, published: None, len: 0, deepest: 0, skip: 0, items: PhantomData }
    }

    /// A table all of whose hashes share their `skip` top bits, and whose directory `published` shows.
    pub fn with_published(skip: u32, published: Arc<Published>) -> Table<T> {
        Table { dir: None, published: Some(published), len: 0, deepest: 0, skip, items: PhantomData }
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    #[inline]
    fn frac(&self, hash: u64) -> u64 {
        hash << self.skip
    }

    /// Where an item with this hash is, in the order of [`Table::scan`].
    pub fn position(&self, hash: u64) -> u64 {
        self.frac(hash)
    }

    /// Finds the item of `hash` that `is_it` accepts.
    #[inline]
    pub fn find(&self, hash: u64, mut is_it: impl FnMut(T) -> bool) -> Option<Pos> {
        let seg = self.dir.as_ref()?.segment(self.frac(hash));
        let found = seg.find(self.frac(hash), hash as u8, |word| is_it(T::from_word(word)))?;
        Some(Pos { hash, word: found.2, bucket: found.0, slot: found.1 })
    }

    /// Brings the buckets of these hashes into the cache, then the items that are probably meant: the misses overlap.
    pub fn prefetch(&self, hashes: impl Iterator<Item = u64>) {
        let Some(dir) = &self.dir else { return };
        let hashes: SmallVec<[u64; 16]> = hashes
            .inspect(|hash| {
                let frac = self.frac(*hash);
                prefetch(dir.segment(frac).home_address(frac));
            })
            .collect();
        for hash in hashes {
            let frac = self.frac(hash);
            for word in dir.segment(frac).candidates(frac, hash as u8).into_iter().filter(|word| *word != 0) {
                prefetch((word & ADDRESS) as *const u8);
            }
        }
    }

    /// Adds an item that is not there yet. `hash_of` gives any item's hash, for items that have to move.
    pub fn insert(&mut self, hash: u64, item: T, hash_of: impl Fn(T) -> u64) {
        let frac = self.frac(hash);
        loop {
            let Some(dir) = &self.dir else {
                let seg = Segment::new(0, 1);
                self.set_dir(Some(Box::new(Dir::of_one(seg))));
                self.deepest = 1;
                continue;
            };
            if dir.segment(frac).insert(frac, hash as u8, item.to_word()) {
                self.len += 1;
                return;
            }
            self.grow(frac, &hash_of);
        }
    }

    /// Puts `item` in the place of the one found; both have the same hash.
    pub fn replace(&mut self, pos: Pos, item: T) -> Pos {
        let seg = self.checked(pos);
        seg.set(pos.bucket, pos.slot, item.to_word());
        Pos { word: item.to_word(), ..pos }
    }

    /// Takes out the item found.
    pub fn remove(&mut self, pos: Pos, hash_of: impl Fn(T) -> u64) -> T {
        let seg = self.checked(pos);
        seg.remove(self.frac(pos.hash), pos.bucket, pos.slot);
        self.len -= 1;
        if self.len == 0 {
            self.free_all();
        } else if seg.is_sparse() {
            self.shrink(self.frac(pos.hash), &hash_of);
        }
        T::from_word(pos.word)
    }

    fn checked(&self, pos: Pos) -> Segment {
        let seg = self.dir.as_ref().expect("a position in an empty table").segment(self.frac(pos.hash));
        assert_eq!(seg.get(pos.bucket, pos.slot), pos.word, "a position older than the table's last change");
        seg
    }

    /// Every item, in no stated order.
    pub fn iter(&self) -> impl Iterator<Item = T> + '_ {
        self.segments().flat_map(|seg| seg.words()).map(T::from_word)
    }

    fn segments(&self) -> impl Iterator<Item = Segment> + '_ {
        let words = self.dir.as_ref().map_or(&[][..], |d| &d.words);
        let mut last = 0;
        words.iter().filter_map(move |w| {
            let word = w.load(Relaxed);
            (std::mem::replace(&mut last, word) != word).then(|| Segment::from_word(word))
        })
    }

    /// Empties the table, handing every item to `each`.
    pub fn drain(&mut self, mut each: impl FnMut(T)) {
        for seg in self.segments() {
            seg.words().for_each(|word| each(T::from_word(word)));
        }
        self.free_all();
    }

    /// Moves everything out into a new, unpublished table, in constant time.
    pub fn take(&mut self) -> Table<T> {
        let (len, deepest) = (self.len, self.deepest);
        // A reader may still be looking at the segments through the published directory: they must not be freed
        // before it has gone, wherever the new owner drops them.
        let published = self.published.as_ref().map(|_| Arc::new(Published::default()));
        let dir = self.dir.take();
        self.publish();
        (self.len, self.deepest) = (0, 0);
        Table { dir, published, len, deepest, skip: self.skip, items: PhantomData }
    }

    /// Exchanges the contents of two tables with the same `skip`.
    pub fn swap(&mut self, other: &mut Table<T>) {
        std::mem::swap(&mut self.dir, &mut other.dir);
        std::mem::swap(&mut self.len, &mut other.len);
        std::mem::swap(&mut self.deepest, &mut other.deepest);
        self.publish();
        other.publish();
    }

    /// A uniformly chosen item.
    pub fn random(&self, mut rng: impl FnMut() -> u64) -> Option<T> {
        let dir = self.dir.as_ref().filter(|_| self.len > 0)?;
        // Segments have unequal shares of the directory and unequal sizes: accept each candidate slot with the same
        // probability by drawing (directory entry, slot of the largest size) and rejecting what does not exist.
        loop {
            let r = rng();
            let index = (r as usize) & (dir.words.len() - 1);
            let seg = Segment::from_word(dir.words[index].load(Relaxed));
            let first_of_segment = index & ((1 << (dir.bits - seg.depth())) - 1) == 0;
            let slot = ((r >> 40) as usize * if dir.bits == 0 { seg.slots() } else { SEG_SLOTS_MAX }) >> 24;
            if first_of_segment
                && slot < seg.slots()
                && let Some(word) = seg.nth_slot(slot)
            {
                return Some(T::from_word(word));
            }
        }
    }

    /// Up to `max` items that `wanted` admits, from a random place on: cheap samples. Gives none only if there is none, but
    /// perhaps fewer than there are, rather than search long.
    pub fn sample(&self, rng: u64, max: usize, wanted: impl Fn(T) -> bool, mut each: impl FnMut(T)) {
        let Some(dir) = self.dir.as_ref().filter(|_| self.len > 0) else { return };
        let (mut given, mut index) = (0, (rng as usize) & (dir.words.len() - 1));
        let (mut looked_at, mut covered) = (0, 0);
        while covered < dir.words.len() {
            let seg = Segment::from_word(dir.words[index].load(Relaxed));
            let start = (rng >> 32) as usize % seg.slots();
            let words = (0..seg.slots()).filter_map(|i| seg.nth_slot((start + i) % seg.slots()));
            for item in words.map(T::from_word).filter(|item| wanted(*item)).take(max - given) {
                each(item);
                given += 1;
            }
            looked_at += 1;
            if given == max || (given > 0 && looked_at >= SAMPLED_SEGMENTS_MAX) {
                return;
            }
            let span = 1 << (dir.bits - seg.depth());
            covered += span;
            index = ((index | (span - 1)) + 1) & (dir.words.len() - 1);
        }
    }

    /// Visits the items at the front of what lies at or after position `from` (a hash shifted left by `skip`), one
    /// bucket's worth, whose positions are below the returned one: the position to go on from, `None` at the end.
    /// Positions are multiples of `1 << unit`.
    pub fn scan(
        &self,
        from: u64,
        unit: u32,
        hash_of: impl Fn(T) -> u64,
        mut each: impl FnMut(T),
    ) -> Option<u64> {
        let dir = self.dir.as_ref()?;
        let seg = dir.segment(from);
        let end = seg.scan_end(from, unit);
        seg.near(from, end, |word| {
            let item = T::from_word(word);
            let at = hash_of(item) << self.skip;
            if at >= from && end.is_none_or(|end| at < end) {
                each(item);
            }
        });
        end
    }

    /// A step of a SCAN: visits at least `count` items from `cursor` on, if there are as many. Returns the cursor to go
    /// on with, 0 at the end. Cursors are positions without their last [`CURSOR_UNIT`] bits.
    pub fn scan_some(
        &self,
        cursor: u64,
        count: usize,
        hash_of: impl Fn(T) -> u64,
        mut each: impl FnMut(T),
    ) -> u64 {
        let (mut at, mut seen) = (cursor << CURSOR_UNIT, 0);
        loop {
            let next = self.scan(at, CURSOR_UNIT, &hash_of, |item| {
                seen += 1;
                each(item);
            });
            match next {
                None => return 0,
                Some(next) if seen >= count => return next >> CURSOR_UNIT,
                Some(next) => at = next,
            }
        }
    }

    /// Collects all items of the segment at position `at`, and returns the position of the next one, `None` at the end.
    /// Items whose positions are below `at` may be among them, after segments have been merged.
    pub fn segment(&self, at: u64, out: &mut Vec<T>) -> Option<u64> {
        let seg = self.dir.as_ref()?.segment(at);
        out.extend(seg.words().map(T::from_word));
        seg.range_end(at)
    }

    /// Bytes held by the table itself.
    pub fn heap_bytes(&self) -> usize {
        let dir = self.dir.as_ref().map_or(0, |d| size_of::<Dir>() + d.words.len() * 8);
        dir + self.segments().map(|s| s.bytes()).sum::<usize>()
    }

    // ---- deadlines

    /// Notes that an item with this hash has a deadline (ms).
    pub fn note_deadline(&mut self, hash: u64, deadline: u64) {
        if let Some(dir) = &self.dir {
            let seg = dir.segment(self.frac(hash));
            seg.set_due(seg.due().min(deadline));
        }
    }

    /// Looks from position `from` on, at `budget` segments at most, for one that may have an item due at `now`, and
    /// collects its items into `out`. The budget is reduced by the segments looked at.
    pub fn due_segment(&self, from: u64, now: u64, budget: &mut usize, out: &mut Vec<T>) -> DueStep {
        let mut step = DueStep { next: None, due: None, bound: u64::MAX };
        let Some(dir) = &self.dir else { return step };
        let mut at = from;
        while *budget > 0 {
            *budget -= 1;
            let seg = dir.segment(at);
            step.next = seg.range_end(at);
            if seg.due() <= now {
                out.extend(seg.words().map(T::from_word));
                step.due = Some(at);
                return step;
            }
            step.bound = step.bound.min(seg.due());
            let Some(next) = step.next else { return step };
            at = next;
        }
        step.next = Some(at);
        step
    }

    /// Sets the bound of the deadlines in the segment at a position.
    pub fn set_due(&mut self, at: u64, due: u64) {
        if let Some(dir) = &self.dir {
            dir.segment(at).set_due(due);
        }
    }

    // ---- growth

    /// Gives an empty table room for about so many items: less is to be moved then as they come.
    pub fn reserve(&mut self, items: usize) {
        if self.len > 0 || items <= RESERVED_SLOTS_MAX {
            return;
        }
        self.free_all();
        let bits =
            (items.div_ceil(RESERVED_SLOTS_MAX) as u64).next_power_of_two().trailing_zeros().min(DEPTH_MAX);
        let each = (items >> bits) * 5 / 4;
        let buckets = segment::buckets_for(each);
        let words =
            (0..1u64 << bits).map(|_| AtomicU64::new(Segment::new(bits, buckets).to_word())).collect();
        self.set_dir(Some(Box::new(Dir { bits, words })));
        self.deepest = 1 << bits;
    }

    fn grow(&mut self, frac: u64, hash_of: &impl Fn(T) -> u64) {
        let dir = self.dir.as_ref().expect("grow follows a failed insert");
        let seg = dir.segment(frac);
        let (depth, buckets) = (seg.depth(), seg.buckets());
        if buckets < BUCKETS_MAX || depth >= DEPTH_MAX {
            // Adding more than a bucket each time keeps the number of moves per item constant.
            let wanted =
                (buckets + (buckets / 2).max(1)).min(if depth >= DEPTH_MAX { 1 << 15 } else { BUCKETS_MAX });
            assert!(wanted > buckets, "hashes collide beyond what chance allows");
            self.rebuild(frac, seg, wanted, hash_of);
            return;
        }
        if depth == dir.bits {
            self.double();
        }
        let (skip, half) = (self.skip, BUCKETS_MAX * 3 / 4);
        let mut parts = [Segment::new(depth + 1, half), Segment::new(depth + 1, half)];
        for (word, hash) in hashed(seg, hash_of) {
            let side = ((hash << skip) >> (63 - depth)) as usize & 1;
            let part = &mut parts[side];
            while !part.insert(hash << skip, hash as u8, word) {
                *part = grown(*part, skip, hash_of);
            }
        }
        parts.iter().for_each(|p| p.set_due(seg.due()));
        self.deepest += if depth + 1 == self.dir.as_ref().map_or(0, |d| d.bits) { 2 } else { 0 };
        self.point(frac, depth, |upper| parts[usize::from(upper)]);
        self.retire(seg);
    }

    /// Points all directory entries of the segment at `frac` with `depth` at `which(is in the upper half)`.
    fn point(&mut self, frac: u64, depth: u32, which: impl Fn(bool) -> Segment) {
        let dir = self.dir.as_ref().expect("a table with segments has a directory");
        let span = 1usize << (dir.bits - depth);
        let first = dir.index(frac) & !(span - 1);
        for (i, word) in dir.words[first..first + span].iter().enumerate() {
            word.store(which(i >= span / 2 && span > 1).to_word(), Release);
        }
    }

    fn rebuild(&mut self, frac: u64, seg: Segment, buckets: u32, hash_of: &impl Fn(T) -> u64) {
        let new = copied(seg, buckets, self.skip, hash_of);
        self.point(frac, seg.depth(), |_| new);
        self.retire(seg);
    }

    fn double(&mut self) {
        let old = self.dir.as_ref().expect("a table with segments has a directory");
        let words = old.words.iter().flat_map(|w| [w, w]).map(|w| AtomicU64::new(w.load(Relaxed))).collect();
        let bits = old.bits + 1;
        self.set_dir(Some(Box::new(Dir { bits, words })));
        self.deepest = 0;
    }

    fn shrink(&mut self, frac: u64, hash_of: &impl Fn(T) -> u64) {
        let dir = self.dir.as_ref().expect("a table with segments has a directory");
        let seg = dir.segment(frac);
        let depth = seg.depth();
        if seg.buckets() > 8 && (depth == 0 || seg.buckets() > BUCKETS_MAX / 2) {
            self.rebuild(frac, seg, (seg.buckets() / 2).max(1), hash_of);
            return;
        }
        if depth == 0 {
            return;
        }
        let buddy = dir.segment(frac ^ (1 << (64 - depth)));
        if buddy.depth() != depth || (seg.len() + buddy.len()) * 2 > SEG_SLOTS_MAX {
            return;
        }
        let mut merged = Segment::new(depth - 1, BUCKETS_MAX * 3 / 4);
        for (word, hash) in hashed(seg, hash_of).chain(hashed(buddy, hash_of)) {
            while !merged.insert(hash << self.skip, hash as u8, word) {
                merged = grown(merged, self.skip, hash_of);
            }
        }
        merged.set_due(seg.due().min(buddy.due()));
        let was_deepest = depth == dir.bits;
        self.point(frac, depth - 1, |_| merged);
        self.retire(seg);
        self.retire(buddy);
        if was_deepest {
            self.deepest -= 2;
            if self.deepest == 0 {
                self.halve();
            }
        }
    }

    fn halve(&mut self) {
        let old = self.dir.as_ref().expect("a table with segments has a directory");
        let words: Box<[_]> = old.words.iter().step_by(2).map(|w| AtomicU64::new(w.load(Relaxed))).collect();
        let bits = old.bits - 1;
        self.set_dir(Some(Box::new(Dir { bits, words })));
        self.deepest = self.segments().filter(|s| s.depth() == bits).count();
    }

    // ---- lifetime of segments and directories

    fn publish(&self) {
        if let Some(published) = &self.published {
            published.show(self.dir.as_deref());
        }
    }

    fn set_dir(&mut self, dir: Option<Box<Dir>>) {
        let old = std::mem::replace(&mut self.dir, dir);
        self.publish();
        if self.published.is_some()
            && let Some(old) = old
        {
            crossbeam_epoch::pin().defer(move || drop(old));
        }
    }

    fn retire(&self, seg: Segment) {
        if self.published.is_some() {
            crossbeam_epoch::pin().defer(move || seg.free());
        } else {
            seg.free();
        }
    }

    fn free_all(&mut self) {
        let all: Vec<Segment> = self.segments().collect();
        self.set_dir(None);
        all.into_iter().for_each(|seg| self.retire(seg));
        (self.len, self.deepest) = (0, 0);
    }
}

/// A segment's words and their hashes. What those are read from is fetched ahead: it is seldom in the cache.
fn hashed<T: Item>(seg: Segment, hash_of: &impl Fn(T) -> u64) -> impl Iterator<Item = (u64, u64)> {
    let fetch = |word: u64| prefetch((word & ADDRESS) as *const u8);
    let mut ahead = seg.words();
    ahead.by_ref().take(AHEAD).for_each(fetch);
    seg.words().map(move |word| {
        ahead.next().into_iter().for_each(fetch);
        (word, hash_of(T::from_word(word)))
    })
}

/// A copy of `seg` with at least `buckets` buckets.
fn copied<T: Item>(seg: Segment, buckets: u32, skip: u32, hash_of: &impl Fn(T) -> u64) -> Segment {
    let new = Segment::new(seg.depth(), buckets);
    new.set_due(seg.due());
    for (word, hash) in hashed(seg, hash_of) {
        if !new.insert(hash << skip, hash as u8, word) {
            new.free();
            return copied(seg, buckets + (buckets / 2).max(1), skip, hash_of);
        }
    }
    new
}

fn grown<T: Item>(seg: Segment, skip: u32, hash_of: &impl Fn(T) -> u64) -> Segment {
    let new = copied(seg, seg.buckets() + (seg.buckets() / 2).max(1), skip, hash_of);
    seg.free();
    new
}

impl<T: Item> Drop for Table<T> {
    fn drop(&mut self) {
        self.free_all();
    }
}
