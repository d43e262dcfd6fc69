//! Reading a listpack: positions, entries, iteration.

use super::entry::{Entry, back_size, decode, read_back};
use super::{COUNT_UNKNOWN, END, HEADER, validate};
use crate::malformed::Malformed;

/// A borrowed listpack that is known to be well formed. Copying it copies a slice reference.
///
/// Methods that take a position expect one obtained from the same bytes; another one panics or gives nonsense,
/// it cannot do worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View<'a> {
    bytes: &'a [u8],
}

/// Bytes of an entry, back length included, where its first byte tells; 0 where it does not.
static SIZES: [u8; 256] = sizes();

const fn sizes() -> [u8; 256] {
    let mut sizes = [0; 256];
    let mut tag = 0;
    while tag < 256 {
        sizes[tag] = match tag {
            0x00..=0x7f => 2,
            0x80..=0xbf => 2 + (tag & 0x3f) as u8,
            0xc0..=0xdf => 3,
            0xf1 => 4,
            0xf2 => 5,
            0xf3 => 6,
            0xf4 => 10,
            _ => 0,
        };
        tag += 1;
    }
    sizes
}

impl<'a> View<'a> {
    /// Adopts bytes from outside after a deep check.
    pub fn new(bytes: &'a [u8]) -> Result<Self, Malformed> {
        validate(bytes, true).map(|_| View { bytes })
    }

    /// For bytes that are known to have passed the check.
    pub(super) fn trusted(bytes: &'a [u8]) -> Self {
        View { bytes }
    }

    /// The whole listpack, header and end mark included.
    pub fn as_bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// The number of entries. Constant time below 65535, else a walk.
    pub fn len(self) -> usize {
        let stated = u16::from_le_bytes([self.bytes[4], self.bytes[5]]);
        if stated != COUNT_UNKNOWN {
            return usize::from(stated);
        }
        let mut count = 0;
        let mut at = HEADER;
        while self.bytes[at] != END {
            at += self.size(at);
            count += 1;
        }
        count
    }

    pub fn is_empty(self) -> bool {
        self.bytes[HEADER] == END
    }

    /// The position of the end mark: where to insert in order to append.
    pub fn end(self) -> usize {
        self.bytes.len() - 1
    }

    /// The position of the first entry.
    #[inline]
    pub fn first(self) -> Option<usize> {
        self.at(HEADER)
    }

    /// The position of the last entry.
    #[inline]
    pub fn last(self) -> Option<usize> {
        self.prev(self.end())
    }

    /// The position of the entry after the one at `at`.
    #[inline]
    pub fn next(self, at: usize) -> Option<usize> {
        self.at(at + self.size(at))
    }

    /// The position of the entry before `at`, which may be the end.
    #[inline]
    pub fn prev(self, at: usize) -> Option<usize> {
        if at == HEADER {
            return None;
        }
        let (len, size) = read_back(self.bytes, at)?;
        at.checked_sub(len + size)
    }

    /// `at` unless it is the end.
    #[inline]
    pub fn at(self, at: usize) -> Option<usize> {
        (self.bytes[at] != END).then_some(at)
    }

    /// The entry at a position.
    #[inline]
    pub fn get(self, at: usize) -> Entry<'a> {
        decode(&self.bytes[at..]).map_or(Entry::Str(b""), |raw| raw.entry)
    }

    /// The position of the `index`th entry; negative indexes count from the end, -1 being the last.
    ///
    /// Walks from whichever end is nearer.
    pub fn seek(self, index: i64) -> Option<usize> {
        let len = self.len() as i64;
        let index = if index < 0 { index.checked_add(len)? } else { index };
        if index < 0 || index >= len {
            return None;
        }
        if index <= len / 2 {
            (0..index).try_fold(self.first()?, |at, _| self.next(at))
        } else {
            (index..len).try_fold(self.end(), |at, _| self.prev(at))
        }
    }

    /// The entries in order, from either end.
    pub fn iter(self) -> Iter<'a> {
        Iter { view: self, front: HEADER, back: self.end() }
    }

    /// The entries from the one at `at` on.
    pub fn iter_from(self, at: usize) -> Iter<'a> {
        Iter { view: self, front: at, back: self.end() }
    }

    /// The entries two by two, as hashes (field, value) and sorted sets (member, score) lay them out.
    pub fn pairs(self) -> Pairs<'a> {
        Pairs(self.iter())
    }

    /// Bytes of the entry at `at`, back length included.
    #[inline]
    pub(super) fn size(self, at: usize) -> usize {
        let tag = self.bytes[at];
        // Short strings are most of what is walked over; adding beats loading, as each step waits for the last.
        if tag & 0xc0 == 0x80 {
            return 2 + usize::from(tag & 0x3f);
        }
        match SIZES[usize::from(tag)] {
            0 => self.size_of_long(at),
            size => usize::from(size),
        }
    }

    #[cold]
    fn size_of_long(self, at: usize) -> usize {
        // No entry is empty, so a walk always ends, even one that started at a wrong position.
        decode(&self.bytes[at..]).map_or(1, |raw| raw.len + back_size(raw.len))
    }
}

impl<'a> IntoIterator for View<'a> {
    type Item = Entry<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// The entries of a listpack.
#[derive(Debug, Clone)]
pub struct Iter<'a> {
    view: View<'a>,
    front: usize,
    back: usize,
}

impl Iter<'_> {
    /// The position of the entry that `next` returns; the end if there is none.
    pub fn position(&self) -> usize {
        self.front
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = Entry<'a>;

    #[inline]
    fn next(&mut self) -> Option<Entry<'a>> {
        if self.front >= self.back {
            return None;
        }
        let raw = decode(&self.view.bytes[self.front..])?;
        self.front += raw.len + back_size(raw.len);
        Some(raw.entry)
    }
}

impl DoubleEndedIterator for Iter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.front >= self.back {
            return None;
        }
        self.back = self.view.prev(self.back)?;
        Some(self.view.get(self.back))
    }
}

/// The entries of a listpack two by two; an odd one out is dropped.
#[derive(Debug, Clone)]
pub struct Pairs<'a>(Iter<'a>);

impl<'a> Iterator for Pairs<'a> {
    type Item = (Entry<'a>, Entry<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        Some((self.0.next()?, self.0.next()?))
    }
}

impl DoubleEndedIterator for Pairs<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let second = self.0.next_back()?;
        Some((self.0.next_back()?, second))
    }
}
