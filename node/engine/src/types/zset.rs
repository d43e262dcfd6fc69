//! Sorted sets: members, each with a score, in the order of (score, member bytes).
//!
//! A small set is one listpack, a big one is two views of the same allocations:
//!
//! ```text
//! listpack   member score member score ...                in order; found by walking
//! skiplist   table  member -> [score, length, bytes]      one allocation per member
//!            tree   (score, handle of that allocation)    order, ranks, ranges
//! ```
//!
//! The second is called "skiplist" because that is what clients know it by; there is none. The first becomes the second when
//! it outgrows `zset-max-listpack-entries` or `-value`, and never back, but for results that are built anew.
//!
//! Everything that asks for a stretch of the order works in two steps: bounds become ranks ([`Zset::ranks_of_scores`],
//! [`Zset::ranks_of_members`]), then a [`Walk`] goes over those ranks in either direction. So LIMIT, REV and counting are
//! arithmetic on ranks.
//!
//! A member may have a deadline ([`Deadlines`]); a sorted set with such members has the larger form. One whose time has come is
//! hidden from readers at once ([`LiveZset`]) and removed when the key is written to or the expiry cycle comes by.

mod apply;
mod big;
mod bounds;
mod builder;
mod live;
mod packed;
mod sample;
#[cfg(test)]
mod tests;
mod walk;

use std::ops::Range;

use protocol::Malformed;
use protocol::listpack::{Entry, Listpack};

use crate::effect::{Outcome, ScoreCondition};
use crate::tuning::Tuning;
use crate::types::Deadlines;
pub(crate) use apply::{apply_del, apply_expire, apply_set, fold_del, fold_set};
use big::Big;
pub use bounds::{LexBound, LexRange, ScoreRange};
pub use builder::Builder;
pub use live::LiveZset;
use packed::Packed;
pub use walk::Walk;

/// A sorted set. See the [module's page](self). The score of a member is never NaN.
#[derive(Clone)]
pub struct Zset(Form);

#[derive(Clone)]
enum Form {
    Packed(Packed),
    Big(Box<Big>),
}

/// What a listpack may hold.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub entries: usize,
    /// Longest member, bytes.
    pub value: usize,
}

impl Limits {
    pub fn of(tuning: &Tuning) -> Limits {
        Limits { entries: tuning.zset_max_listpack_entries, value: tuning.zset_max_listpack_value }
    }

    /// Whether a listpack of `entries` members, none longer than `longest`, is within the limits.
    fn allow(&self, entries: usize, longest: usize) -> bool {
        entries <= self.entries && longest <= self.value
    }
}

impl Default for Zset {
    fn default() -> Zset {
        Zset(Form::Packed(Packed::default()))
    }
}

impl Zset {
    /// Members, those included that are due. So it is with all that is asked of the set itself; [`Zset::live`] hides them.
    pub fn len(&self) -> usize {
        match &self.0 {
            Form::Packed(packed) => packed.len(),
            Form::Big(big) => big.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// See [`Value::free_effort`].
    pub fn free_effort(&self) -> usize {
        match &self.0 {
            Form::Packed(_) => 1,
            Form::Big(big) => big.len() + self.deadlines().map_or(0, Deadlines::free_effort),
        }
    }

    /// The encoding as OBJECT ENCODING names it.
    pub fn encoding(&self) -> &'static str {
        match &self.0 {
            Form::Packed(_) => "listpack",
            Form::Big(_) => "skiplist",
        }
    }

    /// Bytes allocated for the members and what orders them. Linear in the size of the table's directory.
    pub fn heap_bytes(&self) -> usize {
        match &self.0 {
            Form::Packed(packed) => packed.listpack().capacity(),
            Form::Big(big) => size_of::<Big>() + big.heap_bytes(),
        }
    }

    /// The listpack, for saving, if that is what the set is.
    pub fn listpack(&self) -> Option<&Listpack> {
        match &self.0 {
            Form::Packed(packed) => Some(packed.listpack()),
            Form::Big(_) => None,
        }
    }

    /// The deadlines of the members that have one.
    #[inline]
    pub fn deadlines(&self) -> Option<&Deadlines> {
        match &self.0 {
            Form::Big(big) => big.deadlines.as_deref(),
            Form::Packed(_) => None,
        }
    }

    /// The earliest deadline of a member, unix ms.
    #[inline]
    pub fn next_deadline(&self) -> Option<u64> {
        self.deadlines().map(Deadlines::next)
    }

    /// The sorted set as it is at `now`: what readers are shown.
    #[inline]
    pub fn live(&self, now: u64) -> LiveZset<'_> {
        LiveZset::new(self, now)
    }

    /// Adopts a listpack from outside: checks that it is in order and all scores are numbers.
    pub fn from_listpack(listpack: Listpack, limits: Limits) -> Result<Zset, Malformed> {
        let packed = Packed::from_listpack(listpack)?;
        let longest = packed.walk(0..packed.len(), false).map(|(member, _)| member.text_len()).max();
        let mut zset = Zset(Form::Packed(packed));
        if !limits.allow(zset.len(), longest.unwrap_or(0)) {
            zset.big();
        }
        Ok(zset)
    }

