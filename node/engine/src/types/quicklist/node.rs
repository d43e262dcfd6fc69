//! One node: some elements in one allocation.
//!
//! Indices here are those of the list's order; that a reversed node counts the other way round is settled in
//! [`Node::locate`], [`Node::insert`] and [`Node::remove`]. All that reads or changes elements needs an open node:
//! [`Node::raw`] lends one for reading, [`Node::open`] makes one for changing.

use std::ops::ControlFlow;

use protocol::listpack::{Entry, Listpack};

use super::Shape;
use super::squeezed::Squeezed;

/// More than this an entry's frame takes only if its text is of megabytes.
const FRAME: usize = 8;
/// Header and end mark of a listpack, saved when two become one.
const LISTPACK_FRAME: usize = 7;
/// To remove more elements than this, it pays to copy those that stay.
const MOVES_MAX: usize = if cfg!(test) { 2 } else { 8 };
/// Smaller nodes are not worth turning around: moving their bytes costs as little. (Tests want many turned nodes.)
const TURN_BYTES_MIN: usize = if cfg!(test) { 40 } else { 512 };

#[derive(Clone)]
pub(super) struct Node {
    pub(super) body: Body,
    pub(super) count: u32,
    /// The listpack holds the elements last to first. Never of a squeezed node.
    pub(super) reversed: bool,
    /// Squeezing was tried since the last change, in vain.
    pub(super) hopeless: bool,
}

#[derive(Clone)]
pub(super) enum Body {
    Packed(Listpack),
    Plain(Box<[u8]>),
    Squeezed(Squeezed),
}

impl Node {
    pub(super) fn new(body: Body, count: usize) -> Self {
        Self { body, count: count as u32, reversed: false, hopeless: false }
    }

    /// A node of one element.
    pub(super) fn of(shape: Shape, value: &[u8]) -> Self {
        if value.len() >= shape.plain_bytes {
            return Self::plain(value.into());
        }
        let mut listpack = Listpack::new();
        listpack.push_back(value);
        Self::packed(listpack)
    }

    /// A node of one element at the end of a row of filled ones: it gets at once the room that its neighbour needed, and
    /// need not grow towards it in steps.
    pub(super) fn beside(neighbour: Option<&Node>, shape: Shape, value: &[u8]) -> Self {
        let mut node = Self::of(shape, value);
        if let (Some(neighbour), Body::Packed(listpack)) = (neighbour, &mut node.body)
            && !neighbour.is_plain()
        {
            listpack.reserve(neighbour.bytes().saturating_sub(listpack.total()).min(shape.bytes_max));
        }
        node
    }

    /// A node of nothing, which takes no allocation: it holds a place for a moment.
    pub(super) fn empty() -> Self {
        Self::new(Body::Plain(Box::default()), 0)
    }

    /// A node of an element too large to be packed.
    pub(super) fn plain(value: Box<[u8]>) -> Self {
        Self::new(Body::Plain(value), 1)
    }

    pub(super) fn packed(listpack: Listpack) -> Self {
        let count = listpack.len();
        Self::new(Body::Packed(listpack), count)
    }

    pub(super) fn count(&self) -> usize {
        self.count as usize
    }

    /// Bytes of the content, as if it were not squeezed.
    pub(super) fn bytes(&self) -> usize {
        match &self.body {
            Body::Packed(listpack) => listpack.total(),
            Body::Plain(value) => value.len(),
            Body::Squeezed(squeezed) => squeezed.len as usize,
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        match &self.body {
            Body::Packed(listpack) => listpack.capacity(),
            Body::Plain(value) => value.len(),
            Body::Squeezed(squeezed) => squeezed.lzf.len(),
        }
    }

    pub(super) fn is_squeezed(&self) -> bool {
        matches!(self.body, Body::Squeezed(_))
    }

    pub(super) fn is_plain(&self) -> bool {
        matches!(self.body, Body::Plain(_) | Body::Squeezed(Squeezed { plain: true, .. }))
    }

    pub(super) fn is_reversed(&self) -> bool {
        self.reversed
    }

    // Whether things go together.

    /// Whether an element of `len` bytes may be added.
    pub(super) fn fits(&self, shape: Shape, len: usize) -> bool {
        len < shape.plain_bytes
            && !self.is_plain()
            && self.count() < shape.count_max
            && self.bytes() + len + FRAME <= shape.bytes_max
    }

    /// Whether this and the next node should become one: they fit together and one is small, else little is gained.
    pub(super) fn joins(&self, shape: Shape, next: &Node) -> bool {
        !self.is_plain()
            && !next.is_plain()
            && (self.is_small(shape) || next.is_small(shape))
            && self.count() + next.count() <= shape.count_max
            && self.bytes() + next.bytes() - LISTPACK_FRAME <= shape.bytes_max
    }

    /// Whether it is at most half of what it may be.
    fn is_small(&self, shape: Shape) -> bool {
        self.bytes() <= shape.bytes_max / 2 && self.count() <= shape.count_max / 2
    }

    // Turning.

    /// Makes pushes and pops at the front of an open node cheap.
    pub(super) fn face_front(&mut self) {
        if !self.reversed && self.bytes() >= TURN_BYTES_MIN {
            self.turn();
        }
    }

    /// Makes pushes at the front of a node of one element cheap: it is the same either way round.
    pub(super) fn begin_reversed(&mut self) {
        self.reversed = matches!(self.body, Body::Packed(_));
    }

    /// Makes pushes and pops at the back of an open node cheap.
    pub(super) fn face_back(&mut self) {
        if self.reversed && self.bytes() >= TURN_BYTES_MIN {
            self.turn();
        }
    }

    /// Makes the listpack's order the list's.
    pub(super) fn straighten(&mut self) {
        if self.reversed {
            self.turn();
        }
    }

    fn turn(&mut self) {
        if let Body::Packed(listpack) = &mut self.body {
            *listpack = listpack.reversed();
            self.reversed = !self.reversed;
        }
    }

    // Reading an open node.

    fn listpack(&self) -> Option<&Listpack> {
        match &self.body {
            Body::Packed(listpack) => Some(listpack),
            Body::Plain(_) => None,
            Body::Squeezed(_) => panic!("elements of a squeezed node: it was not opened"),
        }
    }

    /// The position in the listpack of the element at `at`.
    fn locate(&self, listpack: &Listpack, at: usize) -> usize {
        let at = if self.reversed { self.count() - 1 - at } else { at };
        // The ends, where most work is, without a walk.
        let position = if at + 1 == self.count() { listpack.last() } else { listpack.seek(at as i64) };
        position.expect("an index below the count")
    }

    pub(super) fn entry(&self, at: usize) -> Entry<'_> {
        match &self.body {
            Body::Packed(listpack) => listpack.get(self.locate(listpack, at)),
            Body::Plain(value) => Entry::Str(value),
            Body::Squeezed(_) => panic!("an element of a squeezed node: it was not opened"),
        }
    }

