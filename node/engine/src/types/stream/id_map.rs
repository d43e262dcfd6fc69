//! A map whose keys are stream ids: of the nodes of a stream, and of what is pending.
//!
//! ```text
//! older   { 1-0: [1-0 2-0 5-0 ...]   7-0: [7-0 8-0 9-0 ...] }        sorted chunks of up to 64
//! tail      [20-0 21-0 22-0]                                         the highest ids, at hand
//! ```
//!
//! Ids come in ascending order and go in nearly the same, so chunks fill up one after the other and what is added goes to
//! the tail without a search. A small map is one allocation; a large one has next to nothing besides its elements.

use std::collections::BTreeMap;

use protocol::StreamId;

/// Elements of a chunk at most: what one insertion or removal in the middle moves at most.
const CHUNK_MAX: usize = 64;
/// A chunk with this many or fewer is joined with a neighbour that has room.
const CHUNK_SPARSE: usize = CHUNK_MAX / 4;

type Chunk<V> = Vec<(StreamId, V)>;

/// See the [module's page](self).
#[derive(Clone)]
pub struct IdMap<V> {
    /// By a lower bound of the ids in the chunk that is above the ids in the chunks before it. None is empty.
    older: BTreeMap<StreamId, Chunk<V>>,
    /// Empty only if the map is.
    tail: Chunk<V>,
    len: usize,
}

impl<V> Default for IdMap<V> {
    fn default() -> Self {
        IdMap { older: BTreeMap::new(), tail: Vec::new(), len: 0 }
    }
}

impl<V> IdMap<V> {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn first(&self) -> Option<(StreamId, &V)> {
        let chunk = self.older.values().next().unwrap_or(&self.tail);
        chunk.first().map(|(id, value)| (*id, value))
    }

    #[inline]
    pub fn last(&self) -> Option<(StreamId, &V)> {
        self.tail.last().map(|(id, value)| (*id, value))
    }

    #[inline]
    pub fn last_mut(&mut self) -> Option<(StreamId, &mut V)> {
        self.tail.last_mut().map(|(id, value)| (*id, value))
    }

    pub fn get(&self, id: StreamId) -> Option<&V> {
        let (found, value) = self.floor(id)?;
        (found == id).then_some(value)
    }

    pub fn contains(&self, id: StreamId) -> bool {
        self.get(id).is_some()
    }

    /// The element with the highest id that is not above `id`.
    pub fn floor(&self, id: StreamId) -> Option<(StreamId, &V)> {
        self.range(StreamId::ZERO, id).next_back()
    }

    pub fn get_mut(&mut self, id: StreamId) -> Option<&mut V> {
        let chunk = self.chunk_mut(id)?;
        let at = chunk.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        Some(&mut chunk[at].1)
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (StreamId, &V)> {
        self.range(StreamId::ZERO, StreamId::MAX)
    }

    /// The elements from one id to another, both included, in order.
    pub fn range(&self, from: StreamId, to: StreamId) -> impl DoubleEndedIterator<Item = (StreamId, &V)> {
        let start = self.older.range(..=from).next_back().map_or(from, |(key, _)| *key);
        let older = (start <= to).then(|| self.older.range(start..=to));
        let chunks = older.into_iter().flatten().map(|(_, chunk)| chunk).chain(std::iter::once(&self.tail));
        let part = move |chunk: &'_ Chunk<V>| {
            let low = chunk.partition_point(|(id, _)| *id < from);
            let high = chunk.partition_point(|(id, _)| *id <= to);
            low..high.max(low)
        };
        chunks.flat_map(move |chunk| chunk[part(chunk)].iter()).map(|(id, value)| (*id, value))
    }

    /// Puts an element in; returns the one that had this id.
    pub fn insert(&mut self, id: StreamId, value: V) -> Option<V> {
        if self.tail.last().is_none_or(|(last, _)| *last < id) {
            self.push(id, value);
            return None;
        }
        let key = self.chunk_key(id);
        let chunk = match key {
            Some(key) => self.older.entry(key).or_default(),
            None => &mut self.tail,
        };
        match chunk.binary_search_by_key(&id, |(id, _)| *id) {
            Ok(at) => return Some(std::mem::replace(&mut chunk[at].1, value)),
            Err(at) => chunk.insert(at, (id, value)),
        }
        self.len += 1;
        self.split(key);
        None
    }

    /// Adds an element behind the last.
    #[inline]
    fn push(&mut self, id: StreamId, value: V) {
        if self.tail.len() >= CHUNK_MAX {
            let full = std::mem::take(&mut self.tail);
            self.older.insert(full[0].0, full);
        }
        self.tail.push((id, value));
        self.len += 1;
    }

    /// Takes an element out.
    pub fn remove(&mut self, id: StreamId) -> Option<V> {
        let in_tail = self.tail.first().is_some_and(|(first, _)| *first <= id);
        let key = if in_tail { None } else { Some(*self.older.range(..=id).next_back()?.0) };
        let chunk = match key {
            Some(key) => self.older.get_mut(&key)?,
            None => &mut self.tail,
        };
        let at = chunk.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        let (_, value) = chunk.remove(at);
        self.len -= 1;
        self.settle(key);
        Some(value)
    }

    /// Where in `older` an id is or would be; `None`: in the tail. The first chunk is made to cover lower ids.
    fn chunk_key(&mut self, id: StreamId) -> Option<StreamId> {
        if self.older.is_empty() || self.tail.first().is_some_and(|(first, _)| *first <= id) {
            return None;
        }
        if let Some((key, _)) = self.older.range(..=id).next_back() {
            return Some(*key);
        }
        let (_, chunk) = self.older.pop_first()?;
        self.older.insert(id, chunk);
        Some(id)
    }