    /// Brings what is looked for next into the cache.
    pub(crate) fn prefetch<'a>(&self, members: impl Iterator<Item = &'a [u8]>) {
        if let Form::Big(big) = &self.0 {
            big.table.prefetch(members.map(crate::types::member_hash));
        }
    }

    #[inline]
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        match &self.0 {
            Form::Packed(packed) => packed.score(member),
            Form::Big(big) => big.score(member),
        }
    }

    pub fn contains(&self, member: &[u8]) -> bool {
        match &self.0 {
            Form::Packed(packed) => packed.contains(member),
            Form::Big(big) => big.score(member).is_some(),
        }
    }

    /// The rank of a member, counted from the lowest, and its score.
    pub fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        match &self.0 {
            Form::Packed(packed) => packed.rank(member),
            Form::Big(big) => big.rank(member),
        }
    }

    /// The element at a rank.
    pub fn at(&self, rank: usize) -> Option<(Entry<'_>, f64)> {
        self.walk(rank..rank.saturating_add(1), false).next()
    }

    /// The elements at the ranks (cut to what exists), lowest first, or highest first if `reverse`.
    pub fn walk(&self, ranks: Range<usize>, reverse: bool) -> Walk<'_> {
        let end = ranks.end.min(self.len());
        let ranks = ranks.start.min(end)..end;
        match &self.0 {
            Form::Packed(packed) => packed.walk(ranks, reverse),
            Form::Big(big) => big.walk(ranks, reverse),
        }
    }

    /// All elements, lowest first.
    pub fn iter(&self) -> Walk<'_> {
        self.walk(0..self.len(), false)
    }

    /// The ranks of the elements with a score in the range.
    pub fn ranks_of_scores(&self, range: &ScoreRange) -> Range<usize> {
        if range.is_empty() {
            return 0..0;
        }
        match &self.0 {
            Form::Packed(packed) => packed.ranks_of_scores(range),
            Form::Big(big) => big.ranks_of_scores(range),
        }
    }

    /// The ranks of the members in the range, which means something if members ascend, as they do when all scores are
    /// equal.
    pub fn ranks_of_members(&self, range: &LexRange<'_>) -> Range<usize> {
        if range.is_empty() {
            return 0..0;
        }
        match &self.0 {
            Form::Packed(packed) => packed.ranks_of_members(range),
            Form::Big(big) => big.ranks_of_members(range),
        }
    }

    /// Hands over at least `count` elements from `cursor` on, if there are as many; returns the cursor to go on with,
    /// 0 at the end. Elements present from the first call to the last are handed over once.
    pub fn scan<'a>(&'a self, cursor: u64, count: usize, mut each: impl FnMut(Entry<'a>, f64)) -> u64 {
        match &self.0 {
            Form::Packed(packed) => {
                packed.walk(0..packed.len(), false).for_each(|(member, score)| each(member, score));
                0
            }
            Form::Big(big) => big.scan(cursor, count, |member, score| each(Entry::Str(member), score)),
        }
    }

    /// Gives a member a score, if `only` permits.
    pub(crate) fn set(&mut self, member: &[u8], score: f64, only: ScoreCondition, limits: Limits) -> Outcome {
        if let Form::Packed(packed) = &mut self.0 {
            let found = packed.find(member);
            let fits = || limits.allow(packed.len() + 1, member.len()) && packed.has_room_for(member);
            if found.is_some() || fits() {
                return packed.set(found, member, score, only);
            }
        }
        self.big().set(member, score, only)
    }

    /// Removes a member and its deadline, whether it is due or not; false if it is not there.
    pub(crate) fn remove(&mut self, member: &[u8]) -> bool {
        match &mut self.0 {
            Form::Packed(packed) => packed.remove(member),
            Form::Big(big) => {
                big.forget(member);
                big.remove(member)
            }
        }
    }

    /// Removes a member that is due; true if it was.
    pub(crate) fn drop_if_due(&mut self, member: &[u8], now: u64) -> bool {
        let due = self.deadlines().and_then(|d| d.due(now)).is_some_and(|due| due.hides(member));
        due && self.remove(member)
    }

    /// Removes up to `max` members that are due; returns how many.
    pub(crate) fn reclaim(&mut self, now: u64, max: usize) -> usize {
        let mut removed = 0;
        while removed < max
            && let Some(member) = self.deadlines().and_then(|d| d.first_due(now))
        {
            self.remove(&member);
            removed += 1;
        }
        removed
    }

    /// Sets or forgets the deadline (unix ms) of a member that is there; false if that changes nothing.
    pub(crate) fn expire_at(&mut self, member: &[u8], deadline: Option<u64>) -> bool {
        if self.deadlines().and_then(|d| d.get(member)) == deadline {
            return false;
        }
        match deadline {
            Some(at) => self.big().deadlines.get_or_insert_default().set(member, at),
            None => self.big().forget(member),
        }
        true
    }

    /// The big form, which the set takes on if it has not.
    fn big(&mut self) -> &mut Big {
        if let Form::Packed(packed) = &self.0 {
            self.0 = Form::Big(Box::new(Big::from_ascending(packed.walk(0..packed.len(), false))));
        }
        match &mut self.0 {
            Form::Big(big) => big,
            Form::Packed(_) => unreachable!("turned into the other form above"),
        }
    }
}
