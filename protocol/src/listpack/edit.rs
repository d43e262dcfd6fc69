//! Changing a listpack. An edit is one move of what follows it, in place if there is room.

use super::entry::Encoded;
use super::{BYTES_MAX, Entry, HEADER, Listpack, View};

impl Listpack {
    /// Whether an entry with a text of `len` bytes can be added without exceeding [`BYTES_MAX`].
    pub fn has_room_for(&self, len: usize) -> bool {
        // Five bytes before a long string, five after it.
        self.total() + 10 <= BYTES_MAX && len <= BYTES_MAX - 10 - self.total()
    }

    /// Appends an entry.
    pub fn push_back<'e>(&mut self, entry: impl Into<Entry<'e>>) {
        self.insert(self.end(), entry);
    }

    /// Prepends an entry.
    pub fn push_front<'e>(&mut self, entry: impl Into<Entry<'e>>) {
        self.insert(HEADER, entry);
    }

    /// Inserts an entry before the one at `at`, which may be the end. The new entry is then at `at`.
    pub fn insert<'e>(&mut self, at: usize, entry: impl Into<Entry<'e>>) {
        let encoded = Encoded::new(entry.into());
        encoded.write(self.splice(at, at, encoded.size()));
        self.count(1);
    }

    /// Inserts two entries before the one at `at`, in one move.
    pub fn insert_pair<'e>(&mut self, at: usize, first: impl Into<Entry<'e>>, second: impl Into<Entry<'e>>) {
        let (first, second) = (Encoded::new(first.into()), Encoded::new(second.into()));
        let room = self.splice(at, at, first.size() + second.size());
        first.write(room);
        second.write(&mut room[first.size()..]);
        self.count(2);
    }

    /// Appends two entries.
    pub fn push_pair<'e>(&mut self, first: impl Into<Entry<'e>>, second: impl Into<Entry<'e>>) {
        self.insert_pair(self.end(), first, second);
    }

    /// Puts another entry in the place of the one at `at`. The new entry is at `at` too.
    pub fn replace<'e>(&mut self, at: usize, entry: impl Into<Entry<'e>>) {
        let encoded = Encoded::new(entry.into());
        let end = at + self.view().size(at);
        encoded.write(self.splice(at, end, encoded.size()));
    }

    /// Removes the entry at `at`. What followed it is then at `at`.
    pub fn remove(&mut self, at: usize) {
        self.remove_from(at, 1);
    }

    /// Removes up to `count` entries from the one at `at` (or the end) on; returns how many there were.
    pub fn remove_from(&mut self, at: usize, count: usize) -> usize {
        let view = self.view();
        let (mut end, mut removed) = (at, 0);
        while removed < count && view.at(end).is_some() {
            end += view.size(end);
            removed += 1;
        }
        self.splice(at, end, 0);
        self.count(-(removed as isize));
        removed
    }

    /// Removes up to `count` entries from the `index`th on; negative indexes count from the end.
    pub fn remove_range(&mut self, index: i64, count: usize) -> usize {
        self.seek(index).map_or(0, |at| self.remove_from(at, count))
    }

    /// Removes all entries.
    pub fn clear(&mut self) {
        *self = Self::new();
    }

    /// Appends all entries of another listpack.
    pub fn append(&mut self, other: View<'_>) {
        self.insert_all(self.end(), other);
    }

    /// Inserts all entries of another listpack before the one at `at`.
    pub fn insert_all(&mut self, at: usize, other: View<'_>) {
        let entries = &other.as_bytes()[HEADER..other.end()];
        self.splice(at, at, entries.len()).copy_from_slice(entries);
        self.count(other.len() as isize);
    }

    /// Cuts the listpack in two: what is from `at` on is returned and no longer here.
    pub fn split_off(&mut self, at: usize) -> Listpack {
        let tail = &self.as_bytes()[at..self.end()];
        let mut other = Listpack::with_capacity(HEADER + tail.len() + 1);
        other.splice(HEADER, HEADER, tail.len()).copy_from_slice(tail);
        let count = other.iter().count();
        other.count(count as isize);
        self.splice(at, self.end(), 0);
        self.count(-(count as isize));
        other
    }

    /// The same entries, last to first.
    pub fn reversed(&self) -> Listpack {
        let mut other = Listpack::with_capacity(self.total());
        other.0[4..6].copy_from_slice(&self.0[4..6]);
        let view = self.view();
        let room = other.splice(HEADER, HEADER, self.end() - HEADER);
        let (mut from, mut to) = (HEADER, room.len());
        while let Some(at) = view.at(from) {
            let end = at + view.size(at);
            to -= end - at;
            room[to..to + end - at].copy_from_slice(&view.as_bytes()[at..end]);
            from = end;
        }
        other
    }
}

