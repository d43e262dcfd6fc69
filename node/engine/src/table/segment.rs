//! A segment: one allocation of a header line and some buckets, each a cache line. The only unsafe code of the table.
#![expect(unsafe_code, reason = "segments are variable-sized allocations named by a tagged word")]

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::*};

/// Items of a bucket: with the fingerprints they fill one cache line.
const SLOTS: usize = 7;
/// Buckets of a segment that is split rather than grown.
pub const BUCKETS_MAX: u32 = 64;
pub const SEG_SLOTS_MAX: usize = BUCKETS_MAX as usize * SLOTS;
/// Buckets an item may be away from its own. Longer makes segments fuller and misses dearer.
const PROBES: u32 = 6;
/// A segment is sparse when fewer than this part of its slots is used.
const SPARSE_PART: usize = 6;
/// The low 48 bits of a word are the address.
const ADDRESS: u64 = (1 << 48) - 1;
const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;
/// The fingerprint bytes of a bucket's meta word; the top byte counts the items that passed it by.
const FINGERPRINTS: u64 = (1 << 56) - 1;

/// Buckets that have so many slots, of a segment that may be grown.
pub fn buckets_for(slots: usize) -> u32 {
    slots.div_ceil(SLOTS).clamp(1, BUCKETS_MAX as usize) as u32
}

#[repr(C, align(64))]
struct Header {
    /// Lower bound of the items' deadlines, ms.
    due: AtomicU64,
    len: AtomicU32,
    depth: u32,
    buckets: u32,
}

#[repr(C, align(64))]
struct Bucket {
    meta: AtomicU64,
    slots: [AtomicU64; SLOTS],
}

/// A handle to a segment: its address, depth and number of buckets in one word. Copies are handles to the same segment;
/// who calls [`Segment::free`] sees to it that no other handle is used afterwards: the table, by taking the word out of
/// its directory first and, if that directory is published, waiting for an epoch.
#[derive(Clone, Copy)]
pub struct Segment(u64);

impl Segment {
    pub fn new(depth: u32, buckets: u32) -> Segment {
        let layout = Segment::layout(buckets);
        // SAFETY: the layout has a non-zero size. Zeroed memory is a valid Header and valid, empty Buckets.
        let address = unsafe { alloc_zeroed(layout) };
        if address.is_null() {
            handle_alloc_error(layout);
        }
        assert_eq!(address as u64 & !ADDRESS, 0, "addresses are expected to have 48 bits");
        // SAFETY: freshly allocated with room for a Header, aligned to 64, not shared yet.
        unsafe {
            address.cast::<Header>().write(Header {
                due: AtomicU64::new(u64::MAX),
                len: AtomicU32::new(0),
                depth,
                buckets,
            });
        }
        // Up to 64 buckets the word knows the number; 0 stands for "see the header".
        let tag = if buckets <= BUCKETS_MAX { buckets } else { 0 };
        Segment(address as u64 | u64::from(tag) << 48 | u64::from(depth) << 56)
    }

    fn layout(buckets: u32) -> Layout {
        Layout::from_size_align(64 * (buckets as usize + 1), 64).expect("a segment is small")
    }

    pub fn free(self) {
        let layout = Segment::layout(self.buckets());
        // SAFETY: allocated in `new` with this layout; see the type's page for why nobody uses it any more.
        unsafe { dealloc((self.0 & ADDRESS) as *mut u8, layout) }
    }

    #[inline]
    pub fn to_word(self) -> u64 {
        self.0
    }

    #[inline]
    pub fn from_word(word: u64) -> Segment {
        Segment(word)
    }

    #[inline]
    pub fn depth(self) -> u32 {
        (self.0 >> 56) as u32
    }

    #[inline]
    pub fn buckets(self) -> u32 {
        let tag = (self.0 >> 48) as u32 & 0xff;
        if tag != 0 { tag } else { self.header().buckets }
    }

    pub fn slots(self) -> usize {
        self.buckets() as usize * SLOTS
    }

