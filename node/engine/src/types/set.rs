//! Sets.
//!
//! ```text
//! intset      1 5 70 ...             integers only, sorted, in one allocation
//! hashtable   few:  member ...       up to 32 short ones, in one allocation, found by walking
//!             many: table  member    small integers in the table itself, others in an allocation each
//! ```
//!
//! The first becomes the second when something else than an integer is added or when it outgrows
//! `set-max-intset-entries`, and never back, but for results that are built anew. That small sets of strings are
//! packed is nobody's business: 7.0 has no such encoding, so both forms go by the name of the larger.
//!
//! A member may have a deadline ([`Deadlines`]); a set with such members has the larger form. One whose time has come is
//! hidden from readers at once ([`LiveSet`]) and removed when the key is written to or the expiry cycle comes by.

pub mod algebra;
mod apply;
mod big;
mod lent;
mod live;
mod member;
mod sample;
#[cfg(test)]
mod tests;

use protocol::intset::Intset;
use protocol::listpack::{Entry, Listpack};
use protocol::number::parse_i64;

use crate::tuning::Tuning;
use crate::types::{Deadlines, Either};
pub(crate) use apply::{apply_add, apply_del, apply_expire, fold_add, fold_del};
use big::Big;
pub use live::LiveSet;
use member::Name;

/// A set. See the [module's page](self).
#[derive(Clone)]
pub struct Set(Form);

#[derive(Clone)]
enum Form {
    Ints(Intset),
    /// At most [`PACKED_MAX`] members, none longer than [`PACKED_LEN_MAX`].
    Packed(Listpack),
    Big(Box<Big>),
}

/// Up to here walking is about as fast as hashing, and a member takes a third of the memory.
const PACKED_MAX: usize = 32;
const PACKED_LEN_MAX: usize = 64;

/// No setting makes an intset larger than this.
const INTSET_MAX: usize = 1 << 30;

/// How many elements an intset may have.
pub fn intset_limit(tuning: &Tuning) -> usize {
    tuning.set_max_intset_entries.min(INTSET_MAX)
}

impl Default for Set {
    fn default() -> Set {
        Set(Form::Ints(Intset::new()))
    }
}

