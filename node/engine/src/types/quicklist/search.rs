//! By value: finding elements, removing those that equal one.

use std::ops::ControlFlow;

use protocol::listpack::{Entry, Listpack};

use super::node::{Body, Node};
use super::{Quicklist, Shape};

impl Quicklist {
    /// Calls `found` with the index of each element equal to `value`, from the head on or (`backwards`) from the tail,
    /// until it breaks or `scan_max` elements have been compared.
    pub fn find(
        &self,
        value: &[u8],
        backwards: bool,
        scan_max: usize,
        mut found: impl FnMut(usize) -> ControlFlow<()>,
    ) {
        let (needle, len, mut seen) = (Needle::new(value), self.len, 0);
        if len == 0 || scan_max == 0 {
            return;
        }
        self.walk(if backwards { len - 1 } else { 0 }, backwards, |entry| {
            if needle.is(entry) {
                found(if backwards { len - 1 - seen } else { seen })?;
            }
            seen += 1;
            if seen == scan_max { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
    }

    /// The index of the first element equal to `value`.
    pub fn position(&self, value: &[u8]) -> Option<usize> {
        let mut position = None;
        self.find(value, false, usize::MAX, |index| {
            position = Some(index);
            ControlFlow::Break(())
        });
        position
    }

    /// Removes up to `max` elements equal to `value`, the first ones or (`backwards`) the last; how many it were.
    pub fn remove_equal(&mut self, shape: Shape, value: &[u8], max: usize, backwards: bool) -> usize {
        let needle = Needle::new(value);
        let nodes = self.nodes.len();
        let (mut removed, mut touched) = (0, None);
        for step in 0..nodes {
            if removed == max {
                break;
            }
            let i = if backwards { nodes - 1 - step } else { step };
            let here = remove_from(&mut self.nodes[i], needle, max - removed, backwards);
            if here > 0 {
                removed += here;
                let (low, high) = touched.unwrap_or((i, i));
                touched = Some((i.min(low), i.max(high)));
            }
        }
        self.len -= removed;
        if let Some((low, high)) = touched {
            self.tidy(shape, low.saturating_sub(1), high + 1);
        }
        removed
    }
}

/// Removes from one node; opens it only if there is something to remove.
fn remove_from(node: &mut Node, needle: Needle<'_>, max: usize, backwards: bool) -> usize {
    if !node.is_squeezed() {
        return node.remove_equal(needle, max, backwards);
    }
    let mut open = node.raw().into_owned();
    let removed = open.remove_equal(needle, max, backwards);
    if removed > 0 {
        *node = open;
    }
    removed
}

impl Node {
    /// Removes up to `max` elements equal to the needle, the first ones or (`backwards`) the last.
    fn remove_equal(&mut self, needle: Needle<'_>, max: usize, backwards: bool) -> usize {
        let removed = match &mut self.body {
            Body::Plain(value) => usize::from(max > 0 && needle.is(Entry::Str(value))),
            Body::Packed(listpack) if backwards == self.reversed => remove_first(listpack, needle, max),
            Body::Packed(listpack) => remove_last(listpack, needle, max),
            Body::Squeezed(_) => panic!("elements of a squeezed node: it was not opened"),
        };
        self.count -= removed as u32;
        removed
    }
}

/// A text to look for, classified once.
#[derive(Clone, Copy)]
struct Needle<'a> {
    text: &'a [u8],
    int: Option<i64>,
}

impl<'a> Needle<'a> {
    fn new(text: &'a [u8]) -> Self {
        Self { text, int: Entry::Str(text).as_int() }
    }

    fn is(&self, entry: Entry<'_>) -> bool {
        match entry {
            Entry::Str(text) => text == self.text,
            Entry::Int(value) => self.int == Some(value),
        }
    }
}

/// Neighbours go together, so that a node of nothing else takes one move.
fn remove_first(listpack: &mut Listpack, needle: Needle<'_>, max: usize) -> usize {
    let mut removed = 0;
    let mut from = listpack.first();
    while let Some(at) = from.and_then(|from| listpack.find(from, needle.text, 0)).filter(|_| removed < max) {
        let run =
            listpack.view().iter_from(at).take(max - removed).take_while(|entry| needle.is(*entry)).count();
        removed += listpack.remove_from(at, run);
        from = Some(at);
    }
    removed
}

fn remove_last(listpack: &mut Listpack, needle: Needle<'_>, max: usize) -> usize {
    let mut removed = 0;
    let mut end = listpack.end();
    while let Some(at) = listpack.prev(end).filter(|_| removed < max) {
        if needle.is(listpack.get(at)) {
            listpack.remove(at);
            removed += 1;
        }
        end = at;
    }
    removed
}
