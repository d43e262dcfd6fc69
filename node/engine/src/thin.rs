//! Eight-byte handles to short byte strings: members of sets, fields of hashes, members of sorted sets.
//!
//! ```text
//! [score f64]  if the shape has one
//! [length of the first part: u8, or 255 and u32]
//! [length of the second part: the same]  if the shape has two parts
//! first part, second part
//! ```
//!
//! Handles are plain words: the collection that holds one in its table owns it and frees it, once.
#![expect(unsafe_code, reason = "variable-sized allocations behind an eight-byte handle")]

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::marker::PhantomData;
use std::ptr::NonNull;

use crate::table::Item;

/// What a [`Thin`] consists of.
pub trait Shape {
    const SCORE: bool;
    const SECOND: bool;
}

/// One part: a member of a set.
#[derive(Clone, Copy, Debug)]
pub struct Single;
/// Two parts: field and value.
#[derive(Clone, Copy, Debug)]
pub struct Pair;
/// A score and one part: a member of a sorted set.
#[derive(Clone, Copy, Debug)]
pub struct Scored;

impl Shape for Single {
    const SCORE: bool = false;
    const SECOND: bool = false;
}
impl Shape for Pair {
    const SCORE: bool = false;
    const SECOND: bool = true;
}
impl Shape for Scored {
    const SCORE: bool = true;
    const SECOND: bool = false;
}

/// A handle to an allocation of shape `S`. Copying it does not copy the allocation.
pub struct Thin<S>(NonNull<u8>, PhantomData<S>);

impl<S> Clone for Thin<S> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<S> Copy for Thin<S> {}
impl<S> PartialEq for Thin<S> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

// SAFETY: plain bytes, reached only through their owner.
unsafe impl<S> Send for Thin<S> {}
// SAFETY: shared access only reads; writes need the owner's exclusive borrow.
unsafe impl<S> Sync for Thin<S> {}

impl<S> Item for Thin<S> {
    #[inline]
    fn to_word(self) -> u64 {
        self.0.as_ptr() as u64
    }
    #[inline]
    fn from_word(word: u64) -> Self {
        Thin(NonNull::new(word as *mut u8).expect("words of items are not zero"), PhantomData)
    }
}

fn length_size(len: usize) -> usize {
    if len < 255 { 1 } else { 5 }
}

impl<S: Shape> Thin<S> {
    const HEAD: usize = if S::SCORE { 8 } else { 0 };

    fn layout(size: usize) -> Layout {
        Layout::from_size_align(size, if S::SCORE { 8 } else { 1 })
            .expect("members are far below the address space")
    }

    fn build(score: f64, first: &[u8], second: &[u8]) -> Self {
        let lengths = length_size(first.len()) + if S::SECOND { length_size(second.len()) } else { 0 };
        let layout = Self::layout(Self::HEAD + lengths + first.len() + second.len());
        // SAFETY: the size is not zero (there is a length); everything below is written within it.
        unsafe {
            let Some(at) = NonNull::new(alloc(layout)) else { handle_alloc_error(layout) };
            let mut p = at.as_ptr();
            if S::SCORE {
                p.cast::<f64>().write(score);
                p = p.add(8);
            }
            for part in [first, second].into_iter().take(1 + usize::from(S::SECOND)) {
                if part.len() < 255 {
                    p.write(part.len() as u8);
                } else {
                    p.write(255);
                    p.add(1).cast::<u32>().write_unaligned(part.len() as u32);
                }
                p = p.add(length_size(part.len()));
            }
            std::ptr::copy_nonoverlapping(first.as_ptr(), p, first.len());
            std::ptr::copy_nonoverlapping(second.as_ptr(), p.add(first.len()), second.len());
            Thin(at, PhantomData)
        }
    }

    /// A length at `at` and the offset after it.
    #[inline]
    fn length(self, at: usize) -> (usize, usize) {
        // SAFETY: callers pass the offset of a length written by `build`.
        unsafe {
            let p = self.0.as_ptr().add(at);
            match *p {
                255 => (p.add(1).cast::<u32>().read_unaligned() as usize, at + 5),
                n => (usize::from(n), at + 1),
            }
        }
    }

    /// Offsets: first part, second part, end.
    #[inline]
    fn parts(self) -> (usize, usize, usize) {
        let (first, at) = self.length(Self::HEAD);
        let (second, at) = if S::SECOND { self.length(at) } else { (0, at) };
        (at, at + first, at + first + second)
    }

    fn slice<'a>(self, from: usize, to: usize) -> &'a [u8] {
        // SAFETY: offsets come from `parts`; see `first` for the lifetime.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().add(from), to - from) }
    }

    /// The first part. The caller's `'a` must not outlive the owner's borrow: the owning collection passes its own.
    #[inline]
    pub(crate) fn first<'a>(self) -> &'a [u8] {
        let (first, second, _) = self.parts();
        self.slice(first, second)
    }

    /// Bytes of the allocation.
    pub fn bytes(self) -> usize {
        self.parts().2
    }

    /// Frees the allocation. The owner calls it once, after it has let go of the handle.
    pub(crate) fn free(self) {
        // SAFETY: allocated in `build` with this layout; the owner uses the handle no more.
        unsafe { dealloc(self.0.as_ptr(), Self::layout(self.bytes())) }
    }
}

impl Thin<Single> {
    pub(crate) fn new(member: &[u8]) -> Self {
        Self::build(0.0, member, &[])
    }
}

impl Thin<Pair> {
    pub(crate) fn new(field: &[u8], value: &[u8]) -> Self {
        Self::build(0.0, field, value)
    }

    /// The second part; see [`Thin::first`].
    #[inline]
    pub(crate) fn second<'a>(self) -> &'a [u8] {
        let (_, second, end) = self.parts();
        self.slice(second, end)
    }

    /// Overwrites the second part by one of the same length; false if it has another.
    pub(crate) fn overwrite_second(self, value: &[u8]) -> bool {
        let (_, second, end) = self.parts();
        if end - second != value.len() {
            return false;
        }
        // SAFETY: the same length within the allocation; the owner holds the only borrow.
        unsafe {
            std::ptr::copy_nonoverlapping(value.as_ptr(), self.0.as_ptr().add(second), value.len());
        }
        true
    }
}

impl Thin<Scored> {
    pub(crate) fn new(score: f64, member: &[u8]) -> Self {
        Self::build(score, member, &[])
    }

    #[inline]
    pub fn score(self) -> f64 {
        // SAFETY: this shape begins with an aligned score.
        unsafe { self.0.as_ptr().cast::<f64>().read() }
    }

    pub(crate) fn set_score(self, score: f64) {
        // SAFETY: as above; the owner holds the only borrow.
        unsafe { self.0.as_ptr().cast::<f64>().write(score) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_every_length_come_back() {
        for (a, b) in [(0, 0), (1, 254), (254, 255), (255, 256), (70_000, 3)] {
            let (field, value) = (vec![b'f'; a], vec![b'v'; b]);
            let pair = Thin::<Pair>::new(&field, &value);
            assert_eq!((pair.first(), pair.second()), (&field[..], &value[..]));
            assert!(pair.overwrite_second(&vec![b'w'; b]) && !pair.overwrite_second(&vec![b'w'; b + 1]));
            pair.free();
            let single = Thin::<Single>::new(&field);
            assert_eq!(single.first(), &field[..]);
            single.free();
            let scored = Thin::<Scored>::new(1.5, &field);
            scored.set_score(-2.5);
            assert_eq!((scored.score(), scored.first()), (-2.5, &field[..]));
            scored.free();
        }
    }
}
