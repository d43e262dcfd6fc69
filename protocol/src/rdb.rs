//! RDB: values as bytes, in files and in DUMP payloads, as Redis 7.0 writes them (version 10) and as everything
//! since Redis 2.2 has written them.
//!
//! ```text
//! length    00llllll | 01llllll llllllll | 0x80 u32be | 0x81 u64be | 11eeeeee: not a length but an encoding e
//! string    length bytes | encoding 0, 1, 2: i8, i16le, i32le | encoding 3: length length compressed (see lzf)
//! double    f64le; in old sorted sets: u8 length and decimal text, 253 NaN, 254 inf, 255 -inf
//! millis    i64le
//! id        ms:u64be seq:u64be                                                   of a stream entry
//!
//! string    string                                                              the object, by its kind
//! list      length string* | string of a ziplist | length (string of a ziplist)*
//!           length (container string)*                     container 1: one element, 2: a listpack of them
//! set       length string* | string of an intset | string of a listpack
//! zset      length (string double)* | string of a ziplist or listpack: member, score, member...
//! hash      length (string string)* | string of a zipmap, ziplist or listpack: field, value, field...
//!           millis length (date string string)* | length (string string millis)* | millis string of a listpack, by threes
//! date      length: 0 none, else by how much it is after the millis, and 1                when a field expires
//! stream    see `stream`
//! job       see `job`
//! ```
//!
//! Around objects there are [`File`]s and [`crate::dump`] payloads.
//!
//! Reading takes bytes from a [`Reader`] over a slice or over anything that reads, and yields an [`Object`]: what is
//! packed stays packed and can be adopted whole; the rest is pulled element by element, so a set of ten million
//! members never exists twice. Writing goes the other way, element by element, into a [`Writer`], whose buffer can
//! be drained at any moment.
//!
//! Input is taken to be hostile. No length is believed before the bytes are there: what is allocated is in
//! proportion to the input, though compression may expand 88-fold. Packed payloads are checked to the last entry, always.

mod elements;
mod error;
mod file;
mod job;
mod kind;
mod object;
mod reader;
mod stream;
mod stream_node;
#[cfg(test)]
mod tests;
mod writer;

pub use elements::{DatedPair, DatedPairs, List, Node, Nodes, Scored, TextPair, TextPairs, Texts};
pub use error::Error;
pub use file::{File, FileWriter, KeyHead, KeyRecord, Record};
pub use job::Job;
pub use kind::Kind;
pub use object::{Hash, Object, Set, Zset, read_object};
pub use reader::{Reader, Text};
pub use stream::{Consumer, Group, Pending, Stream, StreamNode};
pub use stream_node::{NodeSummary, check_node};
pub use writer::Writer;

/// The version of what is written: that of Redis 7.0.
pub const VERSION: u16 = 10;
/// The newest of Redis's versions that is read: that of 7.4 and 8.0.
pub const VERSION_READ_MAX: u16 = 12;
/// The one of Valkey's own that is read: that of 9.0. What Valkey wrote before is Redis's.
pub const VERSION_VALKEY: u16 = 80;

/// Whether a file or payload of this version can be read.
pub(crate) fn is_read(version: u16) -> bool {
    version <= VERSION_READ_MAX || version == VERSION_VALKEY
}

/// Whether objects of this kind are in files and payloads of this version what they are taken for here.
pub(crate) fn goes_with(version: u16, kind: u8) -> bool {
    version == VERSION_VALKEY || kind != Kind::HashDatedValkey.byte()
}

/// The first six bits of an encoded length: how a string is encoded.
mod encoding {
    pub const INT8: u8 = 0;
    pub const INT16: u8 = 1;
    pub const INT32: u8 = 2;
    pub const LZF: u8 = 3;
}
