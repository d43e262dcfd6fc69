//! How a big set names and holds a member.
//!
//! A canonical integer of at most 63 bits is the table's word itself, with the top bit as its mark: no allocation, no
//! miss to compare it. Anything else is an allocation, whose address has the top bit clear.

use protocol::listpack::Entry;

use crate::table::Item;
use crate::thin::{Single, Thin};
use crate::types::member_hash::{member_hash, member_hash_of_int};
use crate::types::string::as_int;

const INT: u64 = 1 << 63;

/// A member as it is sought: classified once, hashed and compared by its class.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Name<'a> {
    /// An integer of at most 63 bits.
    Int(i64),
    /// Anything else.
    Text(&'a [u8]),
}

fn is_small(n: i64) -> bool {
    n << 1 >> 1 == n
}

impl<'a> Name<'a> {
    #[inline]
    pub fn of(text: &'a [u8]) -> Name<'a> {
        as_int(text).filter(|n| is_small(*n)).map_or(Name::Text(text), Name::Int)
    }

    /// The name of what a collection has handed out. `digits` lends room. A text may be an integer all the same: sorted
    /// sets hand out nothing else.
    #[inline]
    pub fn of_entry(entry: Entry<'a>, digits: &'a mut itoa::Buffer) -> Name<'a> {
        match entry {
            Entry::Int(n) if is_small(n) => Name::Int(n),
            Entry::Int(n) => Name::Text(digits.format(n).as_bytes()),
            Entry::Str(text) => Name::of(text),
        }
    }

    #[inline]
    pub fn hash(self) -> u64 {
        match self {
            Name::Int(n) => member_hash_of_int(n),
            Name::Text(text) => member_hash(text),
        }
    }
}

/// A member as the table holds it. The set that owns the table owns the allocation, if there is one.
#[derive(Clone, Copy)]
pub(super) struct Member(u64);

impl Item for Member {
    #[inline]
    fn to_word(self) -> u64 {
        self.0
    }

    #[inline]
    fn from_word(word: u64) -> Self {
        Member(word)
    }
}

impl Member {
    pub fn new(name: Name<'_>) -> Member {
        match name {
            Name::Int(n) => Member(n as u64 | INT),
            Name::Text(text) => {
                let word = Thin::<Single>::new(text).to_word();
                assert!(word & INT == 0, "addresses are expected to have their top bit clear");
                Member(word)
            }
        }
    }

    /// The allocation, unless the member is in the word.
    #[inline]
    pub fn thin(self) -> Option<Thin<Single>> {
        (self.0 & INT == 0).then(|| Thin::from_word(self.0))
    }

    /// What the member is called. The caller's `'a` must not outlive the owner's borrow.
    #[inline]
    pub fn name<'a>(self) -> Name<'a> {
        match self.thin() {
            Some(thin) => Name::Text(thin.first()),
            None => Name::Int((self.0 << 1) as i64 >> 1),
        }
    }

    /// See [`Member::name`].
    #[inline]
    pub fn entry<'a>(self) -> Entry<'a> {
        match self.name() {
            Name::Int(n) => Entry::Int(n),
            Name::Text(text) => Entry::Str(text),
        }
    }

    #[inline]
    pub fn is(self, name: Name<'_>) -> bool {
        match name {
            Name::Int(n) => self.0 == n as u64 | INT,
            Name::Text(text) => self.thin().is_some_and(|thin| thin.first() == text),
        }
    }

    /// Bytes of the allocation.
    pub fn bytes(self) -> usize {
        self.thin().map_or(0, Thin::bytes)
    }

    /// Frees the allocation, if there is one. The owner calls it once.
    pub fn free(self) {
        if let Some(thin) = self.thin() {
            thin.free();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_integers_need_no_allocation() {
        let edge = 1i64 << 62;
        for n in [0, 1, -1, edge - 1, -edge] {
            let member = Member::new(Name::of(n.to_string().as_bytes()));
            assert!(member.thin().is_none(), "{n}");
            assert_eq!((member.name(), member.entry()), (Name::Int(n), Entry::Int(n)));
            assert!(member.is(Name::Int(n)) && !member.is(Name::Int(n ^ 1)));
        }
        for text in ["", "x", "01", "-0", "4611686018427387904", "-4611686018427387905"] {
            let member = Member::new(Name::of(text.as_bytes()));
            assert_eq!(member.name(), Name::Text(text.as_bytes()));
            assert!(member.is(member.name()) && !member.is(Name::Text(b"y")) && !member.is(Name::Int(0)));
            member.free();
        }
        assert_eq!(Name::of_entry(Entry::Str(b"255"), &mut itoa::Buffer::new()), Name::Int(255));
        let large = Entry::Int(i64::MAX);
        assert_eq!(
            Name::of_entry(large, &mut itoa::Buffer::new()),
            Name::of(i64::MAX.to_string().as_bytes())
        );
    }
}
