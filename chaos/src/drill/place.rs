//! Places: the keys that clients contend for, and what an item in each of them is.
//!
//! Nearly every type can hold *items*, each of which one client puts there and nobody else makes: a member of a set, an
//! element of a list, a fragment of a string. So whatever the type is, the question is the same: which items are there in the end?
//! Other places are *sums*, of whose deltas nothing may be lost or counted twice.

use std::fmt;

/// What clients do with a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// SADD, and SREM of own members.
    Set,
    /// SADD, and SPOP of any.
    Bag,
    /// HSET, and HDEL of own fields.
    Hash,
    /// ZADD, and ZREM of own members.
    Sorted,
    /// ZADD, and ZPOPMIN or ZPOPMAX of any.
    Ranked,
    /// RPUSH, LPUSH, LINSERT, LSET and LREM of own elements.
    List,
    /// Pushes and pops, blocking ones too.
    Queue,
    /// A queue whose elements go to a second one by LMOVE first. Two nodes may move one element at once.
    Relay,
    /// XADD, and XDEL of own entries; a group reads them.
    Stream,
    /// APPEND.
    Text,
    /// SETRANGE, each at its own offset.
    Slots,
    /// SETBIT, each in a byte of its own: of two that set bits of one byte at once, one wins.
    Bits,
    /// A key for each item: SET, MSET, with and without a deadline, DEL and GETDEL of own ones.
    Keys,
    /// A key for each item that expires soon; some are made to stay in time.
    Brief,
    /// One item in a set, a list, a hash and a counter, by MULTI and EXEC or by a script.
    Transaction,
    /// INCR, INCRBY, DECRBY.
    Counter,
    /// INCRBYFLOAT.
    Fractions,
    /// HINCRBY, and HINCRBYFLOAT on other fields.
    FieldCounter,
    FieldFractions,
    /// ZINCRBY, with whole numbers and fractions.
    ScoreCounter,
    ScoreFractions,
    /// INCRBY of two of them in one transaction, so that their sum stays 0.
    Account,
}

pub const KINDS: [Kind; 22] = [
    Kind::Set,
    Kind::Bag,
    Kind::Hash,
    Kind::Sorted,
    Kind::Ranked,
    Kind::List,
    Kind::Queue,
    Kind::Relay,
    Kind::Stream,
    Kind::Text,
    Kind::Slots,
    Kind::Bits,
    Kind::Keys,
    Kind::Brief,
    Kind::Transaction,
    Kind::Counter,
    Kind::Fractions,
    Kind::FieldCounter,
    Kind::FieldFractions,
    Kind::ScoreCounter,
    Kind::ScoreFractions,
    Kind::Account,
];

impl Kind {
    /// The beginning of its keys, and its name in the report.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Set => "set",
            Kind::Bag => "bag",
            Kind::Hash => "hash",
            Kind::Sorted => "zset",
            Kind::Ranked => "zqueue",
            Kind::List => "list",
            Kind::Queue => "queue",
            Kind::Relay => "relay",
            Kind::Stream => "stream",
            Kind::Text => "append",
            Kind::Slots => "setrange",
            Kind::Bits => "setbit",
            Kind::Keys => "key",
            Kind::Brief => "expiry",
            Kind::Transaction => "transaction",
            Kind::Counter => "counter",
            Kind::Fractions => "float",
            Kind::FieldCounter => "hincrby",
            Kind::FieldFractions => "hincrbyfloat",
            Kind::ScoreCounter => "zincrby",
            Kind::ScoreFractions => "zincrby-float",
            Kind::Account => "account",
        }
    }

    /// Places of this kind: few, so that clients meet.
    pub fn places(self) -> u8 {
        match self {
            Kind::Account => 5,
            Kind::Transaction | Kind::Keys | Kind::Brief => 1,
            _ => 2,
        }
    }

    pub fn is_sum(self) -> bool {
        self >= Kind::Counter
    }

    /// Whether two nodes may leave one item twice.
    pub fn may_double(self) -> bool {
        self == Kind::Relay
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    pub kind: Kind,
    pub number: u8,
}

impl Place {
    pub fn all() -> impl Iterator<Item = Place> {
        KINDS.into_iter().flat_map(|kind| (0..kind.places()).map(move |number| Place { kind, number }))
    }

    /// Its key; for some kinds the beginning of its keys.
    pub fn key(self) -> String {
        format!("{}:{}", self.kind.word(), self.number)
    }
}

/// What a client put somewhere: its how-manieth item there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Item {
    pub writer: u32,
    pub number: u32,
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}.{}", self.writer, self.number))
    }
}

impl Item {
    pub fn parse(text: &str) -> Option<Item> {
        let (writer, number) = text.trim().split_once('.')?;
        Some(Item { writer: writer.parse().ok()?, number: number.parse().ok()? })
    }
}

/// Bytes of an item that SETRANGE writes.
pub const SLOT: usize = 16;
