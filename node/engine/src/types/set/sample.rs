//! Random members.

use protocol::listpack::Entry;
use smallvec::SmallVec;

use super::member::Member;
use super::{Form, LiveSet};
use crate::table::Table;
use crate::types::sample::{below, distinct, shuffle_front};

impl<'a> LiveSet<'a> {
    /// The table, if every item of it counts.
    fn table(self) -> Option<&'a Table<Member>> {
        match &self.set.0 {
            Form::Big(big) if self.due.is_none() => Some(&big.table),
            _ => None,
        }
    }

    /// A member, every one as likely as any other.
    pub fn random(self, mut rng: impl FnMut() -> u64) -> Option<Entry<'a>> {
        let n = self.len();
        match &self.set.0 {
            _ if n == 0 => None,
            Form::Ints(ints) => ints.get(below(&mut rng, n)).map(Entry::Int),
            Form::Packed(packed) => packed.seek(below(&mut rng, n) as i64).map(|at| packed.get(at)),
            Form::Big(big) if self.due.is_none() => big.table.random(rng).map(Member::entry),
            Form::Big(_) => self.iter().nth(below(&mut rng, n)),
        }
    }

    /// Hands over `count` random members; the same may come more than once. None if the set is empty.
    pub fn random_repeated(
        self,
        count: usize,
        mut rng: impl FnMut() -> u64,
        mut each: impl FnMut(Entry<'a>),
    ) {
        if let Some(table) = self.table() {
            let drawn = std::iter::from_fn(|| table.random(&mut rng)).take(count);
            return drawn.for_each(|member| each(member.entry()));
        }
        let all: SmallVec<[Entry<'_>; 32]> = self.iter().collect();
        for _ in 0..if all.is_empty() { 0 } else { count } {
            each(all[below(&mut rng, all.len())]);
        }
    }

    /// Hands over `count` different members, or all if there are no more.
    pub fn random_distinct(
        self,
        count: usize,
        mut rng: impl FnMut() -> u64,
        mut each: impl FnMut(Entry<'a>),
    ) {
        if count >= self.len() {
            return self.iter().for_each(each);
        }
        if let Some(table) = self.table() {
            return distinct(table, count, &mut rng, |member| each(member.entry()));
        }
        let mut all: SmallVec<[Entry<'_>; 32]> = self.iter().collect();
        shuffle_front(&mut all, count, &mut rng);
        all.into_iter().take(count).for_each(each);
    }
}