    pub fn bytes(self) -> usize {
        Segment::layout(self.buckets()).size()
    }

    fn header(&self) -> &Header {
        // SAFETY: a live segment begins with a Header; all later changes to it go through atomics.
        unsafe { &*((self.0 & ADDRESS) as *const Header) }
    }

    #[inline]
    fn bucket(&self, i: u32) -> &Bucket {
        debug_assert!(i < self.buckets());
        // SAFETY: bucket `i` follows the header within the allocation; buckets are only accessed through atomics.
        unsafe { &*((self.0 & ADDRESS) as *const Bucket).add(1 + i as usize) }
    }

    /// The bucket that positions at `frac` belong to: order-preserving, for any number of buckets.
    #[inline]
    fn home(self, frac: u64) -> u32 {
        let within = (frac << self.depth()) as u128;
        ((within * self.buckets() as u128) >> 64) as u32
    }

    /// The address of the bucket that an item at `frac` most likely is in.
    #[inline]
    pub fn home_address(self, frac: u64) -> *const u8 {
        std::ptr::from_ref(self.bucket(self.home(frac))).cast()
    }

    #[inline]
    fn next(self, bucket: u32) -> u32 {
        if bucket + 1 == self.buckets() { 0 } else { bucket + 1 }
    }

    pub fn len(self) -> usize {
        self.header().len.load(Relaxed) as usize
    }

    pub fn due(self) -> u64 {
        self.header().due.load(Relaxed)
    }

    pub fn set_due(self, due: u64) {
        self.header().due.store(due, Relaxed);
    }

    pub fn is_sparse(self) -> bool {
        self.len() * SPARSE_PART < self.slots()
    }

    /// The (bucket, slot, word) of the item that `is_it` accepts.
    #[inline]
    pub fn find(self, frac: u64, byte: u8, mut is_it: impl FnMut(u64) -> bool) -> Option<(u32, u32, u64)> {
        let mut at = self.home(frac);
        for _ in 0..=PROBES {
            let bucket = self.bucket(at);
            let meta = bucket.meta.load(Relaxed);
            let mut hits = matches(meta, fingerprint(byte));
            while hits != 0 {
                let slot = hits.trailing_zeros() / 8;
                let word = bucket.slots[slot as usize].load(Relaxed);
                if is_it(word) {
                    return Some((at, slot, word));
                }
                hits &= hits - 1;
            }
            if meta >> 56 == 0 {
                return None;
            }
            at = self.next(at);
        }
        None
    }

    /// Words that may be the item's, without asking: for prefetching. At most two.
    #[inline]
    pub fn candidates(self, frac: u64, byte: u8) -> [u64; 2] {
        let bucket = self.bucket(self.home(frac));
        let mut hits = matches(bucket.meta.load(Relaxed), fingerprint(byte));
        let mut out = [0; 2];
        for o in &mut out {
            if hits != 0 {
                *o = bucket.slots[(hits.trailing_zeros() / 8) as usize].load(Relaxed);
                hits &= hits - 1;
            }
        }
        out
    }

    /// Adds a word; false if there is no room near its place.
    pub fn insert(self, frac: u64, byte: u8, word: u64) -> bool {
        let home = self.home(frac);
        let mut at = home;
        for _ in 0..=PROBES.min(self.buckets() - 1) {
            let bucket = self.bucket(at);
            let meta = bucket.meta.load(Relaxed);
            let free = matches(meta, 0);
            if free != 0 {
                let slot = free.trailing_zeros() / 8;
                bucket.slots[slot as usize].store(word, Relaxed);
                bucket.meta.store(meta | u64::from(fingerprint(byte)) << (8 * slot), Relaxed);
                self.header().len.store(self.len() as u32 + 1, Relaxed);
                self.passed_by(home, at, |meta| meta + (1 << 56));
                return true;
            }
            at = self.next(at);
        }
        false
    }

