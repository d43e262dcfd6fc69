//! Random fields.

use protocol::listpack::Entry;
use smallvec::SmallVec;

use super::{LiveHash, View};
use crate::table::Table;
use crate::thin::{Pair, Thin};
use crate::types::sample::{below, distinct, shuffle_front};

/// Pairs where each can be reached at once.
type Unpacked<'a> = SmallVec<[(Entry<'a>, Entry<'a>); 16]>;

fn entries<'a>(item: Thin<Pair>) -> (Entry<'a>, Entry<'a>) {
    (Entry::Str(item.first()), Entry::Str(item.second()))
}

impl<'a> LiveHash<'a> {
    /// The table, if every item of it counts.
    fn table(self) -> Option<&'a Table<Thin<Pair>>> {
        match self.hash.view() {
            View::Big(big) if self.due.is_none() => Some(&big.table),
            _ => None,
        }
    }

    /// A field and its value, every field as likely as any other.
    pub fn random(self, mut rng: impl FnMut() -> u64) -> Option<(Entry<'a>, Entry<'a>)> {
        if let (View::Packed(packed), None) = (self.hash.view(), self.due)
            && !packed.is_empty()
        {
            let at = packed.seek(2 * below(&mut rng, self.len()) as i64)?;
            return Some((packed.get(at), packed.get(packed.next(at)?)));
        }
        let mut found = None;
        self.random_repeated(1, &mut rng, |field, value| found = Some((field, value)));
        found
    }

    /// Hands over `count` random fields; the same may come more than once. None if the hash is empty.
    pub fn random_repeated(
        self,
        count: usize,
        mut rng: impl FnMut() -> u64,
        mut each: impl FnMut(Entry<'a>, Entry<'a>),
    ) {
        if let Some(table) = self.table() {
            for item in std::iter::from_fn(|| table.random(&mut rng)).take(count) {
                let (field, value) = entries(item);
                each(field, value);
            }
            return;
        }
        let pairs: Unpacked<'a> = self.iter().collect();
        for _ in 0..if pairs.is_empty() { 0 } else { count } {
            let (field, value) = pairs[below(&mut rng, pairs.len())];
            each(field, value);
        }
    }

    /// Hands over `count` different fields, or all if there are no more.
    pub fn random_distinct(
        self,
        count: usize,
        mut rng: impl FnMut() -> u64,
        mut each: impl FnMut(Entry<'a>, Entry<'a>),
    ) {
        if count >= self.len() {
            return self.iter().for_each(|(field, value)| each(field, value));
        }
        if let Some(table) = self.table() {
            return distinct(table, count, &mut rng, |item| {
                let (field, value) = entries(item);
                each(field, value);
            });
        }
        let mut pairs: Unpacked<'a> = self.iter().collect();
        shuffle_front(&mut pairs, count, &mut rng);
        pairs.into_iter().take(count).for_each(|(field, value)| each(field, value));
    }
}
