//! An entry of the keyspace: key, metadata and, if it is a short string, the value, in one allocation.
//!
//! ```text
//!  0  version        u64   of the last effect on the key
//!  8  access << 8 | short value length     u32   access: 24 bits of LRU clock or LFU counter
//! 12  origin         u16   interned origin of that effect
//! 14  kind | flags   u8    one of the flags is the epoch that a snapshot goes by
//! 15  short key length u8
//! 16  [deadline u64 ms]           if EXPIRES
//!     [payload u64]               unless INLINE: an integer or the address of a boxed value
//!     [key length u32]            if LONG_KEY
//!     [value length u32]          if LONG_VALUE
//!     key bytes, value bytes
//! ```
//!
//! A 16-byte key with a 32-byte value is 64 bytes, its stamp included.
#![expect(unsafe_code, reason = "entries are variable-sized allocations behind an eight-byte handle")]

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::marker::PhantomData;
use std::num::NonZeroU64;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::table::Item;
use crate::types::{Hash, List, Set, Stream, Tagged, Zset, job};
use crate::value::{Kind, Value, ValueMut, ValueRef};
use replication::Stamp;

const EXPIRES: u8 = 0x10;
const LONG_KEY: u8 = 0x20;
const LONG_VALUE: u8 = 0x40;
const EPOCH: u8 = 0x80;
const KIND: u8 = 0x0f;
const INLINE: u8 = Kind::Inline as u8;

/// Longest string kept inside the entry. Longer ones are boxed, so that they can grow in place and be freed elsewhere.
pub const INLINE_MAX: usize = 1024;

#[repr(C)]
struct Head {
    version: u64,
    access: AtomicU32,
    origin: u16,
    flags: u8,
    key_len: u8,
}

const HEAD: usize = size_of::<Head>();

/// Bits of a handle that its address, a multiple of eight, leaves free: looking for entries that expire touches only those
/// that may.
const HAS_DEADLINE: u64 = 1;
/// Of a hash or set, whose members may expire.
const HAS_MEMBERS: u64 = 2;
/// It is a job.
const IS_JOB: u64 = 4;
const TAGS: u64 = 7;

/// An owned entry as the table stores it: its address, tagged. Copies are handles to the same entry; whoever takes one
/// out of the table frees it, once.
#[derive(Clone, Copy)]
pub struct Entry(NonZeroU64);

// SAFETY: an entry owns plain data and boxed values that are Send; it is only reached through its shard's lock.
unsafe impl Send for Entry {}

impl Item for Entry {
    #[inline]
    fn to_word(self) -> u64 {
        self.0.get()
    }

    #[inline]
    fn from_word(word: u64) -> Self {
        Entry(NonZeroU64::new(word).expect("words of items are not zero"))
    }
}

/// Offsets of an entry's parts, all derived from its flags and lengths.
struct Parts {
    payload: usize,
    key: usize,
    value: usize,
    end: usize,
}

impl Parts {
    fn of(flags: u8, key_len: usize, value_len: usize) -> Parts {
        let payload = HEAD + if flags & EXPIRES != 0 { 8 } else { 0 };
        let mut at = payload + if flags & KIND == INLINE { 0 } else { 8 };
        at += if flags & LONG_KEY != 0 { 4 } else { 0 };
        at += if flags & LONG_VALUE != 0 { 4 } else { 0 };
        Parts { payload, key: at, value: at + key_len, end: at + key_len + value_len }
    }
}

impl Entry {
    /// A new entry. Strings up to [`INLINE_MAX`] bytes are stored inside.
    pub fn new(key: &[u8], value: Value, deadline: Option<u64>, stamp: Stamp, access: u32) -> Entry {
        match value {
            Value::Bytes(bytes) if bytes.len() <= INLINE_MAX => {
                Entry::build(key, Kind::Inline, 0, &bytes, deadline, stamp, access)
            }
            value => {
                let is_job = matches!(&value, Value::Tagged(string) if string.tag == job::TAG);
                let (kind, payload) = into_payload(value);
                Entry::build(key, kind, payload, &[], deadline, stamp, access).marked(is_job)
            }
        }
    }