    fn passed_by(self, home: u32, stored: u32, change: impl Fn(u64) -> u64) {
        let mut at = home;
        while at != stored {
            let meta = &self.bucket(at).meta;
            meta.store(change(meta.load(Relaxed)), Relaxed);
            at = self.next(at);
        }
    }

    pub fn remove(self, frac: u64, bucket: u32, slot: u32) {
        let b = self.bucket(bucket);
        b.meta.store(b.meta.load(Relaxed) & !(0xff << (8 * slot)), Relaxed);
        b.slots[slot as usize].store(0, Relaxed);
        self.header().len.store(self.len() as u32 - 1, Relaxed);
        self.passed_by(self.home(frac), bucket, |meta| meta - (1 << 56));
    }

    #[inline]
    pub fn get(self, bucket: u32, slot: u32) -> u64 {
        if bucket >= self.buckets() { 0 } else { self.bucket(bucket).slots[slot as usize].load(Relaxed) }
    }

    pub fn set(self, bucket: u32, slot: u32, word: u64) {
        self.bucket(bucket).slots[slot as usize].store(word, Relaxed);
    }

    /// The word in slot `n` counted over all buckets.
    pub fn nth_slot(self, n: usize) -> Option<u64> {
        let word = self.bucket((n / SLOTS) as u32).slots[n % SLOTS].load(Relaxed);
        (word != 0).then_some(word)
    }

    /// All words.
    pub fn words(self) -> impl Iterator<Item = u64> {
        (0..self.slots()).filter_map(move |n| self.nth_slot(n))
    }

    /// The end of the range of positions that the segment covers, `None` for the end of all.
    pub fn range_end(self, frac: u64) -> Option<u64> {
        if self.depth() == 0 {
            return None;
        }
        let size = 1u64 << (64 - self.depth());
        (frac & !(size - 1)).checked_add(size)
    }

    /// The end of the range of the bucket at `frac`, rounded up to a multiple of `1 << unit`.
    pub fn scan_end(self, frac: u64, unit: u32) -> Option<u64> {
        let n = u128::from(self.buckets());
        let bucket = u128::from(self.home(frac));
        let within = (((bucket + 1) << 64) - 1) / n + 1; // the least fraction of the next bucket
        let start = if self.depth() == 0 { 0 } else { frac & !((1u64 << (64 - self.depth())) - 1) };
        // Rounded up: the last position before the next bucket must lie before the end, or a scan would not get past it.
        let end = u128::from(start) + within.div_ceil(1 << self.depth());
        let step = 1u128 << unit;
        let end = end.div_ceil(step) * step;
        let limit = self.range_end(frac).map_or(1 << 64, u128::from);
        let end = end.min(limit);
        u64::try_from(end).ok()
    }

    /// Hands over every word that may have a position in `from..end`, and others.
    pub fn near(self, from: u64, end: Option<u64>, mut each: impl FnMut(u64)) {
        let n = self.buckets();
        let start = if self.depth() == 0 { 0 } else { from & !((1u64 << (64 - self.depth())) - 1) };
        let last = match end {
            Some(end) if self.range_end(from) != Some(end) => self.home(end.wrapping_sub(1).max(start)),
            _ => n - 1,
        };
        let first = self.home(from);
        let count = (last - first + 1 + PROBES).min(n);
        let mut at = first;
        for _ in 0..count {
            for slot in &self.bucket(at).slots {
                let word = slot.load(Relaxed);
                if word != 0 {
                    each(word);
                }
            }
            at = self.next(at);
        }
    }
}

/// A byte of the hash that is never 0: 0 marks a free slot.
#[inline]
fn fingerprint(byte: u8) -> u8 {
    byte.max(1)
}

/// The high bit of each of the seven bytes of `meta` that equals `byte`; exact.
#[inline]
fn matches(meta: u64, byte: u8) -> u64 {
    let x = meta ^ (LOW * u64::from(byte));
    let zero = !(((x & !HIGH) + !HIGH) | x | !HIGH);
    zero & FINGERPRINTS
}
