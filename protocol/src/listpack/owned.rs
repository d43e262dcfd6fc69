//! The owner of a listpack's bytes: construction and size; editing is in the next file.

use std::fmt;

use super::entry::Encoded;
use super::view::{Iter, Pairs};
use super::{BYTES_MAX, COUNT_UNKNOWN, END, Entry, HEADER, View, validate};
use crate::malformed::Malformed;
use crate::packed::{reallocate, size_class, splice};

/// A listpack that can be changed. Sixteen bytes and one allocation.
///
/// The allocation may be a little longer than the listpack, whose own total says how much of it is used; so room
/// to grow needs no third word. Its length is rounded to what allocators hand out anyway.
pub struct Listpack(pub(super) Box<[u8]>);

impl Default for Listpack {
    fn default() -> Self {
        Self::new()
    }
}

impl Clone for Listpack {
    fn clone(&self) -> Self {
        Listpack(self.as_bytes().into())
    }
}

impl PartialEq for Listpack {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Listpack {}

impl fmt::Debug for Listpack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Listpack {
    /// An empty listpack.
    pub fn new() -> Self {
        Self::with_capacity(HEADER + 1)
    }

    /// An empty listpack with room for `bytes` in all.
    pub fn with_capacity(bytes: usize) -> Self {
        let mut room = vec![0; size_class(bytes.max(HEADER + 1))].into_boxed_slice();
        room[..=HEADER].copy_from_slice(&[HEADER as u8 + 1, 0, 0, 0, 0, 0, END]);
        Listpack(room)
    }

    /// Adopts bytes from outside after a deep check.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, Malformed> {
        validate(&bytes, true)?;
        Ok(Listpack(bytes.into_boxed_slice()))
    }

    /// The listpack's bytes as they are saved, header and end mark included.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0[..self.total()]
    }

    /// The bytes it uses.
    #[inline]
    pub fn total(&self) -> usize {
        u32::from_le_bytes([self.0[0], self.0[1], self.0[2], self.0[3]]) as usize
    }

    /// The bytes it occupies.
    pub fn capacity(&self) -> usize {
        self.0.len()
    }

    /// Makes room for `bytes` more of entries ([`Listpack::entry_bytes`]), so that adding them moves nothing.
    pub fn reserve(&mut self, bytes: usize) {
        let wanted = self.total() + bytes;
        if wanted > self.0.len() && wanted <= BYTES_MAX {
            reallocate(&mut self.0, size_class(wanted));
        }
    }

    /// The bytes that an entry with this text takes.
    pub fn entry_bytes(text: &[u8]) -> usize {
        Encoded::new(Entry::Str(text)).size()
    }

    /// Gives back the room that is not used.
    pub fn shrink_to_fit(&mut self) {
        let total = self.total();
        reallocate(&mut self.0, total);
    }

    #[inline]
    pub fn view(&self) -> View<'_> {
        View::trusted(self.as_bytes())
    }

    pub fn len(&self) -> usize {
        self.view().len()
    }

    pub fn is_empty(&self) -> bool {
        self.view().is_empty()
    }

    /// See [`View::end`].
    pub fn end(&self) -> usize {
        self.total() - 1
    }

    /// See [`View::first`].
    pub fn first(&self) -> Option<usize> {
        self.view().first()
    }

    /// See [`View::last`].
    pub fn last(&self) -> Option<usize> {
        self.view().last()
    }

    /// See [`View::next`].
    pub fn next(&self, at: usize) -> Option<usize> {
        self.view().next(at)
    }

    /// See [`View::prev`].
    pub fn prev(&self, at: usize) -> Option<usize> {
        self.view().prev(at)
    }

    /// See [`View::get`].
    pub fn get(&self, at: usize) -> Entry<'_> {
        self.view().get(at)
    }

    /// See [`View::seek`].
    pub fn seek(&self, index: i64) -> Option<usize> {
        self.view().seek(index)
    }

    /// See [`View::find`].
    pub fn find(&self, from: usize, text: &[u8], skip: usize) -> Option<usize> {
        self.view().find(from, text, skip)
    }

    /// See [`View::find_first`].
    pub fn find_first(&self, text: &[u8], skip: usize) -> Option<usize> {
        self.view().find_first(text, skip)
    }

    /// See [`View::find_value`].
    pub fn find_value(&self, text: &[u8]) -> Option<Entry<'_>> {
        let at = self.find_first(text, 1)?;
        self.next(at).map(|at| self.get(at))
    }

    pub fn iter(&self) -> Iter<'_> {
        self.view().iter()
    }

    pub fn pairs(&self) -> Pairs<'_> {
        self.view().pairs()
    }

    /// Changes the bytes used from `start..end` to `len` bytes of room, moving what follows. Returns the room.
    pub(super) fn splice(&mut self, start: usize, end: usize, len: usize) -> &mut [u8] {
        let total = self.total();
        let changed = total - (end - start) + len;
        assert!(changed <= u32::MAX as usize, "a listpack of {changed} bytes; callers keep to BYTES_MAX");
        splice(&mut self.0, total, start, end, len);
        self.0[..4].copy_from_slice(&(changed as u32).to_le_bytes());
        &mut self.0[start..start + len]
    }

    /// Adds to the count in the header. Once it is unknown it stays so.
    pub(super) fn count(&mut self, added: isize) {
        let stated = u16::from_le_bytes([self.0[4], self.0[5]]);
        if stated != COUNT_UNKNOWN {
            let count =
                usize::from(stated).saturating_add_signed(added).min(usize::from(COUNT_UNKNOWN)) as u16;
            self.0[4..6].copy_from_slice(&count.to_le_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_handle_is_two_words() {
        assert_eq!(size_of::<Listpack>(), 16);
        assert_eq!(Listpack::new().capacity(), 16);
    }

    #[test]
    fn reserved_room_is_as_much_as_is_needed() {
        let texts = [&b"a text"[..], b"17", b"-900000", &[b'x'; 70], &[b'y'; 5000]];
        let mut listpack = Listpack::new();
        listpack.reserve(texts.iter().map(|text| Listpack::entry_bytes(text)).sum());
        let room = listpack.capacity();
        texts.iter().for_each(|text| listpack.push_back(*text));
        assert_eq!(listpack.capacity(), room);
        assert_eq!(size_class(listpack.total()), room);
    }
}