    /// A new entry with a string value of at most [`INLINE_MAX`] bytes.
    pub fn new_inline(key: &[u8], value: &[u8], deadline: Option<u64>, stamp: Stamp, access: u32) -> Entry {
        assert!(value.len() <= INLINE_MAX);
        Entry::build(key, Kind::Inline, 0, value, deadline, stamp, access)
    }

    fn build(
        key: &[u8],
        kind: Kind,
        payload: u64,
        inline: &[u8],
        deadline: Option<u64>,
        stamp: Stamp,
        access: u32,
    ) -> Entry {
        let long_key = key.len() > usize::from(u8::MAX);
        let long_value = inline.len() > usize::from(u8::MAX);
        let mut flags = kind as u8;
        flags |= if deadline.is_some() { EXPIRES } else { 0 };
        flags |= if long_key { LONG_KEY } else { 0 };
        flags |= if long_value { LONG_VALUE } else { 0 };
        let parts = Parts::of(flags, key.len(), inline.len());
        let layout = layout(parts.end);
        // SAFETY: the layout is not empty (it has a head). Every offset written below lies within `parts.end`, and the
        // eight-byte ones are multiples of eight by construction; lengths are written unaligned.
        unsafe {
            let Some(at) = NonNull::new(alloc(layout)) else { handle_alloc_error(layout) };
            let p = at.as_ptr();
            p.cast::<Head>().write(Head {
                version: stamp.version,
                access: AtomicU32::new(access << 8 | if long_value { 0 } else { inline.len() as u32 }),
                origin: stamp.origin,
                flags,
                key_len: if long_key { 0 } else { key.len() as u8 },
            });
            if let Some(deadline) = deadline {
                p.add(HEAD).cast::<u64>().write(deadline);
            }
            if kind != Kind::Inline {
                p.add(parts.payload).cast::<u64>().write(payload);
            }
            let mut lengths = p.add(parts.key);
            if long_value {
                lengths = lengths.sub(4);
                lengths.cast::<u32>().write_unaligned(inline.len() as u32);
            }
            if long_key {
                lengths.sub(4).cast::<u32>().write_unaligned(key.len() as u32);
            }
            std::ptr::copy_nonoverlapping(key.as_ptr(), p.add(parts.key), key.len());
            std::ptr::copy_nonoverlapping(inline.as_ptr(), p.add(parts.value), inline.len());
            Entry::tagged(at, kind, deadline.is_some())
        }
    }

    fn tagged(at: NonNull<u8>, kind: Kind, expires: bool) -> Entry {
        let members = matches!(kind, Kind::Hash | Kind::Set | Kind::Zset);
        let tags = if expires { HAS_DEADLINE } else { 0 } | if members { HAS_MEMBERS } else { 0 };
        Entry(NonZeroU64::new(at.as_ptr() as u64 | tags).expect("allocations are not at zero"))
    }

    #[inline]
    fn marked(self, is_job: bool) -> Entry {
        Entry(self.0 | if is_job { IS_JOB } else { 0 })
    }

    /// Whether the value is a job. Does not touch the entry's memory.
    #[inline]
    pub fn is_job(self) -> bool {
        self.0.get() & IS_JOB != 0
    }

    #[inline]
    fn at(self) -> NonNull<u8> {
        NonNull::new((self.0.get() & !TAGS) as *mut u8).expect("allocations are not at zero")
    }

    /// Brings the entry into the cache.
    #[inline]
    pub fn prefetch(self) {
        let at = self.at().as_ptr();
        crate::table::prefetch(at);
        crate::table::prefetch(at.wrapping_add(64));
    }

    /// Whether the key has a deadline. Does not touch the entry's memory.
    #[inline]
    pub fn expires(self) -> bool {
        self.0.get() & HAS_DEADLINE != 0
    }

    /// Whether the key has a deadline or something in its value may have one. Does not touch the entry's memory.
    #[inline]
    pub fn may_expire(self) -> bool {
        self.0.get() & (HAS_DEADLINE | HAS_MEMBERS) != 0
    }

    /// A view whose life the caller ties to its borrow of the table.
    ///
    /// # Safety
    /// The entry must not have been freed, and must not be freed or changed during `'a`.
    #[inline]
    pub unsafe fn view<'a>(self) -> EntryRef<'a> {
        EntryRef { at: self.at(), life: PhantomData }
    }

