//! Random choice: from tables and from what small collections are unpacked into.

use std::collections::HashSet;

use crate::table::{Item, Table};

/// A random number below `n`, which is not 0.
pub(crate) fn below(rng: &mut impl FnMut() -> u64, n: usize) -> usize {
    ((u128::from(rng()) * n as u128) >> 64) as usize
}

/// Moves `count` items to the front, every choice and order of them as likely as any other.
pub(crate) fn shuffle_front<T>(items: &mut [T], count: usize, rng: &mut impl FnMut() -> u64) {
    for i in 0..count.min(items.len()) {
        items.swap(i, i + below(rng, items.len() - i));
    }
}

/// Hands over `count` different items of a table (or all there are), every choice of them as likely as any other.
pub(crate) fn distinct<T: Item>(
    table: &Table<T>,
    count: usize,
    rng: &mut impl FnMut() -> u64,
    mut each: impl FnMut(T),
) {
    // Above a third of the table, drawing again what was drawn before costs more than a list of all items.
    if count.saturating_mul(3) > table.len() {
        let mut items: Vec<T> = table.iter().collect();
        shuffle_front(&mut items, count, rng);
        items.into_iter().take(count).for_each(each);
        return;
    }
    let mut drawn = HashSet::with_capacity_and_hasher(count, ahash::RandomState::new());
    while drawn.len() < count
        && let Some(item) = table.random(&mut *rng)
    {
        if drawn.insert(item.to_word()) {
            each(item);
        }
    }
}
