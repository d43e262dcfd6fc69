//! Intset: a sorted array of integers in one compact allocation, byte for byte as Redis keeps and saves small sets
//! of integers.
//!
//! ```text
//! intset = width:u32le  length:u32le  element*        width 2, 4 or 8: bytes per element
//! ```
//!
//! Elements are signed, little endian, strictly ascending. All have the width of the widest that ever was in the
//! set: a wider newcomer widens all of them and, being wider, belongs at one of the two ends. Removing does not
//! narrow.

use std::fmt;

use crate::malformed::Malformed;
use crate::packed::{reallocate, size_class, splice};

const HEADER: usize = 8;

/// A set of integers. Sixteen bytes and one allocation, which may be a little longer than the intset is.
#[derive(Clone)]
pub struct Intset(Box<[u8]>);

impl Default for Intset {
    fn default() -> Self {
        Self::new()
    }
}

impl PartialEq for Intset {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Intset {}

impl fmt::Debug for Intset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl Intset {
    /// An empty set.
    pub fn new() -> Self {
        let mut bytes = vec![0; size_class(HEADER + 2)].into_boxed_slice();
        bytes[0] = 2;
        Intset(bytes)
    }

    /// Adopts bytes from outside after [`validate`].
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, Malformed> {
        validate(&bytes)?;
        Ok(Intset(bytes.into_boxed_slice()))
    }

    /// The intset's bytes as they are saved.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0[..self.total()]
    }

    /// The bytes it uses.
    pub fn total(&self) -> usize {
        HEADER + self.len() * self.width()
    }

    /// The bytes it occupies.
    pub fn capacity(&self) -> usize {
        self.0.len()
    }

    /// Bytes per element: 2, 4 or 8.
    #[inline]
    pub fn width(&self) -> usize {
        usize::from(self.0[0])
    }