    /// # Safety
    /// As for [`Entry::view`], and no other view of the entry may live during `'a`.
    #[inline]
    pub unsafe fn view_mut<'a>(self) -> EntryMut<'a> {
        // SAFETY: the same condition.
        EntryMut { r: unsafe { self.view() } }
    }

    /// Frees the entry and returns its value.
    ///
    /// # Safety
    /// The entry must not be used through any handle afterwards.
    pub unsafe fn into_value(self) -> Value {
        // SAFETY: alive until `dealloc` below, with the layout it was made with.
        unsafe {
            let view = self.view();
            let value = match view.kind() {
                Kind::Inline => Value::Bytes(view.inline().to_vec()),
                kind => from_payload(kind, view.payload()),
            };
            dealloc(self.at().as_ptr(), layout(view.parts().end));
            value
        }
    }

    /// Frees the entry with its value.
    ///
    /// # Safety
    /// As for [`Entry::into_value`].
    pub unsafe fn free(self) {
        // SAFETY: as above; the payload is dropped before the memory that names it is freed.
        unsafe {
            let view = self.view();
            if !matches!(view.kind(), Kind::Inline | Kind::Int) {
                drop(from_payload(view.kind(), view.payload()));
            }
            dealloc(self.at().as_ptr(), layout(view.parts().end));
        }
    }
}

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, 8).expect("keys and inline values are far below the address space")
}

fn into_payload(value: Value) -> (Kind, u64) {
    fn raw<T>(b: Box<T>) -> u64 {
        Box::into_raw(b) as u64
    }
    match value {
        Value::Int(n) => (Kind::Int, n as u64),
        Value::Bytes(b) => (Kind::Raw, raw(Box::new(b))),
        Value::Raw(b) => (Kind::Raw, raw(b)),
        Value::Tagged(b) => (Kind::Tagged, raw(b)),
        Value::List(b) => (Kind::List, raw(b)),
        Value::Set(b) => (Kind::Set, raw(b)),
        Value::Zset(b) => (Kind::Zset, raw(b)),
        Value::Hash(b) => (Kind::Hash, raw(b)),
        Value::Stream(b) => (Kind::Stream, raw(b)),
    }
}

/// # Safety
/// `payload` must come from `into_payload` with the same kind, and be used once.
unsafe fn from_payload(kind: Kind, payload: u64) -> Value {
    // SAFETY: each address was made by Box::into_raw of the type its kind names.
    unsafe {
        match kind {
            Kind::Int => Value::Int(payload as i64),
            Kind::Inline => unreachable!("inline values have no payload"),
            Kind::Raw => Value::Raw(Box::from_raw(payload as *mut Vec<u8>)),
            Kind::Tagged => Value::Tagged(Box::from_raw(payload as *mut Tagged)),
            Kind::List => Value::List(Box::from_raw(payload as *mut List)),
            Kind::Set => Value::Set(Box::from_raw(payload as *mut Set)),
            Kind::Zset => Value::Zset(Box::from_raw(payload as *mut Zset)),
            Kind::Hash => Value::Hash(Box::from_raw(payload as *mut Hash)),
            Kind::Stream => Value::Stream(Box::from_raw(payload as *mut Stream)),
        }
    }
}

/// A borrowed entry.
#[derive(Clone, Copy)]
pub struct EntryRef<'a> {
    at: NonNull<u8>,
    life: PhantomData<&'a Entry>,
}

