//! Changing a node: along a path, repairing on the way back.
//!
//! An insert or a removal recurses to the leaf; on the way back every parent adjusts its count and key for the kid and
//! then sees to its size. A kid that became full is relieved at once (balanced with a neighbour, else split), a kid
//! that became small is merged if a neighbour has the room, an empty one is dropped. So each change touches one path
//! and at most one neighbour per level.

use super::super::MemberSource;
use super::{Census, Kid, Node};

impl<M: Copy + PartialEq, const CAP: usize> Node<M, CAP> {
    /// Inserts at the slot that `steps` names; this node may end up full, which its parent (or the tree) relieves.
    pub(in super::super) fn insert(&mut self, steps: &[u8], score: f64, m: M, census: &mut Census) {
        let (at, rest) = (steps[0] as usize, &steps[1..]);
        if self.is_leaf() {
            return self.insert_key(at, score, m);
        }
        let kid = &mut self.kids[at];
        kid.count += 1;
        kid.node.insert(rest, score, m, census);
        let full = kid.node.is_full();
        if rest[0] == 0 {
            self.refresh_key(at);
        }
        if full {
            self.relieve(at, rest[0] as usize, census);
        }
    }

    /// Removes up to `n` elements of one leaf, from the slot that `steps` names; this node may end up empty.
    pub(in super::super) fn remove(
        &mut self,
        steps: &[u8],
        n: usize,
        gone: &mut impl FnMut(f64, M),
        census: &mut Census,
    ) -> usize {
        let (at, rest) = (steps[0] as usize, &steps[1..]);
        if self.is_leaf() {
            let end = self.len.min(at.saturating_add(n));
            (at..end).for_each(|i| gone(self.scores[i], self.members[i]));
            self.remove_keys(at, end);
            return end - at;
        }
        let kid = &mut self.kids[at];
        let leaf = kid.node.is_leaf();
        let removed = kid.node.remove(rest, n, gone, census);
        kid.count -= removed as u32;
        if kid.node.is_empty() {
            census.forget(leaf);
            self.drop_kid(at);
            // Two that were apart are neighbours now.
            if at < self.len {
                self.merge_around(at, census);
            }
        } else {
            if rest[0] == 0 {
                self.refresh_key(at);
            }
            self.merge_around(at, census);
        }
        removed
    }

    /// Writes a new score at `steps` if the element stays between its neighbours in the leaf; false when it may not.
    pub(in super::super) fn rescore(
        &mut self,
        src: &impl MemberSource<M>,
        steps: &[u8],
        old: f64,
        new: f64,
    ) -> bool {
        let (at, rest) = (steps[0] as usize, &steps[1..]);
        if !self.is_leaf() {
            let done = self.kids[at].node.rescore(src, rest, old, new);
            if done && rest[0] == 0 {
                self.refresh_key(at);
            }
            return done;
        }
        let m = self.members[at];
        // Only the side it moves towards matters. A neighbour in another leaf is not looked up: 2 slots in 50.
        let stays = if new >= old {
            at + 1 < self.len && ordered(src, (new, m), self.key(at + 1))
        } else {
            at > 0 && ordered(src, self.key(at - 1), (new, m))
        };
        if stays {
            self.scores[at] = new;
        }
        stays
    }

    /// Makes room in kid `at`, which is full after it grew at its position `grown`.
    pub(in super::super) fn relieve(&mut self, at: usize, grown: usize, census: &mut Census) {
        let leaves = self.kids[at].node.is_leaf();
        let room = |i: usize| CAP - 1 - self.kid_len(i, leaves);
        let left = if at > 0 { room(at - 1) } else { 0 };
        let right = if at + 1 < self.len { room(at + 1) } else { 0 };
        // Less room than this and the neighbours would be back here after a few inserts.
        let worthwhile = (CAP / 8).max(1);
        if left.max(right) >= worthwhile {
            return self.balance(if left > right { at - 1 } else { at });
        }
        let cut = if at + 1 == self.len && grown + 2 >= CAP {
            CAP - 1
        } else if at == 0 && grown == 0 {
            1
        } else {
            CAP / 2
        };
        self.split(at, cut, census);
    }

    /// The kid this node has, if it has but one (and is an inner node): then the tree does without this node.
    pub(in super::super) fn take_only_kid(&mut self, census: &mut Census) -> Option<Box<Self>> {
        if self.kids.len() != 1 {
            return None;
        }
        census.forget(false);
        self.kids.pop().map(|kid| kid.node)
    }

    /// Moves the keys of kid `at` from `cut` on to a new kid behind it.
    fn split(&mut self, at: usize, cut: usize, census: &mut Census) {
        let kid = &mut self.kids[at];
        let (right, count) = kid.node.split_off(cut);
        kid.count -= count;
        census.note(right.is_leaf());
        let (score, m) = right.key(0);
        self.insert_key(at + 1, score, m);
        self.kids.insert(at + 1, Kid { node: right, count });
    }

