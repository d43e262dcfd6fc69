//! Random fields.

use protocol::listpack::Entry;
use smallvec::SmallVec;

use super::{Form, Hash};
use crate::types::sample::{below, distinct, shuffle_front};

/// A small hash's pairs where each can be reached at once.
type Unpacked<'a> = SmallVec<[(Entry<'a>, Entry<'a>); 16]>;

impl Hash {
    /// A field and its value, every field as likely as any other.
    pub fn random(&self, mut rng: impl FnMut() -> u64) -> Option<(Entry<'_>, Entry<'_>)> {
        match &self.0 {
            Form::Packed(packed) if packed.is_empty() => None,
            Form::Packed(packed) => {
                let at = packed.seek(2 * below(&mut rng, self.len()) as i64)?;
                Some((packed.get(at), packed.get(packed.next(at)?)))
            }
            Form::Big(big) => {
                let item = big.table.random(rng)?;
                Some((Entry::Str(item.first()), Entry::Str(item.second())))
            }
        }
    }

    /// Hands over `count` random fields; the same may come more than once. None if the hash is empty.
    pub fn random_repeated<'a>(
        &'a self,
        count: usize,
        mut rng: impl FnMut() -> u64,
        mut each: impl FnMut(Entry<'a>, Entry<'a>),
    ) {
        if self.is_empty() {
            return;
        }
        match &self.0 {
            Form::Packed(packed) => {
                let pairs: Unpacked<'_> = packed.pairs().collect();
                for _ in 0..count {
                    let (field, value) = pairs[below(&mut rng, pairs.len())];
                    each(field, value);
                }
            }
            Form::Big(big) => {
                for _ in 0..count {
                    let Some(item) = big.table.random(&mut rng) else { return };
                    each(Entry::Str(item.first()), Entry::Str(item.second()));
                }
            }
        }
    }

    /// Hands over `count` different fields, or all if there are no more.
    pub fn random_distinct<'a>(
        &'a self,
        count: usize,
        mut rng: impl FnMut() -> u64,
        mut each: impl FnMut(Entry<'a>, Entry<'a>),
    ) {
        if count >= self.len() {
            return self.iter().for_each(|(field, value)| each(field, value));
        }
        match &self.0 {
            Form::Packed(packed) => {
                let mut pairs: Unpacked<'_> = packed.pairs().collect();
                shuffle_front(&mut pairs, count, &mut rng);
                pairs.into_iter().take(count).for_each(|(field, value)| each(field, value));
            }
            Form::Big(big) => distinct(&big.table, count, &mut rng, |item| {
                each(Entry::Str(item.first()), Entry::Str(item.second()));
            }),
        }
    }
}
