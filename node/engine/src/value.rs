//! The values of keys: what a command sees of an entry, and owned values that move between entries.

use crate::types::{Hash, List, Set, Stream, Tagged, Zset, job};

/// How an entry holds its value. The numbers stand in the entry's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// An integer string.
    Int = 0,
    /// A short string inside the entry.
    Inline = 1,
    /// A boxed string.
    Raw = 2,
    List = 3,
    Set = 4,
    Zset = 5,
    Hash = 6,
    Stream = 7,
    /// A boxed string with a tag.
    Tagged = 8,
}

impl Kind {
    #[inline]
    pub(crate) fn from_bits(bits: u8) -> Kind {
        match bits {
            0 => Kind::Int,
            1 => Kind::Inline,
            2 => Kind::Raw,
            3 => Kind::List,
            4 => Kind::Set,
            5 => Kind::Zset,
            6 => Kind::Hash,
            7 => Kind::Stream,
            8 => Kind::Tagged,
            _ => unreachable!("kinds are written from this enum"),
        }
    }
}

/// An owned value.
#[derive(Clone)]
pub enum Value {
    Int(i64),
    /// A string that goes inside the entry if it is short.
    Bytes(Vec<u8>),
    /// A string that stays boxed: it was appended to or patched, and may be again.
    Raw(Box<Vec<u8>>),
    Tagged(Box<Tagged>),
    List(Box<List>),
    Set(Box<Set>),
    Zset(Box<Zset>),
    Hash(Box<Hash>),
    Stream(Box<Stream>),
}

impl Value {
    /// The string `bytes` as SET stores it: an integer if it is written like one.
    pub fn string(bytes: &[u8]) -> Value {
        match crate::types::string::as_int(bytes) {
            Some(n) => Value::Int(n),
            None => Value::Bytes(bytes.to_vec()),
        }
    }

    /// A string with a tag; one whose tag says nothing is a string like any other.
    pub fn tagged(bytes: Vec<u8>, tag: u64) -> Value {
        if tag == 0 { Value::string(&bytes) } else { Value::Tagged(Box::new(Tagged { tag, bytes })) }
    }

    /// About how many allocations freeing the value takes: what decides whether to free it on another thread.
    pub fn free_effort(&self) -> usize {
        match self {
            Value::Int(_) | Value::Bytes(_) | Value::Raw(_) | Value::Tagged(_) => 1,
            Value::List(v) => v.free_effort(),
            Value::Set(v) => v.free_effort(),
            Value::Zset(v) => v.free_effort(),
            Value::Hash(v) => v.free_effort(),
            Value::Stream(v) => v.free_effort(),
        }
    }
}

impl Value {
    pub fn as_ref(&self) -> ValueRef<'_> {
        match self {
            Value::Int(n) => ValueRef::Int(*n),
            Value::Bytes(bytes) => ValueRef::Bytes(bytes),
            Value::Raw(bytes) => ValueRef::Raw(bytes),
            Value::Tagged(v) => ValueRef::Tagged(v),
            Value::List(v) => ValueRef::List(v),
            Value::Set(v) => ValueRef::Set(v),
            Value::Zset(v) => ValueRef::Zset(v),
            Value::Hash(v) => ValueRef::Hash(v),
            Value::Stream(v) => ValueRef::Stream(v),
        }
    }
}

/// A borrowed value.
#[derive(Clone, Copy)]
pub enum ValueRef<'a> {
    Int(i64),
    Bytes(&'a [u8]),
    Raw(&'a Vec<u8>),
    Tagged(&'a Tagged),
    List(&'a List),
    Set(&'a Set),
    Zset(&'a Zset),
    Hash(&'a Hash),
    Stream(&'a Stream),
}

impl<'a> ValueRef<'a> {
    /// The type as TYPE names it.
    pub fn type_name(&self) -> &'static str {
        match self {
            ValueRef::Tagged(string) if string.tag == job::TAG => job::TYPE_NAME,
            ValueRef::Int(_) | ValueRef::Bytes(_) | ValueRef::Raw(_) | ValueRef::Tagged(_) => "string",
            ValueRef::List(_) => "list",
            ValueRef::Set(_) => "set",
            ValueRef::Zset(_) => "zset",
            ValueRef::Hash(_) => "hash",
            ValueRef::Stream(_) => "stream",
        }
    }

    /// A copy of the value, in the same form.
    pub fn to_owned(&self) -> Value {
        match *self {
            ValueRef::Int(n) => Value::Int(n),
            ValueRef::Bytes(bytes) => Value::Bytes(bytes.to_vec()),
            ValueRef::Raw(bytes) => Value::Raw(Box::new(bytes.clone())),
            ValueRef::Tagged(v) => Value::Tagged(Box::new(v.clone())),
            ValueRef::List(v) => Value::List(Box::new(v.clone())),
            ValueRef::Set(v) => Value::Set(Box::new(v.clone())),
            ValueRef::Zset(v) => Value::Zset(Box::new(v.clone())),
            ValueRef::Hash(v) => Value::Hash(Box::new(v.clone())),
            ValueRef::Stream(v) => Value::Stream(Box::new(v.clone())),
        }
    }

    /// Bytes that the value takes outside of its entry.
    pub fn heap_bytes(&self) -> usize {
        match self {
            ValueRef::Int(_) | ValueRef::Bytes(_) => 0,
            ValueRef::Raw(v) => size_of::<Vec<u8>>() + v.capacity(),
            ValueRef::Tagged(v) => size_of::<Tagged>() + v.bytes.capacity(),
            ValueRef::List(v) => size_of::<List>() + v.heap_bytes(),
            ValueRef::Set(v) => size_of::<Set>() + v.heap_bytes(),
            ValueRef::Zset(v) => size_of::<Zset>() + v.heap_bytes(),
            ValueRef::Hash(v) => size_of::<Hash>() + v.heap_bytes(),
            ValueRef::Stream(v) => size_of::<Stream>() + v.heap_bytes(),
        }
    }

    /// The encoding as OBJECT ENCODING names it.
    pub fn encoding(&self) -> &'static str {
        match self {
            ValueRef::Int(_) => "int",
            ValueRef::Bytes(b) if b.len() <= crate::types::string::EMBSTR_MAX => "embstr",
            ValueRef::Bytes(_) | ValueRef::Raw(_) | ValueRef::Tagged(_) => "raw",
            ValueRef::List(v) => v.encoding(),
            ValueRef::Set(v) => v.encoding(),
            ValueRef::Zset(v) => v.encoding(),
            ValueRef::Hash(v) => v.encoding(),
            ValueRef::Stream(_) => "stream",
        }
    }
}

/// A borrowed boxed value that may be changed.
pub enum ValueMut<'a> {
    Raw(&'a mut Vec<u8>),
    List(&'a mut List),
    Set(&'a mut Set),
    Zset(&'a mut Zset),
    Hash(&'a mut Hash),
    Stream(&'a mut Stream),
}