impl<'a> EntryRef<'a> {
    #[inline]
    fn head(&self) -> &'a Head {
        // SAFETY: an entry begins with a Head and is alive during 'a.
        unsafe { self.at.cast::<Head>().as_ref() }
    }

    #[inline]
    fn parts(&self) -> Parts {
        let (key, value) = self.lengths();
        Parts::of(self.head().flags, key, value)
    }

    /// Lengths of the key and of the inline value.
    #[inline]
    fn lengths(&self) -> (usize, usize) {
        let head = self.head();
        let flags = head.flags;
        if flags & (LONG_KEY | LONG_VALUE) == 0 {
            return (usize::from(head.key_len), (head.access.load(Relaxed) & 0xff) as usize);
        }
        let mut at = Parts::of(flags & !(LONG_KEY | LONG_VALUE), 0, 0).key;
        let mut long = |is: u8, short: usize| {
            if flags & is == 0 {
                return short;
            }
            // SAFETY: the flag says that a length lies here.
            let n = unsafe { self.at.as_ptr().add(at).cast::<u32>().read_unaligned() };
            at += 4;
            n as usize
        };
        let key = long(LONG_KEY, usize::from(head.key_len));
        (key, long(LONG_VALUE, (head.access.load(Relaxed) & 0xff) as usize))
    }

    #[inline]
    fn bytes(&self, from: usize, len: usize) -> &'a [u8] {
        // SAFETY: callers pass ranges derived from the entry's own lengths.
        unsafe { std::slice::from_raw_parts(self.at.as_ptr().add(from), len) }
    }

    fn payload(&self) -> u64 {
        let at = HEAD + if self.head().flags & EXPIRES != 0 { 8 } else { 0 };
        // SAFETY: entries that are not inline have a payload there.
        unsafe { self.at.as_ptr().add(at).cast::<u64>().read() }
    }

    #[inline]
    pub fn key(&self) -> &'a [u8] {
        let (key, value) = self.lengths();
        let parts = Parts::of(self.head().flags, key, value);
        self.bytes(parts.key, key)
    }

    #[inline]
    fn inline(&self) -> &'a [u8] {
        let (key, value) = self.lengths();
        let parts = Parts::of(self.head().flags, key, value);
        self.bytes(parts.value, value)
    }

    #[inline]
    pub fn kind(&self) -> Kind {
        Kind::from_bits(self.head().flags & KIND)
    }

    pub fn stamp(&self) -> Stamp {
        Stamp { version: self.head().version, origin: self.head().origin }
    }

    /// When the key expires, unix ms.
    #[inline]
    pub fn deadline(&self) -> Option<u64> {
        if self.head().flags & EXPIRES == 0 {
            return None;
        }
        // SAFETY: the flag says that a deadline follows the head.
        Some(unsafe { self.at.as_ptr().add(HEAD).cast::<u64>().read() })
    }

    /// The earliest deadline of a member of the value: of a hash's field or of a set's or sorted set's member.
    #[inline]
    pub fn next_member_deadline(&self) -> Option<u64> {
        if !matches!(self.kind(), Kind::Hash | Kind::Set | Kind::Zset) {
            return None;
        }
        match self.value() {
            ValueRef::Hash(hash) => hash.next_deadline(),
            ValueRef::Set(set) => set.next_deadline(),
            ValueRef::Zset(zset) => zset.next_deadline(),
            _ => None,
        }
    }

    /// When something of the entry next expires: itself or a member.
    pub fn next_due(&self) -> Option<u64> {
        self.deadline().into_iter().chain(self.next_member_deadline()).min()
    }

    /// The 24 bits of access record: LRU clock or LFU counter.
    #[inline]
    pub fn access(&self) -> u32 {
        self.head().access.load(Relaxed) >> 8
    }

    #[inline]
    pub fn set_access(&self, access: u32) {
        let word = &self.head().access;
        word.store(access << 8 | (word.load(Relaxed) & 0xff), Relaxed);
    }

    #[inline]
    pub fn value(&self) -> ValueRef<'a> {
        let kind = self.kind();
        if kind == Kind::Inline {
            return ValueRef::Bytes(self.inline());
        }
        let payload = self.payload();
        // SAFETY: the payload is the address of a live box of the kind's type, owned by this entry, not changed in 'a.
        unsafe {
            match kind {
                Kind::Int => ValueRef::Int(payload as i64),
                Kind::Inline => unreachable!("handled above"),
                Kind::Raw => ValueRef::Raw(&*(payload as *const Vec<u8>)),
                Kind::Tagged => ValueRef::Tagged(&*(payload as *const Tagged)),
                Kind::List => ValueRef::List(&*(payload as *const List)),
                Kind::Set => ValueRef::Set(&*(payload as *const Set)),
                Kind::Zset => ValueRef::Zset(&*(payload as *const Zset)),
                Kind::Hash => ValueRef::Hash(&*(payload as *const Hash)),
                Kind::Stream => ValueRef::Stream(&*(payload as *const Stream)),
            }
        }
    }

    /// Which of two states of the data the entry is known to belong to, see [`crate::snapshot`].
    #[inline]
    pub fn epoch(&self) -> bool {
        self.head().flags & EPOCH != 0
    }

    /// Where the entry is: the same as long as it is changed in place.
    pub fn address(&self) -> usize {
        self.at.as_ptr() as usize
    }

    /// Bytes of the entry's own allocation.
    pub fn own_bytes(&self) -> usize {
        self.parts().end
    }
}