    fn chunk_mut(&mut self, id: StreamId) -> Option<&mut Chunk<V>> {
        if self.tail.first().is_some_and(|(first, _)| *first <= id) {
            return Some(&mut self.tail);
        }
        self.older.range_mut(..=id).next_back().map(|(_, chunk)| chunk)
    }

    /// Halves a chunk that has become too large.
    fn split(&mut self, key: Option<StreamId>) {
        let chunk = match key {
            Some(key) => self.older.entry(key).or_default(),
            None => &mut self.tail,
        };
        if chunk.len() <= CHUNK_MAX {
            return;
        }
        let upper = chunk.split_off(CHUNK_MAX / 2);
        chunk.shrink_to_fit();
        if key.is_some() {
            self.older.insert(upper[0].0, upper);
        } else {
            let lower = std::mem::replace(&mut self.tail, upper);
            self.older.insert(lower[0].0, lower);
        }
    }

    /// After a removal: no empty chunk, and no many sparse ones.
    fn settle(&mut self, key: Option<StreamId>) {
        let Some(key) = key else {
            if self.tail.is_empty() {
                self.tail = self.older.pop_last().map(|(_, chunk)| chunk).unwrap_or_default();
            }
            return;
        };
        let Some(chunk) = self.older.get_mut(&key) else { return };
        if chunk.is_empty() {
            self.older.remove(&key);
        } else if chunk.len() <= CHUNK_SPARSE {
            let before = self.older.range(..key).next_back().map(|(key, _)| *key);
            self.join(key);
            before.into_iter().for_each(|key| self.join(key));
        }
    }

    /// Joins a chunk with the one after it, if both together are not more than half a chunk.
    fn join(&mut self, key: StreamId) {
        use std::ops::Bound::{Excluded, Unbounded};
        let Some(len) = self.older.get(&key).map(Vec::len) else { return };
        let next = self.older.range((Excluded(key), Unbounded)).next();
        let Some((next, _)) = next.filter(|(_, chunk)| chunk.len() + len <= CHUNK_MAX / 2) else { return };
        let next = *next;
        if let (Some(upper), Some(chunk)) = (self.older.remove(&next), self.older.get_mut(&key)) {
            chunk.extend(upper);
            chunk.shrink_to(CHUNK_MAX / 2);
        }
    }

    /// Bytes allocated, without what the values own.
    pub fn heap_bytes(&self) -> usize {
        // A tree's node holds eleven elements and some words, and is at least half full.
        let per_chunk = (size_of::<StreamId>() + size_of::<Chunk<V>>()) * 3 / 2;
        let chunks = self.older.values().chain(std::iter::once(&self.tail));
        let bytes = chunks.map(|chunk| chunk.capacity() * size_of::<(StreamId, V)>()).sum::<usize>();
        bytes + self.older.len() * per_chunk
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(n: u64) -> StreamId {
        StreamId { ms: n / 10, seq: n % 10 }
    }

    fn check(map: &IdMap<u64>, model: &BTreeMap<StreamId, u64>) {
        assert_eq!(map.len(), model.len());
        assert!(map.iter().eq(model.iter().map(|(id, v)| (*id, v))));
        assert!(map.iter().rev().eq(model.iter().rev().map(|(id, v)| (*id, v))));
        assert_eq!(map.first().map(|(id, _)| id), model.keys().next().copied());
        assert_eq!(map.last().map(|(id, _)| id), model.keys().next_back().copied());
        assert!(map.older.values().all(|chunk| (1..=CHUNK_MAX).contains(&chunk.len())));
        assert!(map.tail.len() <= CHUNK_MAX);
        for n in (0..1000).step_by(37) {
            let (low, high) = (id(n), id(n + 150));
            assert!(map.range(low, high).eq(model.range(low..=high).map(|(id, v)| (*id, v))));
            assert_eq!(map.get(low), model.get(&low));
            let floor = model.range(..=low).next_back();
            assert_eq!(map.floor(low).map(|(id, _)| id), floor.map(|(id, _)| *id));
        }
        assert_eq!(map.range(id(9), id(3)).count(), 0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn behaves_like_an_ordered_map(
            ascending in 0u64..700,
            steps in prop::collection::vec((any::<bool>(), 0u64..1000), 0..1500),
        ) {
            let (mut map, mut model) = (IdMap::default(), BTreeMap::new());
            for n in 0..ascending {
                map.insert(id(n), n);
                model.insert(id(n), n);
            }
            for (insert, n) in steps {
                if insert {
                    prop_assert_eq!(map.insert(id(n), n + 1), model.insert(id(n), n + 1));
                } else {
                    prop_assert_eq!(map.remove(id(n)), model.remove(&id(n)));
                }
                if let (Some(own), Some(other)) = (map.get_mut(id(n / 2)), model.get_mut(&id(n / 2))) {
                    (*own, *other) = (7, 7);
                }
            }
            check(&map, &model);
        }
    }

    #[test]
    fn a_queue_stays_packed() {
        let mut map = IdMap::default();
        for n in 0..10_000 {
            map.insert(id(n), ());
        }
        for n in 0..9_000 {
            assert!(map.remove(id(n)).is_some());
        }
        assert_eq!((map.len(), map.first().unwrap().0), (1000, id(9_000)));
        assert!(map.heap_bytes() < 1000 * 16 * 5 / 4, "{}", map.heap_bytes());
    }
}