    /// Looks at the elements from `at` on until `see` breaks.
    pub(super) fn walk(
        &self,
        at: usize,
        backwards: bool,
        see: &mut impl FnMut(Entry<'_>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let Some(listpack) = self.listpack() else {
            return see(self.entry(0));
        };
        let mut position = self.locate(listpack, at);
        if backwards == self.reversed {
            return listpack.view().iter_from(position).try_for_each(see);
        }
        loop {
            see(listpack.get(position))?;
            match listpack.prev(position) {
                Some(before) => position = before,
                None => return ControlFlow::Continue(()),
            }
        }
    }

    // Changing an open node.

    /// Inserts before the element at `at`, or behind the last.
    pub(super) fn insert(&mut self, at: usize, value: &[u8]) {
        let (count, reversed) = (self.count(), self.reversed);
        let Body::Packed(listpack) = &mut self.body else {
            panic!("only packed nodes take more elements");
        };
        let at = if reversed { count - at } else { at };
        let position =
            if at == count { listpack.end() } else { listpack.seek(at as i64).unwrap_or(listpack.end()) };
        listpack.insert(position, value);
        self.count += 1;
    }

    /// Makes room in a packed node.
    pub(super) fn reserve(&mut self, bytes: usize) {
        if let Body::Packed(listpack) = &mut self.body {
            listpack.reserve(bytes);
        }
    }

    /// Puts `value` in the place of the element at `at`. False when it must not stay in this node, where another one,
    /// if not already this, is at `at`.
    pub(super) fn set(&mut self, shape: Shape, at: usize, value: &[u8]) -> bool {
        if self.count == 1 {
            *self = Self::of(shape, value);
            return true;
        }
        if value.len() >= shape.plain_bytes.min(shape.bytes_max) {
            return false;
        }
        let position = self.listpack().map_or(0, |listpack| self.locate(listpack, at));
        let Body::Packed(listpack) = &mut self.body else {
            panic!("a node of several elements is packed");
        };
        let before = listpack.total();
        listpack.replace(position, value);
        listpack.total() <= shape.bytes_max.max(before)
    }

    /// Removes `n` elements from `at` on; the node may end up empty.
    pub(super) fn remove(&mut self, at: usize, n: usize) {
        let lowest = if self.reversed { at + n - 1 } else { at };
        let position = self.listpack().map_or(0, |listpack| self.locate(listpack, lowest));
        if let Body::Packed(listpack) = &mut self.body {
            listpack.remove_from(position, n);
        }
        self.count -= n as u32;
    }

    /// Opens the node and removes the elements at `places`, which ascend; the node may end up empty.
    pub(super) fn remove_all(&mut self, places: impl DoubleEndedIterator<Item = usize> + ExactSizeIterator) {
        if places.len() == self.count() {
            *self = Self::empty();
            return;
        }
        self.open();
        if places.len() <= MOVES_MAX {
            places.rev().for_each(|at| self.remove(at, 1));
        } else {
            self.straighten();
            self.rebuild_without(places);
        }
    }

    fn rebuild_without(&mut self, mut places: impl Iterator<Item = usize>) {
        let Some(old) = self.listpack() else { return };
        let mut kept = Listpack::with_capacity(old.total());
        let mut gone = places.next();
        for (at, entry) in old.iter().enumerate() {
            if gone == Some(at) {
                gone = places.next();
            } else {
                kept.push_back(entry);
            }
        }
        *self = Self::packed(kept);
    }

    /// Cuts off what is from `at` on.
    pub(super) fn split_off(&mut self, at: usize) -> Node {
        self.straighten();
        let position = self.listpack().map_or(0, |listpack| self.locate(listpack, at));
        let Body::Packed(listpack) = &mut self.body else {
            panic!("only packed nodes have an inside");
        };
        let right = listpack.split_off(position);
        let moved = self.count() - at;
        self.count = at as u32;
        Self::new(Body::Packed(right), moved)
    }

    /// Takes over all that `next` holds.
    pub(super) fn join(&mut self, mut next: Node) {
        self.open();
        next.open();
        self.straighten();
        next.straighten();
        if let (Body::Packed(own), Body::Packed(other)) = (&mut self.body, &next.body) {
            own.append(other.view());
            self.count += next.count;
        }
    }
}