impl Set {
    /// Brings what is looked for next into the cache.
    pub(crate) fn prefetch<'a>(&self, members: impl Iterator<Item = &'a [u8]>) {
        if let Form::Big(big) = &self.0 {
            big.table.prefetch(members.map(|member| Name::of(member).hash()));
        }
    }

    /// Members, those included that are due.
    pub fn len(&self) -> usize {
        match &self.0 {
            Form::Ints(ints) => ints.len(),
            Form::Packed(packed) => packed.len(),
            Form::Big(big) => big.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// See [`Value::free_effort`](crate::value::Value::free_effort).
    pub fn free_effort(&self) -> usize {
        match &self.0 {
            Form::Ints(_) | Form::Packed(_) => 1,
            Form::Big(big) => big.free_effort(),
        }
    }

    /// The encoding as OBJECT ENCODING names it.
    pub fn encoding(&self) -> &'static str {
        match &self.0 {
            Form::Ints(_) => "intset",
            Form::Packed(_) | Form::Big(_) => "hashtable",
        }
    }

    /// Bytes allocated for the members. Linear in the size of the table's directory.
    pub fn heap_bytes(&self) -> usize {
        match &self.0 {
            Form::Ints(ints) => ints.capacity(),
            Form::Packed(packed) => packed.capacity(),
            Form::Big(big) => size_of::<Big>() + big.heap_bytes(),
        }
    }

    /// The intset, for saving, if that is what the set is.
    pub fn intset(&self) -> Option<&Intset> {
        match &self.0 {
            Form::Ints(ints) => Some(ints),
            Form::Packed(_) | Form::Big(_) => None,
        }
    }

    /// Adopts an intset from outside.
    pub fn from_intset(ints: Intset, limit: usize) -> Set {
        let mut set = Set(Form::Ints(ints));
        if set.len() > limit {
            set.grow(0);
        }
        set
    }

    /// The deadlines of the members that have one.
    #[inline]
    pub fn deadlines(&self) -> Option<&Deadlines> {
        match &self.0 {
            Form::Big(big) => big.deadlines.as_ref(),
            _ => None,
        }
    }

    /// The earliest deadline of a member, unix ms.
    #[inline]
    pub fn next_deadline(&self) -> Option<u64> {
        self.deadlines().map(Deadlines::next)
    }

    /// The set as it is at `now`: what readers are shown.
    #[inline]
    pub fn live(&self, now: u64) -> LiveSet<'_> {
        LiveSet::new(self, now)
    }

    /// Whether there is such a member, due or not.
    #[inline]
    fn contains(&self, member: &[u8]) -> bool {
        match &self.0 {
            Form::Ints(ints) => parse_i64(member).is_some_and(|n| ints.contains(n)),
            Form::Packed(packed) => packed.find_first(member, 0).is_some(),
            Form::Big(big) => big.contains(Name::of(member)),
        }
    }

    /// [`Set::contains`] for a member of another set.
    #[inline]
    fn has(&self, member: Entry<'_>) -> bool {
        match &self.0 {
            Form::Ints(ints) => member.as_int().is_some_and(|n| ints.contains(n)),
            Form::Packed(packed) => packed.find_first(member.text(&mut itoa::Buffer::new()), 0).is_some(),
            Form::Big(big) => big.contains(Name::of_entry(member, &mut itoa::Buffer::new())),
        }
    }

    /// All members, those included that are due; those of an intset in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = Entry<'_>> {
        match &self.0 {
            Form::Ints(ints) => Either::Left(Either::Left(ints.iter().map(Entry::Int))),
            Form::Packed(packed) => Either::Left(Either::Right(packed.iter())),
            Form::Big(big) => Either::Right(big.iter()),
        }
    }

    /// Adds a member; false if it was there. `limit`: of an intset's length.
    pub(crate) fn add(&mut self, member: &[u8], limit: usize) -> bool {
        match &mut self.0 {
            Form::Big(big) => big.add(Name::of(member)),
            Form::Packed(packed) => {
                if packed.find_first(member, 0).is_some() {
                    return false;
                }
                if packed.len() < PACKED_MAX && member.len() <= PACKED_LEN_MAX {
                    packed.push_back(member);
                    return true;
                }
                self.grow(member.len());
                self.add(member, limit)
            }
            Form::Ints(ints) => match parse_i64(member) {
                Some(n) => ints.insert(n) && self.keep_within(limit),
                None => {
                    self.grow(member.len());
                    self.add(member, limit)
                }
            },
        }
    }

    /// [`Set::add`] for a member of another set.
    pub(crate) fn add_entry(&mut self, member: Entry<'_>, limit: usize) -> bool {
        let mut digits = itoa::Buffer::new();
        match (&mut self.0, member) {
            (Form::Ints(ints), Entry::Int(n)) => ints.insert(n) && self.keep_within(limit),
            (Form::Big(big), _) => big.add(Name::of_entry(member, &mut digits)),
            _ => self.add(member.text(&mut digits), limit),
        }
    }

    /// Removes a member; false if it is not there or is due.
    pub(crate) fn remove(&mut self, member: &[u8], now: u64) -> bool {
        if self.drop_if_due(member, now) {
            return false;
        }
        self.forget(member);
        self.take(member)
    }

    /// Removes a member that is due; true if it was.
    pub(crate) fn drop_if_due(&mut self, member: &[u8], now: u64) -> bool {
        let due = self.deadlines().and_then(|d| d.due(now)).is_some_and(|due| due.hides(member));
        if due {
            self.forget(member);
            self.take(member);
        }
        due
    }

    /// Removes up to `max` members that are due; returns how many.
    pub(crate) fn reclaim(&mut self, now: u64, max: usize) -> usize {
        let mut removed = 0;
        while removed < max
            && let Some(member) = self.deadlines().and_then(|d| d.first_due(now))
        {
            self.forget(&member);
            self.take(&member);
            removed += 1;
        }
        removed
    }

    /// Sets or forgets the deadline of a member that is there; false if that changes nothing.
    pub(crate) fn expire_at(&mut self, member: &[u8], deadline: Option<u64>) -> bool {
        let Some(deadline) = deadline else { return self.forget(member) };
        if self.deadlines().and_then(|d| d.get(member)) == Some(deadline) {
            return false;
        }
        if !matches!(self.0, Form::Big(_)) {
            self.0 = Form::Big(Box::new(Big::from_members(self.iter())));
        }
        if let Form::Big(big) = &mut self.0 {
            big.deadlines.get_or_insert_default().set(member, deadline);
        }
        true
    }

    /// Forgets a member's deadline, and with the last the table of them.
    fn forget(&mut self, member: &[u8]) -> bool {
        let Form::Big(big) = &mut self.0 else { return false };
        let Some(deadlines) = &mut big.deadlines else { return false };
        let forgotten = deadlines.remove(member);
        if deadlines.is_empty() {
            big.deadlines = None;
        }
        forgotten
    }

    fn take(&mut self, member: &[u8]) -> bool {
        match &mut self.0 {
            Form::Ints(ints) => parse_i64(member).is_some_and(|n| ints.remove(n)),
            Form::Packed(packed) => match packed.find_first(member, 0) {
                Some(at) => packed.remove_from(at, 1) == 1,
                None => false,
            },
            Form::Big(big) => big.remove(Name::of(member)),
        }
    }

    /// Converts an intset that has become too long. True.
    fn keep_within(&mut self, limit: usize) -> bool {
        if self.len() > limit {
            self.grow(0);
        }
        true
    }

    /// Turns the set into the next form that has room for one more member, of `len` bytes.
    fn grow(&mut self, len: usize) {
        let fits = self.len() < PACKED_MAX && len <= PACKED_LEN_MAX;
        self.0 = match &self.0 {
            Form::Ints(ints) if fits => Form::Packed(ints.iter().collect()),
            _ => Form::Big(Box::new(Big::from_members(self.iter()))),
        };
    }
}