    /// The number of elements.
    #[inline]
    pub fn len(&self) -> usize {
        u32::from_le_bytes([self.0[4], self.0[5], self.0[6], self.0[7]]) as usize
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The `index`th smallest element.
    #[inline]
    pub fn get(&self, index: usize) -> Option<i64> {
        (index < self.len()).then(|| read(&self.0, self.width(), index))
    }

    pub fn contains(&self, value: i64) -> bool {
        self.search(value).is_ok()
    }

    /// The index of an element, or the index at which it would be.
    pub fn search(&self, value: i64) -> Result<usize, usize> {
        match self.width() {
            2 => search::<2>(self.as_bytes(), value),
            4 => search::<4>(self.as_bytes(), value),
            _ => search::<8>(self.as_bytes(), value),
        }
    }

    /// Adds an element; false if it was there.
    pub fn insert(&mut self, value: i64) -> bool {
        if width_of(value) > self.width() {
            self.widen(width_of(value));
        }
        let Err(index) = self.search(value) else { return false };
        let (width, at) = (self.width(), HEADER + index * self.width());
        let used = self.total();
        splice(&mut self.0, used, at, at, width);
        self.0[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
        self.set_len(used, 1);
        true
    }

    /// Removes an element; false if it was not there.
    pub fn remove(&mut self, value: i64) -> bool {
        let Ok(index) = self.search(value) else { return false };
        let (width, at) = (self.width(), HEADER + index * self.width());
        let used = self.total();
        splice(&mut self.0, used, at, at + width, 0);
        self.set_len(used, -1);
        true
    }

    /// Gives back the room that is not used.
    pub fn shrink_to_fit(&mut self) {
        let total = self.total();
        reallocate(&mut self.0, total);
    }

    /// The elements in ascending order, from either end.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = i64> + ExactSizeIterator + Clone + '_ {
        let width = self.width();
        (0..self.len()).map(move |index| read(&self.0, width, index))
    }

    /// Stores every element in `width` bytes, more than now.
    fn widen(&mut self, width: usize) {
        let mut bytes = vec![0; size_class(HEADER + (self.len() + 1) * width)];
        bytes[..HEADER].copy_from_slice(&self.0[..HEADER]);
        bytes[0] = width as u8;
        for (room, value) in bytes[HEADER..].chunks_exact_mut(width).zip(self.iter()) {
            room.copy_from_slice(&value.to_le_bytes()[..width]);
        }
        self.0 = bytes.into_boxed_slice();
    }

    /// Changes the length in the header by one, `used` being the bytes before the change.
    fn set_len(&mut self, used: usize, added: isize) {
        let len = ((used - HEADER) / self.width()).saturating_add_signed(added);
        let len = u32::try_from(len).expect("an intset of 2^32 elements; sets convert long before");
        self.0[4..8].copy_from_slice(&len.to_le_bytes());
    }
}

impl Extend<i64> for Intset {
    fn extend<T: IntoIterator<Item = i64>>(&mut self, values: T) {
        values.into_iter().for_each(|value| {
            self.insert(value);
        });
    }
}

impl FromIterator<i64> for Intset {
    fn from_iter<T: IntoIterator<Item = i64>>(values: T) -> Self {
        let mut set = Self::new();
        set.extend(values);
        set
    }
}

/// Checks that `bytes` are an intset: width, length, strictly ascending elements. Never panics, allocates nothing.
pub fn validate(bytes: &[u8]) -> Result<(), Malformed> {
    let broken = |offset, rule| Err(Malformed { format: "intset", offset, rule });
    let Some((header, elements)) = bytes.split_first_chunk::<HEADER>() else {
        return broken(0, "shorter than its header");
    };
    let [a, b, c, d, e, f, g, h] = *header;
    let width = u32::from_le_bytes([a, b, c, d]);
    if !matches!(width, 2 | 4 | 8) {
        return broken(0, "width is not 2, 4 or 8");
    }
    let length = u64::from(u32::from_le_bytes([e, f, g, h]));
    if length * u64::from(width) != elements.len() as u64 {
        return broken(4, "length differs from the elements");
    }
    let width = width as usize;
    for index in 1..length as usize {
        if read(bytes, width, index - 1) >= read(bytes, width, index) {
            return broken(HEADER + index * width, "elements are not ascending");
        }
    }
    Ok(())
}

/// The width that an element needs.
fn width_of(value: i64) -> usize {
    if i16::try_from(value).is_ok() {
        2
    } else if i32::try_from(value).is_ok() {
        4
    } else {
        8
    }
}

#[inline]
fn read(bytes: &[u8], width: usize, index: usize) -> i64 {
    match width {
        2 => read_wide::<2>(bytes, index),
        4 => read_wide::<4>(bytes, index),
        _ => read_wide::<8>(bytes, index),
    }
}

#[inline]
fn read_wide<const N: usize>(bytes: &[u8], index: usize) -> i64 {
    let at = HEADER + index * N;
    let mut wide = [0; 8];
    wide[..N].copy_from_slice(&bytes[at..at + N]);
    let unused = 64 - 8 * N as u32;
    i64::from_le_bytes(wide) << unused >> unused
}

fn search<const N: usize>(bytes: &[u8], value: i64) -> Result<usize, usize> {
    let (mut low, mut high) = (0, (bytes.len() - HEADER) / N);
    // Growing counters are added at the end; Redis's own benchmark of sets does just that.
    if high > 0 && value > read_wide::<N>(bytes, high - 1) {
        return Err(high);
    }
    while low < high {
        let middle = low + (high - low) / 2;
        match read_wide::<N>(bytes, middle).cmp(&value) {
            std::cmp::Ordering::Equal => return Ok(middle),
            std::cmp::Ordering::Less => low = middle + 1,
            std::cmp::Ordering::Greater => high = middle,
        }
    }
    Err(low)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn bytes_are_those_of_redis() {
        let mut set = Intset::new();
        assert!(set.insert(5) && set.insert(-1) && !set.insert(5));
        assert_eq!(set.as_bytes(), [2, 0, 0, 0, 2, 0, 0, 0, 255, 255, 5, 0]);
        assert!(set.insert(32768));
        assert_eq!(set.as_bytes()[..8], [4, 0, 0, 0, 3, 0, 0, 0]);
        assert!(set.remove(32768) && !set.remove(32768));
        assert_eq!(set.as_bytes(), [4, 0, 0, 0, 2, 0, 0, 0, 255, 255, 255, 255, 5, 0, 0, 0]);
        assert_eq!(size_of::<Intset>(), 16);
    }

    #[test]
    fn every_rule_is_checked() {
        let good: Intset = [1, 2].into_iter().collect();
        let good = good.as_bytes();
        for (at, byte, rule) in [
            (0, 3, "width is not 2, 4 or 8"),
            (1, 1, "width is not 2, 4 or 8"),
            (4, 1, "length differs from the elements"),
            (7, 128, "length differs from the elements"),
            (8, 2, "elements are not ascending"),
            (11, 255, "elements are not ascending"),
        ] {
            let mut bad = good.to_vec();
            bad[at] = byte;
            assert_eq!(Intset::from_bytes(bad).unwrap_err().rule, rule);
        }
        assert!(validate(&good[..7]).is_err());
        assert!(validate(good).is_ok());
    }

    proptest! {
        #[test]
        fn behaves_like_a_sorted_set(edits in prop::collection::vec((any::<bool>(), any::<i64>(), 0u32..64), 0..60)) {
            let (mut set, mut model) = (Intset::new(), BTreeSet::new());
            for (insert, value, shift) in edits {
                let value = value >> shift;
                if insert {
                    prop_assert_eq!(set.insert(value), model.insert(value));
                } else {
                    let value = model.iter().find(|own| **own > value).copied().unwrap_or(value);
                    prop_assert_eq!(set.remove(value), model.remove(&value));
                }
                prop_assert!(set.iter().eq(model.iter().copied()));
                prop_assert!(set.iter().rev().eq(model.iter().rev().copied()));
                prop_assert!(validate(set.as_bytes()).is_ok());
                prop_assert_eq!(set.contains(value), model.contains(&value));
                prop_assert!(set.capacity() <= 16 + 2 * set.total());
                prop_assert_eq!(set.get(set.len()), None);
            }
            prop_assert_eq!(Intset::from_bytes(set.as_bytes().to_vec()).unwrap(), set);
        }

        #[test]
        fn hostile_bytes_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..40), header: bool) {
            if header && bytes.len() >= 8 {
                let len = (bytes.len() - 8) as u32 / 2;
                bytes[..8].copy_from_slice(&[[2, 0, 0, 0], len.to_le_bytes()].concat());
            }
            if let Ok(set) = Intset::from_bytes(bytes) {
                prop_assert_eq!(set.iter().count(), set.len());
            }
        }
    }
}
