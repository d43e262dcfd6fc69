//! Random members.

use protocol::listpack::Entry;
use smallvec::SmallVec;

use super::{Form, Set};
use crate::types::sample::{below, distinct, shuffle_front};

impl Set {
    /// A member, every one as likely as any other.
    pub fn random(&self, mut rng: impl FnMut() -> u64) -> Option<Entry<'_>> {
        match &self.0 {
            Form::Ints(ints) if ints.is_empty() => None,
            Form::Ints(ints) => ints.get(below(&mut rng, ints.len())).map(Entry::Int),
            Form::Packed(packed) => {
                packed.seek(below(&mut rng, packed.len().max(1)) as i64).map(|at| packed.get(at))
            }
            Form::Big(big) => big.table.random(rng).map(|member| member.entry()),
        }
    }

    /// Hands over `count` random members; the same may come more than once. None if the set is empty.
    pub fn random_repeated<'a>(
        &'a self,
        count: usize,
        mut rng: impl FnMut() -> u64,
        mut each: impl FnMut(Entry<'a>),
    ) {
        for _ in 0..count {
            let Some(member) = self.random(&mut rng) else { return };
            each(member);
        }
    }

    /// Hands over `count` different members, or all if there are no more.
    pub fn random_distinct<'a>(
        &'a self,
        count: usize,
        mut rng: impl FnMut() -> u64,
        mut each: impl FnMut(Entry<'a>),
    ) {
        if count >= self.len() {
            return self.iter().for_each(each);
        }
        match &self.0 {
            Form::Big(big) => distinct(&big.table, count, &mut rng, |member| each(member.entry())),
            _ => {
                let mut all: SmallVec<[Entry<'_>; 32]> = self.iter().collect();
                shuffle_front(&mut all, count, &mut rng);
                all.into_iter().take(count).for_each(each);
            }
        }
    }
}