/// An entry that may be changed in place.
pub struct EntryMut<'a> {
    r: EntryRef<'a>,
}

impl<'a> EntryMut<'a> {
    pub fn as_ref(&self) -> EntryRef<'_> {
        self.r
    }

    pub fn set_stamp(&mut self, stamp: Stamp) {
        // SAFETY: exclusive during 'a; the fields are plain integers.
        unsafe {
            let head = self.r.at.cast::<Head>().as_ptr();
            (*head).version = stamp.version;
            (*head).origin = stamp.origin;
        }
    }

    #[inline]
    pub fn set_epoch(&mut self, epoch: bool) {
        // SAFETY: exclusive during 'a; a plain integer.
        unsafe {
            let head = self.r.at.cast::<Head>().as_ptr();
            (*head).flags = (*head).flags & !EPOCH | if epoch { EPOCH } else { 0 };
        }
    }

    /// Changes the deadline in place. False if the entry has no place for one.
    pub fn set_deadline(&mut self, deadline: u64) -> bool {
        if self.r.head().flags & EXPIRES == 0 {
            return false;
        }
        // SAFETY: the flag says that a deadline follows the head; exclusive during 'a.
        unsafe { self.r.at.as_ptr().add(HEAD).cast::<u64>().write(deadline) };
        true
    }

    /// Whether the entry has a place for a deadline.
    #[inline]
    pub fn expires(&self) -> bool {
        self.r.head().flags & EXPIRES != 0
    }

    /// Overwrites an inline string by one of the same length. False if that does not fit.
    #[inline]
    pub fn overwrite(&mut self, value: &[u8]) -> bool {
        let inline = self.r.kind() == Kind::Inline;
        if !inline || self.r.inline().len() != value.len() {
            return false;
        }
        let at = self.r.inline().as_ptr().cast_mut();
        // SAFETY: the same length, inside this entry, exclusive during 'a; `value` cannot overlap an exclusive entry.
        unsafe { std::ptr::copy_nonoverlapping(value.as_ptr(), at, value.len()) };
        true
    }

    /// Overwrites an integer. False if the value is none.
    #[inline]
    pub fn overwrite_int(&mut self, n: i64) -> bool {
        if self.r.kind() != Kind::Int {
            return false;
        }
        let at = HEAD + if self.r.head().flags & EXPIRES != 0 { 8 } else { 0 };
        // SAFETY: integers have a payload there; exclusive during 'a.
        unsafe { self.r.at.as_ptr().add(at).cast::<u64>().write(n as u64) };
        true
    }

    /// The boxed string, to be changed. `None` if the value is not one.
    pub fn raw_mut(&mut self) -> Option<&mut Vec<u8>> {
        if self.r.kind() != Kind::Raw {
            return None;
        }
        // SAFETY: the payload of this kind is the address of a live box, exclusive while `self` is borrowed.
        Some(unsafe { &mut *(self.r.payload() as *mut Vec<u8>) })
    }

    /// The boxed value, to be changed.
    pub fn value_mut(self) -> Option<ValueMut<'a>> {
        let payload = match self.r.kind() {
            Kind::Int | Kind::Inline => return None,
            _ => self.r.payload(),
        };
        // SAFETY: as in `value`, and exclusive during 'a.
        unsafe {
            Some(match self.r.kind() {
                Kind::Raw => ValueMut::Raw(&mut *(payload as *mut Vec<u8>)),
                Kind::Tagged => ValueMut::Raw(&mut (*(payload as *mut Tagged)).bytes),
                Kind::List => ValueMut::List(&mut *(payload as *mut List)),
                Kind::Set => ValueMut::Set(&mut *(payload as *mut Set)),
                Kind::Zset => ValueMut::Zset(&mut *(payload as *mut Zset)),
                Kind::Hash => ValueMut::Hash(&mut *(payload as *mut Hash)),
                Kind::Stream => ValueMut::Stream(&mut *(payload as *mut Stream)),
                Kind::Int | Kind::Inline => return None,
            })
        }
    }
}
