//! The list: a sequence of elements in a row of nodes, most of them listpacks of a few kilobytes.
//!
//! ```text
//! nodes   [ head, reversed ]  [ squeezed ]  [ squeezed ]  [ plain ]  [ tail ]
//!           c b a              LZF(d e f)    LZF(g h i)    j          k l m
//! list    a b c d e f g h i j k l m
//! ```
//!
//! * A **packed** node is a [`Listpack`]; [`Shape`] says how much goes into one. A **plain** node is one element too
//!   large to be packed with others.
//! * **Squeezed** nodes: with `list-compress-depth n` all but the `n` nodes nearest to either end are held as LZF.
//!   Readers unpack a copy and leave the node alone; writers open it, change it and squeeze it again.
//! * **Reversed** nodes: a listpack grows cheaply at its end only; at its front each change moves all of it. So the
//!   first of several nodes is turned around when something is pushed to it or popped from it, and LPUSH and LPOP
//!   work at the end of its bytes; the last is turned back when it is found reversed. Turning costs some five
//!   nanoseconds per element and happens about once in a node's life; moving costs about a hundred per push or pop.
//!   The only node of a list is left as it is, or a queue would turn it again and again. Nothing outside this module
//!   sees that a node is reversed.
//! * After removals, neighbours that fit into one node are joined; pushes and pops at the ends never look further
//!   than their node.
//!
//! Elements are bytes. One that reads as an integer is stored as one, and comes out as [`Entry::Int`]: replies can be
//! written without an allocation. Indices count from 0 at the head.

mod edit;
mod node;
mod search;
mod shape;
mod squeezed;
mod stored;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::VecDeque;
use std::ops::ControlFlow;

use node::Node;
pub use protocol::listpack::{Entry, Listpack};
pub use shape::Shape;
pub use stored::{Container, Payload, Stored};

/// From so many nodes on, a new one at an end gets at once the room that its neighbour has: at most a sixteenth of the
/// list is room.
const MANY_NODES: usize = if cfg!(test) { 4 } else { 16 };

/// A list. Operations that change it take the [`Shape`] its nodes are to have.
#[derive(Clone, Default)]
pub struct Quicklist {
    /// None is empty.
    nodes: VecDeque<Node>,
    /// Elements in all nodes.
    len: usize,
}

impl Quicklist {
    /// An empty list; allocates nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many nodes there are: about how many allocations.
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// Bytes allocated. Linear in the number of nodes.
    pub fn heap_bytes(&self) -> usize {
        self.nodes.capacity() * size_of::<Node>() + self.nodes.iter().map(Node::heap_bytes).sum::<usize>()
    }

    /// Bytes of all nodes' contents as if none were squeezed. Linear in the number of nodes.
    pub fn content_bytes(&self) -> usize {
        self.nodes.iter().map(Node::bytes).sum()
    }

    /// The index that a client means, where negative ones count from the end; `None` when it is out of range.
    pub fn resolve(&self, index: i64) -> Option<usize> {
        let index = if index < 0 { index.checked_add(self.len as i64)? } else { index };
        usize::try_from(index).ok().filter(|index| *index < self.len)
    }

    /// Adds an element before the first.
    pub fn push_front(&mut self, shape: Shape, value: &[u8]) {
        self.len += 1;
        let only = self.nodes.len() < 2;
        if let Some(head) = self.nodes.front_mut()
            && head.fits(shape, value.len())
        {
            head.open();
            if !only {
                head.face_front();
            }
            return head.insert(0, value);
        }
        self.reserve_first();
        let mut node = Node::beside(self.filled().and_then(VecDeque::front), shape, value);
        if !self.nodes.is_empty() {
            node.begin_reversed();
        }
        self.nodes.push_front(node);
        self.settle(shape);
    }

    /// Adds an element behind the last.
    pub fn push_back(&mut self, shape: Shape, value: &[u8]) {
        self.len += 1;
        let only = self.nodes.len() < 2;
        if let Some(tail) = self.nodes.back_mut()
            && tail.fits(shape, value.len())
        {
            tail.open();
            if !only {
                tail.face_back();
            }
            return tail.insert(tail.count(), value);
        }
        self.reserve_first();
        let node = Node::beside(self.filled().and_then(VecDeque::back), shape, value);
        self.nodes.push_back(node);
        self.settle(shape);
    }