    fn split_off(&mut self, cut: usize) -> (Box<Self>, u32) {
        let (score, m) = self.key(cut);
        let mut right =
            Box::new(Self { scores: [score; CAP], members: [m; CAP], kids: Vec::new(), len: self.len - cut });
        right.scores[..self.len - cut].copy_from_slice(&self.scores[cut..self.len]);
        right.members[..self.len - cut].copy_from_slice(&self.members[cut..self.len]);
        let mut count = right.len as u32;
        if !self.is_leaf() {
            right.kids.reserve_exact(CAP);
            right.kids.extend(self.kids.drain(cut..));
            count = right.kids.iter().map(|kid| kid.count).sum();
        }
        self.len = cut;
        (right, count)
    }

    /// Evens out kids `at` and `at + 1`.
    fn balance(&mut self, at: usize) {
        let (left, right) = self.pair(at);
        let half = (left.node.len + right.node.len) / 2;
        let both = left.count + right.count;
        if left.node.len > half {
            left.count -= left.node.give_right(&mut right.node, left.node.len - half);
        } else {
            left.count += left.node.take_left(&mut right.node, half - left.node.len);
        }
        right.count = both - left.count;
        self.refresh_key(at + 1);
    }

    /// Moves the last `n` keys to the front of `right`; how many elements that were.
    fn give_right(&mut self, right: &mut Self, n: usize) -> u32 {
        let cut = self.len - n;
        right.scores.copy_within(..right.len, n);
        right.members.copy_within(..right.len, n);
        right.scores[..n].copy_from_slice(&self.scores[cut..self.len]);
        right.members[..n].copy_from_slice(&self.members[cut..self.len]);
        right.len += n;
        self.len = cut;
        if self.is_leaf() {
            return n as u32;
        }
        let count = self.kids[cut..].iter().map(|kid| kid.count).sum();
        right.kids.splice(..0, self.kids.drain(cut..));
        count
    }

    /// Moves the first `n` keys of `right` to the end; how many elements that were.
    fn take_left(&mut self, right: &mut Self, n: usize) -> u32 {
        let end = self.len + n;
        self.scores[self.len..end].copy_from_slice(&right.scores[..n]);
        self.members[self.len..end].copy_from_slice(&right.members[..n]);
        self.len = end;
        right.remove_keys(0, n);
        if self.is_leaf() {
            return n as u32;
        }
        let count = right.kids[..n].iter().map(|kid| kid.count).sum();
        self.kids.extend(right.kids.drain(..n));
        count
    }

    /// Joins kid `at`, if it became small, with a neighbour when both fit well into one.
    fn merge_around(&mut self, at: usize, census: &mut Census) {
        let leaves = self.kids[at].node.is_leaf();
        let len = self.kid_len(at, leaves);
        if len >= CAP / 2 {
            return;
        }
        // An eighth stays free, lest the next inserts split it again.
        let fits = |i: usize| len + self.kid_len(i, leaves) <= CAP - 1 - CAP / 8;
        if at + 1 < self.len && fits(at + 1) {
            self.merge(at, census);
        } else if at > 0 && fits(at - 1) {
            self.merge(at - 1, census);
        }
    }

    /// Moves all of kid `at + 1` into kid `at`.
    fn merge(&mut self, at: usize, census: &mut Census) {
        let (left, right) = self.pair(at);
        census.forget(right.node.is_leaf());
        let all = right.node.len;
        left.count += left.node.take_left(&mut right.node, all);
        self.drop_kid(at + 1);
    }

    fn drop_kid(&mut self, at: usize) {
        self.kids.remove(at);
        self.remove_keys(at, at + 1);
    }

    fn pair(&mut self, at: usize) -> (&mut Kid<M, CAP>, &mut Kid<M, CAP>) {
        let (left, right) = self.kids.split_at_mut(at + 1);
        (&mut left[at], &mut right[0])
    }

    /// How many keys a kid has. A leaf's are its elements, so the count here spares a visit there.
    fn kid_len(&self, at: usize, leaves: bool) -> usize {
        let kid = &self.kids[at];
        if leaves { kid.count as usize } else { kid.node.len }
    }

    fn refresh_key(&mut self, at: usize) {
        (self.scores[at], self.members[at]) = self.kids[at].node.key(0);
    }

    pub(super) fn insert_key(&mut self, at: usize, score: f64, m: M) {
        self.scores.copy_within(at..self.len, at + 1);
        self.members.copy_within(at..self.len, at + 1);
        self.scores[at] = score;
        self.members[at] = m;
        self.len += 1;
    }

    fn remove_keys(&mut self, from: usize, to: usize) {
        self.scores.copy_within(to..self.len, from);
        self.members.copy_within(to..self.len, from);
        self.len -= to - from;
    }
}

fn ordered<M: Copy>(src: &impl MemberSource<M>, low: (f64, M), high: (f64, M)) -> bool {
    low.0 < high.0 || (low.0 == high.0 && src.bytes(low.1) < src.bytes(high.1))
}
