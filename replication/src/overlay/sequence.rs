//! A sequence that is changed at its ends and at one place in between that moves little: where a queue's next element is taken,
//! between those that are there and the marks of those that were.

use std::collections::VecDeque;
use std::ops::{Index, IndexMut, Range};

/// So near to an end, what is beyond a place is moved rather than the gap.
const NEAR: usize = 8;

/// Two halves with a gap between them, where inserting costs nothing: it costs the distance to the last place.
#[derive(Clone, Debug)]
pub(super) struct Sequence<T> {
    left: VecDeque<T>,
    right: VecDeque<T>,
}

impl<T> Default for Sequence<T> {
    fn default() -> Self {
        Sequence { left: VecDeque::new(), right: VecDeque::new() }
    }
}

impl<T> Sequence<T> {
    pub fn len(&self) -> usize {
        self.left.len() + self.right.len()
    }

    pub fn get(&self, at: usize) -> Option<&T> {
        match at.checked_sub(self.left.len()) {
            None => self.left.get(at),
            Some(at) => self.right.get(at),
        }
    }

    pub fn push_back(&mut self, item: T) {
        self.right.push_back(item);
    }

    pub fn back_mut(&mut self) -> Option<&mut T> {
        self.right.back_mut().or(self.left.back_mut())
    }

    pub fn insert(&mut self, at: usize, item: T) {
        let behind = self.len() - at;
        if at <= NEAR && at <= self.left.len() {
            return self.left.insert(at, item);
        }
        if behind <= NEAR && behind <= self.right.len() {
            return self.right.insert(self.right.len() - behind, item);
        }
        while self.left.len() > at
            && let Some(item) = self.left.pop_back()
        {
            self.right.push_front(item);
        }
        while self.left.len() < at
            && let Some(item) = self.right.pop_front()
        {
            self.left.push_back(item);
        }
        self.left.push_back(item);
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.range(0..self.len())
    }

    pub fn range(&self, range: Range<usize>) -> impl DoubleEndedIterator<Item = &T> {
        let n = self.left.len();
        let in_left = range.start.min(n)..range.end.min(n);
        let in_right = range.start.saturating_sub(n)..range.end.saturating_sub(n);
        self.left.range(in_left).chain(self.right.range(in_right))
    }
}

impl<T> IntoIterator for Sequence<T> {
    type Item = T;
    type IntoIter =
        std::iter::Chain<std::collections::vec_deque::IntoIter<T>, std::collections::vec_deque::IntoIter<T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.left.into_iter().chain(self.right)
    }
}

impl<T> Index<usize> for Sequence<T> {
    type Output = T;

    fn index(&self, at: usize) -> &T {
        let n = self.left.len();
        if at < n { &self.left[at] } else { &self.right[at - n] }
    }
}

impl<T> IndexMut<usize> for Sequence<T> {
    fn index_mut(&mut self, at: usize) -> &mut T {
        let n = self.left.len();
        if at < n { &mut self.left[at] } else { &mut self.right[at - n] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_what_a_vector_would_be(steps in proptest::collection::vec((any::<u16>(), any::<bool>()), 0..200)) {
            let (mut sequence, mut plain) = (Sequence::default(), Vec::new());
            for (i, (at, insert)) in steps.into_iter().enumerate() {
                let at = usize::from(at) % (plain.len() + 1);
                if insert {
                    sequence.insert(at, i);
                    plain.insert(at, i);
                } else {
                    sequence.push_back(i);
                    plain.push(i);
                }
                if let Some(last) = sequence.back_mut() {
                    *last += 1;
                    *plain.last_mut().unwrap() += 1;
                }
                let from = at.min(plain.len() / 2);
                prop_assert!(sequence.range(from..plain.len()).eq(&plain[from..]));
                prop_assert!(sequence.iter().rev().eq(plain.iter().rev()));
                prop_assert_eq!(sequence.get(at), plain.get(at));
                prop_assert_eq!(sequence.len(), plain.len());
            }
            prop_assert!(sequence.into_iter().eq(plain));
        }
    }
}