impl<'e, E: Into<Entry<'e>>> Extend<E> for Listpack {
    fn extend<T: IntoIterator<Item = E>>(&mut self, entries: T) {
        entries.into_iter().for_each(|entry| self.push_back(entry));
    }
}

impl<'e, E: Into<Entry<'e>>> FromIterator<E> for Listpack {
    fn from_iter<T: IntoIterator<Item = E>>(entries: T) -> Self {
        let mut listpack = Self::new();
        listpack.extend(entries);
        listpack
    }
}

#[cfg(test)]
mod tests {
    use super::super::validate;
    use super::*;
    use proptest::prelude::*;
    use proptest::sample::Index;

    #[derive(Debug, Clone)]
    enum Edit {
        Insert(Index, Vec<u8>),
        InsertPair(Index, Vec<u8>, i64),
        Replace(Index, Vec<u8>),
        Remove(i64, usize),
        SplitAndAppend(Index),
        SplitAndPrepend(Index),
    }

    fn text() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            4 => prop::collection::vec(any::<u8>(), 0..5),
            4 => "-?[0-9]{1,20}".prop_map(String::into_bytes),
            1 => (0usize..200).prop_map(|len| vec![b'x'; len]),
            1 => (4000usize..5000).prop_map(|len| vec![b'y'; len]),
        ]
    }

    fn edit() -> impl Strategy<Value = Edit> {
        prop_oneof![
            4 => (any::<Index>(), text()).prop_map(|(at, text)| Edit::Insert(at, text)),
            1 => (any::<Index>(), text(), any::<i64>()).prop_map(|(at, text, int)| Edit::InsertPair(at, text, int)),
            2 => (any::<Index>(), text()).prop_map(|(at, text)| Edit::Replace(at, text)),
            2 => (-5i64..5, 0usize..4).prop_map(|(at, count)| Edit::Remove(at, count)),
            1 => any::<Index>().prop_map(Edit::SplitAndAppend),
            1 => any::<Index>().prop_map(Edit::SplitAndPrepend),
        ]
    }

    fn position(listpack: &Listpack, index: usize) -> usize {
        listpack.seek(index as i64).unwrap_or(listpack.end())
    }

    fn apply(listpack: &mut Listpack, model: &mut Vec<Vec<u8>>, edit: Edit) {
        match edit {
            Edit::Insert(at, text) => {
                let at = at.index(model.len() + 1);
                listpack.insert(position(listpack, at), &text[..]);
                model.insert(at, text);
            }
            Edit::InsertPair(at, text, int) => {
                let at = at.index(model.len() + 1);
                listpack.insert_pair(position(listpack, at), &text[..], int);
                model.splice(at..at, [text, int.to_string().into_bytes()]);
            }
            Edit::Replace(at, text) if !model.is_empty() => {
                let at = at.index(model.len());
                listpack.replace(position(listpack, at), &text[..]);
                model[at] = text;
            }
            Edit::Replace(..) => {}
            Edit::Remove(index, count) => {
                let from = if index < 0 { index + model.len() as i64 } else { index };
                let from = usize::try_from(from).unwrap_or(model.len()).min(model.len());
                let upto = (from + count).min(model.len());
                assert_eq!(listpack.remove_range(index, count), upto - from);
                model.drain(from..upto);
            }
            Edit::SplitAndAppend(at) => {
                let tail = listpack.split_off(position(listpack, at.index(model.len() + 1)));
                listpack.append(tail.view());
            }
            Edit::SplitAndPrepend(at) => {
                let at = at.index(model.len() + 1);
                let tail = listpack.split_off(position(listpack, at));
                listpack.insert_all(HEADER, tail.view());
                model.rotate_left(at);
            }
        }
    }

    fn check(listpack: &Listpack, model: &[Vec<u8>]) {
        assert_eq!(validate(listpack.as_bytes(), true), Ok(model.len()));
        assert_eq!(listpack.len(), model.len());
        assert_eq!(listpack.is_empty(), model.is_empty());
        let forward: Vec<_> = listpack.iter().map(|entry| entry.to_vec()).collect();
        assert_eq!(forward, model);
        let backward: Vec<_> = listpack.iter().rev().map(|entry| entry.to_vec()).collect();
        assert!(backward.iter().eq(model.iter().rev()));
        for (index, text) in model.iter().enumerate() {
            let at = listpack.seek(index as i64).unwrap();
            assert_eq!(listpack.seek(index as i64 - model.len() as i64), Some(at));
            assert!(listpack.get(at).is_text(text));
            let first = model.iter().step_by(2).position(|other| other == text);
            assert_eq!(listpack.find_first(text, 1), first.and_then(|pair| listpack.seek(pair as i64 * 2)));
            assert_eq!(listpack.find(at, text, 0), Some(at));
        }
        assert_eq!(listpack.seek(model.len() as i64), None);
        assert!(listpack.reversed().iter().map(|entry| entry.to_vec()).eq(model.iter().rev().cloned()));
        assert_eq!(listpack.reversed().reversed(), *listpack);
        assert!(listpack.capacity() <= 16 + listpack.total() * 2);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn behaves_like_a_vector(edits in prop::collection::vec(edit(), 0..20)) {
            let (mut listpack, mut model) = (Listpack::new(), Vec::new());
            for edit in edits {
                apply(&mut listpack, &mut model, edit);
                check(&listpack, &model);
            }
        }
    }

    #[test]
    fn the_count_is_unknown_from_65535_on() {
        let mut listpack: Listpack = (0..65_534).collect::<Vec<i64>>().into_iter().collect();
        assert_eq!(listpack.as_bytes()[4..6], [0xfe, 0xff]);
        listpack.push_back(1);
        listpack.push_back(2);
        assert_eq!(listpack.as_bytes()[4..6], [0xff, 0xff]);
        assert_eq!(listpack.len(), 65_536);
        assert_eq!(listpack.seek(-1), listpack.last());
        assert_eq!(listpack.remove_range(0, 65_535), 65_535);
        assert_eq!((listpack.len(), validate(listpack.as_bytes(), true)), (1, Ok(1)));
    }

    #[test]
    fn pairs_are_found_by_their_first() {
        let mut hash = Listpack::new();
        hash.push_pair(&b"field"[..], &b"7"[..]);
        hash.push_pair(&b"7"[..], &b"field"[..]);
        assert_eq!(hash.find_value(b"7"), Some(Entry::Str(b"field")));
        assert_eq!(hash.find_value(b"field"), Some(Entry::Int(7)));
        assert_eq!(hash.find_value(b"07"), None);
        assert_eq!(hash.pairs().next_back(), Some((Entry::Int(7), Entry::Str(b"field"))));
    }

    #[test]
    fn room_is_bounded() {
        let listpack = Listpack::new();
        assert!(listpack.has_room_for(BYTES_MAX - 17));
        assert!(!listpack.has_room_for(BYTES_MAX - 16));
    }
}
