//! By value: finding elements.

use std::ops::ControlFlow;

use protocol::listpack::Entry;

use super::Quicklist;

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
