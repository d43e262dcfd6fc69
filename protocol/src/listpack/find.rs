//! Finding an entry by its text: the lookup of a small hash's field or a small sorted set's member.

use super::entry::{Entry, decode};
use super::{END, View};
use crate::number::parse_i64;

impl<'a> View<'a> {
    /// The position of the first entry with this text, looking at one entry and then skipping `skip` of them,
    /// from the entry (or end) at `from` on. `skip` is 1 to look among the fields of pairs.
    ///
    /// The text is classified once: integers are compared as integers, strings first by length.
    pub fn find(self, from: usize, text: &[u8], skip: usize) -> Option<usize> {
        let integer = parse_i64(text);
        // The tag under which a short text is stored; 0 is no string's tag. Fields of one hash tend to share their
        // length and how they begin, so what tells them apart is looked at first: the last byte.
        let tag_sought = if text.len() < 64 { 0x80 | text.len() as u8 } else { 0 };
        let last = text.last().copied().unwrap_or(tag_sought);
        let bytes = self.as_bytes();
        let mut at = from;
        loop {
            let tag = bytes[at];
            let found = match tag {
                0x80..=0xbf => {
                    tag == tag_sought && bytes[at + text.len()] == last && bytes[at + 1..].starts_with(text)
                }
                END => return None,
                _ => match decode(&bytes[at..])?.entry {
                    Entry::Int(value) => integer == Some(value),
                    Entry::Str(own) => own == text,
                },
            };
            if found {
                return Some(at);
            }
            at += self.size(at);
            for _ in 0..skip {
                if bytes[at] == END {
                    return None;
                }
                at += self.size(at);
            }
        }
    }

    /// [`Self::find`] from the first entry on.
    pub fn find_first(self, text: &[u8], skip: usize) -> Option<usize> {
        self.find(super::HEADER, text, skip)
    }

    /// For pairs: the second entry of the pair whose first has this text.
    pub fn find_value(self, text: &[u8]) -> Option<Entry<'a>> {
        let at = self.find_first(text, 1)?;
        self.next(at).map(|at| self.get(at))
    }

    /// Whether two groups of `step` entries begin with the same text. Takes four bytes of memory per group.
    pub fn has_duplicates(self, step: usize) -> bool {
        let mut starts = Vec::new();
        let mut entries = self.iter();
        while entries.position() < self.end() {
            starts.push(entries.position() as u32);
            entries.nth(step - 1);
        }
        // A text that is an integer counts as that integer, though stored as a string.
        let key = |at: &u32| {
            let entry = self.get(*at as usize);
            entry.as_int().map_or(entry, Entry::Int)
        };
        starts.sort_unstable_by_key(key);
        starts.windows(2).any(|pair| key(&pair[0]) == key(&pair[1]))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Listpack;
    use proptest::prelude::*;
    use std::collections::HashSet;

    proptest! {
        #[test]
        fn duplicates_are_found(texts in prop::collection::vec("[ab1]{0,2}", 0..9), step in 1usize..4) {
            let listpack: Listpack = texts.iter().map(|text| text.as_bytes()).collect();
            let firsts: Vec<_> = texts.iter().step_by(step).collect();
            let distinct = firsts.iter().collect::<HashSet<_>>().len();
            prop_assert_eq!(listpack.view().has_duplicates(step), distinct < firsts.len());
        }
    }
}
