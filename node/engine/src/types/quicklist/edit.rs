//! Changes in the middle, and what keeps the row of nodes in shape afterwards.

use super::{Node, Quicklist, Shape};

impl Quicklist {
    /// Inserts an element, which will be at `index` (at most the length).
    pub fn insert(&mut self, shape: Shape, index: usize, value: &[u8]) {
        if index == 0 {
            return self.push_front(shape, value);
        }
        if index >= self.len {
            return self.push_back(shape, value);
        }
        let (i, at) = self.locate(index);
        self.len += 1;
        let fits = |i: usize| self.nodes[i].fits(shape, value.len());
        // The element before the first of a node may as well be the last of the node before.
        let (i, at) =
            if at == 0 && !fits(i) && fits(i - 1) { (i - 1, self.nodes[i - 1].count()) } else { (i, at) };
        if self.nodes[i].fits(shape, value.len()) {
            self.nodes[i].open();
            self.nodes[i].insert(at, value);
            self.close(shape, i);
        } else {
            self.insert_between(shape, i, at, value);
        }
    }

    /// Puts `value` in the place of the element at `index`; false when there is none.
    pub fn set(&mut self, shape: Shape, index: usize, value: &[u8]) -> bool {
        if index >= self.len {
            return false;
        }
        let (i, at) = self.locate(index);
        self.nodes[i].open();
        if self.nodes[i].set(shape, at, value) {
            self.close(shape, i);
            return true;
        }
        self.nodes[i].remove(at, 1);
        self.close(shape, i);
        self.len -= 1;
        self.insert(shape, index, value);
        true
    }

    /// Removes up to `n` elements from `index` on; how many it were.
    pub fn remove_range(&mut self, shape: Shape, index: usize, n: usize) -> usize {
        let n = n.min(self.len.saturating_sub(index));
        match (index, n) {
            (_, 0) => {}
            (0, 1) => self.drop_front(shape),
            (_, 1) if index + 1 == self.len => self.drop_back(shape),
            _ => self.cut_out(shape, index, n),
        }
        n
    }

    /// Removes the elements at `indices`, which ascend and are in range.
    pub fn remove_at(&mut self, shape: Shape, indices: &[usize]) {
        let (mut base, mut left, mut touched) = (0, indices, None);
        for i in 0..self.nodes.len() {
            if left.is_empty() {
                break;
            }
            let end = base + self.nodes[i].count();
            let (here, further) = left.split_at(left.partition_point(|index| *index < end));
            if !here.is_empty() {
                self.nodes[i].remove_all(here.iter().map(|index| index - base));
                let (low, _) = touched.unwrap_or((i, i));
                touched = Some((low, i));
            }
            (base, left) = (end, further);
        }
        self.len -= indices.len() - left.len();
        if let Some((low, high)) = touched {
            self.tidy(shape, low.saturating_sub(1), high + 1);
        }
    }

    /// Removes the first element of a list that is not empty.
    pub(super) fn drop_front(&mut self, shape: Shape) {
        self.len -= 1;
        let only = self.nodes.len() < 2;
        match self.nodes.front_mut() {
            Some(head) if head.count() > 1 => {
                head.open();
                if !only {
                    head.face_front();
                }
                head.remove(0, 1);
            }
            _ => {
                self.nodes.pop_front();
                self.settle(shape);
            }
        }
    }

    /// Removes the last element of a list that is not empty.
    pub(super) fn drop_back(&mut self, shape: Shape) {
        self.len -= 1;
        let only = self.nodes.len() < 2;
        match self.nodes.back_mut() {
            Some(tail) if tail.count() > 1 => {
                tail.open();
                if !only {
                    tail.face_back();
                }
                tail.remove(tail.count() - 1, 1);
            }
            _ => {
                self.nodes.pop_back();
                self.settle(shape);
            }
        }
    }

    fn cut_out(&mut self, shape: Shape, index: usize, n: usize) {
        let (mut i, at) = self.locate(index);
        let mut left = n;
        self.len -= n;
        if at > 0 {
            left -= self.cut_from(shape, i, at, left);
            i += 1;
        }
        let whole = self.nodes.iter().skip(i).take_while(|node| match left.checked_sub(node.count()) {
            Some(rest) => {
                left = rest;
                true
            }
            None => false,
        });
        let whole = whole.count();
        self.nodes.drain(i..i + whole);
        if left > 0 {
            self.cut_from(shape, i, 0, left);
        }
        self.tidy(shape, i.saturating_sub(1), i);
    }

    /// Removes up to `n` elements, but not all, of node `i`.
    fn cut_from(&mut self, shape: Shape, i: usize, at: usize, n: usize) -> usize {
        let node = &mut self.nodes[i];
        let n = n.min(node.count() - at);
        node.open();
        node.remove(at, n);
        self.close(shape, i);
        n
    }

    /// Inserts a node of its own before the element `at` of node `i`, which has no room.
    fn insert_between(&mut self, shape: Shape, i: usize, at: usize, value: &[u8]) {
        let mut place = i;
        if at > 0 {
            self.nodes[i].open();
            let right = self.nodes[i].split_off(at);
            place = i + 1;
            self.nodes.insert(place, right);
        }
        self.nodes.insert(place, Node::of(shape, value));
        self.tidy(shape, place.saturating_sub(2), place + 2);
    }

    /// After a change of nodes `from` to `to` (some may not exist): drops the empty, joins what fits together, squeezes
    /// what was opened.
    pub(super) fn tidy(&mut self, shape: Shape, from: usize, to: usize) {
        let end = self.nodes.len().min(to + 1);
        let mut kept = from;
        for i in from..end {
            if self.nodes[i].count() == 0 {
                continue;
            }
            if kept > from && self.nodes[kept - 1].joins(shape, &self.nodes[i]) {
                let node = std::mem::replace(&mut self.nodes[i], Node::empty());
                self.nodes[kept - 1].join(node);
            } else {
                self.nodes.swap(kept, i);
                kept += 1;
            }
        }
        self.nodes.drain(kept.min(end)..end);
        (from..kept).for_each(|i| self.close(shape, i));
        self.settle(shape);
    }

    /// Ends a change of node `i`, if there is such a node: squeezes it if its place asks for it.
    pub(super) fn close(&mut self, shape: Shape, i: usize) {
        if shape.depth > 0 && i >= shape.depth && i + shape.depth < self.nodes.len() {
            self.nodes[i].squeeze();
        }
    }

    /// After nodes came or went: opens those that are now near an end and squeezes those that no longer are.
    pub(super) fn settle(&mut self, shape: Shape) {
        // One change adds two nodes at most, so no more than two can have left either end.
        const LEFT_MAX: usize = 2;
        self.shrink_row();
        let (nodes, depth) = (self.nodes.len(), shape.depth);
        if depth == 0 {
            return;
        }
        for i in 0..depth.min(nodes) {
            self.nodes[i].unsqueeze();
            self.nodes[nodes - 1 - i].unsqueeze();
        }
        for i in depth..(depth + LEFT_MAX).min(nodes) {
            self.close(shape, i);
            self.close(shape, nodes - 1 - i);
        }
    }

    /// Gives room back when a long row became a short one.
    fn shrink_row(&mut self) {
        let room = self.nodes.capacity();
        if room > 32 && self.nodes.len() < room / 4 {
            self.nodes.shrink_to(room / 2);
        }
    }
}