    /// Takes the first element out, after `see` has looked at it.
    pub fn pop_front<R>(&mut self, shape: Shape, see: impl FnOnce(Entry<'_>) -> R) -> Option<R> {
        let seen = self.nodes.front_mut().map(|head| {
            head.open();
            see(head.entry(0))
        })?;
        self.drop_front(shape);
        Some(seen)
    }

    /// Takes the last element out, after `see` has looked at it.
    pub fn pop_back<R>(&mut self, shape: Shape, see: impl FnOnce(Entry<'_>) -> R) -> Option<R> {
        let seen = self.nodes.back_mut().map(|tail| {
            tail.open();
            see(tail.entry(tail.count() - 1))
        })?;
        self.drop_back(shape);
        Some(seen)
    }

    /// Moves the last element to the front; `see` looks at it on the way. `None` when the list is empty.
    pub fn rotate<R>(&mut self, shape: Shape, see: impl FnOnce(Entry<'_>) -> R) -> Option<R> {
        let (text, seen) = self.pop_back(shape, |entry| {
            let mut digits = itoa::Buffer::new();
            (smallvec::SmallVec::<[u8; 128]>::from_slice(entry.text(&mut digits)), see(entry))
        })?;
        self.push_front(shape, &text);
        Some(seen)
    }

    /// Looks at the element at `index`; `None` when there is none.
    pub fn get<R>(&self, index: usize, see: impl FnOnce(Entry<'_>) -> R) -> Option<R> {
        if index >= self.len {
            return None;
        }
        let (i, at) = self.locate(index);
        Some(see(self.nodes[i].raw().entry(at)))
    }

    /// Looks at the elements from `index` on, towards the end or `backwards`, until `see` breaks or none is left.
    pub fn walk(&self, index: usize, backwards: bool, mut see: impl FnMut(Entry<'_>) -> ControlFlow<()>) {
        if index >= self.len {
            return;
        }
        let (mut i, at) = self.locate(index);
        let mut start = Some(at);
        while let Some(node) = self.nodes.get(i) {
            let node: Cow<'_, Node> = node.raw();
            let from = start.take().unwrap_or(if backwards { node.count() - 1 } else { 0 });
            if node.walk(from, backwards, &mut see).is_break() {
                return;
            }
            i = if backwards { i.wrapping_sub(1) } else { i + 1 };
        }
    }

    /// Looks at `count` elements (or as many as there are) from `index` on, towards the end or `backwards`.
    pub fn range(&self, index: usize, backwards: bool, count: usize, mut see: impl FnMut(Entry<'_>)) {
        let mut left = count;
        if left > 0 {
            self.walk(index, backwards, |entry| {
                see(entry);
                left -= 1;
                if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
        }
    }

    /// The node that holds `index`, which is in range, and the index in there; counted from the nearer end.
    fn locate(&self, index: usize) -> (usize, usize) {
        if index < self.len / 2 {
            let mut rest = index;
            for (i, node) in self.nodes.iter().enumerate() {
                match rest.checked_sub(node.count()) {
                    Some(further) => rest = further,
                    None => return (i, rest),
                }
            }
        } else {
            let mut behind = self.len - index;
            for (i, node) in self.nodes.iter().enumerate().rev() {
                match node.count().checked_sub(behind) {
                    Some(at) => return (i, at),
                    None => behind -= node.count(),
                }
            }
        }
        panic!("index {index} of {} is in no node: counts are wrong", self.len);
    }

    /// The nodes, if there are so many that the room of one more does not matter.
    fn filled(&self) -> Option<&VecDeque<Node>> {
        (self.nodes.len() >= MANY_NODES).then_some(&self.nodes)
    }

    /// Makes room for `bytes` more of entries behind the only node.
    pub(super) fn reserve(&mut self, shape: Shape, bytes: usize) {
        if let [node] = self.nodes.make_contiguous() {
            node.reserve(bytes.min(shape.bytes_max.saturating_sub(node.bytes())));
        }
    }

    /// Short lists are many, and most never have a second node.
    fn reserve_first(&mut self) {
        if self.nodes.capacity() == 0 {
            self.nodes.reserve_exact(1);
        }
    }
}
