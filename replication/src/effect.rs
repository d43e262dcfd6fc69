//! Effects as they travel and as the overlay keeps them: owned, and addressed so that they mean the same on every node.
//!
//! They mirror the engine's effects (`engine::effect`) with three differences: list positions are element identities,
//! not indexes; an effect says whether it *created* its key; and the deletes that nodes compute on their own (expiry,
//! eviction) carry the place in the total order where they stand.

use crate::stamp::Place;

pub type Bytes = Vec<u8>;

/// The type of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    String = 0,
    List = 1,
    Set = 2,
    Zset = 3,
    Hash = 4,
    Stream = 5,
}

impl Kind {
    pub fn from_code(code: u64) -> Option<Kind> {
        [Kind::String, Kind::List, Kind::Set, Kind::Zset, Kind::Hash, Kind::Stream]
            .get(code as usize)
            .copied()
    }
}

/// A whole value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    String(Bytes),
    /// A string with a tag that is not 0.
    Tagged(Text),
    List(Vec<Bytes>),
    Set(Vec<Bytes>),
    Zset(Vec<(Bytes, f64)>),
    Hash(Vec<(Bytes, Bytes)>),
    /// As the engine writes it to files.
    /// Parts by their names: entries, groups, what is pending. What they mean is the engine's affair.
    Stream(Vec<(Bytes, Bytes)>),
}

impl Value {
    pub fn kind(&self) -> Kind {
        match self {
            Value::String(_) | Value::Tagged(_) => Kind::String,
            Value::List(_) => Kind::List,
            Value::Set(_) => Kind::Set,
            Value::Zset(_) => Kind::Zset,
            Value::Hash(_) => Kind::Hash,
            Value::Stream(_) => Kind::Stream,
        }
    }

    /// The string. `None`: it is something else.
    pub fn text(&self) -> Option<Text> {
        match self {
            Value::String(bytes) => Some(bytes.clone().into()),
            Value::Tagged(text) => Some(text.clone()),
            _ => None,
        }
    }
}

/// A string, and the tag that belongs to it: a number whose meaning is the engine's affair. What replaces the string replaces the
/// tag, what edits it leaves the tag. 0: none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Text {
    pub bytes: Bytes,
    pub tag: u64,
}

impl From<Bytes> for Text {
    fn from(bytes: Bytes) -> Text {
        Text { bytes, tag: 0 }
    }
}

impl From<Text> for Value {
    fn from(text: Text) -> Value {
        if text.tag == 0 { Value::String(text.bytes) } else { Value::Tagged(text) }
    }
}

/// When an ExpireAt applies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeadlineCondition {
    /// NX: only where there is no deadline.
    pub absent: bool,
    /// XX: only where there is one.
    pub present: bool,
    /// GT: only later; no deadline counts as the latest.
    pub greater: bool,
    /// LT: only earlier.
    pub less: bool,
}

impl DeadlineCondition {
    pub fn permits(self, old: Option<u64>, new: Option<u64>) -> bool {
        let far = |at: Option<u64>| at.unwrap_or(u64::MAX);
        (!self.absent || old.is_none())
            && (!self.present || old.is_some())
            && (!self.greater || far(new) > far(old))
            && (!self.less || far(new) < far(old))
    }

    pub fn is_none(self) -> bool {
        self == DeadlineCondition::default()
    }
}

/// When SetScore applies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScoreCondition {
    pub absent: bool,
    pub greater: bool,
    pub less: bool,
}

impl ScoreCondition {
    pub fn permits(self, old: f64, new: f64) -> bool {
        !self.absent && (!self.greater || new > old) && (!self.less || new < old)
    }

    pub fn is_none(self) -> bool {
        self == ScoreCondition::default()
    }
}

/// The identity of a list element: the effect that inserted it, and its index in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ElementId {
    pub place: Place,
    pub index: u32,
}

/// A list element as an effect names it.
///
/// Elements have identities only while somebody may still need them. Older ones are named by position in a state that
/// all nodes agree on: the fold of all effects up to the version `cut`, which every member has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    Id(ElementId),
    /// The element at `index` of the list as it was at `cut`; negative from the end.
    Settled {
        cut: u64,
        index: i64,
    },
}

impl Element {
    /// Whether it is named by its position in a state that every node has had.
    pub fn is_settled(&self) -> bool {
        matches!(self, Element::Settled { .. })
    }
}

/// Where an element is inserted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spot {
    Head,
    Tail,
    Before(Element),
    After(Element),
}

/// An addition to an integer of some bits inside a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BitAdd {
    /// The first bit.
    pub offset: u64,
    /// At most 64.
    pub width: u32,
    pub signed: bool,
    pub delta: i64,
    pub overflow: BitOverflow,
    /// What it became where the write was made.
    pub result: i64,
}

