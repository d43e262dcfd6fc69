//! The collections whose members can expire, and what is done to a member of each: hashes, sets and sorted sets.

use crate::effect::Effect;
use crate::tuning::notify;
use crate::types::Deadlines;
use crate::value::{ValueMut, ValueRef};

/// A type of which a member can have a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    Hash,
    Set,
    Zset,
}

impl Family {
    /// `None`: members of such a value do not expire, or it has none.
    pub fn of(value: ValueRef<'_>) -> Option<Family> {
        match value {
            ValueRef::Hash(_) => Some(Family::Hash),
            ValueRef::Set(_) => Some(Family::Set),
            ValueRef::Zset(_) => Some(Family::Zset),
            _ => None,
        }
    }

    /// The effect that gives a member a deadline (unix ms), or takes it away.
    pub fn expiry<'a>(self, name: &'a [u8], deadline: Option<u64>) -> Effect<'a> {
        match self {
            Family::Hash => Effect::FieldExpire { field: name, deadline },
            Family::Set => Effect::MemberExpire { member: name, deadline },
            Family::Zset => Effect::ScoredExpire { member: name, deadline },
        }
    }

    /// The effect that removes a member.
    pub fn removal<'a>(self, name: &'a [u8]) -> Effect<'a> {
        match self {
            Family::Hash => Effect::DelField(name),
            Family::Set => Effect::DelMember(name),
            Family::Zset => Effect::DelScored(name),
        }
    }

    /// The command that removes members.
    pub fn removal_word(self) -> &'static [u8] {
        match self {
            Family::Hash => b"HDEL",
            Family::Set => b"SREM",
            Family::Zset => b"ZREM",
        }
    }

    /// The class of the events below.
    pub fn class(self) -> u32 {
        match self {
            Family::Hash => notify::HASH,
            Family::Set => notify::SET,
            Family::Zset => notify::ZSET,
        }
    }

    /// The event of a deadline that was given.
    pub fn expire_event(self) -> &'static str {
        self.choose("hexpire", "sexpire", "zexpire")
    }

    /// The event of a deadline that was taken away.
    pub fn persist_event(self) -> &'static str {
        self.choose("hpersist", "spersist", "zpersist")
    }

    /// The event of members whose time has come.
    pub fn expired_event(self) -> &'static str {
        self.choose("hexpired", "sexpired", "zexpired")
    }

    /// The event of members that were removed.
    pub fn removed_event(self) -> &'static str {
        self.choose("hdel", "srem", "zrem")
    }

    fn choose<T>(self, hash: T, set: T, zset: T) -> T {
        match self {
            Family::Hash => hash,
            Family::Set => set,
            Family::Zset => zset,
        }
    }
}

impl<'a> ValueRef<'a> {
    /// The deadlines of the members that have one.
    #[inline]
    pub fn deadlines(self) -> Option<&'a Deadlines> {
        match self {
            ValueRef::Hash(hash) => hash.deadlines(),
            ValueRef::Set(set) => set.deadlines(),
            ValueRef::Zset(zset) => zset.deadlines(),
            _ => None,
        }
    }

    /// Whether there is such a member at `due`, and its deadline.
    pub fn member_deadline(self, name: &[u8], due: u64) -> Option<Option<u64>> {
        let there = match self {
            ValueRef::Hash(hash) => hash.live(due).contains(name),
            ValueRef::Set(set) => set.live(due).contains(name),
            ValueRef::Zset(zset) => zset.live(due).contains(name),
            _ => false,
        };
        there.then(|| self.deadlines().and_then(|deadlines| deadlines.get(name)))
    }

    /// Whether all members of a collection are due by then.
    pub fn is_spent(self, due: u64) -> bool {
        match self {
            ValueRef::Hash(hash) => hash.live(due).is_empty(),
            ValueRef::Set(set) => set.live(due).is_empty(),
            ValueRef::Zset(zset) => zset.live(due).is_empty(),
            _ => false,
        }
    }
}

impl ValueMut<'_> {
    /// Removes up to `max` members that are due: how many they were, and how many are left. `None`: it is no such collection.
    pub(crate) fn reclaim(&mut self, now: u64, max: usize) -> Option<(usize, usize)> {
        match self {
            ValueMut::Hash(hash) => Some((hash.reclaim(now, max), hash.len())),
            ValueMut::Set(set) => Some((set.reclaim(now, max), set.len())),
            ValueMut::Zset(zset) => Some((zset.reclaim(now, max), zset.len())),
            _ => None,
        }
    }
}
