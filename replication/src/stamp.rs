//! Versions: every write has a place in one total order.
//!
//! A version is `unix_ms << 20 | counter` from a hybrid logical clock: it never goes back on a node, it runs ahead of
//! everything the node has seen, and it stays close to physical time. Equal versions of different nodes are ordered by
//! origin. More than 2^20 versions in a millisecond carry into the next by themselves.

/// Bits of the counter below the milliseconds.
pub const COUNTER_BITS: u32 = 20;

/// The version of data whose time nobody knows: older than all that is written.
pub const UNDATED: u64 = 1;

/// A point in time as a version: with the part below the millisecond where versions have their counter. Who counts up from
/// the start of a millisecond stays below it.
pub fn at(since_1970: std::time::Duration) -> u64 {
    let below = u64::from(since_1970.subsec_nanos() % 1_000_000);
    ((since_1970.as_millis() as u64) << COUNTER_BITS) | (below * ((1 << COUNTER_BITS) - 1) / 1_000_000)
}

/// Version and origin of one effect: its place in the total order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    /// `unix_ms << 20 | counter`.
    pub version: u64,
    /// The label of the origin; 0 for writes made before the node had one.
    pub origin: u16,
}

impl Stamp {
    /// The physical part, unix ms.
    pub fn ms(self) -> u64 {
        self.version >> COUNTER_BITS
    }
}

/// The place of one effect in the total order: its stamp, and its number within the group that shares the stamp.
///
/// The order is the same on every node, because an origin's label is the same on every node
/// (see [`origin`](crate::origin)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// `unix_ms << 20 | counter`.
    pub version: u64,
    /// The label of the origin.
    pub origin: u16,
    /// Position within the group.
    pub sub: u32,
}

impl Place {
    /// Before every effect.
    pub const ZERO: Place = Place { version: 0, origin: 0, sub: 0 };

    pub fn new(stamp: Stamp, sub: u32) -> Place {
        Place { version: stamp.version, origin: stamp.origin, sub }
    }

    /// The end of all that has this version: where deletes stand whose place every node computes alike.
    pub fn end_of(version: u64) -> Place {
        Place { version, origin: u16::MAX, sub: u32::MAX }
    }

    /// The end of the millisecond before `deadline`: where a key with that deadline is reclaimed. A command of the
    /// millisecond `deadline` finds it gone, and what it writes comes after.
    pub fn reclaim(deadline: u64) -> Place {
        Place::end_of((deadline << COUNTER_BITS).saturating_sub(1))
    }

    pub fn stamp(self) -> Stamp {
        Stamp { version: self.version, origin: self.origin }
    }

    /// Whether everybody has what stands here, where everything up to `settled` is settled. A delete that is computed may
    /// stand at the end of that version and have been written later: an eviction does, where the horizon stands still.
    pub fn is_settled(self, settled: u64) -> bool {
        self < Place::end_of(settled)
    }
}

/// A hybrid logical clock. One per shard, under the shard's lock, so minting a version shares nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    last: u64,
}

impl Clock {
    /// The next version at `now_ms`: above every version minted or observed before.
    #[inline]
    pub fn mint(&mut self, now_ms: u64) -> u64 {
        self.last = (self.last + 1).max(now_ms << COUNTER_BITS);
        self.last
    }

    /// Runs ahead of a version seen elsewhere.
    #[inline]
    pub fn observe(&mut self, version: u64) {
        self.last = self.last.max(version);
    }

    pub fn last(&self) -> u64 {
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_goes_back_and_runs_ahead_of_what_it_saw() {
        let mut clock = Clock::default();
        let a = clock.mint(1_000);
        let b = clock.mint(1_000);
        let c = clock.mint(900);
        assert!(a < b && b < c);
        assert_eq!(Stamp { version: a, origin: 0 }.ms(), 1_000);
        clock.observe(2_000 << COUNTER_BITS | 7);
        assert_eq!(clock.mint(1_500), 2_000 << COUNTER_BITS | 8);
    }

    #[test]
    fn equal_versions_are_ordered_by_origin() {
        let at = |version, origin| Stamp { version, origin };
        assert!(at(5, 1) < at(5, 2) && at(5, 9) < at(6, 0));
    }
}