/// What becomes of a sum outside the range of its bits. (Where the write was made it was within, or this was chosen.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum BitOverflow {
    Wrap = 0,
    Saturate = 1,
    /// The bits stay as they are.
    Fail = 2,
}

/// A change to one cell of one key.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Replaces the value and the deadline (KEEPTTL is resolved where the write is made). `absent`: only if no string is
    /// there (NX); another type is replaced.
    Put {
        value: Value,
        deadline: Option<u64>,
        absent: bool,
    },
    Clear,
    /// The key's deadline has passed: a Clear at the end of that millisecond.
    Reclaim {
        deadline: u64,
    },
    /// A Clear at the end of a version: what the evicting node saw, and nothing newer. `cut` is its horizon.
    Evict {
        cut: u64,
    },
    ExpireAt {
        at: Option<u64>,
        only: DeadlineCondition,
    },
    /// The key was made, with this type. Stands before the effect that made it; alone only in snapshots.
    Create(Kind),
    /// The key had no type, and got this one by an effect on it. Stands alone in snapshots.
    Adopt(Kind),

    Add {
        delta: i64,
        result: i64,
    },
    AddFloat {
        delta: Bytes,
        result: Bytes,
    },
    Append(Bytes),
    SetRange {
        offset: u64,
        bytes: Bytes,
    },
    /// Raises HyperLogLog registers; what the bytes mean is the engine's affair.
    RaiseRegisters(Bytes),
    AddBits(BitAdd),

    SetField {
        field: Bytes,
        value: Bytes,
        absent: bool,
    },
    DelField(Bytes),
    AddField {
        field: Bytes,
        delta: i64,
        result: i64,
    },
    AddFieldFloat {
        field: Bytes,
        delta: Bytes,
        result: Bytes,
    },

    /// Sets or clears the deadline of a field that is there. A SetField clears it, an addition keeps it.
    FieldExpire {
        field: Bytes,
        at: Option<u64>,
    },

    /// Clears the member's deadline.
    AddMember(Bytes),
    DelMember(Bytes),
    /// Sets or clears the deadline of a member that is there.
    MemberExpire {
        member: Bytes,
        at: Option<u64>,
    },

    SetScore {
        member: Bytes,
        score: f64,
        only: ScoreCondition,
    },
    AddScore {
        member: Bytes,
        delta: f64,
        result: f64,
    },
    DelScored(Bytes),
    /// Sets or clears the deadline of a member that is there. A SetScore clears it, an addition keeps it.
    ScoredExpire {
        member: Bytes,
        at: Option<u64>,
    },

    Insert {
        spot: Spot,
        element: Bytes,
    },
    SetElement {
        id: Element,
        element: Bytes,
    },
    DelElements(Vec<Element>),

    /// Sets a part of a stream. `present`: only if it is there, as an acknowledged entry is not claimed any more.
    SetPart {
        part: Bytes,
        value: Bytes,
        present: bool,
    },
    /// Sets a part of a stream unless it is greater already, byte by byte.
    RaisePart {
        part: Bytes,
        value: Bytes,
    },
    DelPart(Bytes),

    /// Empties a database. The key is empty.
    ClearDb,
}

impl Effect {
    /// The type that a key must have for this effect to apply. `None`: any.
    pub fn kind(&self) -> Option<Kind> {
        use Effect::*;
        Some(match self {
            Put { .. } | Clear | Reclaim { .. } | Evict { .. } | ExpireAt { .. } | ClearDb => return None,
            Create(_) | Adopt(_) => return None,
            Add { .. } | AddFloat { .. } | Append(_) | SetRange { .. } | RaiseRegisters(_) | AddBits(_) => {
                Kind::String
            }
            SetField { .. } | DelField(_) | AddField { .. } | AddFieldFloat { .. } | FieldExpire { .. } => {
                Kind::Hash
            }
            AddMember(_) | DelMember(_) | MemberExpire { .. } => Kind::Set,
            SetScore { .. } | AddScore { .. } | DelScored(_) | ScoredExpire { .. } => Kind::Zset,
            Insert { .. } | SetElement { .. } | DelElements(_) => Kind::List,
            SetPart { .. } | RaisePart { .. } | DelPart(_) => Kind::Stream,
        })
    }
}

/// A key of a database.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    pub db: u32,
    pub name: Bytes,
}

/// One effect on one key, within a group.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    pub key: Key,
    /// The origin saw the key absent.
    pub create: bool,
    pub effect: Effect,
}

/// What one command, transaction or script did: applied by every node as a whole, under one version.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    pub version: u64,
    pub writes: Vec<Write>,
}
