//! Effects: what a write does to one key. Every change of the keyspace is one of these and goes through
//! [`KeyMut::apply`](crate::ctx::KeyMut::apply): local commands decide and apply, remote ones will arrive as effects.
//!
//! Effects are deterministic, absolute where they can be, and touch one *cell* of one key: the whole value, a hash field,
//! a set member, a list element, the expire register. They borrow what they carry.

use protocol::{Args, StreamId};
use replication::effect::DeadlineCondition;

use crate::types::bits::{Field, Overflow};
use crate::types::hyperloglog::Rank;
use crate::value::Value;

/// A change to one key. See the table in ARCHITECTURE.md for the commands behind each.
pub enum Effect<'a> {
    /// Replaces the value, whatever it was. `absent`: only if the key is not there (NX), which the fold evaluates again.
    Put {
        value: NewValue<'a>,
        deadline: Deadline,
        absent: bool,
    },
    /// Removes the key.
    Clear,
    /// Sets or clears the expire register.
    ExpireAt(Option<u64>),
    /// Sets the expire register under a condition that is met here, and that the fold evaluates again.
    ExpireOnly {
        at: u64,
        only: DeadlineCondition,
    },

    /// Adds to an integer string; `result` is what it became where the write was made.
    Add {
        delta: i64,
        result: i64,
    },
    /// Adds to a string that holds a decimal number; both as text.
    AddFloat {
        delta: &'a [u8],
        result: &'a [u8],
    },
    Append(&'a [u8]),
    /// Overwrites bytes from an offset on, zero-filling a gap. SETRANGE, and SETBIT and BITFIELD with the bytes they touch.
    SetRange {
        offset: usize,
        bytes: &'a [u8],
    },
    /// Adds to an integer of some bits inside a string; `result` is what it became where the write was made. BITFIELD INCRBY.
    AddBits {
        field: Field,
        delta: i64,
        overflow: Overflow,
        result: i64,
    },

    /// `absent`: only if the field is not there (HSETNX).
    SetField {
        field: &'a [u8],
        value: &'a [u8],
        absent: bool,
    },
    DelField(&'a [u8]),
    /// Sets or clears the expire register of a field that is there. A SetField before it has cleared it.
    FieldExpire {
        field: &'a [u8],
        deadline: Option<u64>,
    },
    /// Adds to a field's number, whose deadline stays.
    AddField {
        field: &'a [u8],
        delta: i64,
        result: i64,
    },
    AddFieldFloat {
        field: &'a [u8],
        delta: &'a [u8],
        result: &'a [u8],
    },

    AddMember(&'a [u8]),
    DelMember(&'a [u8]),
    /// Sets or clears the expire register of a set member that is there. An AddMember does not touch it.
    MemberExpire {
        member: &'a [u8],
        deadline: Option<u64>,
    },

    /// Sets a member's score under a condition that the fold evaluates again.
    SetScore {
        member: &'a [u8],
        score: f64,
        only: ScoreCondition,
    },
    /// Adds to a member's score.
    AddScore {
        member: &'a [u8],
        delta: f64,
        result: f64,
    },
    DelScored(&'a [u8]),
    /// Sets or clears the expire register of a member that is there. A SetScore and an AddScore do not touch it.
    ScoredExpire {
        member: &'a [u8],
        deadline: Option<u64>,
    },

    /// Inserts a list element so that it has the index `at` (0: new head, length: new tail). Into a list that is not there, 0 is its head for
    /// who makes it, too, and 1 its tail.
    Insert {
        at: usize,
        element: &'a [u8],
    },
    SetElement {
        at: usize,
        element: &'a [u8],
    },
    /// Removes `count` elements from index `at` on.
    DelElements {
        at: usize,
        count: usize,
    },
    /// Removes the elements at these indexes, which ascend: LREM.
    DelElementsAt(&'a [usize]),

    /// Adds a stream entry; fields and values alternate. One with a lower id than the last finds its place.
    AddEntry {
        id: StreamId,
        fields: Args<'a>,
    },
    DelEntry(StreamId),
    /// Removes the stream entries up to an id.
    TrimEntries {
        through: StreamId,
    },
    /// Sets a stream's last id, and those of its other marks that are given.
    SetMarks {
        last: StreamId,
        added: Option<u64>,
        max_deleted: Option<StreamId>,
    },
    /// Adds a consumer group that has read up to `last`; makes an empty stream if the key is absent.
    AddGroup {
        group: &'a [u8],
        last: StreamId,
        read: Option<u64>,
    },
    /// Says how far a group has read.
    SetGroup {
        group: &'a [u8],
        last: StreamId,
        read: Option<u64>,
    },
    DelGroup(&'a [u8]),
    /// Adds a consumer, or notes when it has been seen.
    SeeConsumer {
        group: &'a [u8],
        consumer: &'a [u8],
        at_ms: i64,
    },
    /// Removes a consumer and what is pending with it.
    DelConsumer {
        group: &'a [u8],
        consumer: &'a [u8],
    },
    /// Hands entries out to a consumer for the first time.
    Deliver(Delivery<'a>),
    /// Makes an entry pending with a consumer that is there, whoever has had it.
    Claim {
        group: &'a [u8],
        consumer: &'a [u8],
        id: StreamId,
        delivered_ms: i64,
        deliveries: u64,
    },
    /// An entry is pending no more: acknowledged, or found removed.
    Acknowledge {
        group: &'a [u8],
        id: StreamId,
    },

    /// Raises HyperLogLog registers to at least these numbers, making an empty value first if the key is absent. `dense`:
    /// the value must be in the dense encoding afterwards.
    RaiseRegisters {
        ranks: &'a [Rank],
        dense: bool,
    },
}

impl Effect<'_> {
    /// Whether the effect says how its cell shall be, so that others must hear of it even if the cell is so already: an
    /// older removal that they have not seen yet would else take away what a client has just asserted. What removes, and
    /// what has a condition that is not met, says nothing.
    #[inline]
    pub fn asserts(&self) -> bool {
        use Effect::*;
        match self {
            Put { absent, .. } | SetField { absent, .. } => !absent,
            SetScore { only, .. } => *only == ScoreCondition::default(),
            Clear | ExpireOnly { .. } => false,
            FieldExpire { .. } | MemberExpire { .. } | ScoredExpire { .. } => false,
            DelField(_) | DelMember(_) | DelScored(_) | DelElements { .. } | DelElementsAt(_) => false,
            DelEntry(_) | TrimEntries { .. } | DelGroup(_) | DelConsumer { .. } | Acknowledge { .. } => false,
            AddEntry { .. } | AddGroup { .. } | SeeConsumer { .. } => false,
            _ => true,
        }
    }
}

/// What a group has handed out to one of its consumers.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    pub group: &'a [u8],
    pub consumer: &'a [u8],
    /// Ascending.
    pub ids: &'a [StreamId],
    pub at_ms: i64,
    /// How far the group has read with that, as [`Effect::SetGroup`] says it.
    pub last: StreamId,
    pub read: Option<u64>,
    /// The entries are pending until they are acknowledged; else they are done with (NOACK).
    pub keep: bool,
}

/// A value that an effect puts.
pub enum NewValue<'a> {
    /// A string as the client sent it.
    String(&'a [u8]),
    /// A value built by the command.
    Built(Value),
}

/// What a Put does to the expire register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deadline {
    Clear,
    Keep,
    At(u64),
}

/// When SetScore applies to a member that is there (Greater, Less) or at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScoreCondition {
    /// NX: only add.
    pub absent: bool,
    /// GT: only raise.
    pub greater: bool,
    /// LT: only lower.
    pub less: bool,
}

impl ScoreCondition {
    /// Whether a member that has the score `old` may get the score `new`.
    #[inline]
    pub fn permits(self, old: f64, new: f64) -> bool {
        !self.absent && (!self.greater || new > old) && (!self.less || new < old)
    }
}

/// What an effect did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The cell is new.
    Created,
    /// The cell was there and has been changed or removed.
    Changed,
    /// Nothing changed.
    Unchanged,
}

impl Outcome {
    pub fn created(self) -> bool {
        self == Outcome::Created
    }

    pub fn changed(self) -> bool {
        self != Outcome::Unchanged
    }
}
