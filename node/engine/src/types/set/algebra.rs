//! Intersection, union and difference. Results are handed over member by member, borrowed from the operands.

use std::ops::ControlFlow;

use protocol::listpack::Entry;
use smallvec::SmallVec;

use super::LiveSet;
use super::lent::Lent;

/// Hands over what all of the sets have, until told to stop. Goes through the smallest; brings the sets in that order.
pub fn intersection(sets: &mut [LiveSet<'_>], mut each: impl FnMut(Entry<'_>) -> ControlFlow<()>) {
    sets.sort_by_key(|set| set.len());
    let Some((smallest, others)) = sets.split_first() else { return };
    for member in smallest.iter() {
        if others.iter().all(|set| set.has(member)) && each(member).is_break() {
            return;
        }
    }
}

/// Hands over what any of the sets has, once. Brings the sets in descending order of size. What is in intsets only comes in
/// ascending order, as Redis's clients are used to.
pub fn union(sets: &mut [LiveSet<'_>], mut each: impl FnMut(Entry<'_>)) {
    sets.sort_by_key(|set| std::cmp::Reverse(set.len()));
    if sets.iter().all(|set| set.is_intset()) {
        let mut all: SmallVec<[i64; 64]> =
            sets.iter().flat_map(|set| set.iter()).filter_map(|m| m.as_int()).collect();
        all.sort_unstable();
        all.dedup();
        return all.into_iter().for_each(|n| each(Entry::Int(n)));
    }
    // A member is new if no larger set has it: as many lookups as there are larger sets. With many sets it is less
    // work to remember what has been handed over, at about two lookups each.
    let lookups: usize = sets.iter().enumerate().map(|(larger, set)| larger.saturating_mul(set.len())).sum();
    let members: usize = sets.iter().map(|set| set.len()).sum();
    if lookups > members.saturating_mul(2) {
        let mut seen = Lent::default();
        sets.iter().for_each(|set| seen.add_all(*set, &mut each));
        return;
    }
    for (i, set) in sets.iter().enumerate() {
        let is_new = |member: &Entry<'_>| !sets[..i].iter().any(|larger| larger.has(*member));
        set.iter().filter(is_new).for_each(&mut each);
    }
}

/// Hands over what `first` has and none of the others, in ascending order if it is an intset. Brings the others in
/// descending order of size.
pub fn difference(first: LiveSet<'_>, others: &mut [LiveSet<'_>], each: impl FnMut(Entry<'_>)) {
    // Either look every member up in the others, which ends at the first hit: on average half way; or take everything
    // in the others away from a copy.
    let lookups = first.len().saturating_mul(others.len()) / 2;
    let copying: usize = first.len() + others.iter().map(|set| set.len()).sum::<usize>();
    if lookups <= copying || first.is_intset() {
        others.sort_by_key(|set| std::cmp::Reverse(set.len()));
        let is_left = |member: &Entry<'_>| !others.iter().any(|set| set.has(*member));
        return first.iter().filter(is_left).for_each(each);
    }
    let mut left = Lent::default();
    left.add_all(first, |_| ());
    others.iter().for_each(|set| left.remove_all(*set));
    left.iter().for_each(each);
}
